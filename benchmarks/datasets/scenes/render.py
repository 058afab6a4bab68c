"""Painting a scene: objects over the backdrop, from back to front, and the exact saliency mask beside them.

::

    outline ── drawn at FINE x the resolution (Pillow) ── box average ──> coverage ┐
    colour x tint x shading x pattern ────────────────────────────────> paint     ├──> over the image ──> uint8 (n, n, 3)
    shadow, reflection or glow ───────────────────────────────────────────────────┘
    union of the objects' coverage ── threshold 0.5 ──> mask (n, n) in {0, 1}
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.common.images import to_float, to_uint8
from benchmarks.datasets.scenes.backdrop import backdrop
from benchmarks.datasets.scenes.fields import Field, blend, colour, glow, grid
from benchmarks.datasets.scenes.shade import shade
from benchmarks.datasets.scenes.shapes import parts
from benchmarks.datasets.scenes.sky import TINTS
from benchmarks.datasets.scenes.tables import KINDS
from benchmarks.datasets.scenes.world import Scene, SceneObject

# Subdivision of a pixel when outlines are drawn; half of it above 128 pixels a side.
FINE = 8
# Share of a floating object's height that the water hides.
DRAUGHT = {"boat": 0.05, "ball": 0.2, "fish": 0.14}


class Canvas(NamedTuple):
    """The pixels around one object.

    Attributes:
        n: pixels a side of the whole image.
        top, left, rows, columns: the region.
        u, v: (1, columns), (rows, 1) pixel centres in the object's frame.
        scale: pixels a unit of the object's frame.
    """

    n: int
    top: int
    left: int
    rows: int
    columns: int
    u: Field
    v: Field
    scale: float


def render(scene: Scene, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the image, uint8 (n, n, 3), and the saliency mask, uint8 (n, n) in {0, 1}.

    The mask is the union of what is visible of the objects, without shadows, reflections and glow, thresholded at half a pixel.
    """
    image = np.array(backdrop(scene, n), dtype=np.float32)
    bare = np.ones((n, n), dtype=np.float32)
    for item in scene.back_to_front():
        bare *= 1.0 - _paint(image, scene, item)
    mask = (bare < 0.5).astype(np.uint8)
    return to_uint8(image), mask


def _paint(image: Field, scene: Scene, item: SceneObject) -> Field:
    """Paint one object and what it does to its surroundings in place; return its (n, n) coverage."""
    n = len(image)
    canvas = _canvas(item, n)
    coverage, paint = _object(canvas, scene, item)
    if scene.setting == "sea" and item.kind in DRAUGHT:
        waterline = DRAUGHT[item.kind] + 0.012 * np.sin(canvas.u * 24)
        coverage = coverage * np.clip((canvas.v - waterline) * canvas.scale + 0.5, 0, 1)
    window = (slice(canvas.top, canvas.top + canvas.rows), slice(canvas.left, canvas.left + canvas.columns))
    if scene.setting == "sea":
        if KINDS[item.kind].place != "air":
            _mirror(image, canvas, coverage, paint, item)
    elif KINDS[item.kind].place != "air":
        _shadow(image, scene, item)
    if item.kind in ("star", "lamp"):
        _halo(image, scene, item)
    image[window] = blend(image[window], paint, coverage)
    whole = np.zeros((n, n), dtype=np.float32)
    whole[window] = coverage
    return whole


def _canvas(item: SceneObject, n: int) -> Canvas:
    left, upper, right, lower = (edge * n for edge in item.box)
    margin = 0.06 * item.height * n + 1
    first_column, last_column = max(0, int(left - margin)), min(n, int(right + margin) + 1)
    first_row, last_row = max(0, int(upper - margin)), min(n, int(lower + margin) + 1)
    scale = item.height * n
    u = (np.arange(first_column, last_column) + 0.5 - item.x * n) / scale * (-1 if item.mirrored else 1)
    v = (item.y * n - np.arange(first_row, last_row) - 0.5) / scale
    size = (last_row - first_row, last_column - first_column)
    return Canvas(n, first_row, first_column, *size, u[None, :].astype(np.float32), v[:, None].astype(np.float32), scale)


