"""The container that AVIF and HEIC files share (ISO/IEC 14496-12 and 23008-12): a tree of boxes around one coded image.

::

    ftyp | meta: ... iloc (offset and length of the image) ... iprp (size, codec's parameter sets) | mdat: the coded image

Everything but the coded image follows from the image's size and the encoder's settings, so a receiver that knows both can write it.
"""

import struct
from collections.abc import Iterator

_BOX = struct.Struct(">I4s")
_LENGTH = struct.Struct(">I")


def coded_image(data: bytes) -> bytes:
    """Return what the last box, ``mdat``, holds.

    Raises:
        ValueError: the file has no such box at its end.
    """
    kind, start, stop = list(_boxes(data, 0, len(data)))[-1]
    if kind != b"mdat":
        raise ValueError(f"the last box of the file is {kind!r}, not mdat")
    return data[start:stop]


def with_coded_image(template: bytes, coded: bytes) -> bytes:
    """Return the file ``template`` with another coded image, and with its lengths.

    Raises:
        ValueError: ``template`` is laid out in another way than libavif and libheif do: one image in one extent, at the end.
    """
    body = len(coded_image(template))
    head = bytearray(template[: len(template) - body])
    _LENGTH.pack_into(head, len(head) - _BOX.size, len(coded) + _BOX.size)
    place = _extent_length(template)
    if _LENGTH.unpack_from(template, place)[0] != body:
        raise ValueError("the file's one image is not its last box")
    _LENGTH.pack_into(head, place, len(coded))
    return bytes(head) + coded


def _boxes(data: bytes, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, first and last place of the content of each box."""
    while start < stop:
        length, kind = _BOX.unpack_from(data, start)
        if length < _BOX.size or start + length > stop:
            raise ValueError(f"a box {kind!r} of {length} bytes at {start} leaves its parent")
        yield kind, start + _BOX.size, start + length
        start += length


def _extent_length(data: bytes) -> int:
    """Return where ``iloc`` states the length of the image's one extent: with fields of four bytes, the last one of the box."""
    meta = next((start, stop) for kind, start, stop in _boxes(data, 0, len(data)) if kind == b"meta")
    start, stop = next((start, stop) for kind, start, stop in _boxes(data, meta[0] + 4, meta[1]) if kind == b"iloc")
    if data[start + 4] != 0x44:
        raise ValueError("iloc has no fields of four bytes")
    return stop - _LENGTH.size
