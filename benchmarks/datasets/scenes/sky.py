"""Sky, far hills and the colour of the light, shared by the outdoor settings."""

import numpy as np

from benchmarks.datasets.scenes.fields import Field, Grid, blend, colour, disc, edge, fractal, glow, ramp, ridge
from benchmarks.datasets.scenes.world import Scene

SKIES = {
    "day": (colour(0.25, 0.52, 0.86), colour(0.78, 0.89, 0.96), colour(1.0, 0.97, 0.85)),
    "sunset": (colour(0.33, 0.30, 0.58), colour(0.99, 0.66, 0.38), colour(1.0, 0.84, 0.52)),
    "cloudy": (colour(0.55, 0.61, 0.69), colour(0.83, 0.86, 0.88), colour(0.92, 0.93, 0.93)),
    "moon": (colour(0.02, 0.04, 0.13), colour(0.15, 0.20, 0.42), colour(0.95, 0.94, 0.84)),
}
# What the light makes of a white surface outdoors.
TINTS = {
    "day": colour(1.0, 1.0, 0.98),
    "sunset": colour(1.0, 0.90, 0.80),
    "cloudy": colour(0.88, 0.90, 0.93),
    "evening": colour(0.92, 0.80, 0.64),
    "moon": colour(0.64, 0.67, 0.82),
}


def sun(scene: Scene) -> tuple[float, float]:
    """Return where the sun or the moon stands, x and y in the unit square."""
    low = {"sunset": 0.78, "moon": 0.30}.get(scene.light, 0.32)
    return 0.5 + 0.36 * scene.side, scene.horizon * low


def sky(scene: Scene, at: Grid, random: np.random.Generator) -> Field:
    """Return the sky from the upper edge down to the horizon, (n, n, 3)."""
    high, low, bright = SKIES[scene.light]
    down = np.clip(at.y / scene.horizon, 0.0, 1.0) ** 1.3
    link_provider = np.broadcast_to(high + (low - high) * down[..., None], (at.n, at.n, 3))
    clouds = fractal(random, 5, 3, at.n)
    x, y = sun(scene)
    if scene.light != "cloudy":
        link_provider = blend(link_provider, bright, 0.6 * glow(at, x, y, 0.30, 0.24))
        link_provider = blend(link_provider, bright + (1.0 - bright) * 0.5, disc(at, x, y, 0.055))
    if scene.light == "moon":
        return link_provider
    cover = {"day": 0.12, "sunset": 0.2, "cloudy": -0.15}[scene.light]
    share = ramp(cover, cover + 0.5, clouds) * (1.0 - 0.5 * down)
    lit = {"day": colour(1, 1, 1), "sunset": colour(1.0, 0.74, 0.6), "cloudy": colour(0.93, 0.94, 0.95)}[scene.light]
    white = lit * (1.0 - 0.16 * ramp(cover + 0.2, cover + 0.9, clouds))[..., None]
    return blend(link_provider, white, 0.85 * share)


def hills(under: Field, scene: Scene, at: Grid, random: np.random.Generator, near: Field, layers: int = 2) -> Field:
    """Return far ridges that fade into the colour of the sky with their distance."""
    haze = SKIES[scene.light][1]
    for layer in range(layers):
        share = (layer + 1) / (layers + 1)
        line = ridge(random, at, scene.horizon - 0.10 * (1 - share), 0.05, 4 + 2 * layer)
        tone = (haze + (near - haze) * share) * (1.0 - 0.15 * np.clip((at.y - line) / 0.2, 0, 1))[..., None]
        under = blend(under, tone, edge(at.y - line, at.n))
    return under
