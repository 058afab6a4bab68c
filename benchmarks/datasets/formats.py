"""Opening an image file: which formats are read, and metadata that never costs an image.

::

    file ──PNG with text that is too long: without it──> Pillow, of FORMATS alone ──> image, profile, orientation
"""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

from PIL import Image, PngImagePlugin

SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".jp2", ".bmp", ".tga", ".tif", ".tiff", ".ppm", ".pgm", ".gif"})
# What Pillow may take a file for, whatever its name says: it hands others to programs of the machine, such as Ghostscript.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "JPEG2000", "BMP", "DIB", "TGA", "TIFF", "PPM", "GIF")

# Most bytes of a colour profile, unpacked; the largest of real devices take a few megabytes.
MOST_PROFILE = 16 * 1024**2
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")


def open_image(path: Path) -> Image.Image:
    """Open an image, its ``info["icc_profile"]`` set where it has a profile; pixels are decoded when asked for.

    Raises:
        OSError, Image.DecompressionBombError, and whatever a decoder makes of a damaged file.
    """
    Image.init()
    with path.open("rb") as file:
        long = _long_texts(file) if file.read(len(_SIGNATURE)) == _SIGNATURE else {}
        source = _without(file, long) if long else path
    image = Image.open(source, formats=[name for name in FORMATS if name in Image.OPEN])
    profile = next((body for kind, body in long.values() if kind == b"iCCP"), None)
    if profile is not None and len(unpacked := _unpacked(b"iCCP", profile, MOST_PROFILE + 1)) <= MOST_PROFILE:
        image.info["icc_profile"] = unpacked
    return image


def orientation(image: Image.Image) -> int:
    """Return the orientation of EXIF or XMP, 1 to 8; 1 where there is none or the metadata is damaged."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    # Metadata is foreign data: whatever is wrong with it, the pixels are sound.
    except Exception:
        return 1
    return value if value in _TURNS else 1


def upright(image: Image.Image) -> Image.Image:
    """Return the image as it is to be seen. Of its metadata the orientation alone is read, and nothing is written back."""
    image.load()
    turn = _TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def _long_texts(file: IO[bytes]) -> dict[int, tuple[bytes, bytes]]:
    """Return place -> (kind, body) of the chunks of a PNG file that Pillow refuses for the length of their text or profile."""
    most, left = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    found = {}
    for place, kind, length in _chunks(file):
        if kind not in _TEXTS:
            continue
        body = file.read(length)
        size = length if kind == b"tEXt" else len(_unpacked(kind, body, most + 1))
        if size > min(most, left):
            found[place] = kind, body
        else:
            left -= size
    return found


def _chunks(file: IO[bytes]) -> Iterator[tuple[int, bytes, int]]:
    """Yield place, kind and length of each chunk, the file being at its body then."""
    place = len(_SIGNATURE)
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        yield place, kind, length
        place += length + 12


def _unpacked(kind: bytes, body: bytes, most: int) -> bytes:
    """Return the first ``most`` bytes of the text or profile of a chunk, nothing where it is damaged."""
    rest = body.partition(b"\0")[2]
    if kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        if not packed:
            return rest[:most]
    else:
        rest = rest[1:]
    try:
        return zlib.decompressobj().decompress(rest, most)
    except zlib.error:
        return b""


def _without(file: IO[bytes], left_out: dict[int, tuple[bytes, bytes]]) -> BytesIO:
    """Return a PNG file without some of its chunks."""
    kept = BytesIO()
    kept.write(_SIGNATURE)
    for place, _, length in _chunks(file):
        if place not in left_out:
            file.seek(place)
            kept.write(file.read(length + 12))
    kept.seek(0)
    return kept
