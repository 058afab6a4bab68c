"""Things, each as its parts from back to front in its own frame (see ``scenes_outline``)."""

from benchmarks.datasets.scenes.outline import CREAM, GLASS, GOLD, INK, STEEL, WOOD, Part, box, ellipse, polygon, smooth, stroke
from benchmarks.datasets.scenes.outline import star as spikes


def ball() -> tuple[Part, ...]:
    """Return the parts of a ball."""
    return (Part(ellipse(0, 0.5, 0.5), "main", "ball", textured=True),)


def balloon() -> tuple[Part, ...]:
    """Return the parts of a balloon."""
    return (
        Part(stroke(0.022, (0.0, 0.34), (0.05, 0.2), (-0.04, 0.1), (0.02, 0.0)), CREAM, "flat"),
        Part(polygon((-0.05, 0.30), (0.05, 0.30), (0.0, 0.38)), "dark"),
        Part(
            smooth((0, 0.33), (0.2, 0.46), (0.3, 0.7), (0.2, 0.93), (0, 1.0), (-0.2, 0.93), (-0.3, 0.7), (-0.2, 0.46)), "main", "ball", True
        ),
    )


def boat() -> tuple[Part, ...]:
    """Return the parts of a boat."""
    return (
        Part(box(-0.025, 0.2, 0.025, 1.0), WOOD, "tube"),
        Part(smooth((0.04, 0.32), (0.06, 0.92), (0.3, 0.62), (0.42, 0.34), (0.2, 0.31)), CREAM),
        Part(smooth((-0.04, 0.36), (-0.05, 0.84), (-0.2, 0.56), (-0.36, 0.36), (-0.2, 0.33)), "light"),
        Part(polygon((0.025, 1.0), (0.19, 0.965), (0.025, 0.925)), "main", "flat"),
        Part(polygon((-0.45, 0.26), (0.45, 0.26), (0.34, 0.06), (0.24, 0.0), (-0.26, 0.0), (-0.36, 0.06)), "main"),
        Part(polygon((-0.45, 0.27), (0.45, 0.27), (0.425, 0.2), (-0.425, 0.2)), CREAM),
        Part(polygon((-0.33, 0.045), (0.32, 0.045), (0.24, 0.0), (-0.26, 0.0)), "dark"),
    )


def car() -> tuple[Part, ...]:
    """Return the parts of a car."""
    wheels = tuple(
        part
        for x in (-0.56, 0.56)
        for part in (
            Part(ellipse(x, 0.2, 0.2), INK, "soft"),
            Part(ellipse(x, 0.2, 0.105), STEEL, "ball"),
            Part(ellipse(x, 0.2, 0.04), (0.35, 0.36, 0.4), "flat"),
        )
    )
    return (
        Part(smooth((-0.66, 0.54), (-0.5, 0.84), (-0.3, 0.98), (0.1, 0.99), (0.32, 0.84), (0.52, 0.55), (0, 0.5)), "main"),
        Part(polygon((-0.56, 0.57), (-0.43, 0.82), (-0.3, 0.89), (-0.1, 0.89), (-0.1, 0.57)), GLASS),
        Part(polygon((-0.03, 0.57), (-0.03, 0.89), (0.1, 0.89), (0.25, 0.79), (0.4, 0.57)), GLASS),
        Part(
            smooth(
                (-0.97, 0.2), (-0.98, 0.46), (-0.8, 0.57), (0.0, 0.58), (0.6, 0.55), (0.92, 0.46), (0.99, 0.24), (0.9, 0.14), (-0.9, 0.14)
            ),
            "main",
        ),
        Part(box(-0.97, 0.14, 0.97, 0.21, 0.03), "dark"),
        Part(stroke(0.022, (-0.065, 0.55), (-0.08, 0.38), (-0.05, 0.22)), "dark", "flat"),
        Part(box(0.02, 0.43, 0.14, 0.47), "dark", "flat"),
        Part(ellipse(0.9, 0.38, 0.055, 0.075), (1.0, 0.95, 0.7), "flat", glow=0.8),
        Part(ellipse(-0.935, 0.4, 0.035, 0.07), (0.85, 0.12, 0.1), "flat", glow=0.4),
        *wheels,
    )


