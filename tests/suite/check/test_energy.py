"""Energy by the kernel's counters: a folder as Linux shows it, counts that begin anew, and what is said where nothing is told."""

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from suite import complexity
from suite.check import energy
from suite.check.cost import measured
from suite.check.energy import EnergyMeter, find_meter
from suite.check.subject import BATCH, subjects

RANGE = 1_000_000_000


def zone(folder: Path, place: str, name: str, count: int) -> Path:
    """Make a zone as the kernel shows it, and return the file of its count."""
    where = folder / place
    where.mkdir(parents=True)
    (where / "name").write_text(f"{name}\n")
    (where / "max_energy_range_uj").write_text(f"{RANGE}\n")
    (where / "energy_uj").write_text(f"{count}\n")
    return where / "energy_uj"


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, Path]:
    """Two packages, one about to begin anew, the cores of one, and the whole platform."""
    named = {"intel-rapl:0": ("package-0", 5_000_000), "intel-rapl:1": ("package-1", RANGE - 1_000_000)}
    named |= {"intel-rapl:0:0": ("core", 1), "intel-rapl:2": ("psys", 7)}
    return {place: zone(tmp_path, place, *rest) for place, rest in named.items()}


def adding(counts: dict[str, Path], microjoules: int) -> Any:
    def work() -> None:
        for path in counts.values():
            path.write_text(str((int(path.read_text()) + microjoules) % RANGE))

    return work


def found(folder: Path) -> EnergyMeter:
    meter, why = find_meter(folder)
    assert meter is not None and why == ""
    return meter


def test_packages_are_summed_and_a_count_may_begin_anew(tmp_path: Path, machine: dict[str, Path]) -> None:
    meter = found(tmp_path)
    # 3 J of each of two packages; cores and platform would count them once more.
    assert meter.joules(adding(machine, 3_000_000), least_s=0) == pytest.approx(6.0)
    assert int(machine["intel-rapl:1"].read_text()) == 2_000_000, "it began anew"


def test_a_call_is_the_mean_of_as_many_as_fill_the_time(tmp_path: Path, machine: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=0.25)
    monkeypatch.setattr(energy.time, "perf_counter", lambda: next(clock))
    work, calls = adding(machine, 1_000), []
    spent = found(tmp_path).joules(lambda: (calls.append(1), work()), least_s=0.5)
    assert spent == pytest.approx(0.002) and len(calls) == 2, "half a second of quarters"


def test_a_machine_that_tells_nothing_says_why(tmp_path: Path) -> None:
    assert find_meter(tmp_path / "absent") == (None, f"this machine shows no counter of a package in {tmp_path / 'absent'}")
    zone(tmp_path, "intel-rapl:2", "psys", 7)
    assert find_meter(tmp_path)[0] is None
    zone(tmp_path, "intel-rapl:0", "package-0", 7).write_text("much")
    assert "cannot be read" in find_meter(tmp_path)[1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everywhere")
def test_a_counter_of_root_alone_is_named(tmp_path: Path, machine: dict[str, Path]) -> None:
    machine["intel-rapl:0"].chmod(0)
    assert find_meter(tmp_path) == (None, f"{machine['intel-rapl:0']} may be read by root alone here")


def test_a_method_s_cost_has_the_joules_of_an_image_at_each_end(tmp_path: Path, machine: dict[str, Path]) -> None:
    meter = found(tmp_path)
    spent = iter((8.0, 4.0))
    meter.joules = lambda work, least_s=0.0: (work(), next(spent))[1]  # type: ignore[method-assign]
    cost = measured(subjects("deepjscc")[0], meter)
    assert (cost.encode.joules, cost.decode.joules) == (8.0 / BATCH, 4.0 / BATCH)


def test_the_table_has_columns_of_energy_only_where_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stage = {"macs": 1_000_000, "seconds": 0.01}
    row = {"method": "a", "name": "A", "parameters": 5, "megabytes": 1.0, "encode": stage, "decode": stage}
    monkeypatch.setattr(energy.find_meter, "__defaults__", (tmp_path,))
    monkeypatch.setattr(complexity, "_measured_apart", lambda *_: [row])
    without = CliRunner().invoke(complexity.app, ["a"])
    assert without.exit_code == 0 and "(J)" not in without.output
    assert "Energy is left out: this machine shows no counter" in " ".join(without.output.split())
    told = row | {"encode": stage | {"joules": 0.0123}, "decode": stage | {"joules": 2.0}}
    monkeypatch.setattr(complexity, "_measured_apart", lambda *_: [told])
    output = CliRunner().invoke(complexity.app, ["a"]).output
    assert "sender (J)" in output and "receiver (J)" in output and "0.0123" in output and "left out" not in output
