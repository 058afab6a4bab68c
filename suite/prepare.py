"""The pipeline: everything a run needs is found and checked first; only then anything is trained or evaluated.

::

    Grid ──prepare──> Prepared(methods, data sets, metrics, trainings) ──train──> weights ──evaluate──> records
                         every error that can be known beforehand                                ──> tables, figures
"""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.common.errors import ImageError, MetricUnavailableError, SemcomError, sentence_of
from benchmarks.common.fetching import forbidden
from benchmarks.common.project import REFERENCE
from benchmarks.datasets import Dataset, open_dataset
from benchmarks.link.link import Link
from benchmarks.metrics import check, fetch, lookup, metric_table
from methods.base import TrainableMethod
from methods.errors import MethodError, MissingAssetError
from methods.generative.backends.base import check_ready
from suite.config.catalog import DATASETS
from suite.config.grid import Grid
from suite.config.methods import ConfiguredMethod, resolve
from suite.errors import SettingsError
from suite.evaluate.plan import Trained, WorkUnit, make_units, sizes_of
from suite.evaluate.readings import read_grids
from suite.evaluate.timeout import signals_heard
from suite.plan_checks import check_plan
from suite.runs.layout import RunLayout
from suite.runs.provenance import installed
from suite.shortfalls import missing_files, ratios_left_out
from suite.train.checkpoint import Checkpoint
from suite.train.jobs import TrainingJob, load_card_settings
from suite.train.named import named_weights
from suite.train.sources import ImageSource

# Images that are looked at to learn whether a data set comes with captions.
CAPTION_PROBES = 8
SHIPPED = RunLayout(REFERENCE).checkpoints


@dataclass(frozen=True)
class Metrics:
    """The metrics of a run.

    Attributes:
        names: those that are scored.
        left_out: those that are not, with the reason.
    """

    names: tuple[str, ...]
    left_out: dict[str, str]

    def described(self, grid: Grid) -> dict[str, dict[str, Any]]:
        """Return what ``run.json`` keeps of every metric column: title and direction for tables and figures, and what versions made it."""
        table = metric_table(grid.metric_settings)
        described: dict[str, dict[str, Any]] = {}
        for name in self.names:
            made_by = {package: installed(package) for package in table[name].implementation}
            described[name] = {"title": table[name].title, "better": table[name].better, "implementation": made_by}
            described |= {flag: {"title": flag.replace("_", " "), "better": "lower", "flag": True} for flag in table[name].flags}
        return described


@dataclass(frozen=True)
class Prepared:
    """A grid with all it names found.

    Attributes:
        grid: the grid.
        methods: its configured methods.
        datasets: test set by name, with its folder.
        metrics: what is scored.
        jobs: training job by method label and ratio; several ratios of one network share a job.
        notes: what a reader of the results should know of the data sets found and of cells that are left out, each once.
        named: by method label and ratio the weights that are taken by name, of which nothing is trained.
        lacking: of a plan alone, by label: which files of others a method cannot do without and are not here.
    """

    grid: Grid
    configured_methods: tuple[ConfiguredMethod, ...]
    datasets: dict[str, tuple[Dataset, Path | None]]
    metrics: Metrics
    jobs: dict[tuple[str, Fraction | None], TrainingJob]
    notes: tuple[str, ...] = ()
    named: Mapping[tuple[str, Fraction | None], Checkpoint] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)

    def units(
        self, run: str, checkpoints: Mapping[TrainingJob, Checkpoint], failures: Mapping[TrainingJob, str] | None = None
    ) -> list[WorkUnit]:
        """Return the work units of the grid, with the weights that there are and the trainings that failed."""
        failure_reasons = {key: f"TrainingError: {failures[job]}" for key, job in self.jobs.items() if failures and job in failures}
        own = {configured.label: configured for configured in self.configured_methods}
        trained = {
            key: Trained(own[key[0]].as_trained(load_card_settings(found, job.configured)), found.path, found.card.sha256)
            for key, job in self.jobs.items()
            if (found := checkpoints.get(job)) is not None
        }
        for key, checkpoint in self.named.items():
            own_settings = load_card_settings(checkpoint, own[key[0]].trained)
            trained[key] = Trained(own[key[0]].as_trained(own_settings), checkpoint.path, checkpoint.card.sha256)
        return make_units(run, self.grid, self.configured_methods, self.datasets, trained, self.metrics.names, failure_reasons)


