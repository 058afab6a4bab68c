"""Ranks, gains and Bjontegaard deltas against published values, closed forms and plain loops."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import synthetic_run
from suite.report.bd import delta
from suite.report.gains import gain
from suite.report.processes import begin
from suite.report.rank_figure import cliques, rank_tasks
from suite.report.ranks import RATIO, critical_difference
from suite.report.results import RunResults, load_results
from suite.report.tables import write_tables
from suite.runs.layout import RunLayout


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    return load_results(synthetic_run.make_run(tmp_path_factory.mktemp("run")))


@pytest.mark.parametrize(
    ("methods", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_critical_differences_are_those_of_demsars_table_5(methods: int, q: float) -> None:
    for blocks in (10, 30):
        expected = q * np.sqrt(methods * (methods + 1) / (6 * blocks))
        # The table rounds q to three decimals.
        assert critical_difference(methods, blocks) == pytest.approx(expected, abs=1e-3 * expected)


def test_ranks_are_means_over_images_of_the_rank_of_what_all_methods_have(results: RunResults) -> None:
    psnr = results.records[results.records["image"].ne("*") & results.records["cr"].notna()]
    psnr = psnr.assign(series=psnr["method"] + "/" + psnr["variant"])
    cells = psnr.groupby(["image", "channel", "cr", "snr_db", "series"])["psnr"].mean().unstack("series").dropna()
    expected = cells.groupby("image").mean().rank(axis=1, ascending=False).mean()
    found = results.ranks[results.ranks["metric"].eq("psnr") & results.ranks["family"].eq(RATIO)]
    assert found["methods"].eq(5).all() and found["blocks"].eq(12).all() and found["friedman_p"].lt(1e-6).all()
    for row in found.to_dict("records"):
        assert row["rank"] == pytest.approx(expected[f"{row['method']}/{row['variant']}"])
    best = found[found["best"]]
    assert "alpha" in set(best["method"]) and (found["rank"].max() - best["rank"]).min() > 0
    assert set(results.ranks["metric"]) == {"psnr", "lpips_alex"}, "FID has no value an image"


def test_a_metric_whose_lower_values_are_better_ranks_the_other_way(results: RunResults) -> None:
    lpips = results.ranks[results.ranks["metric"].eq("lpips_alex")].set_index("method")["rank"]
    assert lpips["alpha"] == results.ranks["rank"].min()


def test_equal_methods_are_all_among_the_best_or_none_is(results: RunResults) -> None:
    rng = np.random.default_rng(3)
    called = 0
    for _ in range(20):
        records = results.records[results.records["method"].ne("fixed")].copy()
        records["psnr"] = rng.normal(30, 1, len(records))
        ranks = RunResults(results.layout, records.drop(columns=["fid", "lpips_alex"]), results.info).ranks
        called += bool(ranks["best"].any() and not ranks["best"].all())
    assert called <= 4


def test_cliques_are_the_longest_runs() -> None:
    assert list(cliques([1.0, 2.0, 3.0, 4.0], 0.5)) == []
    assert list(cliques([1.0, 1.2, 1.3, 3.0, 3.1], 1.0)) == [(0, 2), (3, 4)]


def test_a_relative_gain_is_the_ratio_of_means_with_an_interval_that_covers() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        base = rng.normal(30, 3, (16, 1))
        held += (
            (found := gain(1.08 * base + rng.normal(0, 1, (16, 4)), np.repeat(base, 4, axis=1)))["relative_low"]
            < 8
            < found["relative_high"]
        )
    assert 180 <= held <= 200
    values, base = np.array([[2.0, np.nan], [4.0, 4.0]]), np.array([[1.0, 9.0], [2.0, 4.0]])
    found = gain(values, base)
    assert (found["mean"], found["reference_mean"], found["relative"], found["n"]) == pytest.approx((3.0, 2.0, 50.0, 2))
    assert np.isnan(gain(values, -base)["relative"]) and gain(values, -base)["difference"] == pytest.approx(5.0)


def test_gains_stand_for_each_ratio_and_equal_the_means_over_snr(results: RunResults) -> None:
    row = results.gains.query("channel == 'awgn' and metric == 'psnr' and method == 'fixed' and cr > 0.04").iloc[0]
    means = results.points.query("channel == 'awgn' and metric == 'psnr'")
    base = means[means["method"].eq("alpha") & means["cr"].gt(0.04)]["mean"].mean()
    fixed = means[means["method"].eq("fixed")]["mean"].mean()
    assert row["difference"] == pytest.approx(fixed - base) and row["relative"] == pytest.approx(100 * (fixed / base - 1))
    assert row["snrs"] == 4 and row["symbols"] == 426 and row["reference_symbols"] == 8618
    assert set(results.gains["reference_method"]) == {"alpha"} and len(results.gains) == 2 * 2 * 2 * 5


RATES = np.array([100.0, 200.0, 400.0, 800.0, 1600.0])


def test_a_curve_that_is_shifted_has_the_deltas_of_the_shift() -> None:
    quality = 20 + 4 * np.log2(RATES / 100)
    found = delta((0.8 * RATES, quality), (RATES, quality))
    assert found["bd_rate"] == pytest.approx(-20.0, abs=1e-6) and found["reason"] == ""
    up = delta((RATES, quality + 1), (RATES, quality))
    assert up["bd_metric"] == pytest.approx(1.0) and up["bd_rate"] == pytest.approx(100 * (2**-0.25 - 1), abs=1e-6)
    lower = delta((RATES, 0.1 - 0.5 * (30 - quality)), (RATES, 0.0 - 0.5 * (30 - quality)), sign=-1.0)
    assert lower["bd_metric"] == pytest.approx(-0.1), "in the metric's own direction"


@pytest.mark.parametrize(
    ("curve", "reason"),
    [
        ((RATES[:3], np.array([1.0, 2.0, 3.0])), "fewer than 4 rates"),
        ((RATES, np.array([1.0, 2.0, 1.5, 3.0, 4.0])), "not monotone"),
        ((RATES, np.array([11.0, 12.0, 13.0, 14.0, 15.0])), "too little quality in common"),
        ((1000 * RATES, np.array([1.0, 2.0, 3.0, 4.0, 5.0])), "too little symbols in common"),
    ],
)
def test_curves_that_cannot_be_compared_are_said(curve: tuple[np.ndarray, np.ndarray], reason: str) -> None:
    found = delta(curve, (RATES, np.array([1.0, 2.0, 3.0, 4.0, 5.0])))
    assert found["reason"] == reason and np.isnan(found["bd_rate"])


def test_files_and_the_figure_come_and_few_rates_are_said(results: RunResults, tmp_path: Path) -> None:
    layout = RunLayout(tmp_path)
    names = {path.name for path in write_tables(results, layout)}
    assert {"gains.md", "gains.tex", "ranks.md", "ranks.csv", "bd.csv"} <= names and "bd.md" not in names
    assert set(pd.read_csv(tmp_path / "tables" / "bd.csv")["reason"]) == {"fewer than 4 rates"}
    text = (tmp_path / "tables" / "gains.md").read_text()
    assert "# Gain on alpha on average over SNR: kodak, awgn" in text and "%" in text
    (paths,) = begin(rank_tasks(results, layout)).results()
    assert {path.suffix for path in paths} == {".csv", ".png", ".pdf", ".svg"}
