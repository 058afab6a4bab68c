"""What a procedural scene is made of, and how scene number i is drawn: a function of i alone.

::

    index ──Philox──> setting, light, horizon ──> one to three objects: kind, colour, texture, size, place ──> Scene

The scene lives in the unit square, x to the right and y downwards; a size is the object's height in it. No pixel is
involved, so the same scene can be painted at any size and asked for its ground truth.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.datasets.scenes.tables import HORIZONS, KINDS, LIGHTS, SETTINGS

# Part of every key; another number is another world.
WORLD = 0x5CE7E5


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene.

    Attributes:
        kind, colour, texture: names from the tables above.
        x, y: middle of the base in the unit square (y downwards); for what hangs in the air, of the lowest point.
        height: in the unit square; the width is ``height`` times the kind's aspect.
        mirrored: whether it looks to the left.
    """

    kind: str
    colour: str
    texture: str
    x: float
    y: float
    height: float
    mirrored: bool

    @property
    def width(self) -> float:
        """Width in the unit square."""
        return self.height * KINDS[self.kind].aspect

    @property
    def size(self) -> str:
        """Return "small", "medium" or "large", by thirds of the kind's range of heights."""
        low, high = KINDS[self.kind].heights
        return ("small", "medium", "large")[min(2, int(3 * (self.height - low) / (high - low)))]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the nominal bounding box in the unit square."""
        return self.x - self.width / 2, self.y - self.height, self.x + self.width / 2, self.y


@dataclass(frozen=True)
class Scene:
    """The ground truth of an image.

    Attributes:
        index: number of the scene.
        setting: "field", "sea", "street", "room", "desert" or "night".
        light: "day", "sunset", "cloudy", "evening" or "moon".
        side: where the light comes from, -1 (left) to 1 (right).
        horizon: height of the horizon, or of the floor's far edge, in the unit square.
        objects: one to three objects, the main one first.
    """

    index: int
    setting: str
    light: str
    side: float
    horizon: float
    objects: tuple[SceneObject, ...]

    @property
    def main(self) -> SceneObject:
        """The object that the label names."""
        return self.objects[0]

    def back_to_front(self) -> list[SceneObject]:
        """Return the objects in the order in which they are painted: the sky first, then from far to near."""
        return sorted(self.objects, key=lambda item: (KINDS[item.kind].place != "air", item.y))


def stream(index: int, purpose: int) -> np.random.Generator:
    """Return the random numbers of a scene for one purpose: 0 what is in it, 1 its words, 2 its backdrop."""
    key = np.array([WORLD, index], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, purpose]))


def scene(index: int) -> Scene:
    """Return scene number ``index``, 0 or above."""
    random = stream(index, 0)
    setting = _one(random, tuple(SETTINGS))
    light = _one(random, LIGHTS[setting])
    side = float(np.round(random.uniform(0.35, 0.95) * random.choice([-1.0, 1.0]), 4))
    horizon = float(np.round(random.uniform(*HORIZONS[setting]), 4))
    count = int(random.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
    objects: list[SceneObject] = []
    for _ in range(40):
        if len(objects) == count:
            break
        candidate = _candidate(random, setting, horizon, main=not objects)
        if all(_apart(candidate, other) for other in objects):
            objects.append(candidate)
    return Scene(index, setting, light, side, horizon, tuple(objects))


def _candidate(random: np.random.Generator, setting: str, horizon: float, *, main: bool) -> SceneObject:
    name = _one(random, SETTINGS[setting])
    kind = KINDS[name]
    low, high = kind.heights
    share = random.uniform(0.35, 1.0) if main else random.uniform(0.0, 0.7)
    height = low + (high - low) * share
    half = height * kind.aspect / 2
    x = random.uniform(max(half + 0.02, 0.28), min(0.98 - half, 0.72)) if main else random.uniform(half * 0.8, 1 - half * 0.8)
    if kind.place == "air":
        y = random.uniform(height + 0.03, max(height + 0.05, horizon + 0.12))
    elif setting == "street" and name in ("house", "tree"):
        # These stand on the pavement, not on the road.
        y = random.uniform(max(height + 0.03, horizon + 0.05), max(height + 0.04, horizon + 0.10))
    else:
        # Nearer is lower; the companions stand farther back.
        y = random.uniform(max(height + 0.03, horizon + 0.16), 0.96) if main else random.uniform(horizon + 0.08, 0.93)
    colour, texture = _one(random, kind.colours), _one(random, kind.textures)
    x, y, height = (float(np.round(value, 4)) for value in (x, y, height))
    return SceneObject(name, colour, texture, x, y, height, bool(random.random() < 0.5))


def _apart(new: SceneObject, old: SceneObject) -> bool:
    """Return whether two objects differ in kind and hide at most two fifths of the smaller one."""
    if new.kind == old.kind:
        return False
    across = min(new.box[2], old.box[2]) - max(new.box[0], old.box[0])
    down = min(new.box[3], old.box[3]) - max(new.box[1], old.box[1])
    smaller = min(new.width * new.height, old.width * old.height)
    return max(0.0, across) * max(0.0, down) <= 0.4 * smaller


def _one(random: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[int(random.integers(len(names)))]
