"""The codecs of the classical baseline by the names that settings give them."""

from collections.abc import Callable

from methods.digital.bpg import BpgCodec
from methods.digital.codec import Codec
from methods.digital.intra import AvifCodec, HevcCodec
from methods.digital.jpeg_xl import JpegXlCodec
from methods.digital.pillow_codecs import Jpeg2000Codec, JpegCodec, WebPCodec

_MAKERS: dict[str, Callable[[bool], tuple[Codec, ...]]] = {
    "jpeg": lambda whole: (JpegCodec(progressive=False, whole=whole), JpegCodec(progressive=True, whole=whole)),
    "webp": lambda whole: (WebPCodec(),),
    "avif": lambda whole: (AvifCodec("420"), AvifCodec("444")),
    "jpeg2000": lambda whole: (Jpeg2000Codec(),),
    "bpg": lambda whole: (BpgCodec("420"), BpgCodec("444")),
    "hevc": lambda whole: (HevcCodec("420"), HevcCodec("444")),
    "jpegxl": lambda whole: (JpegXlCodec(),),
}


def make_codecs(name: str, agreed_headers: bool) -> tuple[Codec, ...]:
    """Return the ways to code an image that the codec called ``name`` has; with ``agreed_headers`` headers need not be sent.

    Raises:
        MissingAssetError: Pillow was built without it, or its library or binaries are not installed.
    """
    return _MAKERS[name](not agreed_headers)
