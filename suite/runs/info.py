"""``run.json``: what a run folder says of itself, read here and nowhere else.

::

    run.json ──read_info──> RunInfo ──┬─> tables, figures, page: metrics, ablations, sizes, notes
                                      └─> RunFolder: whose run it is, what earlier starts wrote down
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, model_validator

from suite.config.ablations import Ablation
from suite.config.ratios import Ratio
from suite.config.sheets import SheetSettings
from suite.errors import RunFolderError
from suite.runs.layout import RunLayout

Better = Literal["higher", "lower"]


class _Lenient(BaseModel):
    """Base of what is read back: newer and older suites write other keys."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class MetricInfo(_Lenient):
    """What a table must know of a metric besides its values.

    Attributes:
        title: heading in tables.
        better: direction of quality.
        flag: whether it only marks images, 0 or 1, so that it is counted in a note and has neither table nor figure.
        implementation: package -> version, of those that determine its values; nothing in runs of before they were noted.
    """

    title: str
    better: Better
    flag: bool = False
    implementation: Mapping[str, str | None] = {}

    @property
    def heading(self) -> str:
        """The title with an arrow towards the better values."""
        return f"{self.title} {'↑' if self.better == 'higher' else '↓'}"


class LinkInfo(_Lenient):
    """The part of a grid's link that figures read.

    Attributes:
        rician_k: ratio of the power of the line of sight to that of the scattered paths, linear.
    """

    rician_k: float = 4.0


class MetricFolders(_Lenient):
    """The folders of a grid's metric networks: by name, those of CLIPs."""

    clip_models: Mapping[str, str] = {}


