"""The Python API: what the commands do, as functions that return results; ``import suite`` offers them.

::

    run(grid, ...) = train(grid, ...) ──> checkpoints ──> evaluate(grid, ...) ──> RunResults
    load_results(folder) ──────────────────────────────────────────────────────> RunResults
    transmit(method, image, ...) ──> Transmitted
    load_method(card) ──> Loaded, which transmit takes in the place of a name
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from suite.evaluate.runner import Executor
from suite.loading import Loaded, load_method
from suite.options import GridOptions
from suite.report.results import RunResults, load_results
from suite.session import Session
from suite.train.checkpoint import Checkpoint
from suite.transmission import Transmitted, transmit

__all__ = ["Loaded", "RunResults", "Transmitted", "evaluate", "load_method", "load_results", "run", "train", "transmit"]


def run(
    grid: str | Path = "quick",
    *,
    methods: str | Iterable[str] | None = None,
    datasets: str | Iterable[str] | None = None,
    data_dir: str | Path | None = None,
    train_data: str | Path | None = None,
    limit: int | None = None,
    out: str | Path | None = None,
    address: str | None = None,
    settings: Mapping[str, Any] | None = None,
    method_files: str | Path | Iterable[str | Path] = (),
    tune: int = 0,
    executor: Executor = "auto",
    quiet: bool = False,
) -> RunResults:
    """Train what is missing, evaluate the grid, write tables, figures and the page, and return the results.

    Called again with the same arguments it resumes: what is there is not done again.

    Args:
        grid: a built-in grid or a ``.yaml`` file.
        methods: ``name`` or ``name/variant``, in the place of the grid's.
        datasets: test sets in the place of the grid's.
        data_dir, train_data: folders of test and training images.
        limit: images of each test set, from the first.
        out: run folder, or ``s3://BUCKET/FOLDER``; ``results/<grid>`` if not given.
        address: Ray cluster; ``None`` for this machine.
        settings: grid keys, dotted, with their values: ``{"training.steps": 500, "cr": ["1/24"]}``.
        method_files: files of one's own that hold methods, ``PATH`` or ``PATH:CLASS``; where ``methods`` is not given they join the grid's.
        tune: trials of a search before each training.
        executor: as in :func:`suite.evaluate.runner.evaluate`: "ray" for pools of actors, "processes", "inline" for this process, "auto".
            Trainings use Ray either way.
        quiet: show no progress.

    Returns:
        The results; ``results.failed`` counts cells that failed.

    Raises:
        SemcomError: whatever is unknown, missing or impossible; the message says what to do.

    Example:
        >>> import suite
        >>> few = {"cr": ["1/24"], "channels": ["awgn"], "metrics": ["psnr"]}
        >>> run = suite.run("quick", methods="deepjscc", limit=1, settings=few, out="results/look", executor="inline", quiet=True)
        >>> run
        RunResults('look', 4 records, 0 failed, metrics: psnr)
        >>> run.report_path.name
        'report.html'
    """
    session = _session(
        grid, methods=methods, datasets=datasets, data_dir=data_dir, train_data=train_data, limit=limit, out=out, address=address,
        settings=settings, method_files=method_files, tune=tune, quiet=quiet,
    )  # fmt: skip
    with session.at_work():
        session.train()
        session.evaluate(executor)
        return session.report()


def train(
    grid: str | Path = "quick",
    *,
    methods: str | Iterable[str] | None = None,
    data_dir: str | Path | None = None,
    train_data: str | Path | None = None,
    out: str | Path | None = None,
    address: str | None = None,
    settings: Mapping[str, Any] | None = None,
    method_files: str | Path | Iterable[str | Path] = (),
    tune: int = 0,
    quiet: bool = False,
) -> dict[str, Checkpoint]:
    """Train every network of the grid that has no checkpoint yet and return all of them by label, ``swinjscc/base 1/24``.

    Args, Raises: as in :func:`run`.

    Example:
        >>> import suite
        >>> # Those of the quick grid come with the project, so nothing is trained here.
        >>> sorted(suite.train("quick", methods=["deepjscc"], out="results/networks", quiet=True))
        ['deepjscc/default 1/24', 'deepjscc/default 1/48']
    """
    session = _session(
        grid, methods=methods, data_dir=data_dir, train_data=train_data, out=out, address=address, settings=settings,
        method_files=method_files, tune=tune, quiet=quiet,
    )  # fmt: skip
    session.train()
    return {job.label: found for job, found in session.checkpoints.items()}


def evaluate(
    grid: str | Path = "quick",
    *,
    methods: str | Iterable[str] | None = None,
    datasets: str | Iterable[str] | None = None,
    data_dir: str | Path | None = None,
    train_data: str | Path | None = None,
    limit: int | None = None,
    out: str | Path | None = None,
    address: str | None = None,
    settings: Mapping[str, Any] | None = None,
    method_files: str | Path | Iterable[str | Path] = (),
    executor: Executor = "auto",
    quiet: bool = False,
) -> RunResults:
    """Evaluate a grid whose networks are trained, or shipped, and return the results; nothing is drawn.

    Args, Raises: as in :func:`run`.

    Example:
        >>> import suite
        >>> few = {"cr": ["1/24"], "snr_db": [4, 10], "metrics": ["psnr"]}
        >>> run = suite.evaluate("quick", methods="digital/jpeg", limit=1, settings=few, out="results/jpeg", executor="inline", quiet=True)
        >>> sorted(run.records["channel"])
        ['awgn', 'awgn', 'rayleigh', 'rayleigh']
    """
    session = _session(
        grid, methods=methods, datasets=datasets, data_dir=data_dir, train_data=train_data, limit=limit, out=out, address=address,
        settings=settings, method_files=method_files, quiet=quiet,
    )  # fmt: skip
    session.evaluate(executor)
    return session.results


def _session(
    grid: str | Path,
    *,
    methods: str | Iterable[str] | None,
    datasets: str | Iterable[str] | None = None,
    data_dir: str | Path | None,
    train_data: str | Path | None,
    limit: int | None = None,
    out: str | Path | None,
    address: str | None,
    settings: Mapping[str, Any] | None,
    method_files: str | Path | Iterable[str | Path],
    tune: int = 0,
    quiet: bool,
) -> Session:
    options = GridOptions(
        grid=str(grid),
        methods=_listed(methods),
        datasets=_listed(datasets),
        data_dir=None if data_dir is None else Path(data_dir),
        train_data=None if train_data is None else Path(train_data),
        limit=limit,
        out=None if out is None else str(out),
        address=address,
        method_file=[str(place) for place in ([method_files] if isinstance(method_files, str | Path) else method_files)],
        # JSON is YAML, which is what the values of assignments are read as.
        set_=[f"{key}={json.dumps(value, default=str)}" for key, value in (settings or {}).items()],
    )
    return Session(options, search=tune, console=Console(quiet=quiet))


def _listed(names: str | Iterable[str] | None) -> str | None:
    return names if names is None or isinstance(names, str) else ",".join(names)
