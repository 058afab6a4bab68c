"""Captions of scenes from a small grammar with synonyms; which words are chosen is a function of the scene's index.

::

    caption  = phrase(main) place [light] [with phrase(other) relation [and phrase(other) relation]]
    phrase   = article [size] colour [texture] noun

A caption that exceeds the byte limit loses its companions' attributes first, then the light, the main object's size and
texture, the companions themselves and last the place; the main object's colour and kind always stay.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.datasets.scenes.tables import KINDS
from benchmarks.datasets.scenes.world import Scene, SceneObject, stream

LIMIT = 110

NOUNS: dict[str, tuple[str, ...]] = {
    "ball": ("ball",),
    "balloon": ("balloon",),
    "bird": ("bird",),
    "boat": ("boat", "sailing boat", "sailboat"),
    "cactus": ("cactus",),
    "car": ("car", "automobile"),
    "cat": ("cat", "kitten"),
    "fish": ("fish",),
    "flower": ("flower", "blossom"),
    "house": ("house", "cottage"),
    "kite": ("kite",),
    "lamp": ("lamp", "table lamp"),
    "mug": ("mug", "coffee cup"),
    "mushroom": ("mushroom", "toadstool"),
    "star": ("star",),
    "tree": ("tree",),
    "umbrella": ("parasol", "umbrella"),
}
SIZES = {"small": ("small", "little"), "large": ("large", "big")}
TEXTURES = {"striped": ("striped",), "spotted": ("spotted", "dotted"), "checked": ("checked", "chequered")}
PLACES: dict[str, tuple[str, ...]] = {
    "field": ("in a green field", "in a meadow", "on the grass"),
    "sea": ("at sea", "on the water", "by the ocean"),
    "street": ("in a street", "in the city", "on a town road"),
    "room": ("in a room", "indoors", "in a living room"),
    "desert": ("in the desert", "among sand dunes"),
    "night": ("at night", "under the stars", "in the moonlight"),
}
ABOVE: dict[str, tuple[str, ...]] = {
    "field": ("over a green field", "above a meadow"),
    "sea": ("over the sea", "above the ocean"),
    "street": ("over a street", "above a town road"),
    "room": ("in a room", "indoors"),
    "desert": ("over the desert", "above sand dunes"),
    "night": ("in the night sky", "under the moon"),
}
LIGHT_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("", "", "on a sunny day"),
    "sunset": ("at sunset", "in the evening sun"),
    "cloudy": ("under a grey sky", "on a cloudy day"),
    "evening": ("in the evening", ""),
    "moon": ("",),
}


def caption(scene: Scene, limit: int = LIMIT) -> str:
    """Return the caption of a scene, at most ``limit`` bytes of UTF-8 wherever the main object alone fits."""
    drafts = list(_drafts(scene))
    return next((draft for draft in drafts if len(draft.encode()) <= limit), drafts[-1])


def relation(item: SceneObject, main: SceneObject) -> str:
    """Return where an object is as seen from the main one: "above", "below", "behind", "in front" or "beside".

    Left and right never occur, so a mirrored image keeps its caption.
    """
    if item.box[3] < main.box[1] + 0.35 * main.height:
        return "above"
    if item.box[1] > main.box[3] - 0.35 * item.height:
        return "below"
    across = min(item.box[2], main.box[2]) - max(item.box[0], main.box[0])
    if across > 0.25 * min(item.width, main.width):
        floats = [KINDS[thing.kind].place == "air" for thing in (item, main)]
        nearer = item.y > main.y if floats[0] == floats[1] else floats[1]
        return "in front" if nearer else "behind"
    return "beside"


_RELATIONS: dict[str, tuple[str, ...]] = {
    "above": ("above it", "overhead"),
    "below": ("below it", "underneath"),
    "behind": ("behind it",),
    "in front": ("in front of it",),
    "beside": ("beside it", "next to it", "nearby"),
}


def _drafts(scene: Scene) -> Iterator[str]:
    """Yield captions from the richest to the barest; the same words are chosen in each."""
    random = stream(scene.index, 1)
    main, others = scene.main, scene.objects[1:]
    nouns = [_pick(random, NOUNS[item.kind]) for item in scene.objects]
    sizes = [_pick(random, SIZES.get(item.size, ("",))) for item in scene.objects]
    textures = [_pick(random, TEXTURES.get(item.texture, ("",))) for item in scene.objects]
    place = _pick(random, (ABOVE if KINDS[main.kind].place == "air" else PLACES)[scene.setting])
    light = _pick(random, LIGHT_WORDS[scene.light])
    relations = [_pick(random, _RELATIONS[relation(item, main)]) for item in others]
    if random.random() < 0.5:
        sizes = ["" for _ in sizes]

    def phrase(index: int, *, full: bool) -> str:
        item = scene.objects[index]
        pattern = textures[index] if item.kind != "mushroom" else ""
        words = [sizes[index] if full else "", item.colour, pattern if full else "", nouns[index]]
        bare = " ".join(word for word in words if word)
        return f"{'an' if bare[0] in 'aeiou' else 'a'} {bare}"

    def company(*, full: bool) -> str:
        told = [f"{phrase(number + 1, full=full)} {relations[number]}" for number in range(len(others))]
        return f"with {' and '.join(told)}" if told else ""

    rich, plain = phrase(0, full=True), phrase(0, full=False)
    yield _join(rich, place, light, company(full=True))
    yield _join(rich, place, light, company(full=False))
    yield _join(rich, place, company(full=False))
    yield _join(plain, place, company(full=False))
    yield _join(plain, place)
    yield plain


def _join(*pieces: str) -> str:
    return " ".join(piece for piece in pieces if piece)


def _pick(random: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[int(random.integers(len(words)))]
