"""The report: complete, self-contained, escaped, and the same bytes each time."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers import synthetic_run
from suite.report.headline import headline
from suite.report.page.write import write_report
from suite.report.results import RunResults, load_results
from suite.runs.labels import cr_label
from suite.runs.layout import RunLayout


class Balance(HTMLParser):
    """Checks that every element that needs it is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_holds_tables_figures_failures_and_provenance(tmp_path: Path) -> None:
    run_dir = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    run = json.loads((run_dir / "run.json").read_text())
    trained = {"beta/sa 1/24": {"minutes": 12.34, "steps": 3000, "seed": 7, "data": "<i>scenes</i>", "validation": {"psnr": 21.5}}}
    started = {"at": "2026-01-02T03:04:05+00:00", "git": {"commit": "<b>abc</b>", "dirty": True}, "hardware": {"cpu_cores": 2}}
    (run_dir / "run.json").write_text(json.dumps(run | {"starts": [started], "trainings": trained, "seed": 3, "grid": {"name": "a & b"}}))
    (run_dir / "figures").mkdir()
    figure = run_dir / "figures" / "limits_awgn.png"
    live = figure.with_name("snr_kodak_awgn_psnr.png")
    for path in (figure, live):
        Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(path)
    page = write_report(load_results(run_dir), RunLayout(run_dir), [figure, live]).read_text(encoding="utf-8")
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    static = page.split('<script type="application/json"')[0]
    assert "PSNR (dB) ↑ (psnr) on kodak, awgn" in static and "<strong>2" in static and "failed (2)" in static
    assert "no code rate fits 40 bytes &amp; 50 % of the_budget" in static
    assert "working tree was not clean" in static and "&lt;b&gt;abc" in static and "<b>abc" not in page and "&lt;i&gt;scenes" in static
    for told in ("12.3", "3,000", "21.50", "Seed of noise and fading: 3.", "name: a &amp; b", "niqe_100%.mat"):
        assert told in static
    assert not re.search(r'(src|href)="(?!data:|#)', page), "the page must not need other files"
    assert 'loading="lazy" decoding="async" width="3" height="2"' in page and page.count("<img ") == 1, "the page draws curves itself"
    assert '<figcaption class="note">Limits over awgn' in page
    assert static.count("Left out: niqe") == 1, "notes stand once"
    assert static.index("Summary: PSNR (dB) beside alpha") < static.index("PSNR (dB) ↑ (psnr) on kodak, awgn"), "the summary comes first"
    first = (run_dir / "report.html").read_bytes()
    assert write_report(load_results(run_dir), RunLayout(run_dir), [figure, live]).read_bytes() == first


def test_the_policy_of_the_page_names_the_hash_of_its_only_script(tmp_path: Path) -> None:
    run_dir = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    page = write_report(load_results(run_dir), RunLayout(run_dir), []).read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page


def test_the_data_of_the_page_are_the_points_and_end_no_element(tmp_path: Path) -> None:
    run_dir = synthetic_run.make_run(tmp_path, ("awgn",))
    results = load_results(run_dir)
    named = results.records.replace({"dataset": {"kodak": "</script><script>alert(1)</script> & \u2028"}})
    results = RunResults(results.layout, named, results.info)
    page = write_report(results, RunLayout(run_dir), []).read_text(encoding="utf-8")
    assert page.count("<script") == page.count("</script>") == 2 and "alert(1)</script>" not in page
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)[0])
    assert data["datasets"] == sorted(named["dataset"].unique())
    columns, points = data["points"], results.points
    assert {len(column) for column in columns.values()} == {len(points)}
    number = int(points.index[points["metric"].eq("psnr") & points["mark"].eq("best")][0])
    point = points.loc[number]
    method = data["methods"][columns["method"][number]]
    assert method["id"] == "alpha" and data["snrs"][columns["snr"][number]] == point["snr_db"]
    assert columns["mean"][number] == pytest.approx(point["mean"], abs=1e-4) and columns["mark"][number] == 2
    assert data["crs"] == ["1/48", "1/24", "fixed"] and data["crs"][columns["cr"][number]] == cr_label(point["cr"])
    whole = [columns["low"][place] for place, metric in enumerate(columns["metric"]) if data["metrics"][metric]["id"] == "fid"]
    assert set(whole) == {None}, "FID has no interval, and JSON no NaN"