class GridInfo(_Lenient):
    """The part of a run's grid that its tables, figures and trends read.

    Attributes:
        image_size: height and width of the images in pixels, ``None`` where it is not known or each has its own.
        fit: how they came to that size; with "native" each has its own.
        link: of the link.
        metric_settings: of the metrics.
        ablations: the questions that the grid asks.
        channels, snr_db, cr, repetitions: its cells, nothing where they are not known.
        sheet: which images are shown, ``None`` where it is not known.
    """

    channels: tuple[str, ...] = ()
    snr_db: tuple[float, ...] = ()
    cr: tuple[Ratio, ...] = ()
    sheet: SheetSettings | None = None
    repetitions: int | None = None
    image_size: int | None = None
    fit: str = ""
    link: LinkInfo = LinkInfo()
    metric_settings: MetricFolders = MetricFolders()
    ablations: tuple[Ablation, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _no_common_size(cls, values: Any) -> Any:
        return {**values, "image_size": None} if isinstance(values, Mapping) and values.get("fit") == "native" else values


class DatasetInfo(_Lenient):
    """What a run notes of a test set.

    Attributes:
        images: those of it that the grid names, ``None`` for all.
        sheet: those that the qualitative sheet is of, ``None`` for all that are kept.
        groups: image -> what it belongs to with others; an image that is missing is by itself.
        sizes: image -> height and width in pixels, where images keep their size.
    """

    images: tuple[str, ...] | None = None
    sheet: tuple[str, ...] | None = None
    groups: Mapping[str, str] = {}
    sizes: Mapping[str, tuple[int, int]] = {}


class SpendingInfo(_Lenient):
    """Calls of generative models and what they cost in US dollars, by model."""

    calls: Mapping[str, int] = {}
    cost_usd: Mapping[str, float] = {}


class TrainingInfo(_Lenient):
    """What a run notes of the training of a network that it sends with.

    Attributes:
        minutes: it took, on ``machine``.
        steps, seed, data: of the training.
        validation: held-out values by name.
        parameters: number of real values of the network, ``None`` in runs of before it was noted.
    """

    minutes: float
    steps: int
    seed: int
    data: str
    machine: str = ""
    validation: Mapping[str, float] = {}
    parameters: int | None = None


class RunInfo(_Lenient):
    """The content of ``run.json``, as far as somebody reads it.

    Attributes:
        name: of the run in its records, "" where the folder's name is.
        identity: digest of the part of the grid that changes results.
        identifying: that part, key by key.
        grid: of the grid.
        metrics: metric column -> its title and direction, in the order of the tables.
        metrics_left_out: metric -> why it was not computed.
        datasets: test sets by name.
        notes: sentences that belong under every table, such as that the digital stream was lossless by decree.
        spending: of the calls of generative models.
        starts: what each start noted of the code and the machine.
        method_warnings: method -> what its readers must know, such as that it gives other results when it is asked again.
        code_changed: methods of which records were kept although their code has changed since.
        names: ``method/variant`` -> what people call it, at length and in legends, for a reader without the method's file.
        trainings: network -> how it was trained: minutes, steps, seed, data, machine, validation.
        weights: network -> SHA-256 of the weights that it was sent with.
    """

    name: str = ""
    identity: str = ""
    identifying: Mapping[str, Any] = {}
    grid: GridInfo = GridInfo()
    metrics: Mapping[str, MetricInfo] = {}
    metrics_left_out: Mapping[str, str] = {}
    datasets: Mapping[str, DatasetInfo] = {}
    notes: tuple[str, ...] = ()
    spending: SpendingInfo = SpendingInfo()
    starts: tuple[Mapping[str, Any], ...] = ()
    method_warnings: Mapping[str, str] = {}
    code_changed: tuple[str, ...] = ()
    names: Mapping[str, tuple[str, str]] = {}
    trainings: Mapping[str, TrainingInfo] = {}
    weights: Mapping[str, str] = {}
    _document: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "RunInfo":
        """Return what the content of a ``run.json`` says.

        Raises:
            pydantic.ValidationError: a known key has a value of another kind.
        """
        info = cls.model_validate(document)
        info._document = dict(document)
        return info

    @property
    def document(self) -> dict[str, Any]:
        """The whole content, keys that nobody here reads included."""
        return dict(self._document)

    @property
    def flags(self) -> list[str]:
        """The columns that only mark images."""
        # Suites before the key wrote such columns of cut texts alone.
        return [name for name, metric in self.metrics.items() if metric.flag or name.endswith("_truncated")]

    @property
    def warnings(self) -> list[str]:
        """What belongs on every table and at the head of the page."""
        return [*self.method_warnings.values(), *([kept_note(self.code_changed)] if self.code_changed else [])]

    @property
    def below(self) -> list[str]:
        """What belongs under every table of results."""
        return [*self.notes, *self.warnings]

    @property
    def dirty(self) -> bool:
        """Whether the working tree was not clean at any start, so that the commit alone does not reproduce the run."""
        return _dirty(self._document)


def kept_note(methods: Sequence[str]) -> str:
    """Return the sentence that records of methods come from other code than there is now."""
    return f"Code changed: records of {', '.join(methods)} were kept although the code of the method has changed since they were made."


def _dirty(content: object) -> bool:
    if isinstance(content, dict):
        return any((key == "dirty" and value is True) or _dirty(value) for key, value in content.items())
    return isinstance(content, list) and any(map(_dirty, content))


def read_info(layout: RunLayout[Any]) -> RunInfo | None:
    """Read the ``run.json`` of a run folder, ``None`` where there is none.

    Raises:
        RunFolderError: it cannot be read, is not JSON, or a key has a value of another kind; the message names the file and the key.
    """
    path = layout.run_json
    mend = "restore it or choose another folder"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise RunFolderError(f"{path} is not the run.json of a run; {mend}")
        return RunInfo.of(document)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise RunFolderError(f"{layout.path} is not a folder; choose another one") from None
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read ({error.strerror}); mend this or choose another folder") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RunFolderError(f"{path} cannot be read: {where}: {first['msg']}; correct it there, or {mend}") from error
    except ValueError as error:
        raise RunFolderError(f"{path} cannot be read: it is not JSON ({error}); {mend}") from error
