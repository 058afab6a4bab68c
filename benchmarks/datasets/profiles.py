"""Colour profiles: samples of an image with one become sRGB; an image without one is sRGB and stays as it is."""

import logging
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

log = logging.getLogger(__name__)

# Profiles of sRGB itself differ by the rounding of their tables; what is that near moves no pixel.
NEAR = 2
_SPACES = {"L": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}
_MADE = {"L": "RGB", "RGB": "RGB", "RGBA": "RGBA", "CMYK": "RGB"}


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return an image of mode L, RGB, RGBA or CMYK with its samples in sRGB, relative colorimetric; alpha is kept.

    Args:
        image: the image; other modes are returned as they are.
        profile: its ICC profile. One that is damaged, or of another colour space than the image, counts as none.
    """
    if not profile or image.mode not in _SPACES:
        return image
    transform = _transform(profile, image.mode)
    return image if transform is None else ImageCms.applyTransform(image, transform) or image


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB, ``None`` where there is none or it leaves every colour where it is."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES[mode]:
            return None
        target = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        made = ImageCms.buildTransform(source, target, mode, _MADE[mode], intent, ImageCms.Flags.BLACKPOINTCOMPENSATION)
    except (ImageCms.PyCMSError, OSError) as error:
        log.warning("a colour profile cannot be used (%s); its images are read as sRGB", error)
        return None
    return None if mode != "CMYK" and _is_srgb(made, mode) else made


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    levels = np.linspace(0, 255, 16).astype(np.uint8)
    if mode == "L":
        probe = Image.fromarray(levels[None])
        wanted = np.repeat(levels[None, :, None], 3, axis=2)
    else:
        wanted = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(16, -1, 3)
        probe = Image.fromarray(wanted).convert(mode)
    made = np.asarray(ImageCms.applyTransform(probe, transform) or probe)[..., :3].astype(int)
    return bool(np.abs(made - wanted).max() <= NEAR)
