"""The summary: gains against a loop over the rows, ranks, what they cost, and which method is the reference."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import synthetic_run
from suite.report.intervals import mean_intervals
from suite.report.results import RunResults, load_results
from suite.report.summary import reference, summary_points
from suite.report.tables import write_tables
from suite.runs.layout import RunLayout


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    return load_results(synthetic_run.make_run(tmp_path_factory.mktemp("run")))


def row(results: RunResults, method: str, variant: str = "default") -> pd.Series:
    return results.summary.query("method == @method and variant == @variant").iloc[0]


def test_a_gain_is_the_mean_over_images_of_the_mean_over_common_cells(results: RunResults) -> None:
    values: dict[tuple[object, ...], dict[str, list[float]]] = {}
    for each in synthetic_run.rows():
        if each["image"] != "*" and each.get("psnr") is not None:
            cell = (each["image"], each["channel"], each["cr"], each["snr_db"])
            values.setdefault(cell, {}).setdefault(f"{each['method']}/{each['variant']}", []).append(each["psnr"])
    by_image: dict[object, list[float]] = {}
    for cell, methods in values.items():
        if {"digital/jpeg", "alpha/default"} <= methods.keys():
            by_image.setdefault(cell[0], []).append(float(np.mean(methods["digital/jpeg"]) - np.mean(methods["alpha/default"])))
    expected = mean_intervals(np.array([[np.mean(each)] for each in by_image.values()]))
    found = row(results, "digital", "jpeg")
    assert found["gain"] == pytest.approx(expected.mean[0]) and found["n"] == 12 and found["cells"] == 14, "two cells failed"
    assert (found["low"], found["high"]) == pytest.approx((expected.low[0], expected.high[0]))
    assert found["low"] < found["gain"] < found["high"] < -3.9
    assert results.summary["reference_method"].eq("alpha").all()


def test_ranks_symbols_and_what_cannot_be_compared(results: RunResults) -> None:
    assert row(results, "alpha")["rank"] == 1 and row(results, "alpha")["ranked"] == 5 and np.isnan(row(results, "alpha")["gain"])
    assert row(results, "digital", "jpeg")["rank"] == 5
    assert row(results, "alpha")["symbols_total"] == 6570
    fixed = row(results, "fixed")
    assert np.isnan(fixed["gain"]) and np.isnan(fixed["rank"]), "alone in its block, and without a cell in common"
    assert "envelope" not in set(results.summary["variant"])


def test_a_gain_is_positive_where_lower_is_better(results: RunResults) -> None:
    records = results.records.drop(columns="psnr")
    info = results.info.model_copy(update={"metrics": {name: results.info.metrics[name] for name in ("fid", "lpips_alex")}})
    found = summary_points(records, RunResults(results.layout, records, info).comparison, info).set_index(["method", "variant"])
    assert found["metric"].eq("lpips_alex").all(), "FID has no value an image"
    assert found.loc[("digital", "jpeg"), "gain"] < 0 and found.loc[("alpha", "default"), "rank"] == 1


def test_deepjscc_is_the_reference_where_it_is(results: RunResults) -> None:
    points = results.comparison
    assert reference(points, "psnr") == ("alpha", "default")
    renamed = results.records.assign(method=results.records["method"].replace("beta", "deepjscc"))
    run = RunResults(results.layout, renamed, results.info)
    assert reference(run.comparison, "psnr") == ("deepjscc", "base")
    codecs = results.records[results.records["method"].eq("digital")]
    alone = RunResults(results.layout, codecs, results.info)
    assert reference(alone.comparison, "psnr") == ("digital", "jpeg"), "the envelope is derived, so no record is its"
    assert "gain in PSNR (dB)" in run.summary_table.header and "DeepJSCC" in run.summary_table.title


def test_seconds_cost_and_files(results: RunResults, tmp_path: Path) -> None:
    spent = results.records.assign(seconds_encode=0.25, seconds_describe=0.5, seconds_decode=2.0, cost_usd=0.004)
    run = RunResults(results.layout, spent, results.info)
    written = {path.name: path.read_text(encoding="utf-8") for path in write_tables(run, RunLayout(tmp_path))}
    line = next(line for line in written["summary.md"].splitlines() if "| alpha" in line)
    assert [part.strip() for part in line.strip("|").split("|")] == [
        "alpha",
        "reference",
        "1.0 of 5",
        "4,522 to 8,618",
        "0.75",
        "2",
        "0.004",
    ]
    first = [line for line in written["summary.md"].splitlines() if line.startswith("|")][2]
    assert "alpha" in first, "the best rank stands first"
    assert "mean difference in PSNR (dB) to alpha" in written["summary.md"] and "JPEG + LDPC, adaptive" in written["summary.tex"]
    assert "digital,jpeg,psnr,alpha,default,-4" in written["summary.csv"]


def test_where_nothing_has_a_value_there_is_nothing_to_sum_up(results: RunResults, tmp_path: Path) -> None:
    dead = results.records.assign(status="failed", error="no luck", psnr=np.nan, lpips_alex=np.nan, fid=np.nan)
    run = RunResults(results.layout, dead, results.info)
    assert write_tables(run, RunLayout(tmp_path)) and "nan" not in (tmp_path / "tables" / "summary.md").read_text()


def test_methods_that_share_no_cell_with_the_reference_stand_last(results: RunResults) -> None:
    """First among two methods of a fixed rate is not first of all."""
    other = results.records[results.records["method"].eq("beta")].assign(method="gamma", cr=float("nan"), psnr=99.0)
    third = other.assign(method="delta", psnr=98.0)
    run = RunResults(results.layout, pd.concat([results.records, other, third], ignore_index=True), results.info)
    apart = [row[1] == "–" for row in run.summary_table.rows]
    assert any(apart) and apart == sorted(apart)
