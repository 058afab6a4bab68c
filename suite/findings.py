"""What this machine has and what a grid needs of it, found without training, evaluating or downloading anything."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchmarks.common.errors import SemcomError
from benchmarks.common.fetching import nothing_fetched
from benchmarks.common.project import REFERENCE, not_shipped
from benchmarks.datasets import open_dataset
from benchmarks.metrics import check, metric_table
from suite.assets.catalog import command_for
from suite.config.catalog import DATASETS, METHODS
from suite.config.grid import Grid
from suite.config.methods import ConfiguredMethod, resolve
from suite.errors import ClusterError
from suite.keys import HUB_TOKENS, OPENAI_KEY
from suite.prepare import check_fits
from suite.ray_env import connect, prepare_environment
from suite.runs.folder import hardware, versions

State = Literal["here", "missing", "unknown"]
Finder = Callable[["Question"], Iterator["Finding"]]
KEYS = (OPENAI_KEY, HUB_TOKENS[0])
# What `voc` is made of.
BOTH_YEARS = ("voc2007", "voc2012")
# Only metrics need it, and those say so themselves.
OPTIONAL = ("pyiqa",)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        section: what kind of thing it is.
        name: what was looked for.
        state: whether it is here; "unknown" where that does not show without a folder or a cluster that was not named.
        needed: whether the grid cannot do without it.
        detail: version, place, size or where to get it.
        command: what brings it here, "" where no command does.
    """

    section: str
    name: str
    state: State
    needed: bool
    detail: str
    command: str = ""


@dataclass(frozen=True)
class Question:
    """What is asked: a grid, the folders named and the cluster."""

    grid: Grid
    data_dir: Path | None
    train_data: Path | None
    address: str | None


def packages(question: Question) -> Iterator[Finding]:
    """Yield Python and the packages that results depend on; what a metric needs besides is the metric's."""
    for name, version in versions().items():
        yield Finding("package", name, _state(version), name not in OPTIONAL, version or f"pip install {name}")


def project_files(question: Question) -> Iterator[Finding]:
    """Yield what comes with the project's repository alone; needed where the grid names some of it."""
    named = "results/reference" in question.grid.model_dump_json()
    sentence = not_shipped(REFERENCE)
    yield Finding("project", "results/reference", _state(not sentence), named, sentence or str(REFERENCE))


def devices(question: Question) -> Iterator[Finding]:
    """Yield cores and GPUs; GPUs are needed where the grid asks for them."""
    found = hardware()
    gpus: list[str] = found["gpus"]
    asked = [question.grid.training.gpus, question.grid.evaluation.gpus]
    asked += [entry.training.gpus for entry in _configured_methods(question.grid)]
    yield Finding("device", "CPU", "here", True, f"{found['cpu_cores']} cores, {found['machine']}, {found['system']}")
    yield Finding("device", "GPU", _state(gpus), any(asked), ", ".join(gpus) or "this process sees none")


def ray_cluster(question: Question) -> Iterator[Finding]:
    """Yield the resources of the cluster that is named; without one, Ray starts on this machine when it is needed."""
    if question.address is None:
        yield Finding("ray", "cluster", "unknown", False, "none is named; a run starts Ray on this machine alone")
        return
    prepare_environment(question.address)
    # Late: Ray reads the environment when it is imported.
    import ray

    try:
        connect(question.address)
    except (ClusterError, ConnectionError) as error:
        yield Finding("ray", question.address, "missing", True, f"{error}"[:300])
        return
    resources = ray.cluster_resources()
    shown = ", ".join(f"{kind} {resources[kind]:g}" for kind in ("CPU", "GPU") if kind in resources)
    yield Finding("ray", question.address, "here", True, f"{len(ray.nodes())} nodes, {shown}")
    ray.shutdown()


def methods_of_grid(question: Question) -> Iterator[Finding]:
    """Yield each method of the grid, ready or with what it lacks."""
    try:
        configured_methods = resolve(question.grid)
    except SemcomError as error:
        yield Finding("method", question.grid.name, "missing", True, str(error))
        return
    for configured in configured_methods:
        lacks = _lacks(configured, question.grid)
        ready = f"preset {configured.preset}" + (", to be trained or found by its card" if configured.trained.traits.trainable else "")
        yield Finding("method", configured.label, _state(not lacks), True, lacks or ready)


def published_files(question: Question) -> Iterator[Finding]:
    """Yield the files of others that methods can use: those of the grid's methods, then those of all other methods."""
    configured_methods = _configured_methods(question.grid)
    in_grid = {configured.method for configured in configured_methods}
    tables = [(configured.label, configured.cls, configured.settings, True) for configured in configured_methods]
    tables += [(name, cls, cls.Settings(), False) for name, cls in METHODS.items() if name not in in_grid]
    for label, cls, settings, asked in tables:
        for file in cls.published(settings):
            place = f"{file.path} " if file.path is not None else ""
            origin = ", ".join(part for part in (file.purpose, file.size, file.source) if part)
            yield Finding("weights", f"{label}: {file.name}", _state(file.there), asked and file.needed, f"{place}({origin})")
        for path in cls.assets(settings) if asked else ():
            yield Finding("weights", f"{label}: {path.name}", _state(path.exists()), True, f"{path} (named in the settings)")


