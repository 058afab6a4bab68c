"""The grid: what is measured, validated before anything runs; a misspelt key is an error that suggests the right one.

::

    benchmarks/grids/NAME.yaml ──> load_grid ──> --methods, --datasets, --limit ──> --set KEY=VALUE ──> Grid
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from benchmarks.common.registry import nearest
from benchmarks.datasets.base import Fit
from benchmarks.link.link import LinkSettings
from benchmarks.metrics import MetricSettings
from suite.config.catalog import GRIDS
from suite.config.execution import EvaluationSettings, GenerativeSettings, SheetSettings, Strict
from suite.config.training import TrainingSettings
from suite.errors import SettingsError
from suite.report.ablations import Ablation

T = TypeVar("T")


def _fraction(value: Any) -> Fraction:
    try:
        ratio = Fraction(str(value).replace(" ", ""))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"a compression ratio is a number such as 1/24, not {value!r}") from None
    if not 0 < ratio <= 1:
        raise ValueError(f"a compression ratio lies between 0 and 1, not {value!r}")
    return ratio


def _entries(value: Any) -> Any:
    """Accept ``name``, ``name/variant`` and ``{name: [variants]}`` besides the full form of a method entry."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(full_entry(item) for item in value)


def full_entry(item: Any) -> Any:
    """Return a method entry in its full form, ``{"name": ..., "variants": ...}``; what is none is returned as it is."""
    if isinstance(item, str):
        name, _, variant = item.partition("/")
        return {"name": name, "variants": (variant,) if variant else ()}
    if isinstance(item, Mapping) and len(item) == 1 and "name" not in item:
        ((name, variants),) = item.items()
        return {"name": name, "variants": (variants,) if isinstance(variants, str) else variants}
    return item


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} stands there twice")
    return values


Ratio = Annotated[Fraction, BeforeValidator(_fraction)]
Decibel = Annotated[float, Field(allow_inf_nan=False)]
Some = Annotated[tuple[T, ...], Field(min_length=1), AfterValidator(_distinct)]


class MethodEntry(Strict):
    """One method of the grid.

    Attributes:
        name: as registered.
        variants: variants to run; empty for the method's default one.
        preset: size of the network; the grid's ``training.preset`` if not given.
        settings: settings of the method, over variant and preset.
        training: training settings for this method, over the grid's.
    """

    name: str
    variants: tuple[str, ...] = ()
    preset: str | None = None
    settings: dict[str, Any] = {}
    training: dict[str, Any] = {}


class GridTraining(TrainingSettings):
    """How methods are trained for this grid.

    Attributes:
        preset: size of every network, "compact" or "paper" or one of a method's own.
        data: training set: a built-in one, or a format ("folder", "duts", "voc") read from ``--train-data``.
    """

    preset: str = "compact"
    data: str = "photos"


class Grid(Strict):
    """What is measured: the product of methods, datasets, ratios, channels, SNRs and repetitions.

    Attributes:
        name, description: for people.
        seed: of noise and fading; a training has its own, ``training.seed``.
        image_size: side of the square images, pixels.
        fit: how images become square, "squash" (the paper's resizing) or "crop".
        methods: entries, or ``name``, ``name/variant``, ``{name: [variants]}``.
        datasets: test sets.
        snr_db, cr, channels, repetitions: the cells; repetitions differ in noise alone.
        metrics: names; one that ends in ``?`` is left out where its weights are missing, any other fails the plan.
            The word ``available`` stands for every metric, each with ``?``.
        metric_settings: where metrics find their weights.
        link: equaliser, coding, resource grid.
        generative: the generative models and what they may cost.
        training: how methods are trained.
        limit: images of each dataset, from the first; ``None`` for all.
        evaluation: how the work is cut and shared.
        sheet: the qualitative sheet.
        ablations: tables of what parts of a method are worth.
    """

    name: str
    description: str = ""
    seed: int = 1
    image_size: int = Field(default=256, ge=8, le=4096)
    fit: Fit = "squash"
    methods: Annotated[tuple[MethodEntry, ...], BeforeValidator(_entries), Field(min_length=1)]
    datasets: Some[str]
    snr_db: Some[Decibel]
    cr: Some[Ratio]
    channels: Some[str]
    repetitions: int = Field(default=1, ge=1)
    metrics: tuple[str, ...] | Literal["available"] = "available"
    metric_settings: MetricSettings = MetricSettings()
    link: LinkSettings = LinkSettings()
    generative: GenerativeSettings = GenerativeSettings()
    training: GridTraining = GridTraining()
    limit: int | None = Field(default=None, ge=1)
    evaluation: EvaluationSettings = EvaluationSettings()
    sheet: SheetSettings = SheetSettings()
    ablations: tuple[Ablation, ...] = ()


