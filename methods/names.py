"""What people call a method and its variants, read from its source: no method is imported for it.

::

    display_names, legend_names of the class ── variant stated? ──> "SwinJSCC (SA)"
                                             ├─ "*" stated: the variant is another method ──> "SwinJSCC (SA), edited"
                                             └─ no: name of the method, the variant ──> "Hosonuma et al., segmentation"
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.common.registry import Registry
from benchmarks.common.sources import Declaration, NotStatedError, Stated
from methods.registry import METHODS

_UNNAMED = "default"
_OTHERS = "*"


@dataclass(frozen=True)
class MethodNames:
    """The names of a method and its variants.

    Attributes:
        display: "" -> the method, variant -> what it is called where that is stated, "*" -> how a variant is called that is itself
            the name of a method, ``{}`` standing for that method's.
        legend: shorter ones, where they differ.
        variants: the variants in order, the default one first.
    """

    display: Mapping[str, str] = field(default_factory=dict)
    legend: Mapping[str, str] = field(default_factory=dict)
    variants: Sequence[str] = (_UNNAMED,)

    def of(self, variant: str, legend: bool = False) -> str | None:
        """Return what a variant is called, ``None`` where the method states no name of its own.

        Example:
            >>> MethodNames({"": "Blocks", "big": "Blocks (16 x 16)"}).of("no-filter"), MethodNames().of("default")
            ('Blocks, no filter', None)
        """
        for stated in (self.legend, self.display) if legend else (self.display,):
            if variant in stated:
                return stated[variant]
        whole = (legend and self.legend.get("")) or self.display.get("")
        if not whole:
            return None
        return whole if variant in (_UNNAMED, *self.variants[:1]) else f"{whole}, {variant.replace('-', ' ')}"


def display_name(method: str, variant: str, legend: bool = False) -> str | None:
    """Return what people call a variant of a method, ``None`` where the method is unknown here or states no name.

    Args:
        method, variant: as registered, as in ``swinjscc`` and ``sa``.
        legend: the short name for a legend.

    Example:
        >>> display_name("swinjscc", "sa"), display_name("digital", "jpeg", legend=True), display_name("gone", "default")
        ('SwinJSCC (SA)', 'JPEG', None)
        >>> display_name("edited", "swinjscc/sa")
        'SwinJSCC (SA), edited'
    """
    names = _known(method)
    pattern = names.display.get(_OTHERS)
    if pattern is None or variant in names.display:
        return names.of(variant, legend)
    inner, _, own = variant.partition("/")
    return pattern.format(display_name(inner, own or next(iter(_known(inner).variants), _UNNAMED), legend) or variant)


def _known(method: str) -> MethodNames:
    return _names(METHODS, method, METHODS.loaded(method))


@functools.lru_cache(maxsize=256)
def _names(registry: Registry[Any], method: str, cls: type | None) -> MethodNames:
    """Return the names that a method states; its source goes before its class, so that a process which loaded it says the same."""
    declaration = registry.sources(method)
    if declaration is not None:
        return MethodNames(_texts(declaration, "display_names"), _texts(declaration, "legend_names"), _variants(declaration))
    if cls is None:
        return MethodNames()
    return MethodNames(getattr(cls, "display_names", {}), getattr(cls, "legend_names", {}), list(getattr(cls, "variants", ())))


def _texts(declaration: Declaration, attribute: str) -> dict[str, str]:
    stated = declaration.attribute(attribute)
    try:
        return {} if stated is None else stated.texts()
    except NotStatedError:
        # Asking the class would load what a listing or a table does without.
        return {}


def _variants(declaration: Declaration) -> list[str]:
    stated: Stated | None = declaration.attribute("variants")
    try:
        return [_UNNAMED] if stated is None else stated.keys()
    except NotStatedError:
        return [_UNNAMED]
