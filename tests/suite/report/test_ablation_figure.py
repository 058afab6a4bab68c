"""Ablation bars from invented records: what they stand beside, their length and interval, and that a figure shows each."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.hashing import canonical
from helpers import synthetic_run
from suite.config.reading import build_grid, read_grid
from suite.report import ablation_figure
from suite.report.ablation_figure import ablation_bars, whole, write_ablation_figures
from suite.report.captions import figure_captions
from suite.report.intervals import mean_intervals
from suite.report.results import RunResults, load_results
from suite.runs.layout import RunLayout

PARTS = {
    "name": "parts",
    "title": "Parts of alpha",
    "components": ["sense", "colour"],
    "rows": ["beta/base", {"alpha/default": ["colour", "sense"]}, {"beta/sa": ["colour"]}, {"gamma/none": ["sense"]}],
}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = synthetic_run.make_run(tmp_path_factory.mktemp("run"))
    described = json.loads((folder / "run.json").read_text())
    grid = build_grid({**read_grid("ablation"), "ablations": [PARTS], "repetitions": 2})
    (folder / "run.json").write_text(json.dumps(described | {"grid": canonical(grid)}))
    return folder


@pytest.fixture(scope="module")
def results(run_dir: Path) -> RunResults:
    return load_results(run_dir)


def over_snr(method: str, variant: str) -> np.ndarray:
    """PSNR of each image at CR 1/24 on awgn, the mean over SNRs of the mean over repetitions."""
    values: dict[str, dict[float, list[float]]] = {}
    for row in synthetic_run.rows(("awgn",)):
        if (row["method"], row["variant"], row["cr"]) == (method, variant, 1 / 24) and "psnr" in row:
            values.setdefault(row["image"], {}).setdefault(row["snr_db"], []).append(row["psnr"])
    return np.array([np.mean([np.mean(each) for each in values[image].values()]) for image in sorted(values)])


def test_the_whole_is_the_variant_with_the_most_components(results: RunResults) -> None:
    (ablation,) = results.ablations
    assert whole(ablation) == "alpha/default"
    same = ablation.model_copy(update={"rows": tuple(row.model_copy(update={"has": ()}) for row in ablation.rows)})
    assert whole(same) == "beta/base", "the first of equals"


def test_a_bar_is_the_paired_difference_to_the_whole_with_its_interval(results: RunResults) -> None:
    (ablation,) = results.ablations
    bars = ablation_bars(ablation, results)
    assert set(bars["row"]) == {"beta/base", "beta/sa"} and set(bars["reference"]) == {"alpha/default"}
    assert "fid" not in set(bars["metric"]), "a metric of whole cells has no values of images"
    bar = bars.query("channel == 'awgn' and metric == 'psnr' and row == 'beta/base' and cr > 0.04").iloc[0]
    differences = over_snr("beta", "base") - over_snr("alpha", "default")
    expected = mean_intervals(differences[:, None])
    assert (bar["difference"], bar["low"], bar["high"]) == pytest.approx((expected.mean[0], expected.low[0], expected.high[0]))
    assert bar["mean"] - bar["reference_mean"] == pytest.approx(bar["difference"]) and bar["n"] == 12


def test_the_figure_has_a_panel_a_metric_and_a_bar_a_variant_and_ratio(
    results: RunResults, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(ablation_figure, "save", lambda figure, stem: drawn.append((figure, stem)) or [stem])
    layout = RunLayout(run_dir)
    layout.figures.mkdir(exist_ok=True)
    write_ablation_figures(results, layout)
    assert [stem.name for _, stem in drawn] == ["ablation_parts_kodak_awgn"]
    assert all(stem.name in figure_captions(results) for _, stem in drawn)
    axes = drawn[0][0].axes
    assert [panel.get_title() for panel in axes] == ["PSNR (dB) ↑", "LPIPS (AlexNet) ↓"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["beta/base", "beta/sa"]
    widths = [bar.get_width() for bar in axes[0].patches]
    bars = ablation_bars(next(iter(results.ablations)), results).query("channel == 'awgn' and metric == 'psnr'")
    assert widths == pytest.approx(bars["difference"].tolist()) and len(widths) == 4


def test_without_the_whole_there_are_no_bars(results: RunResults) -> None:
    (ablation,) = results.ablations
    rows = tuple(row for row in ablation.rows if row.series != "alpha/default")
    other = ablation.model_copy(update={"rows": (*rows, ablation.rows[1].model_copy(update={"series": "delta/whole"}))})
    assert ablation_bars(other, results).empty
