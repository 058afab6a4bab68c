"""Every kind of image file becomes uint8 RGB of the asked size, or an error that names it."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.common.errors import ImageError
from benchmarks.datasets.images import fit_box, image_size_of, read_indices, read_mask, read_reduced, read_rgb, resize_mask


@pytest.fixture
def gradient():
    rows, columns = np.mgrid[0:60, 0:90]
    return np.stack([rows * 4, columns * 2, (rows + columns)], axis=-1).astype(np.uint8)


def save(path, values, **options):
    Image.fromarray(values).save(path, **options)
    return path


def test_squash_equals_pillows_bicubic(tmp_path, gradient):
    path = save(tmp_path / "a.png", gradient)
    expected = np.asarray(Image.fromarray(gradient).resize((32, 32), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(read_rgb(path, (32, 32)), expected)


def test_crop_keeps_the_aspect_and_the_centre(tmp_path, gradient):
    path = save(tmp_path / "a.png", gradient)
    expected = np.asarray(Image.fromarray(gradient[:, 15:75]).resize((30, 30), Image.Resampling.BICUBIC))
    assert np.abs(read_rgb(path, (30, 30), "crop").astype(int) - expected).max() <= 2
    assert fit_box((90, 60), (30, 30), "crop", None) == (15.0, 0.0, 75.0, 60.0)
    assert fit_box((90, 60), (20, 60), "crop", None) == (0.0, 15.0, 90.0, 45.0)


def test_grey_is_repeated(tmp_path):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    read = read_rgb(save(tmp_path / "g.png", grey), None)
    np.testing.assert_array_equal(read, np.repeat(grey[..., None], 3, axis=2))


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    levels = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    read = read_rgb(save(tmp_path / "deep.png", levels), None)
    np.testing.assert_array_equal(read[..., 0], np.arange(256).reshape(16, 16))


def test_alpha_is_composited_on_white(tmp_path):
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[..., 3] = [[0, 255], [51, 204]]
    read = read_rgb(save(tmp_path / "t.png", rgba), None)
    np.testing.assert_array_equal(read[..., 1], [[255, 0], [204, 51]])


def test_palette_with_transparency_and_cmyk(tmp_path):
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 10, 30])
    palette.save(tmp_path / "p.png", transparency=0)
    np.testing.assert_array_equal(read_rgb(tmp_path / "p.png", None)[0, 0], [200, 10, 30])
    palette.putpixel((0, 0), 0)
    palette.save(tmp_path / "q.png", transparency=0)
    np.testing.assert_array_equal(read_rgb(tmp_path / "q.png", None)[0, 0], [255, 255, 255])
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "c.jpg", quality=95)
    red = read_rgb(tmp_path / "c.jpg", None)[8, 8].astype(int)
    assert red[0] > 200 and red[1] < 60 and red[2] < 60


def test_exif_orientation_turns_the_image(tmp_path, gradient):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gradient).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_rgb(tmp_path / "turned.png", None), np.rot90(gradient, -1))
    assert image_size_of(tmp_path / "turned.png") == (90, 60)


def test_one_pixel_fills_the_square(tmp_path):
    path = save(tmp_path / "dot.png", np.full((1, 1, 3), (9, 90, 200), np.uint8))
    for fit in ("squash", "crop"):
        assert (read_rgb(path, (16, 16), fit) == (9, 90, 200)).all()


def test_very_wide_image(tmp_path):
    ramp = np.linspace(0, 255, 20_000).astype(np.uint8)
    wide = np.repeat(np.repeat(ramp[None, :, None], 40, axis=0), 3, axis=2)
    for name in ("wide.png", "wide.jpg"):
        read = read_rgb(save(tmp_path / name, wide), (64, 64)).astype(int)
        assert read.shape == (64, 64, 3)
        assert np.abs(read[32, :, 1] - np.linspace(2, 253, 64)).max() <= 4
    assert read_reduced(tmp_path / "wide.png", 1000).shape == (2, 1000, 3)


def test_a_large_jpeg_keeps_its_look_when_decoded_smaller(tmp_path, gradient):
    smooth = np.asarray(Image.fromarray(gradient).resize((1800, 1200), Image.Resampling.BICUBIC))
    path = save(tmp_path / "large.jpg", smooth, quality=95)
    expected = np.asarray(Image.open(path).resize((50, 50), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(read_rgb(path, (50, 50)).astype(int) - expected).max() <= 3


def test_too_many_pixels_are_refused_by_name(tmp_path, monkeypatch):
    path = save(tmp_path / "bomb.png", np.zeros((100, 100), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    with pytest.raises(ImageError, match=r"bomb\.png.*10000 pixels.*reduce"):
        read_rgb(path, (8, 8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6000)
    assert read_rgb(path, (8, 8)).shape == (8, 8, 3)


@pytest.mark.parametrize("name", ["cut.png", "cut.jpg"])
def test_truncated_image(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / name, noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match=name.replace(".", r"\.")):
        read_rgb(path, (32, 32))


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_unreadable_file(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"broken\.png"):
        read_rgb(path, (32, 32))


def test_missing_file_and_float_samples(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        read_rgb(tmp_path / "gone.png", None)
    with pytest.raises(ImageError, match=r"float\.tif.*range"):
        read_rgb(save(tmp_path / "float.tif", np.zeros((4, 4), np.float32)), None)


def test_mask_is_thresholded_at_half_and_resized_by_nearest(tmp_path):
    levels = np.array([[0, 127], [128, 255]], np.uint8)
    mask = read_mask(save(tmp_path / "m.png", levels)).pixels
    np.testing.assert_array_equal(mask, [[0, 0], [1, 1]])
    np.testing.assert_array_equal(resize_mask(mask, (4, 4)), np.repeat(np.repeat(mask, 2, 0), 2, 1))
    np.testing.assert_array_equal(read_mask(save(tmp_path / "ones.png", levels // 128)).pixels, [[0, 0], [1, 1]])


def test_segmentation_needs_indices(tmp_path):
    path = save(tmp_path / "s.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ImageError, match=r"s\.png.*palette"):
        read_indices(path)
