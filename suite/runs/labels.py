"""How the key of a record is called wherever a person reads it: in tables, in figures and in file names."""

import math
import re
from fractions import Fraction

from methods.names import display_name

STAGE_ONE = "stage-one"
"""The last part of a variant whose records are of the coarse image, before refinement: ``full/stage-one``."""

_MAX_DENOMINATOR = 100_000


def cr_label(cr: float | Fraction | None) -> str:
    """Return a compression ratio as a fraction, "1/24"; "fixed" for NaN and ``None``."""
    return "fixed" if cr is None or math.isnan(cr) else str(cr_fraction(cr))


def cr_fraction(cr: float | Fraction) -> Fraction:
    """Return the compression ratio that a grid named and records hold as a float."""
    return Fraction(cr).limit_denominator(_MAX_DENOMINATOR)


def series_id(method: str, variant: str) -> str:
    """Return the names by which a method and variant are registered, as files and messages hold them: "swinjscc/sa"."""
    variant = variant.removeprefix("default").removeprefix("/")
    return f"{method}/{variant}" if variant else method


def series_label(method: str, variant: str, legend: bool = False) -> str:
    """Return what people call a method and variant, as tables and figures print it; the id where nobody here has a name for it.

    Args:
        method, variant: as records hold them.
        legend: the short name for legends.

    Example:
        >>> series_label("gened_sc", "full/stage-one"), series_label("digital", "webp", legend=True), series_label("gone", "v2")
        ('GenED-SC, stage one', 'WebP', 'gone/v2')
    """
    whole, _, stage = variant.rpartition("/") if variant.endswith(f"/{STAGE_ONE}") else (variant, "", "")
    name = display_name(method, whole, legend)
    if name is None:
        return series_id(method, variant)
    return f"{name}, {stage.replace('-', ' ')}" if stage else name


def file_stem(*parts: str) -> str:
    """Return a file name made of names that may hold any character."""
    return "_".join(re.sub(r"[^A-Za-z0-9.+-]+", "-", part).strip("-") or "unnamed" for part in parts)