def house() -> tuple[Part, ...]:
    """Return the parts of a house."""
    windows = tuple(
        part
        for x in (-0.27, 0.27)
        for part in (
            Part(box(x - 0.105, 0.24, x + 0.105, 0.46), CREAM, "flat"),
            Part(box(x - 0.08, 0.265, x + 0.08, 0.435), (0.99, 0.87, 0.52), "soft", glow=0.7),
            Part(box(x - 0.008, 0.265, x + 0.008, 0.435), CREAM, "flat"),
            Part(box(x - 0.08, 0.342, x + 0.08, 0.358), CREAM, "flat"),
        )
    )
    return (
        Part(box(0.2, 0.68, 0.32, 0.98), (0.55, 0.3, 0.25)),
        Part(box(0.18, 0.95, 0.34, 1.0), (0.42, 0.24, 0.2)),
        Part(box(-0.43, 0.0, 0.43, 0.58), "main"),
        Part(box(-0.43, 0.0, 0.43, 0.05), "dark"),
        Part(polygon((-0.55, 0.55), (0.55, 0.55), (0.3, 0.9), (-0.3, 0.9)), (0.47, 0.24, 0.2)),
        Part(polygon((-0.55, 0.55), (0.55, 0.55), (0.52, 0.6), (-0.52, 0.6)), (0.36, 0.18, 0.16)),
        Part(box(-0.09, 0.0, 0.09, 0.37, 0.03), WOOD),
        Part(ellipse(0.055, 0.17, 0.016), GOLD, "flat"),
        *windows,
    )


def kite() -> tuple[Part, ...]:
    """Return the parts of a kite."""
    bows = tuple(
        Part(
            polygon((x, y), (x - 0.07, y + 0.035), (x - 0.07, y - 0.035), (x, y), (x + 0.07, y + 0.035), (x + 0.07, y - 0.035)),
            "light",
            "flat",
        )
        for x, y in ((0.045, 0.24), (-0.03, 0.13), (0.04, 0.035))
    )
    return (
        Part(stroke(0.02, (0.0, 0.36), (0.05, 0.24), (-0.04, 0.13), (0.05, 0.0)), CREAM, "flat"),
        *bows,
        Part(polygon((0, 1.0), (0.31, 0.7), (0, 0.7)), "light"),
        Part(polygon((0, 1.0), (-0.31, 0.7), (0, 0.7)), "main"),
        Part(polygon((0, 0.34), (0.31, 0.7), (0, 0.7)), "main"),
        Part(polygon((0, 0.34), (-0.31, 0.7), (0, 0.7)), "dark"),
        Part(box(-0.009, 0.34, 0.009, 1.0), CREAM, "flat"),
        Part(box(-0.31, 0.691, 0.31, 0.709), CREAM, "flat"),
    )


def lamp() -> tuple[Part, ...]:
    """Return the parts of a lamp."""
    return (
        Part(ellipse(0, 0.05, 0.2, 0.05), (0.62, 0.46, 0.2), "tube"),
        Part(
            smooth((-0.08, 0.06), (-0.12, 0.2), (-0.04, 0.36), (-0.03, 0.56), (0.03, 0.56), (0.04, 0.36), (0.12, 0.2), (0.08, 0.06)),
            GOLD,
            "tube",
        ),
        Part(polygon((-0.31, 0.5), (0.31, 0.5), (0.17, 1.0), (-0.17, 1.0)), "main", "tube", glow=0.6),
        Part(polygon((-0.31, 0.5), (0.31, 0.5), (0.3, 0.54), (-0.3, 0.54)), "light", "tube", glow=0.8),
        Part(polygon((-0.18, 0.965), (0.18, 0.965), (0.17, 1.0), (-0.17, 1.0)), "dark", "tube", glow=0.3),
    )


def mug() -> tuple[Part, ...]:
    """Return the parts of a mug."""
    return (
        Part(stroke(0.1, (0.26, 0.76), (0.46, 0.74), (0.49, 0.5), (0.42, 0.3), (0.24, 0.24)), "main"),
        Part(
            smooth((-0.4, 0.88), (-0.4, 0.5), (-0.38, 0.12), (-0.28, 0.02), (0, 0.0), (0.2, 0.02), (0.3, 0.12), (0.32, 0.5), (0.32, 0.88)),
            "main",
            "tube",
            True,
        ),
        Part(ellipse(-0.04, 0.89, 0.37, 0.11), "light"),
        Part(ellipse(-0.04, 0.885, 0.325, 0.085), "dark"),
        Part(ellipse(-0.04, 0.865, 0.29, 0.062), (0.33, 0.19, 0.1)),
    )


def star() -> tuple[Part, ...]:
    """Return the parts of a star."""
    return (
        Part(spikes(0, 0.47, 0.53, 0.235, 5), "main", "soft", glow=0.75),
        Part(spikes(0, 0.48, 0.33, 0.15, 5), "light", "soft", glow=0.85),
    )


def umbrella() -> tuple[Part, ...]:
    """Return the parts of a umbrella."""
    dome = ellipse(0, 0.5, 0.5, 0.5, arc=(0, 180))
    panels = []
    for edge, paint in ((0.5, "main"), (0.31, "light"), (0.11, "main")):
        panels.append(Part(dome * (edge / 0.5, 1.0), paint, "ball"))
    scallops = tuple(
        Part(ellipse(x, 0.5, r, 0.045), "dark", "flat") for x, r in ((-0.405, 0.095), (-0.21, 0.1), (0, 0.11), (0.21, 0.1), (0.405, 0.095))
    )
    return (
        Part(box(-0.02, 0.0, 0.02, 0.6), WOOD, "tube"),
        *panels,
        *scallops,
    )
