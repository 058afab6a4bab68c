"""Metadata never costs an image, profiles become sRGB, and a file is offered to the named formats alone."""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from benchmarks.common.errors import ImageError
from benchmarks.datasets.images import image_size_of, read_rgb
from helpers.places import SHARED

FAULTS = SHARED / "faults"
D50 = np.array([0.9642, 1.0, 0.8249])
SRGB_TO_XYZ = np.array([[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]])
# Primaries adapted to D50: https://www.color.org/chardata/rgb/DisplayP3.xalter and Adobe RGB (1998), section 4.
DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])


def fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def matrix_profile(matrix: np.ndarray, gamma: float) -> bytes:
    """An ICC version 2 profile of three primaries and one exponent."""
    description = b"desc" + bytes(4) + struct.pack(">I", 5) + b"made\0" + bytes(78)
    tags = {b"desc": description, b"cprt": b"text" + bytes(4) + b"free\0", b"wtpt": b"XYZ " + bytes(4) + b"".join(map(fixed, D50))}
    for index, name in enumerate((b"r", b"g", b"b")):
        tags[name + b"XYZ"] = b"XYZ " + bytes(4) + b"".join(map(fixed, matrix[:, index]))
        tags[name + b"TRC"] = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    place, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", place + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", place + len(body), bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ ") + bytes(12) + b"acsp"
    return (head + bytes(28) + b"".join(map(fixed, D50))).ljust(128, b"\0") + table + body


def in_srgb(pixels: np.ndarray, matrix: np.ndarray, gamma: float) -> np.ndarray:
    """The same colours in sRGB, by the definitions, clipped to its gamut."""
    linear = (pixels / 255.0) ** gamma @ matrix.T @ np.linalg.inv(SRGB_TO_XYZ).T
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255


@pytest.fixture
def colours() -> np.ndarray:
    """Colours inside of sRGB, whichever wider space they are stored in."""
    return np.random.default_rng(0).integers(90, 180, (24, 36, 3), dtype=np.uint8)


@pytest.mark.parametrize(("matrix", "gamma"), [(DISPLAY_P3, 2.2), (ADOBE_RGB, 2.19921875)], ids=["Display P3", "Adobe RGB"])
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_colours_of_a_profile_become_srgb(tmp_path, colours, matrix, gamma, name):
    lossless = {"lossless": True} if name.endswith("webp") else {}
    Image.fromarray(colours).save(tmp_path / name, icc_profile=matrix_profile(matrix, gamma), **lossless)
    expected = in_srgb(colours.astype(float), matrix, gamma)
    assert np.abs(expected - colours).max() > 10
    assert np.abs(read_rgb(tmp_path / name, None) - expected).max() <= 2
    assert np.array_equal(read_rgb(tmp_path / name, None, profiles=False), colours)


def test_alpha_and_palettes_keep_their_parts(tmp_path, colours):
    profile = matrix_profile(DISPLAY_P3, 2.2)
    expected = in_srgb(colours.astype(float), DISPLAY_P3, 2.2)
    rgba = np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])
    rgba[0, 0, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "alpha.png", icc_profile=profile)
    read = read_rgb(tmp_path / "alpha.png", None)
    assert read[0, 0].tolist() == [255, 255, 255]
    assert np.abs(read[1:] - expected[1:]).max() <= 2
    flat = Image.new("P", (4, 4), 1)
    flat.putpalette([0, 0, 0, *colours[0, 0].tolist()])
    flat.save(tmp_path / "palette.png", icc_profile=profile)
    assert np.abs(read_rgb(tmp_path / "palette.png", None)[2, 2] - expected[0, 0]).max() <= 2


@pytest.mark.parametrize(
    "profile",
    [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"no profile", matrix_profile(ADOBE_RGB, 2.2)[:200]],
    ids=["sRGB", "garbage", "cut"],
)
def test_a_profile_of_srgb_or_a_damaged_one_moves_no_pixel(tmp_path, colours, profile):
    Image.fromarray(colours).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(read_rgb(tmp_path / "a.png", None), colours)
    # Of another colour space than the samples.
    Image.fromarray(colours[..., 0]).save(tmp_path / "grey.png", icc_profile=profile)
    assert np.array_equal(read_rgb(tmp_path / "grey.png", None)[..., 1], colours[..., 0])


