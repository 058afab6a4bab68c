"""The table of shapes: kind of object -> its parts."""

from functools import cache

from benchmarks.datasets.scenes import nature, things
from benchmarks.datasets.scenes.outline import Part, Points, frame

BUILDERS = {
    "ball": things.ball,
    "balloon": things.balloon,
    "bird": nature.bird,
    "boat": things.boat,
    "cactus": nature.cactus,
    "car": things.car,
    "cat": nature.cat,
    "fish": nature.fish,
    "flower": nature.flower,
    "house": things.house,
    "kite": things.kite,
    "lamp": things.lamp,
    "mug": things.mug,
    "mushroom": nature.mushroom,
    "star": things.star,
    "tree": nature.tree,
    "umbrella": things.umbrella,
}


@cache
def parts(kind: str) -> tuple[tuple[Part, Points, Points], ...]:
    """Return the parts of a kind from back to front, each with its frame; together they are the object's silhouette."""
    return tuple((part, *frame(part)) for part in BUILDERS[kind]())
