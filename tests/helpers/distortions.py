"""A small set of distortions of scenes, the same on every machine: noise, blur and coarse block transforms, each from mild to strong."""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter

from benchmarks.datasets.scenes.dataset import Scenes

# The luma table of JPEG (ITU-T T.81, annex K), for all three colours.
_TABLE = np.array(
    [
        *([16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56]),
        *([14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92]),
        *([49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99]),
    ]
)
SCENES = (2_000_003, 2_000_011, 2_000_020)


def scene_pixels(index: int, side: int = 64) -> np.ndarray:
    """Return a test scene, uint8 (side, side, 3)."""
    return Scenes("test", side).load(f"scenes/{index:07d}").image


def noise(pixels: np.ndarray, deviation: float) -> np.ndarray:
    return _levels(pixels + np.random.default_rng(5).normal(0, deviation, pixels.shape))


def blur(pixels: np.ndarray, deviation: float) -> np.ndarray:
    return _levels(gaussian_filter(pixels.astype(float), (deviation, deviation, 0)))


def blocks(pixels: np.ndarray, coarseness: float) -> np.ndarray:
    """Quantise the cosine transform of 8 x 8 blocks as JPEG does, with ``coarseness`` times its table; sides are multiples of 8."""
    height, width, _ = pixels.shape
    tiles = pixels.astype(float).reshape(height // 8, 8, width // 8, 8, 3) - 128
    table = (coarseness * _TABLE)[None, :, None, :, None]
    coded = np.round(dctn(tiles, axes=(1, 3), norm="ortho") / table) * table
    return _levels(idctn(coded, axes=(1, 3), norm="ortho").reshape(pixels.shape) + 128)


DISTORTIONS: Mapping[str, tuple[Callable[[np.ndarray, float], np.ndarray], tuple[float, ...]]] = {
    "noise": (noise, (6.0, 20.0, 60.0)),
    "blur": (blur, (0.7, 1.5, 4.0)),
    "blocks": (blocks, (0.5, 2.0, 8.0)),
}


def distorted(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Return name and strength -> the image with that distortion."""
    return {f"{name} {strength:g}": make(pixels, strength) for name, (make, strengths) in DISTORTIONS.items() for strength in strengths}


def _levels(values: np.ndarray) -> np.ndarray:
    return values.clip(0, 255).round().astype(np.uint8)
