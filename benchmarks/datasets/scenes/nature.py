"""Animals and plants, each as its parts from back to front in its own frame (see ``scenes_outline``)."""

import numpy as np

from benchmarks.datasets.scenes.outline import CREAM, GOLD, INK, LEAF, WOOD, Part, box, ellipse, polygon, smooth, stroke


def bird() -> tuple[Part, ...]:
    """Return the parts of a bird."""
    return (
        Part(smooth((-0.1, 0.5), (-0.34, 0.98), (-0.08, 0.94), (0.2, 0.56)), "dark"),
        Part(polygon((-0.38, 0.40), (-0.72, 0.52), (-0.66, 0.38), (-0.7, 0.24), (-0.36, 0.26)), "dark"),
        Part(polygon((0.5, 0.50), (0.72, 0.42), (0.5, 0.36)), (0.97, 0.62, 0.12)),
        Part(smooth((-0.44, 0.34), (-0.1, 0.5), (0.2, 0.5), (0.36, 0.62), (0.53, 0.54), (0.52, 0.36), (0.3, 0.16), (-0.05, 0.09)), "main"),
        Part(smooth((-0.3, 0.24), (0.0, 0.3), (0.3, 0.22), (0.14, 0.12), (-0.05, 0.11)), "light"),
        Part(smooth((-0.16, 0.38), (-0.12, 0.92), (0.06, 1.0), (0.24, 0.42), (0.06, 0.32)), "main"),
        Part(stroke(0.035, (-0.03, 0.84), (0.02, 0.6), (0.04, 0.42)), "dark", "flat"),
        Part(ellipse(0.4, 0.485, 0.05), CREAM, "flat"),
        Part(ellipse(0.412, 0.485, 0.032), INK, "flat"),
    )


def cactus() -> tuple[Part, ...]:
    """Return the parts of a cactus."""
    body = (
        Part(stroke(0.15, (-0.02, 0.34), (-0.2, 0.36), (-0.245, 0.46), (-0.25, 0.66)), "main", "tube"),
        Part(ellipse(-0.25, 0.66, 0.075), "main", "tube"),
        Part(stroke(0.14, (0.02, 0.46), (0.19, 0.48), (0.24, 0.57), (0.25, 0.78)), "main", "tube"),
        Part(ellipse(0.25, 0.78, 0.07), "main", "tube"),
        Part(box(-0.13, 0.0, 0.13, 0.94, 0.125), "main", "tube"),
    )
    ribs = tuple(Part(stroke(0.014, (x, 0.04), (x, 0.86)), "dark", "flat") for x in (-0.065, 0.0, 0.065))
    bloom = tuple(
        Part(ellipse(x, y, 0.05, 0.035, turn), (0.95, 0.4, 0.6)) for x, y, turn in ((-0.05, 0.95, 40), (0.05, 0.95, -40), (0, 0.965, 90))
    )
    return body + ribs + bloom


def cat() -> tuple[Part, ...]:
    """Return the parts of a cat."""
    eyes = tuple(
        part
        for x in (-0.085, 0.085)
        for part in (Part(ellipse(x, 0.725, 0.042, 0.05), (0.72, 0.86, 0.32), "flat"), Part(ellipse(x, 0.725, 0.018, 0.042), INK, "flat"))
    )
    return (
        Part(stroke(0.085, (0.12, 0.06), (0.3, 0.07), (0.33, 0.24), (0.25, 0.38), (0.31, 0.47), taper=0.7), "dark"),
        Part(smooth((-0.25, 0.04), (-0.26, 0.24), (-0.15, 0.56), (0.15, 0.56), (0.26, 0.24), (0.25, 0.04), (0, 0.0)), "main", "soft", True),
        Part(smooth((-0.09, 0.1), (-0.09, 0.4), (0, 0.54), (0.09, 0.4), (0.09, 0.1)), "light"),
        Part(ellipse(-0.1, 0.045, 0.085, 0.05), "light"),
        Part(ellipse(0.1, 0.045, 0.085, 0.05), "light"),
        Part(polygon((-0.225, 0.76), (-0.23, 1.0), (-0.04, 0.88)), "main"),
        Part(polygon((0.225, 0.76), (0.23, 1.0), (0.04, 0.88)), "main"),
        Part(polygon((-0.195, 0.82), (-0.2, 0.94), (-0.1, 0.87)), (0.92, 0.62, 0.62), "flat"),
        Part(polygon((0.195, 0.82), (0.2, 0.94), (0.1, 0.87)), (0.92, 0.62, 0.62), "flat"),
        Part(
            smooth((-0.25, 0.66), (-0.18, 0.85), (0, 0.9), (0.18, 0.85), (0.25, 0.66), (0.13, 0.55), (0, 0.53), (-0.13, 0.55)),
            "main",
            "soft",
            True,
        ),
        Part(ellipse(0, 0.605, 0.1, 0.06), "light"),
        *eyes,
        Part(polygon((-0.028, 0.655), (0.028, 0.655), (0, 0.62)), (0.85, 0.42, 0.45), "flat"),
    )