def prepare(grid: Grid, data_dir: Path | None = None, train_data: Path | None = None, search: int = 0) -> Prepared:
    """Find and check everything the grid names.

    Args:
        grid: what is measured.
        data_dir: folder that holds the test sets that are not built in.
        train_data: training images; ``None`` for the grid's own training set, in ``data_dir`` if it needs a folder.
        search: trials of a search before each training; 0 for none.

    Raises:
        SemcomError: whatever is unknown, missing or impossible, before anything runs.
    """
    configured_methods = resolve(grid)
    link = Link(grid.link)
    for configured in configured_methods:
        for read in read_grids(configured, grid):
            over = link if read.grid.link == grid.link else Link(read.grid.link)
            for channel in read.grid.channels:
                over.check(channel, configured.traits.coding_mode, files=configured.traits.chooses_schemes)
        for channel in configured.training.channels:
            link.channel(channel)
    datasets: dict[str, tuple[Dataset, Path | None]] = {}
    for name in grid.datasets:
        datasets[name] = (open_dataset(name, data_dir, grid.image_size, "test", grid.fit), data_dir)
    lacking = {configured.label: sentence for configured in configured_methods if (sentence := missing_files(configured))}
    if lacking and not forbidden():
        raise MissingAssetError(" ".join(lacking.values()))
    left_out = [sentence for configured in configured_methods if (sentence := ratios_left_out(configured, grid.cr))]
    sizes = image_sizes(grid, [dataset for dataset, _ in datasets.values()])
    for configured in configured_methods:
        fitting = {configured.sent_size(size, grid.fit) for size in sizes}
        for cr in configured.ratios(grid.cr) if configured.label not in lacking else ():
            for size in sorted(fitting):
                check_fits(configured, size, cr)
    metrics = resolve_metrics(grid, [dataset for dataset, _ in datasets.values()])
    check_plan(grid, configured_methods, metrics.names, metrics.left_out)
    source = _source(grid, data_dir, train_data)
    taken = [each for each in configured_methods if each.weights and train_data is None]
    named = {(each.label, cr): named_weights(each, cr) for each in taken if each.trained.traits.trainable for cr in each.ratios(grid.cr)}
    jobs = _jobs(grid, [each for each in configured_methods if each not in taken], source, search)
    told = [note for dataset, _ in datasets.values() for note in dataset.notes] + list(source.notes if jobs else ()) + left_out
    return Prepared(grid, configured_methods, datasets, metrics, jobs, tuple(dict.fromkeys(told)), named, lacking)


def resolve_metrics(grid: Grid, datasets: Sequence[Dataset]) -> Metrics:
    """Return the grid's metrics that can run here.

    Raises:
        MetricUnavailableError: a metric without ``?`` cannot run here.
        UnknownNameError: there is no such metric.
    """
    settings = grid.metric_settings
    asked = tuple(f"{name}?" for name in metric_table(settings)) if grid.metrics == "available" else tuple(grid.metrics)
    names = [name.removesuffix("?") for name in asked]
    masks = all(any(map(dataset.has_mask, dataset.items())) for dataset in datasets)
    objects = all(dataset.knows_objects for dataset in datasets)
    smallest = min(image_sizes(grid, datasets), key=min)
    failure_reasons = check(names, settings, smallest, True, masks, objects)
    of_text = [spec.name for spec in lookup(names, settings) if spec.needs_caption]
    if of_text and (lacking := _lacks_texts(grid, datasets)):
        failure_reasons |= {name: failure_reasons[name] or f"{name} compares images with texts: {lacking}" for name in of_text}
    optional = {name.removesuffix("?") for name in asked if name.endswith("?")}
    left_out = {name: failure_reason for name, failure_reason in failure_reasons.items() if failure_reason}
    fatal = [failure_reason for name, failure_reason in left_out.items() if name not in optional]
    if fatal:
        raise MetricUnavailableError(" ".join(fatal) + " Or let the grid leave it out: write its name with a '?', or metrics: available.")
    usable = [name for name in names if name not in left_out]
    if settings.allow_download:
        fetch(usable, settings)
    return Metrics(tuple(usable), left_out)