def png_with(path: Path, pixels: np.ndarray, chunks: list[tuple[bytes, bytes]], *, last: bool = False) -> Path:
    """A PNG file with chunks of its own behind the header, or ahead of the end."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    content = buffer.getvalue()
    place = len(content) - 12 if last else 33
    made = b"".join(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)
    path.write_bytes(content[:place] + made + content[place:])
    return path


LONG = zlib.compress(bytes(PngImagePlugin.MAX_TEXT_CHUNK + 10))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "chunks",
    [
        [(b"zTXt", b"Comment\0\0" + LONG)],
        [(b"iTXt", b"Comment\0\1\0\0\0" + LONG)],
        [(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(10**6)))] * 70,
        [(b"zTXt", b"no end"), (b"iTXt", b"\0\1"), (b"tEXt", b"")],
    ],
    ids=["zTXt", "iTXt", "many", "damaged"],
)
def test_texts_of_any_length_cost_no_image(tmp_path, colours, chunks, last):
    path = png_with(tmp_path / "a.png", colours, chunks, last=last)
    assert np.array_equal(read_rgb(path, None), colours)
    assert image_size_of(path) == (24, 36)


def test_a_long_profile_is_still_a_profile(tmp_path, colours):
    profile = matrix_profile(DISPLAY_P3, 2.2)
    padded = struct.pack(">I", 2 * PngImagePlugin.MAX_TEXT_CHUNK) + profile[4:].ljust(2 * PngImagePlugin.MAX_TEXT_CHUNK - 4, b"\0")
    path = png_with(tmp_path / "a.png", colours, [(b"iCCP", b"P3\0\0" + zlib.compress(padded))])
    assert np.abs(read_rgb(path, None) - in_srgb(colours.astype(float), DISPLAY_P3, 2.2)).max() <= 2


def exif_block(orientation: int) -> bytes:
    """EXIF whose resolution is a ratio that Pillow reads and cannot write: -1 of 0, in a field without a sign."""
    entries = struct.pack("<HHII", 0x0112, 3, 1, orientation) + struct.pack("<HHII", 0x011A, 10, 1, 38)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0) + struct.pack("<ii", -1, 0)


def test_of_exif_the_orientation_alone_is_taken(tmp_path, colours):
    Image.fromarray(colours).save(tmp_path / "a.webp", lossless=True, exif=exif_block(6))
    assert np.array_equal(read_rgb(tmp_path / "a.webp", None), np.rot90(colours, -1))
    assert image_size_of(tmp_path / "a.webp") == (36, 24)
    Image.fromarray(colours).save(tmp_path / "b.webp", lossless=True, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert np.array_equal(read_rgb(tmp_path / "b.webp", None), colours)


def test_a_turned_tiff_has_one_size(tmp_path, colours):
    Image.fromarray(colours).save(tmp_path / "a.tif", tiffinfo={0x0112: 6})
    assert read_rgb(tmp_path / "a.tif", None).shape[:2] == image_size_of(tmp_path / "a.tif") == (36, 24)


def test_postscript_by_any_name_reaches_no_other_program(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    started = []
    # Whatever starts a program passes here.
    sys.addaudithook(lambda event, arguments: started.append(arguments) if event == "subprocess.Popen" else None)
    with pytest.raises(ImageError, match=r"a\.png: .*identify"):
        read_rgb(path, (8, 8))
    assert not started


@pytest.mark.skipif(not FAULTS.is_dir(), reason="the inputs in ../shared/faults are not here")
@pytest.mark.parametrize("name", ["xres_minus1_over_0.jpg", "itxt_compressed.png"])
def test_sound_pixels_with_odd_metadata_are_read(name):
    assert read_rgb(FAULTS / name, (32, 32)).std() > 1
