"""What a scene may hold: kinds of objects, their colours, patterns and sizes, and where they may appear."""

from typing import NamedTuple


class Kind(NamedTuple):
    """How a kind of object may appear.

    Attributes:
        heights: smallest and largest height in the unit square.
        aspect: width over height.
        place: "ground" stands, "air" hangs in the sky, "water" floats on the sea.
        colours: names it may have.
        textures: patterns it may have.
    """

    heights: tuple[float, float]
    aspect: float
    place: str
    colours: tuple[str, ...]
    textures: tuple[str, ...] = ("plain",)


COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.84, 0.16, 0.15),
    "orange": (0.95, 0.52, 0.12),
    "yellow": (0.97, 0.82, 0.20),
    "green": (0.24, 0.58, 0.22),
    "blue": (0.16, 0.38, 0.82),
    "purple": (0.50, 0.24, 0.66),
    "pink": (0.95, 0.52, 0.68),
    "white": (0.94, 0.93, 0.90),
    "brown": (0.48, 0.30, 0.17),
    "black": (0.15, 0.15, 0.17),
}
BRIGHT = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
PATTERNS = ("plain", "striped", "spotted")

KINDS: dict[str, Kind] = {
    "ball": Kind((0.24, 0.44), 1.0, "ground", BRIGHT, ("plain", "striped", "spotted", "checked")),
    "balloon": Kind((0.36, 0.56), 0.6, "air", BRIGHT, PATTERNS),
    "bird": Kind((0.24, 0.38), 1.45, "air", ("red", "yellow", "blue", "white", "black", "green")),
    "boat": Kind((0.46, 0.66), 0.9, "water", ("red", "green", "blue", "white", "brown", "yellow")),
    "cactus": Kind((0.42, 0.62), 0.66, "ground", ("green",)),
    "car": Kind((0.26, 0.38), 2.0, "ground", ("red", "orange", "yellow", "green", "blue", "purple", "white", "black")),
    "cat": Kind((0.36, 0.54), 0.72, "ground", ("orange", "white", "brown", "black"), ("plain", "striped")),
    "fish": Kind((0.24, 0.36), 1.6, "water", ("red", "orange", "yellow", "blue", "purple", "green"), PATTERNS),
    "flower": Kind((0.36, 0.58), 0.62, "ground", ("red", "orange", "yellow", "blue", "purple", "pink", "white")),
    "house": Kind((0.40, 0.58), 1.1, "ground", ("red", "yellow", "green", "blue", "pink", "white", "brown")),
    "kite": Kind((0.40, 0.60), 0.62, "air", ("red", "orange", "yellow", "green", "blue", "purple", "pink")),
    "lamp": Kind((0.40, 0.58), 0.62, "ground", ("red", "orange", "yellow", "green", "blue", "pink", "white")),
    "mug": Kind((0.24, 0.38), 1.1, "ground", BRIGHT, PATTERNS),
    "mushroom": Kind((0.28, 0.44), 1.0, "ground", ("red", "orange", "purple", "brown", "blue"), ("spotted",)),
    "star": Kind((0.26, 0.42), 1.0, "air", ("yellow", "orange", "white", "pink", "blue")),
    "tree": Kind((0.48, 0.70), 0.78, "ground", ("green", "orange", "yellow", "pink", "red")),
    "umbrella": Kind((0.44, 0.60), 1.0, "ground", ("red", "orange", "yellow", "green", "blue", "purple", "pink")),
}

# What may stand where; the first of a scene is drawn from these, and so are its companions.
SETTINGS: dict[str, tuple[str, ...]] = {
    "field": ("ball", "balloon", "bird", "car", "cat", "flower", "house", "kite", "mushroom", "tree", "umbrella"),
    "sea": ("ball", "balloon", "bird", "boat", "fish", "kite", "boat", "fish"),
    "street": ("ball", "balloon", "bird", "car", "cat", "house", "tree", "car", "umbrella"),
    "room": ("ball", "balloon", "cat", "flower", "lamp", "mug", "lamp", "mug"),
    "desert": ("ball", "balloon", "bird", "cactus", "car", "kite", "cactus", "umbrella", "star"),
    "night": ("balloon", "cat", "house", "mushroom", "star", "tree", "star", "car"),
}
LIGHTS: dict[str, tuple[str, ...]] = {
    "field": ("day", "day", "sunset", "cloudy"),
    "sea": ("day", "day", "sunset", "cloudy"),
    "street": ("day", "sunset", "cloudy"),
    "room": ("day", "evening"),
    "desert": ("day", "sunset"),
    "night": ("moon",),
}
HORIZONS = {
    "field": (0.50, 0.62),
    "sea": (0.46, 0.58),
    "street": (0.56, 0.64),
    "room": (0.60, 0.68),
    "desert": (0.50, 0.60),
    "night": (0.62, 0.70),
}