def _object(canvas: Canvas, scene: Scene, item: SceneObject) -> tuple[Field, Field]:
    """Return an object's coverage (rows, columns) and its colours (rows, columns, 3)."""
    light = scene.side * (-1 if item.mirrored else 1)
    fine = FINE if canvas.n <= 128 else FINE // 2
    silhouette = Image.new("L", (canvas.columns * fine, canvas.rows * fine))
    laid = np.zeros((canvas.rows, canvas.columns), dtype=np.float32)
    paint = np.zeros((canvas.rows, canvas.columns, 3), dtype=np.float32)
    for part, centre, half in parts(item.kind):
        outline = _pixels(canvas, item, part.points)
        region = _region(canvas, outline)
        if region is None:
            continue
        rows, columns = region
        size = (columns.stop - columns.start, rows.stop - rows.start)
        piece = Image.new("L", (size[0] * fine, size[1] * fine))
        ImageDraw.Draw(piece).polygon(_corners(outline - (columns.start, rows.start), fine), fill=255)
        ImageDraw.Draw(silhouette).polygon(_corners(outline, fine), fill=255)
        covered = to_float(np.asarray(piece.reduce(fine)))
        across, up = (canvas.u[:, columns] - centre[0]) / half[0], (canvas.v[rows] - centre[1]) / half[1]
        shaded = shade(part, item, across, up, canvas.scale * float(half.min()), light, TINTS[scene.light])
        paint[region] = blend(paint[region], shaded, covered)
        laid[region] += (1.0 - laid[region]) * covered
    coverage = to_float(np.asarray(silhouette.reduce(fine)))
    # A pixel on the rim carries the paint of its covered share, undiluted.
    return coverage, paint / np.maximum(laid, 1e-3)[..., None]


def _pixels(canvas: Canvas, item: SceneObject, points: np.ndarray) -> np.ndarray:
    """Return an outline in pixels of the canvas, (N, 2) as column and row."""
    across = item.x * canvas.n + points[:, 0] * canvas.scale * (-1 if item.mirrored else 1) - canvas.left
    return np.stack([across, item.y * canvas.n - points[:, 1] * canvas.scale - canvas.top], axis=1)


def _region(canvas: Canvas, outline: np.ndarray) -> tuple[slice, slice] | None:
    """Return the rows and columns that an outline touches, or ``None`` outside the canvas."""
    low, high = np.floor(outline.min(axis=0)).astype(int), np.ceil(outline.max(axis=0)).astype(int) + 1
    columns, rows = slice(max(0, low[0]), min(canvas.columns, high[0])), slice(max(0, low[1]), min(canvas.rows, high[1]))
    return (rows, columns) if rows.stop > rows.start and columns.stop > columns.start else None


def _corners(outline: np.ndarray, fine: int) -> list[tuple[float, float]]:
    """Return an outline as Pillow wants it; its polygons come out about a third of a subdivision wider on each side."""
    return [(x, y) for x, y in (outline * fine).tolist()]


def _shadow(image: Field, scene: Scene, item: SceneObject) -> None:
    """Darken the ground under an object, away from the light."""
    at, width = grid(len(image)), item.width
    strength = {"day": 0.50, "sunset": 0.48, "moon": 0.45}.get(scene.light, 0.36)
    contact = glow(at, item.x, item.y - 0.004, 0.50 * width, 0.018 + 0.03 * item.height)
    cast = glow(at, item.x - 0.30 * scene.side * width, item.y - 0.002, 0.62 * width, 0.022 + 0.05 * item.height)
    image *= (1.0 - strength * np.maximum(contact, 0.7 * cast))[..., None]


def _halo(image: Field, scene: Scene, item: SceneObject) -> None:
    """Add the light that a lamp or a star gives."""
    strength = {"moon": 0.55, "evening": 0.36, "sunset": 0.40}.get(scene.light, 0.22)
    middle = item.y - item.height * (0.74 if item.kind == "lamp" else 0.47)
    spot = strength * glow(grid(len(image)), item.x, middle, 0.95 * item.height)
    image += (1.0 - np.clip(image, 0, 1)) * colour(1.0, 0.86, 0.55) * spot[..., None]


def _mirror(image: Field, canvas: Canvas, coverage: Field, paint: Field, item: SceneObject) -> None:
    """Lay an object's fading mirror image and a line of foam on the water below it."""
    n = canvas.n
    at, base = grid(n), item.y - DRAUGHT.get(item.kind, 0.0) * item.height
    row = min(n, round(base * n))
    depth = min(n - row, row - canvas.top, round(0.5 * item.height * n))
    if depth > 0:
        above = slice(row - canvas.top - depth, row - canvas.top)
        window = (slice(row, row + depth), slice(canvas.left, canvas.left + canvas.columns))
        fade = np.linspace(0.42, 0.0, depth, dtype=np.float32)[:, None]
        image[window] = blend(image[window], paint[above][::-1] * 0.8, coverage[above][::-1] * fade)
    foam = glow(at, item.x, base + 0.004, 0.56 * item.width, 0.014)
    image += (1.0 - np.clip(image, 0, 1)) * 0.55 * foam[..., None] * TINTS["day"]
