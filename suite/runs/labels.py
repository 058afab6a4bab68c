"""How the key of a record is called wherever a person reads it: in tables, in figures and in file names."""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache

from benchmarks.common.names import slug
from methods.names import display_name

STAGE_ONE = "stage-one"
"""The last part of a variant whose records are of the coarse image, before refinement: ``full/stage-one``."""

# At length and in legends.
Names = tuple[str, str]

_MAX_DENOMINATOR = 100_000
_told: dict[str, Names] = {}
_READING = re.compile(r" \[([^\[\]]+)\]$")
_SEEDS = re.compile(r" (seed \d+|\d+ seeds)$")


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


def of_all_seeds(variant: str, count: int) -> str:
    """Return the variant of the row over ``count`` training seeds, of a variant without one.

    Example:
        >>> of_all_seeds("full/stage-one [Eb/N0]", 3), without_seed("full 3 seeds/stage-one [Eb/N0]"), without_seed("base seed 1")
        ('full 3 seeds/stage-one [Eb/N0]', ('full/stage-one [Eb/N0]', '3 seeds'), ('base', 'seed 1'))
    """
    whole, stage, reading = _parts(variant)
    return with_reading(f"{whole} {count} seeds{stage}", reading)


@cache
def without_seed(variant: str) -> tuple[str, str]:
    """Return the variant of a method and which training seed or seeds it is of, "" where it names none."""
    whole, stage, reading = _parts(variant)
    found = _SEEDS.search(whole)
    return (with_reading(f"{whole[: found.start()]}{stage}", reading), found[1]) if found else (variant, "")


def over_seeds(variant: str) -> bool:
    """Return whether a variant is that of a row over several training seeds."""
    return without_seed(variant)[1].endswith("seeds")


def _parts(variant: str) -> tuple[str, str, str]:
    """Return a variant without, the ending of its coarse image and the label of its reading."""
    own, reading = without_reading(variant)
    whole = own.removesuffix(f"/{STAGE_ONE}")
    return whole, own[len(whole) :], reading


def variant_stem(variant: str) -> str:
    """Return a variant as file names hold it."""
    own, reading = without_reading(variant)
    return own.replace("/", "-").replace(" ", "-") + (f"@{slug(reading)}" if reading else "")


def series_id(method: str, variant: str) -> str:
    """Return the names by which a method and variant are registered, as files and messages hold them: "swinjscc/sa"."""
    unseeded, seed = without_seed(variant)
    own, reading = without_reading(unseeded)
    own = own.removeprefix("default").removeprefix("/")
    named = f"{method}/{own}" if own else method
    return with_reading(f"{named} {seed}" if seed else named, reading)


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
        >>> series_label("gened_sc", "full [Eb/N0]"), series_label("swinjscc", "base seed 1")
        ('GenED-SC [Eb/N0]', 'SwinJSCC, seed 1')
    """
    unseeded, seed = without_seed(variant)
    whole, ending, reading = _parts(unseeded)
    stage = ending.removeprefix("/")
    name = display_name(method, whole, legend) or _told.get(f"{method}/{whole}", (None, None))[legend]
    if name is None:
        return series_id(method, variant)
    return with_reading(", ".join(filter(None, (name, seed, stage.replace("-", " ")))), reading)


def file_stem(*parts: str) -> str:
    """Return a file name made of names that may hold any character."""
    return "_".join(re.sub(r"[^A-Za-z0-9.+-]+", "-", part).strip("-") or "unnamed" for part in parts)