def _lacks_texts(grid: Grid, datasets: Sequence[Dataset]) -> str:
    """Return why metrics of text have nothing to compare with on some data set, "" where they have.

    Raises:
        SettingsError: a captioner is named that cannot be asked, and that no data set as a whole needs.
    """
    bare = ", ".join(dataset.name for dataset in datasets if not _has_captions(dataset))
    captioner = grid.generative.reference_captioner
    if captioner is None:
        way_out = "name a model in generative.reference_captioner that writes them for the metrics alone, or leave the metric out."
        return f"{bare} comes without captions; {way_out}" if bare else ""
    try:
        check_ready(captioner)
    except MethodError as error:
        if bare:
            return f"{bare} comes without captions, and generative.reference_captioner cannot be asked: {error}."
        way_out = "the data sets have captions of their own, so it may be left out: generative.reference_captioner=null"
        raise SettingsError(f"generative.reference_captioner cannot be asked: {error}; {way_out}") from error
    return ""


def _has_captions(dataset: Dataset) -> bool:
    for id in dataset.items()[:CAPTION_PROBES]:
        try:
            if dataset.load(id).caption:
                return True
        except ImageError:
            continue
    return False


def image_sizes(grid: Grid, datasets: Sequence[Dataset]) -> set[tuple[int, int]]:
    """Return (height, width) of the images that a grid shows."""
    return {size for dataset in datasets for size in sizes_of(dataset, dataset.items()[: grid.limit]).values()}


def check_fits(configured: ConfiguredMethod, size: tuple[int, int], cr: Fraction | None) -> None:
    """Raise a :class:`MethodError` if a method cannot be built for images of ``size``, height and width, or lacks something it needs."""
    import torch

    # Built on no device: the constructor's checks run, the weights take no memory.
    with _foreign(configured.label), torch.device("meta"):
        configured.build(*size, cr).check_ready()


def check_trainable(job: TrainingJob, size: int) -> None:
    """Raise a :class:`MethodError` if a training lacks something that it needs besides its images of ``size`` pixels a side."""
    import torch

    with _foreign(job.label), torch.device("meta"):
        method = job.configured.build(size, size, job.cr if job.cr is not None else next(iter(job.rates), None))
        if isinstance(method, TrainableMethod):
            method.check_trainable()


@contextmanager
def _foreign(label: str) -> Iterator[None]:
    """Make of whatever the code of a method raises one sentence that names the method and the place."""
    with signals_heard() as heard:
        try:
            yield
        except (SemcomError, OSError):
            raise
        except BaseException as error:
            if heard and not isinstance(error, Exception):
                raise
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise MethodError(
                f"{label} cannot be made ready: {sentence_of(error)} ({place.filename}, line {place.lineno}); mend it, or leave it out"
            ) from error


def _jobs(
    grid: Grid, configured_methods: Sequence[ConfiguredMethod], source: ImageSource, search: int
) -> dict[tuple[str, Fraction | None], TrainingJob]:
    jobs: dict[tuple[str, Fraction | None], TrainingJob] = {}
    for configured in configured_methods:
        if not configured.trained.traits.trainable:
            continue
        for cr in configured.ratios(grid.cr):
            shared = configured.traits.one_model_for_all_rates
            rates = tuple(grid.cr) if shared else tuple(rate for rate in (cr,) if rate is not None)
            data = replace(source, masked_only=configured.traits.needs_masks)
            jobs[configured.label, cr] = TrainingJob(configured.trained, None if shared else cr, rates, data, grid.link, search)
    return jobs


def _source(grid: Grid, data_dir: Path | None, train_data: Path | None) -> ImageSource:
    name = grid.training.data
    if train_data is not None:
        return ImageSource(None, train_data)
    return ImageSource(name, data_dir if DATASETS.get(name).folder else None)
