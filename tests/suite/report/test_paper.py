"""The paper's numbers beside a run's: compared on its images alone, with the interval of our sampling."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from suite.report.paper import NOT_COMPARABLE, Paper, paper_note, paper_points, paper_table, read_paper
from suite.report.results import RunResults
from suite.runs.columns import BASE_COLUMNS
from suite.runs.info import RunInfo
from suite.runs.layout import RunLayout

CLIP = "clip_score_vit_b_32"
INFO = {"metrics": {CLIP: {"title": "CLIP-Score", "better": "higher"}}, "grid": {"image_size": 64}}


def run(dataset: str = "duts", identifying: dict[str, object] | None = None) -> RunResults:
    """Of 40 images GenED-SC has 33 and SwinJSCC 30 on average; text alone, of a fixed rate, has 31."""
    rng, rows = np.random.default_rng(0), []
    for image in range(40):
        base = rng.normal(30, 1)
        for snr in (1.0, 4.0, 7.0, 10.0):
            for method, variant, cr, value in (
                ("gened_sc", "full [Eb/N0]", 1 / 24, 1.1 * base),
                ("gened_sc", "full [Eb/N0]", 1 / 48, 0.0),
                ("swinjscc", "base", 1 / 24, base),
                ("nam24", "default", np.nan, base + 1),
            ):
                key = {"run": "r", "method": method, "variant": variant, "dataset": dataset, "image": str(image), "cr": cr}
                key |= {"channel": "awgn", "snr_db": snr, "repetition": 0, "status": "ok", "error": "", "symbols_total": 100.0}
                rows.append(key | {CLIP: value})
    records = pd.DataFrame(rows).reindex(columns=[*BASE_COLUMNS, CLIP])
    document = INFO | {"identifying": identifying or {"training": {"preset": "compact"}}}
    return RunResults(RunLayout(Path("nowhere")), records, RunInfo.of(document))


def test_the_papers_numbers_are_read_and_every_term_is_mapped() -> None:
    paper = read_paper()
    assert len(paper.values) == 33 and float(paper.cr) == pytest.approx(1 / 24)
    assert {each.metric for each in paper.values} <= set(paper.metrics) and {each.dataset for each in paper.values} <= set(paper.datasets)
    (first,) = [each for each in paper.values if each.place == "Fig. 6a" and each.channel == "rayleigh" and each.beside == "swinjscc/base"]
    assert first.relative == 10.50


def test_a_gain_is_compared_at_the_papers_ratio_with_its_interval_and_reasons() -> None:
    results = run()
    found = results.paper[results.paper["ours"].notna()]
    (gain,) = found[found["unit"].eq("%")].to_dict("records")
    assert gain["ours"] == pytest.approx(10.0) and gain["difference"] == pytest.approx(10.0 - 8.13) and gain["variant"] == "full [Eb/N0]"
    assert gain["n"] == 40 and gain["reason"] == "40 of 5,019 images; images of 64 pixels, not 256; networks of preset compact"
    nam = found[found["method"].eq("nam24") & found["snr_db"].eq(4)].iloc[0]
    mean = results.records.query("method == 'nam24' and snr_db == 4")[CLIP].mean()
    assert nam["ours"] == pytest.approx(mean) and nam["difference"] == pytest.approx(mean - 31.90)
    assert nam["low"] < nam["difference"] < nam["high"]
    table = paper_table(results.paper, results.info, "P")
    assert table is not None and "GenED-SC [Eb/N0] beside SwinJSCC" in {row[4] for row in table.rows}
    assert paper_note(results.paper, "P") == []


def test_on_other_images_nothing_is_compared() -> None:
    found = run("scenes").paper
    assert found["ours"].isna().all() and found["reason"].eq(f"{NOT_COMPARABLE}: this run has scenes").all()
    assert paper_table(found, RunInfo(), "P") is None
    assert "not comparable, since this run is not on its data sets" in paper_note(found, "P")[0]


def test_a_run_without_the_papers_methods_has_no_table() -> None:
    results = run()
    records = results.records[results.records["method"].eq("swinjscc")]
    found = paper_points(RunResults(results.layout, records, results.info).comparison, results.info)
    assert found.empty and paper_note(found, "P") == []


def test_a_statement_has_one_number() -> None:
    content = read_paper().model_dump(mode="json")
    content["values"] = [content["values"][0] | {"value": 3.0}]
    with pytest.raises(ValueError, match="give either value, or relative and beside"):
        Paper.model_validate(content)
