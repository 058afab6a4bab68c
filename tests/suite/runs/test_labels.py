"""Names for people where the method that states them is not at hand."""

import json
from pathlib import Path

import pytest

from helpers import synthetic_run
from suite.report.results import load_results
from suite.runs import labels
from suite.runs.labels import names_of, series_label


@pytest.fixture(autouse=True)
def _forgotten():
    told = dict(labels._told)
    yield
    labels._told.clear()
    labels._told.update(told)


def test_a_run_folder_says_what_its_methods_are_called(tmp_path: Path) -> None:
    run_dir = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    document = json.loads((run_dir / "run.json").read_text())
    (run_dir / "run.json").write_text(json.dumps(document | {"names": {"alpha/default": ["Alpha & co.", "α"]}}))
    assert series_label("alpha", "default") == "alpha"
    results = load_results(run_dir)
    assert series_label("alpha", "default") == "Alpha & co." and series_label("alpha", "default", legend=True) == "α"
    assert series_label("alpha", "default/stage-one [HARQ]") == "Alpha & co., stage one [HARQ]"
    assert "Alpha & co." in [row.label for row in results.metric_tables["kodak", "awgn", "psnr"].blocks[0].rows]


def test_a_method_that_is_here_names_itself() -> None:
    labels.remember_names({"gened_sc/full": ("Another", "A")})
    assert series_label("gened_sc", "full") == "GenED-SC" and names_of("gened_sc", "full") == ("GenED-SC", "GenED-SC")
    assert names_of("gone", "v2") is None
