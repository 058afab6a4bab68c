"""Smooth fields that backdrops are painted with: pixel centres of the unit square in, (n, n) float32 out.

Every random lattice has a fixed size, so that a scene's texture is the same at any resolution.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

Field = np.ndarray


class Grid(NamedTuple):
    """Pixel centres of an n x n image of the unit square.

    Attributes:
        n: pixels a side.
        x: (1, n) across, left to right.
        y: (n, 1) downwards.
    """

    n: int
    x: Field
    y: Field


def grid(n: int) -> Grid:
    """Return the pixel centres of an n x n image."""
    centres = ((np.arange(n) + 0.5) / n).astype(np.float32)
    return Grid(n, centres[None, :], centres[:, None])


def colour(*rgb: float) -> Field:
    """Return a colour as a float32 array that broadcasts over pixels."""
    return np.array(rgb, dtype=np.float32)


def blend(under: Field, over: Field, share: Field | float) -> Field:
    """Return ``under`` with ``over`` on it; ``share`` is (n, n) coverage in [0, 1]."""
    weight = share[..., None] if isinstance(share, np.ndarray) else share
    return under + (over - under) * weight


def ramp(low: float, high: float, values: Field) -> Field:
    """Return a smooth step from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def edge(distance: Field, n: int) -> Field:
    """Return coverage from a signed distance in the unit square, one pixel wide, positive inside."""
    return np.clip(distance * n + 0.5, 0.0, 1.0)


def disc(at: Grid, x: float, y: float, radius: float) -> Field:
    """Return the coverage of a disc."""
    return edge(radius - np.hypot(at.x - x, at.y - y), at.n)


def glow(at: Grid, x: float, y: float, width: float, height: float | None = None) -> Field:
    """Return a Gaussian spot of height 1."""
    return np.exp(-(((at.x - x) / width) ** 2) - ((at.y - y) / (height or width)) ** 2)


def noise(random: np.random.Generator, rows: int, columns: int, n: int, height: int | None = None) -> Field:
    """Return value noise in about [-1, 1] from a lattice of rows x columns, (height or n, n)."""
    lattice = random.uniform(-1.0, 1.0, (rows, columns)).astype(np.float32)
    return np.asarray(Image.fromarray(lattice).resize((n, height or n), Image.Resampling.BICUBIC))


def fractal(random: np.random.Generator, rows: int, columns: int, n: int, octaves: int = 3) -> Field:
    """Return a sum of noises, each twice as fine and half as strong, in about [-1, 1]."""
    layers = [noise(random, rows << o, columns << o, n) * 0.5**o for o in range(octaves)]
    return np.sum(layers, axis=0) / (2 - 0.5 ** (octaves - 1))


def depth(at: Grid, horizon: float, steepness: float = 12.0) -> Field:
    """Return (n, 1) perspective depth of the ground: 0 at the horizon, 1 at the lower edge, changing fast far away."""
    t = np.clip((at.y - horizon) / (1.0 - horizon), 0.0, 1.0)
    return np.log1p(steepness * t) / np.log1p(steepness)


def laid(random: np.random.Generator, at: Grid, far: Field, rows: int, columns: int) -> Field:
    """Return noise laid on the ground: its rows follow ``depth``, so that it flattens towards the horizon."""
    height = 256
    flat = noise(random, rows, columns, at.n, height)
    place = far[:, 0] * (height - 1)
    lower = np.minimum(place.astype(np.intp), height - 2)
    share = (place - lower)[:, None]
    return flat[lower] * (1.0 - share) + flat[lower + 1] * share


def ridge(random: np.random.Generator, at: Grid, base: float, swing: float, knots: int) -> Field:
    """Return (1, n) heights of a rolling skyline around ``base``."""
    return base - swing * noise(random, 1, knots, at.n, 1)
