"""Image codecs against CompressAI's committed means over Kodak, and what these come to at the capacity of our link."""

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common.errors import DatasetError
from benchmarks.datasets import open_dataset
from benchmarks.datasets.kodak import FULL
from benchmarks.link.capacity import ergodic_capacity
from benchmarks.metrics import Scorer
from methods.digital.codec import Codec
from methods.digital.codecs import make_codecs
from methods.errors import MissingAssetError
from methods.messages import Geometry
from suite.calibration.comparison import Comparison, published

QUALITIES = (5, 25, 50, 75, 95)
# Of bits a pixel; an encoder of another version packs a little differently.
BPP_SHARE, PSNR_DB = 0.005, 0.15
# BPG in 4:4:4 and ours are two encoders of one standard.
HEVC_DB = 1.0
HEVC_LEVELS = (25, 45)
SIZE = (512, 768)

Images = list[tuple[str, np.ndarray]]


def kodak_codecs(data_dir: Path | None) -> Iterator[Comparison]:
    """Yield mean PSNR and bits a pixel of JPEG, WebP and HEVC intra on Kodak at its own size."""
    source, images = published()["kodak_codecs"]["source"], _kodak(data_dir)
    if isinstance(images, str):
        yield Comparison("JPEG, WebP and HEVC on Kodak", source, math.nan, None, remark=images)
        return
    whole = len(images) == FULL
    remark = "" if whole else f"means over {len(images)} of the {FULL} images"
    for name, file_format in (("jpeg", "JPEG"), ("webp", "WEBP")):
        for quality in QUALITIES:
            there = published()["kodak_codecs"]
            place = there["quality"].index(quality)
            psnr_db, bpp = _pillow(images, file_format, quality)
            rate, distortion = there[name]["bpp"][place], there[name]["psnr_db"][place]
            label = f"{file_format.replace('WEBP', 'WebP')}, quality {quality}"
            yield Comparison(f"{label}, PSNR (dB)", source, distortion, psnr_db, PSNR_DB if whole else None, remark)
            yield Comparison(f"{label}, bpp", source, rate, bpp, BPP_SHARE * rate if whole else None, remark, 4)
    yield from _hevc(images, source, whole, remark)


def capacity_points() -> Iterator[Comparison]:
    """Yield what BPG's published points come to at the capacity of our link, with our count of symbols."""
    bpg, derived, (height, width) = published()["kodak_codecs"]["bpg_444"], published()["bpg_at_capacity"], SIZE
    for ratio, values in derived["psnr_db"].items():
        cr = Fraction(ratio)
        for snr_db, psnr_db in zip(derived["snr_db"], values, strict=True):
            bits = Geometry(height, width).symbols(cr) * ergodic_capacity("awgn", float(snr_db), 0.0)
            ours = _psnr_at(bits / (height * width), bpg)
            what = f"BPG at capacity, CR {cr}, {snr_db} dB, PSNR (dB)"
            yield Comparison(what, derived["source"], psnr_db, ours, 0.01)


def _hevc(images: Images, source: str, whole: bool, remark: str) -> Iterator[Comparison]:
    bpg = published()["kodak_codecs"]["bpg_444"]
    try:
        codec = make_codecs("hevc", agreed_headers=False)[-1]
    except MissingAssetError as error:
        yield Comparison("HEVC intra beside BPG, PSNR (dB)", source, math.nan, None, remark=str(error))
        return
    for level in HEVC_LEVELS:
        psnr_db, bpp = _of_codec(images, codec, level)
        what = f"HEVC intra beside BPG at {bpp:.3f} bpp, PSNR (dB)"
        yield Comparison(what, source, _psnr_at(bpp, bpg), psnr_db, HEVC_DB if whole else None, remark)


def _kodak(data_dir: Path | None) -> Images | str:
    """Return Kodak's images with their ids, or why they are not here."""
    try:
        dataset = open_dataset("kodak", data_dir, fit="native")
        return [(id, dataset.load(id).image) for id in dataset.items()]
    except DatasetError as error:
        return str(error)


def _pillow(images: Images, file_format: str, quality: int) -> tuple[float, float]:
    """Return mean PSNR and mean bits a pixel of files as Pillow writes them at a quality, which is what was published."""

    def coded(pixels: np.ndarray) -> tuple[bytes, np.ndarray]:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, file_format, quality=quality)
        with Image.open(buffer) as image:
            return buffer.getvalue(), np.asarray(image.convert("RGB"))

    return _means(images, coded)


def _of_codec(images: Images, codec: Codec, level: int) -> tuple[float, float]:
    def coded(pixels: np.ndarray) -> tuple[bytes, np.ndarray]:
        data = codec.encode(Image.fromarray(pixels), level)
        return data, np.asarray(codec.decode(data, (pixels.shape[1], pixels.shape[0])))

    return _means(images, coded)


def _means(images: Images, coded: Callable[[np.ndarray], tuple[bytes, np.ndarray]]) -> tuple[float, float]:
    """Return mean PSNR and mean bits a pixel of images that ``coded`` makes a file of and decodes."""
    scorer, psnr_db, bpp = Scorer(["psnr"]), [], []
    for id, pixels in images:
        data, decoded = coded(pixels)
        psnr_db.append(scorer.score(scorer.reference(id, pixels), decoded)["psnr"])
        bpp.append(8 * len(data) / (pixels.shape[0] * pixels.shape[1]))
    return float(np.mean(psnr_db)), float(np.mean(bpp))


def _psnr_at(bpp: float, curve: Mapping[str, Sequence[float]]) -> float:
    """Return the PSNR of a published curve at a rate, linear in its logarithm between the points; NaN outside."""
    known = np.log(curve["bpp"])
    return float(np.interp(math.log(bpp), known, curve["psnr_db"], left=math.nan, right=math.nan))
