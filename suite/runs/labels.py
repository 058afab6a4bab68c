"""How the key of a record is called wherever a person reads it: in tables, in figures and in file names."""

import math
import re
from collections.abc import Mapping
from fractions import Fraction

from benchmarks.common.names import slug
from methods.names import display_name

STAGE_ONE = "stage-one"
"""The last part of a variant whose records are of the coarse image, before refinement: ``full/stage-one``."""

# At length and in legends.
Names = tuple[str, str]

_MAX_DENOMINATOR = 100_000
_told: dict[str, Names] = {}
_READING = re.compile(r" \[([^\[\]]+)\]$")


def cr_label(cr: float | Fraction | None) -> str:
    """Return a compression ratio as a fraction, "1/24"; "fixed" for NaN and ``None``."""
    return "fixed" if cr is None or math.isnan(cr) else str(cr_fraction(cr))


def cr_fraction(cr: float | Fraction) -> Fraction:
    """Return the compression ratio that a grid named and records hold as a float."""
    return Fraction(cr).limit_denominator(_MAX_DENOMINATOR)


def with_reading(variant: str, reading: str) -> str:
    """Return a variant as records hold it that was sent over the link as ``reading`` sets it; "" for a link without a label.

    Example:
        >>> with_reading("full", "Eb/N0"), without_reading("full [Eb/N0]"), without_reading("full")
        ('full [Eb/N0]', ('full', 'Eb/N0'), ('full', ''))
    """
    return f"{variant} [{reading}]" if reading else variant


def without_reading(variant: str) -> tuple[str, str]:
    """Return the variant of a method and the label of its reading, "" for none."""
    found = _READING.search(variant)
    return (variant[: found.start()], found[1]) if found else (variant, "")


def variant_stem(variant: str) -> str:
    """Return a variant as file names hold it."""
    own, reading = without_reading(variant)
    return own.replace("/", "-") + (f"@{slug(reading)}" if reading else "")


def series_id(method: str, variant: str) -> str:
    """Return the names by which a method and variant are registered, as files and messages hold them: "swinjscc/sa"."""
    own, reading = without_reading(variant)
    own = own.removeprefix("default").removeprefix("/")
    return with_reading(f"{method}/{own}" if own else method, reading)


def names_of(method: str, variant: str) -> Names | None:
    """Return what people call a method and variant, at length and in legends; ``None`` where nobody here has a name for it."""
    long, short = display_name(method, variant), display_name(method, variant, legend=True)
    return None if long is None or short is None else (long, short)


def remember_names(names: Mapping[str, Names]) -> None:
    """Call methods that are not at hand as a run folder does: ``method/variant`` -> name, name in legends.

    A method that is here says itself what it is called.
    """
    _told.update(names)


def series_label(method: str, variant: str, legend: bool = False) -> str:
    """Return what people call a method and variant, as tables and figures print it; the id where nobody here has a name for it.

    Args:
        method, variant: as records hold them.
        legend: the short name for legends.

    Example:
        >>> series_label("gened_sc", "full/stage-one"), series_label("digital", "webp", legend=True), series_label("gone", "v2")
        ('GenED-SC, stage one', 'WebP', 'gone/v2')
        >>> series_label("gened_sc", "full [Eb/N0]")
        'GenED-SC [Eb/N0]'
    """
    own, reading = without_reading(variant)
    whole, _, stage = own.rpartition("/") if own.endswith(f"/{STAGE_ONE}") else (own, "", "")
    name = display_name(method, whole, legend) or _told.get(f"{method}/{whole}", (None, None))[legend]
    if name is None:
        return series_id(method, variant)
    return with_reading(f"{name}, {stage.replace('-', ' ')}" if stage else name, reading)


def file_stem(*parts: str) -> str:
    """Return a file name made of names that may hold any character."""
    return "_".join(re.sub(r"[^A-Za-z0-9.+-]+", "-", part).strip("-") or "unnamed" for part in parts)
