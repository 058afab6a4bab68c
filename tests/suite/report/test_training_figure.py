"""Training curves in a run's folder: which networks they are of, what is drawn, and what is said where there are none."""

import json
from pathlib import Path

import pytest

from benchmarks.common.atomic import write_sealed_json
from helpers import synthetic_run
from suite.report import training_figure
from suite.report.figures import series_styles
from suite.report.page.ledger import ledger_tables
from suite.report.results import RunResults, load_results
from suite.report.training_figure import training_curves, untrained_note, write_training_figures
from suite.runs.layout import RunLayout

STEPS = (50, 100, 150)
TRAINING = {"minutes": 1.0, "steps": 150, "seed": 0, "data": "scenes", "validation": {"psnr": 20.0}}


def network(run_dir: Path, name: str, sha256: str, cr: str, first: float) -> None:
    """Leave a card and curves as a training does."""
    folder = RunLayout(run_dir).checkpoints
    (folder / name).mkdir(parents=True)
    write_sealed_json(folder / f"{name}.json", {"identity": name, "sha256": sha256, "cr": cr, "rates": [cr]})
    rows = [f"{step},loss/total,{first / step}\n" for step in STEPS] + [f"{step},psnr,{first + step / 100}\n" for step in STEPS[1:]]
    (folder / name / "curves.csv").write_text("step,series,value\n" + "".join(rows) + "200,psn")


def with_weights(run_dir: Path, weights: dict[str, str]) -> RunResults:
    document = json.loads((run_dir / "run.json").read_text())
    trainings = dict.fromkeys(weights, TRAINING)
    (run_dir / "run.json").write_text(json.dumps(document | {"weights": weights, "trainings": trainings}))
    return load_results(run_dir)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))


@pytest.fixture
def results(run_dir: Path) -> RunResults:
    network(run_dir, "alpha-24", "a24", "1/24", 20.0)
    network(run_dir, "alpha-48", "a48", "1/48", 18.0)
    network(run_dir, "beta-24", "b24", "1/24", 19.0)
    network(run_dir, "of-another-grid", "old", "1/24", 2.0)
    return with_weights(
        run_dir, {"alpha/default 1/24": "a24", "alpha/default 1/48": "a48", "beta/sa 1/24": "b24", "gone/x 1/24": "elsewhere"}
    )


def test_curves_are_of_the_networks_that_the_run_sent_with(results: RunResults) -> None:
    curves = training_curves(results)
    assert set(curves["network"]) == {"alpha/default 1/24", "alpha/default 1/48", "beta/sa 1/24"}
    own = curves.query("network == 'beta/sa 1/24' and series == 'psnr'")
    assert own["step"].tolist() == [100, 150] and own["value"].tolist() == pytest.approx([20.0, 20.5]), "a row cut off is left out"
    assert set(zip(own["method"], own["variant"], own["cr"], strict=True)) == {("beta", "sa", "1/24")}
    assert untrained_note(results) == ""


def test_a_panel_a_ratio_and_the_colours_of_the_other_figures(results: RunResults, run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {}
    monkeypatch.setattr(training_figure, "save", lambda figure, stem: drawn.update({stem.name: figure}) or [stem])
    layout = RunLayout(run_dir)
    layout.figures.mkdir(exist_ok=True)
    write_training_figures(results, layout)
    panels = drawn["training_psnr"].axes
    assert [panel.get_title() for panel in panels] == ["CR = 1/48", "CR = 1/24"]
    lines = {line.get_label(): line for line in panels[1].lines}
    assert lines["alpha"].get_xdata().tolist() == [100, 150] and lines["alpha"].get_ydata().tolist() == pytest.approx([21.0, 21.5])
    style = series_styles(results.points)
    assert lines["alpha"].get_color() == style["alpha", "default"].colour and lines["beta/sa"].get_color() == style["beta", "sa"].colour
    losses = drawn["training_loss"].axes
    assert [panel.get_title() for panel in losses] == ["alpha", "beta/sa"] and all(panel.get_yscale() == "log" for panel in losses)
    assert (layout.figures / "training_psnr.csv").is_file()


def test_a_run_that_trained_nothing_has_no_figure_and_says_so(run_dir: Path) -> None:
    results = with_weights(run_dir, {"alpha/default 1/24": "taken"})
    assert write_training_figures(results, RunLayout(run_dir)) == []
    (networks,) = (table for table in ledger_tables(results) if table.title == "Trained networks")
    assert any("trained none of its networks" in note for note in networks.notes)
    assert untrained_note(with_weights(run_dir, {})) == "", "nothing to train, nothing to say"
