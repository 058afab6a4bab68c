"""What a listing shows of a method, read from its source: no method is imported, so no deep-learning library is loaded.

What a class computes instead of stating it, and whatever comes from another distribution, is asked from the class itself.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.common.sources import Declaration, NotStatedError, Stated
from methods.declaration import Traits
from methods.registry import METHODS

TRAINABLE = "TrainableMethod"


@dataclass(frozen=True)
class MethodEntry:
    """What a reader needs to choose a method; the traits are those of its settings' defaults.

    Attributes:
        name: as registered.
        variants, presets: their names, the default one first.
        rates: "variable" or "fixed".
        trainable: whether it has weights to train.
        paper: citation of the source.
    """

    name: str
    variants: Sequence[str]
    presets: Sequence[str]
    rates: str
    trainable: bool
    paper: str


def entry(name: str) -> MethodEntry:
    """Return what is listed of the method called ``name``.

    Raises:
        UnknownNameError: there is no such method.
    """
    declaration = METHODS.declared(name) if METHODS.loaded(name) is None else None
    if declaration is not None:
        try:
            return _stated(declaration)
        except NotStatedError:
            pass
    cls = METHODS.get(name)
    traits = cls.traits(cls.Settings())
    return MethodEntry(name, list(cls.variants), list(cls.presets), traits.rates, traits.trainable, cls.paper)


def _stated(declaration: Declaration) -> MethodEntry:
    variants, presets, paper = (_attribute(declaration, name) for name in ("variants", "presets", "paper"))
    traits = _traits(declaration)
    return MethodEntry(
        declaration.name,
        variants.keys(),
        presets.keys(),
        str(traits["rates"].constant()) if "rates" in traits else Traits().rates,
        _trainable(declaration, traits.get("trainable")),
        paper.constant(),
    )


def _attribute(declaration: Declaration, name: str) -> Stated:
    found = declaration.attribute(name)
    if found is None:
        raise NotStatedError(f"{declaration.name} does not state {name}")
    return found


def _traits(declaration: Declaration) -> dict[str, Stated]:
    """Return the arguments of the one ``Traits(...)`` that the class returns."""
    function, source = declaration.method("traits")
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and ast.unparse(node.func) == Traits.__name__]
    if len(calls) != 1 or calls[0].args:
        raise NotStatedError(f"{declaration.name} computes its traits")
    return {str(keyword.arg): Stated(source, keyword.value) for keyword in calls[0].keywords}


def _trainable(declaration: Declaration, stated: Stated | None) -> bool:
    if stated is None:
        return Traits().trainable
    try:
        return bool(stated.constant())
    except NotStatedError:
        # It depends on the settings: the weights of others are not trained. With the defaults a method with weights trains its own.
        return any(node.name == TRAINABLE for _, node in declaration.lineage())
