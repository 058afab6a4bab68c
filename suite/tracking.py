"""Runs and trainings in a tracker, where the grid asks for one by ``tracking: mlflow``; it changes no result and no identity.

::

    training   ──each report──> "swinjscc/base 1/24": settings; losses and held-out scores by step ──┐
    evaluation ──at its end───> "kodak": the grid; the mean of each point of the tables ─────────────┴──> mlflow.db beside the run folder

Nothing leaves this machine: the tracker is a file, read by ``mlflow ui --backend-store-uri sqlite:///results/mlflow.db``, unless
``MLFLOW_TRACKING_URI`` names a server.
"""

import importlib.util
import json
import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec

import pandas as pd

from benchmarks.common.hashing import digest
from benchmarks.common.storage import RemotePath, StoragePath
from suite.errors import SettingsError
from suite.runs.labels import cr_label, series_label
from suite.train.jobs import TrainingJob
from suite.train.trials import Progress
from suite.train.tune import TrainingsFailedError

P = ParamSpec("P")
State = Literal["FINISHED", "FAILED", "KILLED"]
DATABASE = "mlflow.db"
# Without the last two the package keeps no database.
PACKAGES = ("mlflow", "sqlalchemy", "alembic")
# What one call takes, and how long a value may be.
AT_ONCE, LONGEST = 500, 500
IDENTITY = "semcom.identity"
# Else the package reports its use over the network.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
log = logging.getLogger(__name__)


class Tracker:
    """Follows nothing; what a grid has that names no tracker."""

    def training(self, job: TrainingJob, values: Mapping[str, float]) -> None:
        """Take one report of a training: ``step`` and whatever it measured."""

    def trained(self, job: TrainingJob, state: State) -> None:
        """Take the end of a training."""

    def evaluated(self, grid: Mapping[str, Any], points: pd.DataFrame) -> None:
        """Take the grid and the points of a run, as :class:`suite.report.points.Points` has them."""


def tracker_of(name: str | None, folder: StoragePath, run: str) -> Tracker:
    """Return the tracker that a grid names.

    Args:
        name: ``tracking`` of the grid.
        folder: of the run; the database lies beside it, and in the working folder for a run in a bucket.
        run: its name, which is the experiment's.

    Raises:
        SettingsError: the packages of the tracker are not installed.
    """
    if name is None:
        return Tracker()
    if lacking := [package for package in PACKAGES if importlib.util.find_spec(package) is None]:
        raise SettingsError(f"tracking: {name} needs {', '.join(lacking)}, which are not installed: pip install 'semcom-suite[tracking]'")
    beside = Path() if isinstance(folder, RemotePath) else folder.parent
    return MlflowTracker(os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(beside / DATABASE).resolve()}", run)


@contextmanager
def followed(shown: Progress, tracker: Tracker) -> Iterator[Progress]:
    """Yield what shows the reports of trainings and tracks them; tell the tracker in the end how each went."""
    seen: dict[str, TrainingJob] = {}
    failed: set[str] = set()
    other: State = "KILLED"

    def heard(job: TrainingJob, values: Mapping[str, float]) -> None:
        shown(job, values)
        seen[job.identity] = job
        tracker.training(job, values)

    try:
        yield heard
        other = "FINISHED"
    except TrainingsFailedError as error:
        failed, other = {job.identity for job in error.failures}, "FINISHED"
        raise
    finally:
        for identity, job in seen.items():
            tracker.trained(job, "FAILED" if identity in failed else other)


def _heard(method: "Callable[Concatenate[MlflowTracker, P], None]") -> "Callable[Concatenate[MlflowTracker, P], None]":
    """Let work go on, with one warning, where its tracker fails."""

    @wraps(method)
    def run(self: "MlflowTracker", *args: P.args, **kwargs: P.kwargs) -> None:
        if self.failed:
            return
        try:
            method(self, *args, **kwargs)
        # A server may fail in any way; what is followed is worth more than the following.
        except Exception as error:
            self.failed = True
            log.warning("MLflow at %s does not take what is tracked (%s); the run goes on without it", self.where, error)

    return run