def test_nothing_but_tables_is_wider_than_the_screen(tmp_path: Path) -> None:
    run_dir = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    page = write_report(load_results(run_dir), RunLayout(run_dir), []).read_text(encoding="utf-8")
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert page.count("<table") == page.count('<div class="scroll" role="region"')
    inks = set(re.findall(r"var\((--\w+)\)", page))
    assert inks and all(page.count(f"{ink}: ") == 3 for ink in inks), "each colour is set for light, dark and paper"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    return load_results(synthetic_run.make_run(tmp_path_factory.mktemp("run"), metrics=("psnr",)))


def changed(run: RunResults, records: object) -> list[str]:
    return headline(RunResults(run.layout, records, run.info))  # type: ignore[arg-type]


def test_the_head_says_who_wins_where_with_the_interval(run: RunResults) -> None:
    compared, wins = headline(run)
    assert compared == (
        "6 methods were compared by PSNR (dB) on 12 images of kodak, over awgn and rayleigh at 1 to 10 dB, "
        "at CR 1/48 and 1/24 and at fixed rates."
    )
    assert wins.startswith(
        "alpha is significantly better than every other in 16 of the 16 cells that methods share; the next by rank, beta"
    )
    low, high = map(float, re.findall(r"\[([-+.\d]+), ([-+.\d]+)\] beside it in PSNR \(dB\)", wins)[0])
    assert -1.2 < low < high < -0.8


def test_the_head_says_what_holds_elsewhere(run: RunResults) -> None:
    records = run.records.copy()
    late = records["snr_db"].eq(10.0) & records["channel"].eq("rayleigh")
    records.loc[late & records["variant"].eq("webp"), "psnr"] += 20
    records.loc[records["snr_db"].eq(1.0) & records["method"].eq("alpha"), "psnr"] -= 1
    _, wins, rest = changed(run, records)
    assert "in 10 of the 16 cells" in wins and "(all at 4 dB, 7 dB and 10 dB)" in wins
    assert rest == "WebP + LDPC, adaptive is in 2 (all over rayleigh, at 10 dB) and in 4 no method can be told from all others."


def test_where_nobody_wins_the_head_says_so(run: RunResults) -> None:
    _, level = changed(run, run.records[run.records["method"].eq("beta")])
    assert level.startswith("In none of the 16 cells that methods share is one significantly better than every other; beta/")
    (alone,) = changed(run, run.records[run.records["method"].eq("fixed")])
    assert alone.startswith("1 method was measured by PSNR (dB)")
    dead = run.records.assign(psnr=np.nan, status="failed", error="no luck")
    assert changed(run, dead)[1:] == ["No cell has a value; the table of failures says why."]


def test_methods_of_a_fixed_rate_are_a_comparison_of_their_own(run: RunResults) -> None:
    records = run.records.copy()
    second = records[records["cr"].isna()].copy()
    second["method"], second["psnr"] = "second", second["psnr"] + 5
    _, wins, fixed = changed(run, pd.concat([records, second], ignore_index=True))
    assert wins.startswith("alpha is significantly better than every other in 16 of the 16 cells that methods share at a CR")
    assert fixed == "Of the 8 cells at fixed rates second is significantly better than every other in 8."


def test_where_one_wins_in_a_few_cells_alone_the_head_begins_with_the_ranks(run: RunResults) -> None:
    records = run.records[run.records["method"].eq("beta")].copy()
    one = records["snr_db"].eq(10.0) & records["channel"].eq("rayleigh") & records["variant"].eq(records["variant"].iloc[0])
    records.loc[one, "psnr"] += 20
    _, level = changed(run, records)
    assert level.startswith("In 2 of the 16 cells that methods share is one significantly better than every other: beta")
    assert "has the best mean rank" in level
