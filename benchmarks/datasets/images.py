"""Reading one image file: any format and mode that Pillow opens becomes uint8 RGB, or an error that names the file.

::

    file ── size check ── draft (JPEG: decode at 1/2, 1/4, 1/8) ── decode ── EXIF orientation ── sRGB ── resize ──> (H, W, 3)

Grey is repeated over the channels, transparency is composited on white, 16-bit samples are scaled to 8 bits, CMYK and
palettes are converted, and so are the colours of an image with a profile. The resizing is bicubic and anti-aliased (the
kernel grows with the reduction).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common.errors import ImageError
from benchmarks.datasets import masks
from benchmarks.datasets.base import Fit
from benchmarks.datasets.formats import open_image, orientation, upright
from benchmarks.datasets.masks import Mask
from benchmarks.datasets.profiles import to_srgb

# A reduction beyond 2 x GAP first averages whole blocks of pixels, or lets the JPEG decoder do so: a 20,000 px wide
# image then costs little. Below it the bicubic kernel alone does the work.
GAP = 3.0

Box = tuple[float, float, float, float]


def read_rgb(path: Path, size: tuple[int, int] | None, fit: Fit = "squash", box: Box | None = None, *, profiles: bool = True) -> np.ndarray:
    """Return the image as uint8 (H, W, 3).

    Args:
        path: the file.
        size: (height, width) to resize to; ``None`` keeps the stored size.
        fit: "squash" stretches the image to ``size``, "crop" takes the largest centred part of its aspect first.
        box: (left, upper, right, lower) in stored, oriented pixels that is read instead of the whole.
        profiles: convert the colours of an image with a profile to sRGB; else its samples are taken for sRGB.

    Raises:
        ImageError: the file is missing, is no image, is truncated, or has more pixels than Pillow's own limit
            (twice ``PIL.Image.MAX_IMAGE_PIXELS``, 178,956,970 by default: 20,000 x 8,900).
    """
    with _opened(path) as image:
        if size is not None and box is None:
            # Orientation may swap the sides, so the draft serves the longer target either way round.
            image.draft(None, (round(max(size) * GAP), round(max(size) * GAP)))
        return fitted_rgb(image, size, fit, box, str(path), profiles=profiles)


def fitted_rgb(
    image: Image.Image, size: tuple[int, int] | None, fit: Fit = "squash", box: Box | None = None, name: str = "", *, profiles: bool = True
) -> np.ndarray:
    """Return an opened image as :func:`read_rgb` returns a file; ``name`` tells which it is.

    Raises:
        ImageError: its samples are floating-point numbers.
    """
    rgb = _flatten(upright(image), name, image.info.get("icc_profile") if profiles else None)
    if size is None:
        return np.asarray(rgb if box is None else rgb.crop(box))
    region = fit_box(rgb.size, size, fit, box)
    return np.asarray(rgb.resize((size[1], size[0]), Image.Resampling.BICUBIC, box=region, reducing_gap=GAP))


def read_reduced(path: Path, largest: int | None, box: Box | None = None, *, profiles: bool = True) -> np.ndarray:
    """Return the image as stored, uint8 (H, W, 3), reduced where a side is longer than ``largest`` pixels.

    Raises:
        ImageError: as :func:`read_rgb`.
    """
    height, width = image_size_of(path)
    longest = max(height, width)
    if largest is None or box is not None or longest <= largest:
        return read_rgb(path, None, box=box, profiles=profiles)
    reduced = (max(1, round(height * largest / longest)), max(1, round(width * largest / longest)))
    return read_rgb(path, reduced, profiles=profiles)


def read_mask(path: Path) -> Mask:
    """Return what a mask file marks, at its stored size; see :mod:`benchmarks.datasets.masks` for the rules.

    Raises:
        ImageError: as :func:`read_rgb`.
    """
    with _opened(path) as image:
        return masks.read(upright(image))


def read_indices(path: Path) -> np.ndarray:
    """Return the palette indices of a segmentation file, uint8 (H, W).

    Raises:
        ImageError: as :func:`read_rgb`, or the file has neither a palette nor a single 8-bit channel.
    """
    with _opened(path) as image:
        if image.mode not in ("P", "L"):
            raise ImageError(f"{path}: a segmentation has a palette or one 8-bit channel, this image's mode is {image.mode}")
        return np.asarray(image)


def resize_mask(mask: np.ndarray, size: tuple[int, int], fit: Fit = "squash") -> np.ndarray:
    """Return a uint8 (H, W) mask resized to (height, width) by nearest neighbour."""
    stored = (mask.shape[1], mask.shape[0])
    image = Image.fromarray(mask)
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.NEAREST, box=fit_box(stored, size, fit, None)))


def fit_box(stored: tuple[int, int], size: tuple[int, int], fit: Fit, box: Box | None) -> Box:
    """Return the region of a (width, height) image that is resized to (height, width)."""
    left, upper, right, lower = (0.0, 0.0, float(stored[0]), float(stored[1])) if box is None else box
    if fit == "squash":
        return left, upper, right, lower
    width, height = right - left, lower - upper
    aspect = size[1] / size[0]
    kept_width, kept_height = min(width, height * aspect), min(height, width / aspect)
    left, upper = left + (width - kept_width) / 2, upper + (height - kept_height) / 2
    return left, upper, min(right, left + kept_width), min(lower, upper + kept_height)


def image_size_of(path: Path) -> tuple[int, int]:
    """Return (height, width) as shown, EXIF orientation applied, without decoding the pixels.

    Raises:
        ImageError: as :func:`read_rgb`.
    """
    with _opened(path) as image:
        # Pillow turns a TIFF image by itself, and tells its size turned already.
        turned = image.format != "TIFF" and orientation(image) in (5, 6, 7, 8)
        return (image.width, image.height) if turned else (image.height, image.width)


def _flatten(image: Image.Image, name: str, profile: bytes | None) -> Image.Image:
    if image.mode.startswith("I"):
        levels = np.asarray(image).clip(0, 65535).astype(np.float64) / 257.0
        image = Image.fromarray(np.rint(levels).astype(np.uint8))
    if image.mode == "F":
        raise ImageError(f"{name}: floating-point samples have no agreed range; save the image with 8 or 16 bits a channel")
    if image.has_transparency_data:
        rgba = to_srgb(image.convert("RGBA"), profile)
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    if image.mode not in ("L", "CMYK"):
        # A profile is of the colours that a palette holds, not of its indices.
        image = image.convert("RGB")
    return to_srgb(image, profile).convert("RGB")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; whatever a decoder raises while the block runs becomes a ``ImageError`` with the file's name."""
    try:
        with warnings.catch_warnings():
            # Between Pillow's limit and twice that it only warns; such images are read.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = open_image(path)
        with image:
            yield image
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path}: {error}; reduce the image to fewer pixels") from error
    except ImageError:
        raise
    # A decoder is foreign code fed with damaged files: whatever it raises must fail this image alone.
    except Exception as error:
        raise ImageError(f"{path}: cannot be read ({error}); restore or remove the file") from error