def fish() -> tuple[Part, ...]:
    """Return the parts of a fish."""
    return (
        Part(smooth((-0.4, 0.5), (-0.66, 0.86), (-0.8, 0.9), (-0.7, 0.5), (-0.8, 0.12), (-0.66, 0.14)), "dark"),
        Part(smooth((-0.2, 0.78), (-0.1, 1.0), (0.16, 0.98), (0.3, 0.76)), "dark"),
        Part(smooth((-0.1, 0.2), (-0.1, 0.0), (0.08, 0.04), (0.16, 0.22)), "dark"),
        Part(
            smooth((-0.52, 0.5), (-0.3, 0.72), (0.1, 0.9), (0.5, 0.78), (0.76, 0.47), (0.5, 0.22), (0.1, 0.11), (-0.3, 0.28)),
            "main",
            "soft",
            True,
        ),
        Part(smooth((-0.2, 0.27), (0.15, 0.3), (0.58, 0.36), (0.42, 0.2), (0.1, 0.125)), "light"),
        Part(stroke(0.03, (0.34, 0.8), (0.27, 0.52), (0.33, 0.25)), "dark", "flat"),
        Part(smooth((0.12, 0.5), (-0.1, 0.6), (-0.16, 0.42), (0.02, 0.34)), "dark"),
        Part(ellipse(0.52, 0.58, 0.075), CREAM, "flat"),
        Part(ellipse(0.535, 0.58, 0.042), INK, "flat"),
        Part(stroke(0.025, (0.74, 0.43), (0.66, 0.4), (0.6, 0.42)), "dark", "flat"),
    )


def flower() -> tuple[Part, ...]:
    """Return the parts of a flower."""
    angles = np.arange(8) * 45.0 + 22.5
    petals = tuple(
        Part(ellipse(0.185 * np.cos(np.radians(a)), 0.72 + 0.185 * np.sin(np.radians(a)), 0.125, 0.078, a), "main" if i % 2 else "light")
        for i, a in enumerate(angles)
    )
    return (
        Part(stroke(0.045, (0.02, 0.0), (-0.02, 0.3), (0.0, 0.66)), LEAF, "tube"),
        Part(smooth((0.0, 0.12), (0.14, 0.2), (0.27, 0.36), (0.1, 0.32)), LEAF),
        Part(smooth((0.0, 0.06), (-0.13, 0.16), (-0.27, 0.26), (-0.12, 0.26)), LEAF),
        *petals,
        Part(ellipse(0, 0.72, 0.105), GOLD, "ball"),
    )


def mushroom() -> tuple[Part, ...]:
    """Return the parts of a mushroom."""
    return (
        Part(smooth((-0.13, 0.02), (-0.12, 0.3), (-0.09, 0.55), (0.09, 0.55), (0.12, 0.3), (0.15, 0.02), (0, -0.0)), CREAM, "tube"),
        Part(ellipse(0, 0.5, 0.42, 0.1), (0.86, 0.78, 0.66), "soft"),
        Part(
            smooth((-0.49, 0.5), (-0.4, 0.78), (-0.16, 0.97), (0.16, 0.97), (0.4, 0.78), (0.49, 0.5), (0.25, 0.47), (-0.25, 0.47)),
            "main",
            "ball",
        ),
        *(
            Part(ellipse(x, y, r, r * 0.8), CREAM)
            for x, y, r in ((-0.25, 0.68, 0.08), (0.04, 0.83, 0.09), (0.29, 0.66, 0.075), (0.03, 0.59, 0.06))
        ),
    )


def tree() -> tuple[Part, ...]:
    """Return the parts of a tree."""
    under = ((-0.22, 0.47, 0.17), (0.22, 0.47, 0.17), (0.0, 0.44, 0.17))
    crown = ((-0.19, 0.62, 0.2), (0.19, 0.63, 0.2), (0.0, 0.8, 0.2), (0.0, 0.6, 0.2))
    tufts = ((-0.18, 0.71, 0.085), (0.13, 0.72, 0.09), (-0.03, 0.86, 0.09), (0.02, 0.6, 0.085), (0.24, 0.56, 0.07), (-0.23, 0.53, 0.07))
    return (
        Part(smooth((-0.1, 0.0), (-0.06, 0.18), (-0.06, 0.5), (0.06, 0.5), (0.06, 0.18), (0.11, 0.0), (0, 0.02)), WOOD, "tube"),
        *(Part(ellipse(x, y, r), "dark", "leaf") for x, y, r in under),
        *(Part(ellipse(x, y, r), "main", "leaf") for x, y, r in crown),
        *(Part(ellipse(x, y, r, r * 0.72), "bright", "leaf") for x, y, r in tufts),
    )