def metric_files(question: Question) -> Iterator[Finding]:
    """Yield every metric, with the reason why it cannot run here; needed are those that the grid names without ``?``."""
    settings, size = question.grid.metric_settings, question.grid.image_size
    named = () if question.grid.metrics == "available" else question.grid.metrics
    for name, failure_reason in check(list(metric_table(settings)), settings, (size, size)).items():
        yield Finding("metric", name, _state(not failure_reason), name in named, failure_reason or "")


def data_sets(question: Question) -> Iterator[Finding]:
    """Yield the splits of every data set, with their number of images; needed are the test sets and the training set of the grid."""
    grid = question.grid
    for name, spec in DATASETS.items():
        training = question.train_data is None and name == grid.training.data
        for split in spec.splits:
            needed = (split == "test" and name in grid.datasets) or (split == "train" and training)
            if spec.folder and question.data_dir is None:
                state: State = "missing" if needed else "unknown"
                yield Finding("data set", f"{name} {split}", state, needed, f"give --data-dir; it must hold {spec.folder}")
                continue
            try:
                images = len(open_dataset(name, question.data_dir, grid.image_size, split, grid.fit))
            except SemcomError as error:
                yield Finding("data set", f"{name} {split}", "missing", needed, str(error))
            else:
                yield Finding("data set", f"{name} {split}", "here", needed, f"{images} images; {spec.source}")
    if question.train_data is not None:
        found = question.train_data.is_dir()
        yield Finding("data set", "training images", _state(found), True, str(question.train_data))


def keys(question: Question) -> Iterator[Finding]:
    """Yield the environment variables that may hold keys, never their values; needed are those that the grid's models name."""
    models = list(question.grid.generative.models.values())
    models += [model for configured in _configured_methods(question.grid) for model in configured.models.values()]
    named = [str(model.access["api_key_env"]) for model in models if model.access.get("api_key_env")]
    official = [model for model in models if model.backend == "openai" and not {"base_url", "api_key_env"} & set(model.access)]
    wanted = {*named, *(KEYS[:1] if official else ())}
    for name in dict.fromkeys((*KEYS, *named)):
        present = bool(os.environ.get(name))
        yield Finding("key", name, _state(present), name in wanted, "set" if present else "not set")


FINDERS: Sequence[Finder] = (packages, project_files, devices, ray_cluster, methods_of_grid, published_files, metric_files, data_sets, keys)


def examine(question: Question) -> list[Finding]:
    """Return everything that was looked for, in the order in which it is shown."""
    with nothing_fetched():
        found = [finding for find in FINDERS for finding in find(question)]
    return [replace(each, command=command_of(each, question)) if each.state == "missing" else each for each in found]


def command_of(finding: Finding, question: Question) -> str:
    """Return the command that brings here what is missing, "" where no command does."""
    if finding.section == "package":
        return f"pip install {finding.name}"
    if finding.section == "key":
        return f"export {finding.name}=..."
    if finding.section == "metric":
        wanted = [file.names[0] for file in metric_table(question.grid.metric_settings)[finding.name].weights]
    elif finding.section == "weights":
        wanted = [finding.name.rpartition(": ")[2]]
    elif finding.section == "data set":
        name = finding.name.partition(" ")[0]
        wanted = [BOTH_YEARS[0], BOTH_YEARS[1]] if name == "voc" else [name]
    else:
        return ""
    return _one(list(filter(None, (command_for(name, question.data_dir, of_method=finding.section == "weights") for name in wanted))))


def _one(commands: Sequence[str]) -> str:
    """Return commands that fetch one thing each as one command."""
    heads = [command.partition(" --data-dir")[0] for command in commands]
    names = [head.rpartition(" ")[2] for head in heads]
    return commands[0].replace(f" {names[0]}", f" {' '.join(dict.fromkeys(names))}", 1) if commands else ""


def _state(there: object) -> State:
    return "here" if there else "missing"


def _lacks(configured: ConfiguredMethod, grid: Grid) -> str:
    """Return what a method lacks at one of the grid's ratios, "" where it lacks nothing."""
    try:
        for cr in configured.ratios(grid.cr):
            check_fits(configured, (grid.image_size, grid.image_size), cr)
    except SemcomError as error:
        return str(error)
    return ""


def _configured_methods(grid: Grid) -> Sequence[ConfiguredMethod]:
    """Return the grid's methods, none where it does not resolve; why not is told among the methods."""
    try:
        return resolve(grid)
    except SemcomError:
        return ()
