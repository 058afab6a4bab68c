"""The grid: what is measured, validated before anything runs; :mod:`suite.config.reading` makes one of a name and a command line."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from benchmarks.common.validation import Settings
from benchmarks.datasets.base import Fit
from benchmarks.link.settings import Decibel, LinkSettings
from benchmarks.metrics import MetricSettings
from suite.config.ablations import Ablation
from suite.config.execution import EvaluationSettings, GenerativeSettings
from suite.config.ratios import Ratio
from suite.config.readings import Label, Reading, check_readings
from suite.config.sheets import SheetSettings
from suite.config.training import TrainingSettings

T = TypeVar("T")


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


Seed = Annotated[int, Field(ge=0)]
Some = Annotated[tuple[T, ...], Field(min_length=1), AfterValidator(_distinct)]


class MethodEntry(Settings):
    """One method of the grid.

    Attributes:
        name: as registered.
        variants: variants to run; empty for the method's default one.
        preset: size of the network; the grid's ``training.preset`` if not given.
        settings: settings of the method, over variant and preset.
        training: training settings for this method, over the grid's.
        weights: folder of checkpoints, or the file of one, that is taken by method, variant and ratio; nothing is trained then, unless
            training images are given, and every table says so.
        cr: the grid's ratios that it is evaluated at, which every table tells; empty for all.
    """

    name: str
    variants: tuple[str, ...] = ()
    preset: str | None = None
    settings: dict[str, Any] = {}
    training: dict[str, Any] = {}
    weights: str = ""
    cr: tuple[Ratio, ...] = ()


class GridTraining(TrainingSettings):
    """How methods are trained for this grid.

    Attributes:
        preset: size of every network, "compact" or "paper" or one of a method's own.
        data: training set: a built-in one, or a format ("folder", "duts", "voc", "voc2007") read from ``--train-data``.
        seeds: seeds by each of which every network is trained and evaluated, two or more, for rows of their own and one of the mean over
            them, whose interval takes in the variance over trainings; empty to train once, by ``seed``. The network of ``seed`` is the one
            without a seed in its name. What is taken from ``weights`` is evaluated once.
    """

    preset: str = "compact"
    data: str = "photos"
    seeds: tuple[Seed, ...] = ()

    first_values: ClassVar[Mapping[str, Any]] = {"seeds": ()}

    @field_validator("seeds")
    @classmethod
    def _several(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(value) == 1:
            raise ValueError(f"one seed is training.seed={value[0]}; name two or more seeds, or none")
        return _distinct(value)

    def of_weights(self) -> dict[str, Any]:
        """Return the fields that determine the weights of a network, of which several seeds make several."""
        return {name: value for name, value in super().of_weights().items() if name != "seeds"}


class Grid(Settings):
    """What is measured: the product of methods, datasets, ratios, channels, SNRs and repetitions.

    Attributes:
        name, description: for people.
        seed: of noise and fading; a training has its own, ``training.seed``.
        image_size: side of the square images, pixels.
        fit: how images become square, "squash" (the paper's resizing) or "crop"; with "native" they keep their size, and budgets follow it.
        methods: entries, or ``name``, ``name/variant``, ``{name: [variants]}``.
        datasets: test sets.
        snr_db, cr, channels, repetitions: the cells; repetitions differ in noise alone.
        metrics: names; one that ends in ``?`` is left out where its weights are missing, any other fails the plan.
            The word ``available`` stands for every metric, each with ``?``.
        metric_settings: where metrics find their weights.
        link: equaliser, coding, resource grid.
        readings: label -> what of ``link`` is set otherwise, and on which channels, for rows of their own beside those of the grid's
            link; an entry without changes gives the latter a label. Methods that a reading cannot change have one row.
        generative: the generative models and what they may cost.
        training: how methods are trained.
        limit: images of each dataset, from the first; ``None`` for all.
        evaluation: how the work is cut and shared.
        sheet: the qualitative sheet.
        ablations: tables of what parts of a method are worth.
        tracking: "mlflow" follows trainings and results there too; see :mod:`suite.tracking`.
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
    repetitions: int = Field(default=1, ge=1, le=10_000)
    metrics: tuple[str, ...] | Literal["available"] = "available"
    metric_settings: MetricSettings = MetricSettings()
    link: LinkSettings = LinkSettings()
    readings: dict[Label, Reading] = {}
    generative: GenerativeSettings = GenerativeSettings()
    training: GridTraining = GridTraining()
    limit: int | None = Field(default=None, ge=1)
    evaluation: EvaluationSettings = EvaluationSettings()
    sheet: SheetSettings = SheetSettings()
    ablations: tuple[Ablation, ...] = ()
    tracking: Literal["mlflow"] | None = None

    first_values: ClassVar[Mapping[str, Any]] = {"readings": {}, "tracking": None}

    @model_validator(mode="after")
    def _distinct_readings(self) -> Self:
        check_readings(self.readings, self.link)
        return self