class MlflowTracker(Tracker):
    """Writes to MLflow; a run that goes on goes on there too.

    Args:
        where: the tracking URI.
        experiment: name of the experiment that all goes to.

    Attributes:
        failed: whether it gave up.
    """

    def __init__(self, where: str, experiment: str) -> None:
        self.where, self.failed = where, False
        self._experiment = experiment
        self._runs: dict[str, str] = {}
        self._opened: Any = None

    @_heard
    def training(self, job: TrainingJob, values: Mapping[str, float]) -> None:
        """Take one report of a training."""
        run = self._run(job.label, job.identity, _facts(job))
        step = int(values.get("step", 0.0))
        self._write(run, {name: value for name, value in values.items() if name != "step"}, step)

    @_heard
    def trained(self, job: TrainingJob, state: State) -> None:
        """Take the end of a training; of one that reported nothing there is no run."""
        if (run := self._runs.get(job.identity)) is not None:
            self._client.set_terminated(run, state)

    @_heard
    def evaluated(self, grid: Mapping[str, Any], points: pd.DataFrame) -> None:
        """Take the grid and the points of a run."""
        facts = dict(_flat(grid))
        run = self._run(self._experiment, digest("tracked", facts), facts)
        self._write(run, {_name(row): row["mean"] for row in points.to_dict("records")}, 0)
        self._client.set_terminated(run)

    @property
    def _client(self) -> Any:
        if self._opened is None:
            for name, value in QUIET.items():
                os.environ.setdefault(name, value)
            logging.getLogger("mlflow").setLevel(logging.WARNING)
            logging.getLogger("alembic").setLevel(logging.WARNING)
            from mlflow import MlflowClient

            client = MlflowClient(self.where)
            found = client.get_experiment_by_name(self._experiment)
            self._id = found.experiment_id if found is not None else client.create_experiment(self._experiment)
            self._opened = client
        return self._opened

    def _run(self, name: str, identity: str, facts: Mapping[str, str]) -> str:
        """Return the id of the run of what has this identity, made if there is none."""
        if identity not in self._runs:
            client = self._client
            there = client.search_runs([self._id], f"tags.`{IDENTITY}` = '{identity}'", max_results=1)
            if there:
                self._runs[identity] = str(there[0].info.run_id)
                client.update_run(self._runs[identity], status="RUNNING")
            else:
                self._runs[identity] = str(client.create_run(self._id, run_name=name, tags={IDENTITY: identity}).info.run_id)
                self._note(self._runs[identity], facts)
        return self._runs[identity]

    def _note(self, run: str, facts: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        params = [Param(_clean(name), value) for name, value in facts.items()]
        for first in range(0, len(params), 100):
            self._client.log_batch(run, params=params[first : first + 100])

    def _write(self, run: str, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [Metric(_clean(name), float(value), now, step) for name, value in values.items() if math.isfinite(value)]
        for first in range(0, len(metrics), AT_ONCE):
            self._client.log_batch(run, metrics=metrics[first : first + AT_ONCE])


def _facts(job: TrainingJob) -> dict[str, str]:
    configured = job.configured
    settings = {"settings": configured.settings.model_dump(mode="json"), "training": configured.training.model_dump(mode="json")}
    told = {"method": configured.method, "variant": configured.variant, "cr": job.cr and str(job.cr), "checkpoint": job.name, **settings}
    return dict(_flat(told))


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted keys with their values as JSON, as far as these are short."""
    for name, each in value.items():
        if isinstance(each, Mapping) and each:
            yield from _flat(each, f"{above}{name}.")
        else:
            yield f"{above}{name}", each if isinstance(each, str) else json.dumps(each, default=str)[:LONGEST]


def _name(row: Mapping[Any, Any]) -> str:
    """Return what a point is called: metric, data set, channel, method, ratio and SNR, one below the other."""
    method = series_label(row["method"], row["variant"])
    return "/".join((row["metric"], row["dataset"], row["channel"], method, cr_label(row["cr"]).replace("/", ":"), f"{row['snr_db']:g} dB"))


def _clean(name: str) -> str:
    """Return a name in the characters that MLflow takes."""
    return re.sub(r"[^\w\-. :/]", "_", name)
