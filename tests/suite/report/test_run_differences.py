"""Two runs side by side: what differs before a number is compared, and what became of the numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from helpers import synthetic_run
from suite.compare import app
from suite.errors import RecordError
from suite.report.results import RunResults, load_results
from suite.report.run_differences import CHANGED, EQUAL, ROUNDING, SAME, compare, fields, only_in_one
from suite.runs.info import RunInfo


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory) -> Path:
    return synthetic_run.make_run(tmp_path_factory.mktemp("run"), ("awgn",), ("psnr",))


@pytest.fixture
def first(run_dir) -> RunResults:
    return load_results(run_dir)


def changed(results: RunResults, alter) -> RunResults:
    records = results.records.copy()
    alter(records)
    return RunResults(results.layout, records, results.info)


def test_a_run_equals_itself(first):
    cells = compare(first, first)
    assert set(cells["verdict"]) == {EQUAL} and (cells["difference"] == 0).all()
    # Cells that failed in every image have nothing to compare.
    assert len(cells) == first.records.loc[first.records["psnr"].notna(), ["method", "variant", "cr", "snr_db"]].drop_duplicates().shape[0]
    assert only_in_one(first, first) == (0, 0)


def test_rounding_noise_and_change_are_told_apart(first):
    def alter(records):
        rng = np.random.default_rng(0)
        for method, shift in (
            ("alpha", rng.normal(0, 1e-3, len(records))),
            ("fixed", rng.normal(0, 1.0, len(records))),
            ("beta", 0.5 + rng.normal(0, 0.1, len(records))),
        ):
            rows = records["method"].eq(method)
            records.loc[rows, "psnr"] += shift[rows]

    cells = compare(first, changed(first, alter)).set_index("method")
    assert set(cells.loc["alpha", "verdict"]) == {ROUNDING} and set(cells.loc["digital", "verdict"]) == {EQUAL}
    assert set(cells.loc["fixed", "verdict"]) <= {SAME, CHANGED} and SAME in set(cells.loc["fixed", "verdict"])
    assert set(cells.loc["beta", "verdict"]) == {CHANGED}
    assert cells.loc["beta", "difference"].to_numpy() == pytest.approx(0.5, abs=0.15)


def test_images_of_one_run_alone_take_no_part(first):
    def fewer(records):
        records.drop(records.index[records["image"].eq("set/00") | records["snr_db"].eq(1.0)], inplace=True)

    less = changed(first, fewer)
    cells = compare(first, less)
    assert set(cells["verdict"]) == {EQUAL} and cells["n"].max() == synthetic_run.IMAGES - 1
    assert only_in_one(first, less) == (11, 0) and only_in_one(less, first) == (0, 11)
    with pytest.raises(RecordError, match="no cell in common"):
        compare(first, changed(first, lambda records: records.drop(records.index, inplace=True)))


def test_what_differs_is_told_field_by_field():
    start = {"versions": {"torch": "2.15.0"}, "hardware": {"processor": "A"}}
    one = RunInfo.of({"identifying": {"seed": 1, "link": {"equalizer": "mmse"}}, "weights": {"x": "1"}, "starts": [start]})
    start = {"versions": {"torch": "2.16.0"}, "hardware": {"processor": "A"}}
    other = RunInfo.of({"identifying": {"seed": 1, "link": {"equalizer": "zf"}}, "code": {"x": "c"}, "starts": [{}, start]})
    found = {each.name: (each.first, each.second) for each in fields(one, other)}
    assert found == {
        "link.equalizer": ("mmse", "zf"),
        "weights.x": ("1", None),
        "code.x": (None, "c"),
        "versions.torch": ("2.15.0", "2.16.0"),
    }
    assert fields(one, one) == []


def test_the_command_tells_and_its_exit_status_too(run_dir, tmp_path):
    assert CliRunner().invoke(app, [str(run_dir), str(run_dir)]).exit_code == 0
    other = synthetic_run.make_run(tmp_path / "other", ("awgn",), ("psnr",))
    document = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps(document | {"identifying": {"seed": 2}}))
    again = CliRunner().invoke(app, [str(run_dir), str(other), "--csv", str(tmp_path / "cells.csv")])
    assert again.exit_code == 0 and "seed" in again.stdout and "In what they differ" in again.stdout
    assert len((tmp_path / "cells.csv").read_text().splitlines()) > 40
    assert CliRunner().invoke(app, [str(run_dir), str(tmp_path / "none")]).exit_code == 2
