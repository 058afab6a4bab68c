"""What lies behind the objects: one painter a setting, each a function of the scene and its own random stream.

::

    sky (gradient, sun or moon, clouds) ──> far layers (hills, houses, dunes) ──> ground in perspective ──> (n, n, 3) in [0, 1]
"""

import numpy as np

from benchmarks.datasets.scenes.fields import Field, Grid, blend, colour, depth, disc, edge, fractal, glow, grid, laid, noise, ramp, ridge
from benchmarks.datasets.scenes.sky import SKIES, TINTS, hills, sky, sun
from benchmarks.datasets.scenes.world import Scene, stream


def backdrop(scene: Scene, n: int) -> Field:
    """Return the setting of a scene without its objects, float32 (n, n, 3) in about [0, 1]."""
    return _PAINTERS[scene.setting](scene, grid(n), stream(scene.index, 2))


def _field(scene: Scene, at: Grid, random: np.random.Generator) -> Field:
    tint = TINTS[scene.light]
    image = hills(sky(scene, at, random), scene, at, random, colour(0.30, 0.48, 0.30) * tint)
    far = depth(at, scene.horizon)
    green = blend(colour(0.56, 0.68, 0.30), colour(0.22, 0.46, 0.16), far)
    patches, blades = laid(random, at, far, 10, 4), laid(random, at, far, 40, 40)
    ground = green * (1.0 + 0.16 * patches + 0.13 * blades * (0.3 + far))[..., None] * tint
    bloom = ramp(0.66, 0.92, laid(random, at, far, 44, 56)) * ramp(0.05, 0.3, far)
    petals = colour(0.98, 0.94, 0.72) if random.random() < 0.5 else colour(0.93, 0.72, 0.84)
    ground = blend(ground, petals * tint, 0.8 * bloom)
    return blend(image, ground, edge(at.y - scene.horizon, at.n))


def _sea(scene: Scene, at: Grid, random: np.random.Generator) -> Field:
    _, low, bright = SKIES[scene.light]
    image = sky(scene, at, random)
    if random.random() < 0.6:
        middle, width = random.uniform(0.1, 0.9), random.uniform(0.12, 0.3)
        swell = 0.06 * np.exp(-(((at.x - middle) / width) ** 2)) + 0.012 * noise(random, 1, 12, at.n, 1)
        land = low + (colour(0.30, 0.40, 0.42) - low) * 0.6
        image = blend(image, land, edge(at.y - (scene.horizon + 0.02 - swell), at.n))
    far = depth(at, scene.horizon)
    deep = {"day": colour(0.05, 0.33, 0.55), "sunset": colour(0.22, 0.24, 0.45), "cloudy": colour(0.24, 0.36, 0.44)}[scene.light]
    water = blend(low * 0.55 + deep * 0.45, deep, far**0.7)
    swell, ripples = laid(random, at, far, 26, 3), laid(random, at, far, 64, 10)
    waves = 0.6 * swell + 0.5 * ripples
    water = water * (1.0 + 0.22 * waves * (0.35 + far))[..., None]
    water = blend(water, colour(1, 1, 1), 0.55 * ramp(0.42, 0.8, waves) * (0.25 + 0.6 * far))
    if scene.light != "cloudy":
        path = np.exp(-(((at.x - sun(scene)[0]) / (0.05 + 0.12 * far)) ** 2))
        water = blend(water, bright, path * np.clip(0.45 + 0.9 * waves, 0, 1) * 0.85)
    return blend(image, water, edge(at.y - scene.horizon, at.n))


