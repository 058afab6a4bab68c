"""Methods: the methods of a grid, resolved to one configured network each.

::

    MethodEntry(name, variants, preset, settings) ──registry──> one ConfiguredMethod a variant ──build──> Method

Settings are laid over one another in this order: the class's defaults, the grid's generative models where the class has fields
of their names, the preset, the variant, the grid's own.
"""

import json
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, cached_property
from typing import Any, get_args

from benchmarks.common.hashing import digest
from benchmarks.common.names import unknown
from benchmarks.datasets.base import Fit
from methods.base import Geometry, Method, MethodSettings, Traits
from methods.files import add_file, file_of
from methods.generative.backends.base import open_backend
from methods.generative.prompts import prompt_identity
from methods.generative.settings import CaptionerSettings, ModelSettings
from suite.config.catalog import METHODS
from suite.config.grid import Grid, GridTraining, MethodEntry
from suite.config.method_code import method_code
from suite.config.reading import validate
from suite.config.training import TrainingSettings
from suite.errors import SettingsError


@dataclass(frozen=True)
class ConfiguredMethod:
    """One configured method.

    Attributes:
        method, variant, preset: names.
        settings: the method's complete settings.
        training: how it is trained, if it is.
        weights: where trained weights lie that are taken by its name, "" for those that are found by their training.
        only: the ratios that the grid evaluates it at, empty for all.
        seed: the training seed that tells it from others of its kind, where the grid trains by several; ``None`` for the one that is
            ``training.seed``, so that a network is found again when seeds are added.
    """

    method: str
    variant: str
    preset: str
    settings: MethodSettings
    training: TrainingSettings
    weights: str = ""
    only: tuple[Fraction, ...] = ()
    seed: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker must know the user's file before it meets the classes of it.
        fields = (self.method, self.variant, self.preset, self.settings, self.training, self.weights, self.only, self.seed)
        file = file_of(self.method)
        return _restored, ("" if file is None else f"{file}:{self.cls.__name__}", pickle.dumps(fields))

    @property
    def cls(self) -> type[Method]:
        """The method's class."""
        return METHODS.get(self.method)

    @property
    def trained(self) -> "ConfiguredMethod":
        """The method whose training gives the weights: itself, or the codec that it sends with."""
        codec = self.cls.codec(self.settings)
        if codec is None:
            return self
        return replace(self, method=codec.method, variant=codec.variant, settings=codec.settings)

    @property
    def code(self) -> str:
        """Digest of its code, and of its codec's; "" where it is not known."""
        trained = self.trained
        parts = [method_code(each.cls) for each in (self, *([] if trained is self else [trained]))]
        return parts[0] if len(parts) == 1 or not all(parts) else digest("code", parts)

    def as_trained(self, trained: "ConfiguredMethod") -> "ConfiguredMethod":
        """Return the method with the settings that its weights were trained with."""
        if self.cls.codec(self.settings) is None:
            return trained
        return replace(self, settings=self.cls.with_codec(self.settings, trained.settings))

    @property
    def traits(self) -> Traits:
        """What the engine must know of it."""
        return self.cls.traits(self.settings)

    @property
    def label(self) -> str:
        """``method/variant``, as tables and messages name it, and its seed where it has one of its own."""
        return f"{self.method}/{self.told_variant}"

    @property
    def told_variant(self) -> str:
        """The variant as records hold it, but for the reading of the link; :mod:`suite.runs.labels` takes it apart again."""
        return self.variant if self.seed is None else f"{self.variant} seed {self.seed}"

    @property
    def models(self) -> dict[str, ModelSettings]:
        """The generative models that it asks, by field of its settings."""
        fields = {name: getattr(self.settings, name) for name in self.cls.Settings.model_fields}
        return {name: value for name, value in fields.items() if isinstance(value, ModelSettings)}

    @property
    def captioner_models(self) -> list[ModelSettings]:
        """The models that its ``describe`` asks."""
        return [model for model in self.models.values() if isinstance(model, CaptionerSettings)] if self.traits.describes else []

    @property
    def refine_models(self) -> list[ModelSettings]:
        """The models that its ``refine`` asks."""
        return [model for name, model in self.models.items() if name in self.traits.asks]

    @cached_property
    def identity_fields(self) -> dict[str, Any]:
        """Its settings as results depend on them: models by what they are, whatever they are called and wherever they lie."""
        traits, models = self.traits, self.models
        # A model that nobody asks changes nothing.
        asked = {name for name, model in models.items() if name in traits.asks or model in self.captioner_models}
        unread = {name for name in self.cls.Settings.model_fields if _takes(self.cls, name)} - asked
        whole = self.settings.identity_fields(unread)
        return whole | {name: model_identity(models[name]) for name in asked}

    def ratios(self, grid_ratios: Sequence[Fraction]) -> tuple[Fraction | None, ...]:
        """Return the compression ratios it is evaluated at, those that it has weights for; a single ``None`` for a fixed-rate method."""
        traits = self.traits
        if traits.rates == "fixed":
            return (None,)
        return tuple(ratio for ratio in grid_ratios if not self.left_out(ratio))

    def left_out(self, ratio: Fraction) -> bool:
        """Return whether it is not evaluated at a ratio: it has no weights for it, or the grid asks for others."""
        known = self.traits.ratios
        return (known is not None and ratio not in known) or bool(self.only and ratio not in self.only)

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the smallest (height, width) that holds such an image and that :meth:`build` accepts."""
        return Geometry.rounded_up(height, width, self.settings.multiple)

    def sent_size(self, size: tuple[int, int], fit: Fit) -> tuple[int, int]:
        """Return the (height, width) that images are sent in: their own, but where those that keep their size do not fit the method."""
        return self.padded(*size) if fit == "native" else size

    def build(self, height: int, width: int, cr: Fraction | None) -> Method:
        """Return the network for images of this size, its weights as its constructor draws them."""
        return self.cls(self.settings, Geometry(height, width, None if self.traits.one_model_for_all_rates else cr))


def _restored(place: str, fields: bytes) -> ConfiguredMethod:
    if place:
        add_file(place)
    return ConfiguredMethod(*pickle.loads(fields))


def model_identity(model: ModelSettings) -> dict[str, Any]:
    """Return what a generative model's answers depend on: weights or name, options, the words of its prompt.

    Raises:
        GenerativeOptionsError, ModelUnavailableError: the model cannot be opened.
    """
    return _facts(type(model), _text(model))[0]


def is_remote(model: ModelSettings) -> bool:
    """Return whether calls of the model may cost money, so that they are counted; errors as in :func:`model_identity`."""
    return _facts(type(model), _text(model))[1]


def _text(model: ModelSettings) -> str:
    return json.dumps({**model.model_dump(mode="json"), "access": model.access}, sort_keys=True)


@cache
def _facts(kind: type[ModelSettings], text: str) -> tuple[dict[str, Any], bool]:
    # Kept, because the identity of local weights is a hash of their files.
    model = kind.model_validate_json(text)
    backend = open_backend(model)
    own = model.model_dump(mode="python", exclude={"model", "options", "prompt_file"})
    whole = {**own, "model": backend.identity, "options": dict(backend.settings), "prompt": prompt_identity(model)}
    return whole, backend.remote


def resolve(grid: Grid) -> tuple[ConfiguredMethod, ...]:
    """Return the grid's methods in its order.

    Raises:
        UnknownNameError: a method is not registered, or has no such variant or preset.
        SettingsError: a setting is wrong, or a method is named twice.
    """
    configured_methods = tuple(configured for entry in grid.methods for configured in _variants(entry, grid))
    labels = [configured.label for configured in configured_methods]
    for label in labels:
        if labels.count(label) > 1:
            raise SettingsError(f"the grid names {label} twice; keep one of the two entries")
    return configured_methods


def _variants(entry: MethodEntry, grid: Grid) -> list[ConfiguredMethod]:
    cls, training = METHODS.get(entry.name), grid.training
    shared = {name: model for name, model in grid.generative.models.items() if _takes(cls, name)}
    preset = entry.preset or training.preset
    sized = _choose(cls.presets, preset, f"preset of {entry.name}")
    own = validate(TrainingSettings, {**_training_keys(training), **entry.training}, f"methods.{entry.name}.training")
    result = []
    for variant in entry.variants or (next(iter(cls.variants)),):
        keys = {**shared, **sized, **_choose(cls.variants, variant, f"variant of {entry.name}", _besides(cls)), **entry.settings}
        settings = validate(cls.Settings, keys, f"methods.{entry.name}.settings")
        configured = ConfiguredMethod(entry.name, variant, preset, settings, own, entry.weights, entry.cr)
        result += _by_seeds(configured, training.seeds)
    return result


def _by_seeds(configured: ConfiguredMethod, seeds: Sequence[int]) -> list[ConfiguredMethod]:
    """Return a method once a training seed; by itself where nothing is trained, or by no other seed than its own."""
    if not seeds or configured.weights or not configured.trained.traits.trainable:
        return [configured]
    training = configured.training
    return [
        replace(configured, training=training.model_copy(update={"seed": seed}), seed=None if seed == training.seed else seed)
        for seed in seeds
    ]


def _takes(cls: type[Method], name: str) -> bool:
    """Return whether a method has a field of this name for a generative model."""
    field = cls.Settings.model_fields.get(name)
    return field is not None and any(isinstance(kind, type) and issubclass(kind, ModelSettings) for kind in _kinds(field.annotation))


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


def _besides(cls: type[Method]) -> str:
    """Return how else a variant is named where any method's name is one."""
    return "Any other method that decodes an image may stand there, as METHOD or METHOD/VARIANT." if "*" in cls.display_names else ""


def _training_keys(training: GridTraining) -> dict[str, Any]:
    return {name: getattr(training, name) for name in TrainingSettings.model_fields}


def _choose(table: Any, name: str, what: str, besides: str = "") -> dict[str, Any]:
    if name not in table:
        raise unknown(what, name, table, besides)
    return dict(table[name])
