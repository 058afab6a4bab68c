"""The colour of an object's part under the scene's light: tint, form and pattern."""

import numpy as np

from benchmarks.datasets.scenes.fields import Field, blend, colour, ramp
from benchmarks.datasets.scenes.outline import Part
from benchmarks.datasets.scenes.tables import COLOURS
from benchmarks.datasets.scenes.world import SceneObject

TILT = np.radians(24.0)


def shade(part: Part, item: SceneObject, across: Field, up: Field, pixels: float, side: float, tint: Field) -> Field:
    """Return a part's colours, float32 (rows, columns, 3), or (3,) where they are all one.

    Args:
        part: the part.
        item: the object that it belongs to.
        across: (1, columns) places, -1 to 1 over the part's bounding box.
        up: (rows, 1) places likewise.
        pixels: half of the box's shorter side in pixels.
        side: where the light comes from in the object's frame, -1 to 1.
        tint: colour of the light, (3,).
    """
    body = _albedo(part.paint, item.colour)
    patterned = part.textured and item.texture != "plain"
    if part.shade == "flat" and not patterned:
        return body * tint + body * (1.05 - tint) * part.glow
    if patterned:
        share = _pattern(item, across, up, part.shade == "ball", pixels)
        body = blend(body, _second(item), share)
    light, shine = _form(part.shade, across, up, side)
    lit = (body * light[..., None] + shine[..., None]) * tint
    return lit + (body * 1.05 - lit) * part.glow if part.glow else lit


def _albedo(paint: str | tuple[float, float, float], name: str) -> Field:
    if not isinstance(paint, str):
        return colour(*paint)
    main = colour(*COLOURS[name])
    if paint == "light":
        return main + (1.0 - main) * (0.22 if name == "black" else 0.42)
    if paint == "bright":
        return main + (1.0 - main) * 0.16
    return main if paint == "main" else main * 0.66


def _second(item: SceneObject) -> Field:
    """Return the pattern's colour: cream, or a dark tint where cream would not show."""
    if item.kind == "cat":
        return _albedo("dark" if item.colour != "black" else "light", item.colour)
    return colour(0.30, 0.42, 0.72) if item.colour == "white" else colour(0.97, 0.95, 0.88)


def _form(name: str, across: Field, up: Field, side: float) -> tuple[Field, Field]:
    """Return (light, shine): the factor on the colour and the highlight on top of it, broadcastable to (rows, columns)."""
    none = np.zeros((1, 1), dtype=np.float32)
    if name == "flat":
        return none + 1.0, none
    if name == "soft":
        return 0.96 + 0.12 * np.clip(up, -1, 1) + 0.10 * side * np.clip(across, -1, 1), none
    if name == "tube":
        facing = np.clip(0.55 * side * across + 0.83 * np.sqrt(np.clip(1 - across**2, 0, 1)), 0, 1)
        return 0.60 + 0.46 * facing, 0.10 * facing**16
    depth = np.sqrt(np.clip(1 - across**2 - up**2, 0, 1))
    facing = np.clip(0.55 * side * across + 0.50 * up + 0.64 * depth, 0, 1)
    if name == "leaf":
        return 0.66 + 0.40 * facing, none
    return 0.48 + 0.62 * facing, 0.42 * facing**28


def _pattern(item: SceneObject, across: Field, up: Field, ball: bool, pixels: float) -> Field:
    """Return the share of the second colour; bands and spots follow the curve of a ball."""
    if ball:
        tilt = TILT if item.kind == "ball" else 0.0
        x, y = across * np.cos(tilt) + up * np.sin(tilt), up * np.cos(tilt) - across * np.sin(tilt)
        longitude, latitude = np.arctan2(x, np.sqrt(np.clip(1 - across**2 - up**2, 0, 1))), np.arcsin(np.clip(y, -1, 1))
    else:
        longitude, latitude = across * 1.45, up * 1.45
    soft = float(np.clip(3.0 / pixels, 0.06, 0.6))
    if item.texture == "striped":
        along = longitude if item.kind in ("fish", "balloon") else latitude
        return ramp(-soft, soft, np.sin(along * 5.6 + 0.6))
    if item.texture == "checked":
        return ramp(-soft, soft, np.sin(longitude * 4.2) * np.sin(latitude * 4.2))
    row = np.floor(latitude * 1.7 + 0.5)
    shift = longitude * 1.7 + 0.5 * (row % 2)
    distance = np.hypot(shift - np.floor(shift + 0.5), latitude * 1.7 - row)
    return 1.0 - ramp(0.30 - soft * 0.3, 0.30 + soft * 0.3, distance)
