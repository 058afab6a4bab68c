"""Splitting images by the hash of their ids: an image's side never depends on what else is there."""

import hashlib
import re
from collections.abc import Sequence

# Video frames as DAVIS numbers them, five digits from zero ("goat_00031"); photographs' numbers do not look like this.
FRAME = re.compile(r"_0\d{4}$")


def place(id: str) -> float:
    """Return where an id falls in [0, 1), uniformly: its 64-bit BLAKE2b hash."""
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "big") / 2**64


def group_of(id: str) -> str:
    """Return what is held out together: the scene of a video frame ("goat_00031" -> "goat"), else the image itself."""
    return FRAME.sub("", id)


def hold_out(ids: Sequence[str], share: float) -> tuple[list[str], list[str]]:
    """Return (training ids, validation ids): the groups whose hash is below ``share`` are held out, at least one of two."""
    if share <= 0:
        return list(ids), []
    places = {group: place(group) for group in map(group_of, ids)}
    held = {group for group, where in places.items() if where < share}
    if not held and len(places) > 1:
        held = {min(places, key=lambda group: places[group])}
    return [id for id in ids if group_of(id) not in held], [id for id in ids if group_of(id) in held]
