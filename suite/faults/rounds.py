"""Faults on purpose: ``python -m suite.faults`` kills what a run consists of, and compares what it ends with.

::

    undisturbed run ──────────────────────────────────────────────> records, tables ─┐
    run over two Ray nodes ── kill -9 ──> restart until it is done ─> records, tables ─┴─ every cell once? byte-equal?
                               actor | whole node | driver, after a random number of published units

The kill is timed by the units that are published, so that it falls into the middle on a fast machine and on a slow one.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from suite.errors import SuiteError
from suite.keys import kept_back
from suite.ray_env import prepare_environment
from suite.report.results import load_results
from suite.report.tables import write_tables
from suite.runs.columns import KEY
from suite.runs.layout import RunLayout
from suite.runs.records import load

GRID = Path(__file__).parent / "grid.yaml"
# Room for one actor and a half on each: the two pools meet on two nodes, and on the head alone when the other is dead.
HEAD_CPUS, NODE_CPUS = 1, 1
RESTARTS = 3
PATIENCE = 600.0
# Seconds are measured anew by each run.
MEASURED = ("times", "summary")


class FaultsError(SuiteError):
    """A round that cannot be judged."""


@dataclass(frozen=True)
class Outcome:
    """How a round ended.

    Attributes:
        kills: what was killed, in order.
        after: units that were published at each kill.
        starts: how often the command was started.
        seconds: from the first start to the end of the last.
        problem: what differs from the undisturbed run; empty where nothing does.
    """

    kills: tuple[str, ...]
    after: tuple[int, ...]
    starts: int
    seconds: float
    problem: str


def processes_below(root: int) -> dict[int, str]:
    """Return title by process id of every process that descends from ``root``."""
    found: dict[int, str] = {}
    try:
        descendants = psutil.Process(root).children(recursive=True)
    except psutil.NoSuchProcess:
        return found
    for process in descendants:
        # It may have ended since; what has ended and waits for its parent has no title.
        with suppress(psutil.NoSuchProcess):
            found[process.pid] = " ".join(process.cmdline())
    return found


def _kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


class Run:
    """One run of the grid's evaluation by its command, in a process of its own.

    Args:
        out: the run folder.
        grid: the grid file.
        address: Ray cluster; ``None`` lets the command start its own Ray.
    """

    def __init__(self, out: Path, grid: Path, address: str | None) -> None:
        self.out = out
        self.starts = 0
        self._command = [sys.executable, "-m", "suite.evaluate", "--grid", str(grid), "--out", str(out)]
        self._command += ["--address", address] if address else []
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the command."""
        self.starts += 1
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with (self.out.parent / f"start-{self.starts}.log").open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT, cwd=Path(__file__).parents[2])

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The command's process."""
        if self._process is None:
            raise FaultsError(f"the run {self.out} has not been started")
        return self._process

    def published(self) -> int:
        """Return how many units have their record file."""
        return len(RunLayout(self.out).record_files())

    def wait_for(self, units: int) -> None:
        """Wait until ``units`` are published or the command has ended."""
        self._until(lambda: self.published() >= units or self.process.poll() is not None)

    def finish(self) -> None:
        """Wait for the command, and start it again until it ends well.

        Raises:
            FaultsError: it does not, after :data:`RESTARTS` restarts.
        """
        self._until(lambda: self.process.poll() is not None)
        while self.process.returncode:
            if self.starts > RESTARTS:
                raise FaultsError(f"the command still ends with {self.process.returncode}; see {self.out.parent}/start-{self.starts}.log")
            self.start()
            self._until(lambda: self.process.poll() is not None)

    def kill_driver(self) -> None:
        """Kill the command."""
        _kill([self.process.pid])
        self.process.wait()

    def _until(self, condition: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                self.kill_driver()
                raise FaultsError(f"nothing happened for {PATIENCE:.0f} s; see {self.out.parent}/start-{self.starts}.log")
            time.sleep(0.1)


class TwoNodes:
    """A Ray cluster of two nodes on this machine: the head, and one that may be killed and comes back."""

    def __init__(self) -> None:
        prepare_environment()
        from ray.cluster_utils import Cluster

        arguments: dict[str, Any] = {"include_dashboard": False, "object_store_memory": 128 * 2**20}
        self._arguments = arguments
        with kept_back():
            self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": HEAD_CPUS, **arguments})
            self._node = self._cluster.add_node(num_cpus=NODE_CPUS, **arguments)
        self.address = str(self._cluster.address)

    def actors(self, run: Run) -> list[int]:
        """Return the process ids of the actors that work here."""
        return _actors(os.getpid())

    def kill_node(self) -> None:
        """Kill every process of the second node, its workers included."""
        roots = [info.process.pid for infos in self._node.all_processes.values() for info in infos]
        _kill(roots + [pid for root in roots for pid in processes_below(root)])

    def mend(self) -> None:
        """Replace the second node if it is dead."""
        if not any(info.process.poll() is None for infos in self._node.all_processes.values() for info in infos):
            self._cluster.remove_node(self._node, allow_graceful=False)
            with kept_back():
                self._node = self._cluster.add_node(num_cpus=NODE_CPUS, **self._arguments)

    def shutdown(self) -> None:
        """End both nodes."""
        self._cluster.shutdown()


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """Two Ray nodes for as long as the context lasts."""
    cluster = TwoNodes()
    try:
        yield cluster
    finally:
        cluster.shutdown()


def _actors(root: int) -> list[int]:
    return sorted(pid for pid, title in processes_below(root).items() if title.startswith("ray::") and "Actor" in title)


def disturb(run: Run, kinds: tuple[str, ...], chance: random.Random, units: int, cluster: TwoNodes | None, expected: Path) -> Outcome:
    """Run the grid, kill one thing of each of ``kinds`` on the way, restart what has ended and compare with ``expected``.

    Args:
        run: not started yet.
        kinds: what to kill, one after the other.
        chance: chooses moments and victims.
        units: units of the grid.
        cluster: where the command works; ``None`` where it has started its own Ray.
        expected: run folder of the undisturbed run.
    """
    started = time.monotonic()
    moments = sorted(chance.sample(range(1, units - 1), len(kinds)))
    after = []
    run.start()
    for kind, moment in zip(kinds, moments, strict=True):
        run.wait_for(moment)
        time.sleep(chance.uniform(0.0, 0.5))
        after.append(run.published())
        if kind == "driver":
            run.kill_driver()
            run.start()
        elif kind == "node" and cluster is not None:
            cluster.kill_node()
        else:
            victims = cluster.actors(run) if cluster is not None else _actors(run.process.pid)
            _kill([chance.choice(victims)] if victims else [])
    run.finish()
    return Outcome(kinds, tuple(after), run.starts, round(time.monotonic() - started, 1), difference(run.out, expected))


def difference(out: Path, expected: Path) -> str:
    """Return how the records and tables of ``out`` differ from those of the undisturbed run; empty where they do not."""
    ours, theirs = load(out), load(expected)
    # Loading has refused a cell that stands there twice.
    missing = pd.merge(theirs[list(KEY)], ours[list(KEY)], how="outer", indicator=True)
    odd = missing[missing["_merge"].ne("both")]
    if len(odd):
        return f"{len(odd)} cells are on one side only, the first: {odd.iloc[0].to_dict()}"
    tables, wanted = _tables(out), _tables(expected)
    different = sorted(name for name in wanted.keys() | tables.keys() if tables.get(name) != wanted.get(name))
    return f"the tables {', '.join(different)} differ" if different else ""


def _tables(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in write_tables(load_results(out), RunLayout(out)) if path.stem not in MEASURED}