def read_grid(name: str) -> dict[str, Any]:
    """Return the keys of a built-in grid or of a YAML file.

    Raises:
        SettingsError: there is no such grid or file, or it is not a YAML mapping.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise SettingsError(
                f"there is no grid file {path}; give a built-in grid ({', '.join(GRIDS.names())}) or an existing .yaml file"
            )
    else:
        path = GRIDS.get(name)
    try:
        keys = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not readable YAML: {' '.join(str(error).split())}") from error
    if not isinstance(keys, dict):
        raise SettingsError(f"{path} must hold keys and values, as the grids in benchmarks/grids do")
    return keys


def override(keys: dict[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Return ``keys`` with ``KEY=VALUE`` assignments applied; dots reach into sections, values are YAML.

    What is set under ``training`` holds for every method: it replaces what the grid says of that key for single methods too.

    Raises:
        SettingsError: an assignment has no ``=``, its value is not YAML, or it reaches into something that is not a section.
    """
    result = dict(keys)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set takes KEY=VALUE, not '{assignment}'; for example --set training.steps=500")
        *path, last = name.strip().split(".")
        section = result
        for key in path:
            inner = section.get(key, {})
            if not isinstance(inner, dict):
                raise SettingsError(f"--set {assignment}: '{key}' is a value, not a section")
            section[key] = section = dict(inner)
        try:
            section[last] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SettingsError(f"--set {assignment}: the value is not readable YAML; quote it") from error
        if path == ["training"] and isinstance(result.get("methods"), list):
            result["methods"] = [_without_training(entry, last) for entry in result["methods"]]
    return result


def _without_training(entry: Any, key: str) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("training"), dict):
        return entry
    return entry | {"training": {name: value for name, value in entry["training"].items() if name != key}}


def build_grid(keys: Mapping[str, Any]) -> Grid:
    """Return the validated grid.

    Raises:
        SettingsError: one sentence for every key or value that is wrong.
    """
    try:
        return Grid.model_validate(dict(keys))
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(dict(problem)) for problem in _primary(error))) from None


def validate(model: type[BaseModel], keys: Mapping[str, Any], where: str) -> Any:
    """Return ``model`` built from ``keys``, its errors told as :class:`SettingsError` at ``where``."""
    try:
        return model.model_validate(dict(keys))
    except ValidationError as error:
        raise SettingsError("; ".join(f"{where}: {_sentence(dict(problem), model)}" for problem in _primary(error))) from None


def _primary(error: ValidationError) -> list[Any]:
    """Return the problems without those that only follow from a problem inside the same value."""
    problems = error.errors()
    inner = {problem["loc"][:-1] for problem in problems if problem["loc"]}
    return [problem for problem in problems if not (problem["type"] == "too_short" and problem["loc"] in inner)]


def _sentence(problem: Mapping[str, Any], model: type[BaseModel] = Grid) -> str:
    location: Sequence[str | int] = problem["loc"]
    where = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        fields = _fields(model, location[:-1])
        return f"unknown key '{where}'.{nearest(str(location[-1]), fields)} Known here: {', '.join(sorted(fields))}"
    if problem["type"] == "missing":
        return f"the key '{where}' is missing"
    message = str(problem["msg"]).removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    # A whole section is no help beside a message that names its fields.
    got = "" if isinstance(problem["input"], Mapping) else f", got {problem['input']!r}"
    return f"'{where}': {message}{got}" if where else f"{message}{got}"


def _fields(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                model = annotation
            elif part == "methods":
                model = MethodEntry
    return list(model.model_fields)
