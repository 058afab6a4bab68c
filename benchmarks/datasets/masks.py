"""What a mask file marks: binary and soft masks, class and instance numbers, palettes, colours and alpha become {0, 1}.

::

    alpha alone varies ──────────────────────────────> alpha, above half
    palette of colours ──────────────────────────────> index other than 0 (and 255, unlabelled)
    colours ─────────────────────────────────────────> other than the background's
    grey ──── few levels, none above half of the scale ─> numbers: other than 0
         └─── else ───────────────────────────────────> above half of the scale

A mask that marks nothing, or that no rule fits well, says so in ``doubt``: nobody would see it in a mean.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

# Most levels or colours of a file that numbers classes or instances; a soft mask or a photograph has more.
FEW = 64
# Samples of one pixel that differ by no more than this are grey: the rounding of a JPEG file.
GREY = 16
# How far a colour lies from the background's in a file of many colours, levels of 255.
FAR = 48
# Share of pixels in the middle half of the scale beyond which a mask is not one of two levels with soft edges.
SOFT = 0.1
# The colour that Pascal VOC draws around objects, index 255 of its palette.
_BORDER = (224, 224, 192)
_VOID = 255


class Mask(NamedTuple):
    """A mask as it was read.

    Attributes:
        pixels: uint8 (H, W) in {0, 1}.
        doubt: what is wrong with it or was guessed, to follow its name in a sentence; "" where nothing is.
    """

    pixels: np.ndarray
    doubt: str = ""


def read(image: Image.Image) -> Mask:
    """Return what an upright, loaded mask image marks."""
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        colours, alpha = _packed(rgba[..., :3]), rgba[..., 3]
        if np.ptp(alpha) and (not np.ptp(colours) or (not _is_grey(rgba) and len(np.unique(colours)) > FEW)):
            return _of_levels(alpha.astype(np.int64), 255)
    if image.mode.startswith(("I", "F")):
        return _of_levels(*_deep(np.asarray(image)))
    if image.mode == "P" and (indices := _indices(image)) is not None:
        return marked((indices != 0) & (indices != _VOID), np.ptp(indices) > 0)
    if image.mode in ("1", "L", "LA") or _is_grey(np.asarray(image.convert("RGB"))):
        return _of_levels(np.asarray(image.convert("L")).astype(np.int64), 255)
    return _of_colours(np.asarray(image.convert("RGB")))


def marked(foreground: np.ndarray, varies: bool, doubt: str = "") -> Mask:
    """Return a boolean foreground as a mask, with doubts of its own where it marks nothing, or everything in a file that ``varies``."""
    if not foreground.any():
        doubt = "marks nothing"
    elif varies and foreground.all():
        doubt = "marks every pixel, though it has several levels"
    return Mask(foreground.astype(np.uint8), doubt)


def _deep(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """Return samples of more than 8 bits as levels from 0, with the end of their scale."""
    if samples.dtype.kind == "f":
        samples = np.nan_to_num(samples)
        samples = np.rint(samples * 255 if samples.max(initial=0) <= 1 else samples)
    levels = samples.astype(np.int64).clip(0)
    return levels, 65535 if samples.dtype == np.uint16 or levels.max(initial=0) > 255 else 255


def _of_levels(levels: np.ndarray, scale: int) -> Mask:
    known, counts = np.unique(levels, return_counts=True)
    top, few, several = known.max(initial=0), len(known) <= FEW, len(known) > 1
    if top <= 1:
        return marked(levels == 1, several)
    if top <= scale / 2 and few:
        return marked(levels != 0, several)
    numbers = (known > 0) & (known <= scale / 4)
    if few and numbers.any() and set(known[~numbers].tolist()) <= {0, scale}:
        named = ", ".join(map(str, known[numbers][:3]))
        if counts[numbers].sum() > counts[known == scale].sum():
            return marked((levels != 0) & (levels != scale), several, f"has numbers ({named}) and {scale}, which is taken for unlabelled")
        return marked(levels == scale, several, f"has low levels ({named}) beside {scale}, which alone is taken for the foreground")
    middle = float(counts[(known > scale / 4) & (known < scale * 3 / 4)].sum() / max(1, levels.size))
    doubt = f"is neither black nor white in {middle:.0%} of its pixels; what is above half is taken for the foreground"
    return marked(levels > scale / 2, several, doubt if middle > SOFT and len(known) > 2 else "")


def _of_colours(rgb: np.ndarray) -> Mask:
    packed = _packed(rgb)
    known = np.unique(packed)
    edge = np.concatenate([packed[0], packed[-1], packed[:, 0], packed[:, -1]])
    found, counts = np.unique(edge, return_counts=True)
    background = 0 if known[0] == 0 else int(found[counts.argmax()])
    if len(known) <= FEW:
        return marked((packed != background) & (packed != _packed(np.array(_BORDER))), len(known) > 1)
    colour = np.array([background >> 16, background >> 8 & 255, background & 255])
    distance = np.abs(rgb.astype(np.int64) - colour).max(axis=-1)
    doubt = f"has {len(known):,} colours; what is far from {tuple(colour.tolist())} is taken for the foreground"
    return marked(distance > FAR, True, doubt)


def _indices(image: Image.Image) -> np.ndarray | None:
    """Return the indices of a palette image if they are what marks; ``None`` where its colours or grey levels do."""
    indices = np.asarray(image)
    palette = np.array(image.getpalette("RGB") or [], dtype=np.int64).reshape(-1, 3)
    used = np.unique(indices)
    colours = palette[used[used < len(palette)]]
    if len(colours) and not np.ptp(colours, axis=1).any() and len(np.unique(colours[:, 0])) == len(used):
        return None
    # Sorted by how often they occur, colours have no first one that is the background.
    elsewhere = len(palette) and palette[0].any() and (colours == 0).all(axis=1).any()
    return None if elsewhere else indices


def _is_grey(pixels: np.ndarray) -> bool:
    return bool(np.ptp(pixels[..., :3].astype(np.int16), axis=-1).max(initial=0) <= GREY)


def _packed(rgb: np.ndarray) -> np.ndarray:
    """Return (..., 3) samples as one number each."""
    wide = rgb.astype(np.int64)
    packed: np.ndarray = (wide[..., 0] << 16) + (wide[..., 1] << 8) + wide[..., 2]
    return packed
