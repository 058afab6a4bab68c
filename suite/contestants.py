"""Contestants: the methods of a grid, resolved to one configured network each.

::

    MethodEntry(name, variants, preset, settings) ──registry──> one Contestant a variant ──build──> Method

Settings are laid over one another in this order: the class's defaults, the preset, the variant, the grid's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from methods.base import Geometry, Method, MethodSettings, Traits
from methods.registry import nearest
from suite.catalog import METHODS
from suite.errors import SettingsError
from suite.settings import Grid, GridTraining, MethodEntry, validate
from suite.train.settings import TrainingSettings


@dataclass(frozen=True)
class Contestant:
    """One configured method.

    Attributes:
        method, variant, preset: names.
        settings: the method's complete settings.
        training: how it is trained, if it is.
    """

    method: str
    variant: str
    preset: str
    settings: MethodSettings
    training: TrainingSettings

    @property
    def cls(self) -> type[Method]:
        """The method's class."""
        return METHODS.get(self.method)

    @property
    def traits(self) -> Traits:
        """What the engine must know of it."""
        return self.cls.traits(self.settings)

    @property
    def label(self) -> str:
        """``method/variant``, as tables and messages name it."""
        return f"{self.method}/{self.variant}"

    def ratios(self, grid_ratios: Sequence[Fraction]) -> tuple[Fraction | None, ...]:
        """Return the compression ratios it is evaluated at; a single ``None`` for a fixed-rate method."""
        return tuple(grid_ratios) if self.traits.rates == "variable" else (None,)

    def build(self, height: int, width: int, cr: Fraction | None) -> Method:
        """Return the network for pictures of this size, its weights as its constructor draws them."""
        return self.cls(self.settings, Geometry(height, width, None if self.traits.one_model_for_all_rates else cr))


def resolve(grid: Grid) -> tuple[Contestant, ...]:
    """Return the grid's contestants in its order.

    Raises:
        UnknownNameError: a method is not registered.
        SettingsError: a variant, a preset or a setting is unknown, or a contestant is named twice.
    """
    contestants = tuple(contestant for entry in grid.methods for contestant in _variants(entry, grid.training))
    labels = [contestant.label for contestant in contestants]
    for label in labels:
        if labels.count(label) > 1:
            raise SettingsError(f"the grid names {label} twice; keep one of the two entries")
    return contestants


def _variants(entry: MethodEntry, training: GridTraining) -> list[Contestant]:
    cls = METHODS.get(entry.name)
    preset = entry.preset or training.preset
    sized = _choose(cls.presets, preset, f"preset of {entry.name}")
    own = validate(TrainingSettings, {**_training_keys(training), **entry.training}, f"methods.{entry.name}.training")
    result = []
    for variant in entry.variants or (next(iter(cls.variants)),):
        keys = {**sized, **_choose(cls.variants, variant, f"variant of {entry.name}"), **entry.settings}
        settings = validate(cls.Settings, keys, f"methods.{entry.name}.settings")
        result.append(Contestant(entry.name, variant, preset, settings, own))
    return result


def _training_keys(training: GridTraining) -> dict[str, Any]:
    return {name: getattr(training, name) for name in TrainingSettings.model_fields}


def _choose(table: Any, name: str, what: str) -> dict[str, Any]:
    if name not in table:
        raise SettingsError(f"unknown {what} '{name}'.{nearest(name, table)} Known: {', '.join(table)}.")
    return dict(table[name])
