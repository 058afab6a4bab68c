"""Outlines: points of closed polygons in an object's own frame, x to the right, y upwards, base at y = 0, height 1."""

from typing import NamedTuple

import numpy as np

Points = np.ndarray
Colour = tuple[float, float, float]


WOOD = (0.42, 0.27, 0.16)
LEAF = (0.22, 0.52, 0.20)
GLASS = (0.66, 0.84, 0.93)
INK = (0.09, 0.09, 0.12)
CREAM = (0.96, 0.93, 0.84)
STEEL = (0.72, 0.74, 0.78)
GOLD = (0.98, 0.78, 0.24)


class Part(NamedTuple):
    """One painted piece of an object.

    Attributes:
        points: (N, 2) closed outline.
        paint: "main" (the object's colour), "light", "bright", "dark" (its tints), or a fixed colour.
        shade: "flat", "ball" (a lit sphere), "tube" (a lit upright cylinder) or "soft" (a lit, gently curved
            sheet), "leaf" (a lit clump without a highlight).
        textured: whether the object's pattern covers it.
        glow: share of its brightness that does not depend on the light.
    """

    points: Points
    paint: str | Colour
    shade: str = "soft"
    textured: bool = False
    glow: float = 0.0


def frame(part: Part) -> tuple[Points, Points]:
    """Return the middle and the half extents of a part's bounding box, float32 (2,) each."""
    low, high = part.points.min(axis=0), part.points.max(axis=0)
    return ((low + high) / 2).astype(np.float32), np.maximum((high - low) / 2, 1e-6).astype(np.float32)


def ellipse(x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0, arc: tuple[float, float] = (0.0, 360.0)) -> Points:
    """Return an ellipse around (x, y), turned anticlockwise by degrees; ``arc`` keeps a segment, closed by its chord."""
    ry = rx if ry is None else ry
    angles = np.radians(np.linspace(*arc, 48))
    tilt = np.radians(turn)
    across, up = rx * np.cos(angles), ry * np.sin(angles)
    return np.stack([x + across * np.cos(tilt) - up * np.sin(tilt), y + across * np.sin(tilt) + up * np.cos(tilt)], axis=1)


def box(left: float, bottom: float, right: float, top: float, round_by: float = 0.0) -> Points:
    """Return a rectangle, its corners rounded by a radius."""
    if round_by == 0:
        return polygon((left, bottom), (right, bottom), (right, top), (left, top))
    corners = ((right, top, 0), (left, top, 90), (left, bottom, 180), (right, bottom, 270))
    arcs = []
    for x, y, start in corners:
        centre_x, centre_y = x + (-round_by if x == right else round_by), y + (-round_by if y == top else round_by)
        angles = np.radians(np.linspace(start, start + 90, 8))
        arcs.append(np.stack([centre_x + round_by * np.cos(angles), centre_y + round_by * np.sin(angles)], axis=1))
    return np.concatenate(arcs)


def polygon(*points: tuple[float, float]) -> Points:
    """Return the polygon through the points."""
    return np.array(points, dtype=np.float64)


def smooth(*points: tuple[float, float]) -> Points:
    """Return a closed Catmull-Rom curve through the points."""
    knots = np.array(points, dtype=np.float64)
    before, after, beyond = np.roll(knots, 1, axis=0), np.roll(knots, -1, axis=0), np.roll(knots, -2, axis=0)
    return np.concatenate([_spline(before[i], knots[i], after[i], beyond[i]) for i in range(len(knots))])


def stroke(width: float, *points: tuple[float, float], taper: float = 1.0) -> Points:
    """Return a curved line through the points as an outline, its width shrinking to ``taper`` of itself at the end."""
    knots = np.array([points[0], *points, points[-1]], dtype=np.float64)
    line = np.concatenate([_spline(*knots[i : i + 4]) for i in range(len(knots) - 3)] + [knots[-1:]])
    ahead = np.gradient(line, axis=0)
    normal = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) / np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]
    half = (width / 2 * np.linspace(1.0, taper, len(line)))[:, None]
    return np.concatenate([line + normal * half, (line - normal * half)[::-1]])


def star(x: float, y: float, outer: float, inner: float, points: int) -> Points:
    """Return a star with its first point upwards."""
    angles = np.radians(90 + np.arange(2 * points) * 180 / points)
    radius = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)


def _spline(before: Points, start: Points, end: Points, after: Points, steps: int = 8) -> Points:
    """Return a Catmull-Rom segment from ``start`` towards ``end``, its end left out."""
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    linear, square = end - before, 2 * before - 5 * start + 4 * end - after
    return 0.5 * (2 * start + linear * t + square * t**2 + (3 * start - before - 3 * end + after) * t**3)