def _street(scene: Scene, at: Grid, random: np.random.Generator) -> Field:
    tint = TINTS[scene.light]
    image = sky(scene, at, random)
    walls = np.array([(0.72, 0.45, 0.36), (0.84, 0.74, 0.58), (0.60, 0.63, 0.68), (0.76, 0.60, 0.48), (0.56, 0.66, 0.62)], dtype=np.float32)
    left = -random.uniform(0.0, 0.15)
    previous = -1
    while left < 1.0:
        width, top = random.uniform(0.18, 0.3), random.uniform(0.10, 0.34)
        pick = (previous + 1 + int(random.integers(len(walls) - 1))) % len(walls)
        image = _house_front(image, scene, at, random, (left, left + width, top), walls[pick] * tint)
        left, previous = left + width, pick
    kerb = scene.horizon + 0.09
    pavement = colour(0.70, 0.68, 0.66) * tint * (1.0 + 0.05 * fractal(random, 6, 12, at.n))[..., None]
    image = blend(image, pavement, edge(at.y - scene.horizon, at.n))
    far = depth(at, kerb, 4.0)
    road = colour(0.33, 0.34, 0.37) * tint * (1.0 + 0.10 * laid(random, at, far, 48, 40) + 0.10 * far)[..., None]
    dashes = edge(0.12 - np.abs((at.x - 0.5) * 3 + scene.side) % 0.5 + 0.12, at.n // 3)
    line = edge(0.012 - np.abs(at.y - (kerb + (1 - kerb) * 0.55)), at.n)
    road = blend(road, colour(0.93, 0.91, 0.82) * tint, 0.85 * line * dashes)
    image = blend(image, road, edge(at.y - kerb, at.n))
    rim = edge(0.008 - np.abs(at.y - kerb), at.n)
    return blend(image, colour(0.86, 0.85, 0.82) * tint, rim)


def _house_front(
    under: Field, scene: Scene, at: Grid, random: np.random.Generator, extent: tuple[float, float, float], wall: Field
) -> Field:
    left, right, top = extent
    inside = edge(np.minimum(at.x - left, right - at.x), at.n) * edge(np.minimum(at.y - top, scene.horizon - at.y), at.n)
    rows = max(2, round((scene.horizon - top) / 0.13))
    columns = max(2, round((right - left) / 0.09))
    across, down = (at.x - left) / (right - left) * columns, (at.y - top) / (scene.horizon - top) * rows
    per_x, per_y = (right - left) / columns, (scene.horizon - top) / rows
    pane = edge((0.27 - np.abs(across % 1 - 0.5)) * per_x, at.n) * edge((0.30 - np.abs(down % 1 - 0.52)) * per_y, at.n)
    lit = random.random((rows, columns)).astype(np.float32)
    cell = lit[np.clip(down, 0, rows - 1).astype(int), np.clip(across, 0, columns - 1).astype(int)]
    dark, warm = colour(0.27, 0.35, 0.44), colour(0.99, 0.84, 0.50)
    share = 0.6 if scene.light == "sunset" else 0.2
    panes = np.where((cell < share)[..., None], warm, dark + (cell[..., None] - 0.5) * 0.2)
    front = blend(wall * (1.06 - 0.16 * (at.y - top) / scene.horizon)[..., None], panes, pane)
    front = blend(front, wall * 0.72, edge(0.022 - (at.y - top), at.n))
    return blend(under, front, inside)


def _room(scene: Scene, at: Grid, random: np.random.Generator) -> Field:
    tint = TINTS[scene.light]
    walls = [(0.80, 0.84, 0.76), (0.86, 0.78, 0.68), (0.70, 0.79, 0.85), (0.88, 0.81, 0.82), (0.92, 0.87, 0.74)]
    wall = colour(*walls[int(random.integers(len(walls)))])
    stripes = 0.5 + 0.5 * np.sin(2 * np.pi * at.x * int(random.integers(7, 11)))
    fall = 1.02 - 0.30 * np.hypot((at.x - 0.5 - 0.4 * scene.side) * 0.8, at.y - 0.25)
    image = wall * (fall * (1.0 - 0.05 * ramp(0.3, 0.7, stripes)))[..., None] * tint
    image = _window(image, scene, at, random)
    skirt = edge(0.022 - np.abs(at.y - scene.horizon + 0.02), at.n)
    image = blend(image, colour(0.95, 0.93, 0.89) * tint, skirt)
    far = depth(at, scene.horizon, 2.0)
    planks = (at.x - 0.5) / (0.55 + 0.75 * far) * 9 + 20
    tones = random.uniform(-1.0, 1.0, 41).astype(np.float32)
    wood = colour(0.62, 0.43, 0.27) * (1.0 + 0.10 * tones[np.clip(planks, 0, 40).astype(int)])[..., None]
    wood = wood * (1.0 + 0.07 * laid(random, at, far, 6, 60) - 0.25 * ramp(0.44, 0.5, np.abs(planks % 1 - 0.5)))[..., None]
    light = 0.84 + 0.24 * glow(at, 0.5 + 0.25 * scene.side, scene.horizon + 0.2, 0.5, 0.3)
    floor = wood * light[..., None] * tint
    rugs = [(0.66, 0.24, 0.24), (0.24, 0.38, 0.52), (0.36, 0.46, 0.32), (0.74, 0.60, 0.36)]
    rug = colour(*rugs[int(random.integers(len(rugs)))]) * tint
    radius = np.hypot((at.x - 0.5) / 0.46, (at.y - scene.horizon - 0.22) / 0.13)
    floor = blend(floor, rug * (1.0 + 0.06 * laid(random, at, far, 30, 60))[..., None], edge((1 - radius) * 0.2, at.n))
    floor = blend(floor, rug * 0.5 + 0.42, 0.8 * edge((0.05 - np.abs(radius - 0.82)) * 0.2, at.n))
    return blend(image, floor, edge(at.y - scene.horizon, at.n))


def _window(under: Field, scene: Scene, at: Grid, random: np.random.Generator) -> Field:
    x, y, half, tall = 0.5 + 0.30 * scene.side, 0.27, 0.14, 0.17
    outer = edge(np.minimum(half + 0.02 - np.abs(at.x - x), tall + 0.02 - np.abs(at.y - y)), at.n)
    inner = edge(np.minimum(half - np.abs(at.x - x), tall - np.abs(at.y - y)), at.n)
    bars = np.maximum(edge(0.008 - np.abs(at.x - x), at.n), edge(0.008 - np.abs(at.y - y), at.n))
    evening = scene.light == "evening"
    high, low = (colour(0.16, 0.18, 0.40), colour(0.85, 0.50, 0.40)) if evening else (colour(0.42, 0.68, 0.94), colour(0.90, 0.95, 0.97))
    outside = high + (low - high) * np.clip((at.y - y + tall) / (2 * tall), 0, 1)[..., None]
    trees = edge(at.y - ridge(random, at, y + tall * 0.55, 0.04, 14), at.n)
    outside = blend(np.broadcast_to(outside, (at.n, at.n, 3)), colour(0.16, 0.24, 0.22) if evening else colour(0.36, 0.55, 0.34), trees)
    frame = colour(0.97, 0.96, 0.93) * TINTS[scene.light]
    return blend(blend(under, frame, outer), outside, inner * (1 - bars))


def _desert(scene: Scene, at: Grid, random: np.random.Generator) -> Field:
    tint = TINTS[scene.light]
    image = sky(scene, at, random)
    haze = SKIES[scene.light][1]
    for layer in range(4):
        share = (layer + 1) / 4
        line = ridge(random, at, scene.horizon - 0.06 + 0.5 * layer**1.5 * 0.1, 0.05 + 0.012 * layer, 4)
        slope = np.gradient(line[0]) * at.n * np.sign(scene.side)
        lit = 1.0 + 0.55 * np.clip(slope, -0.45, 0.3)[None, :] * np.exp(-np.clip(at.y - line, 0, 1) / 0.12)
        sand = colour(0.93, 0.74, 0.47) * tint
        tone = (haze + (sand - haze) * (0.45 + 0.55 * share)) * lit[..., None]
        wobble = at.y * (70 - 12 * layer) + 2.2 * noise(random, 4, 5, at.n)
        tone = tone * (1.0 + 0.035 * share * np.sin(2 * np.pi * wobble * 0.5))[..., None]
        tone = tone * (1.0 - 0.10 * np.clip((at.y - line) / 0.5, 0, 1))[..., None]
        image = blend(image, tone, edge(at.y - line, at.n))
    return image


def _night(scene: Scene, at: Grid, random: np.random.Generator) -> Field:
    image = sky(scene, at, random)
    places, bright = random.random((70, 2)), random.uniform(0.25, 1.0, 70)
    for (x, y), strength in zip(places, bright, strict=True):
        # A star is painted in its own neighbourhood only; its spot is never smaller than a pixel's share can show.
        column, row = int(x * at.n), int(y * scene.horizon * at.n)
        reach = max(2, at.n // 50)
        rows, columns = slice(max(0, row - reach), row + reach + 1), slice(max(0, column - reach), column + reach + 1)
        near = Grid(at.n, at.x[:, columns], at.y[rows])
        spot = strength * glow(near, x, y * scene.horizon, 0.0075)
        image[rows, columns] = blend(image[rows, columns], colour(1.0, 0.98, 0.9), spot)
    x, y = sun(scene)
    for dx, dy, radius in ((-0.018, -0.01, 0.014), (0.016, 0.018, 0.011), (0.01, -0.024, 0.008)):
        image = blend(image, colour(0.80, 0.80, 0.72), 0.7 * disc(at, x + dx, y + dy, radius))
    image = hills(image, scene, at, random, colour(0.05, 0.09, 0.20), layers=3)
    far = depth(at, scene.horizon)
    ground = blend(colour(0.16, 0.24, 0.27), colour(0.09, 0.17, 0.12), far)
    moonlit = 1.0 + 0.7 * glow(at, x, scene.horizon + 0.1, 0.35, 0.25)
    texture = 1.0 + 0.16 * laid(random, at, far, 40, 40) + 0.14 * laid(random, at, far, 8, 4)
    return blend(image, ground * (moonlit * texture)[..., None], edge(at.y - scene.horizon, at.n))


_PAINTERS = {"field": _field, "sea": _sea, "street": _street, "room": _room, "desert": _desert, "night": _night}
