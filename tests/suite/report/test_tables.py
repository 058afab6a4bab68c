"""Tables from records alone: their numbers against a plain loop, their marks, failures, formats and command."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from helpers import synthetic_run
from helpers.places import ROOT
from suite.errors import RecordError
from suite.report.figures import curve_tasks
from suite.report.formats import Cell, span_text
from suite.report.latex import escape_latex
from suite.report.metric_tables import metric_tables, shared_notes
from suite.report.plain_tables import failure_points, failures_table, symbol_points, symbols_table
from suite.report.points import Points, build_points
from suite.report.ranks import rank_points
from suite.report.results import RunResults, load_results
from suite.report.summary import summary_points, summary_table
from suite.report.tables import main_table, write_tables
from suite.runs.info import RunInfo
from suite.runs.labels import cr_label, series_id, series_label
from suite.runs.layout import RunLayout
from suite.runs.records import load, write_unit
from suite.tables import app

ROWS = list(synthetic_run.rows())


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_run.make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def results(run_dir: Path) -> RunResults:
    return load_results(run_dir)


@pytest.fixture(scope="module")
def records(results: RunResults) -> pd.DataFrame:
    return results.records


@pytest.fixture(scope="module")
def info(results: RunResults) -> RunInfo:
    return results.info


@pytest.fixture(scope="module")
def points(results: RunResults) -> Points:
    return results.comparison


@pytest.fixture(scope="module")
def tables(results: RunResults, run_dir: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in write_tables(results, RunLayout(run_dir))}


def cell(points: Points, **key: Any) -> pd.Series:
    """Return the one point with these values."""
    frame = points.points
    for name, value in key.items():
        frame = frame[frame[name].isna() if value is None else frame[name].eq(value)]
    assert len(frame) == 1
    return frame.iloc[0]


def test_means_equal_a_plain_loop_over_the_rows(points: Points) -> None:
    for point in points.points[points.points["metric"].eq("lpips_alex") & points.points["source"].eq("")].itertuples():
        by_image: dict[str, list[float]] = {}
        for row in ROWS:
            same = all(row[name] == getattr(point, name) for name in ("method", "variant", "channel", "snr_db"))
            if same and (row["cr"] == point.cr or (row["cr"] is None and np.isnan(point.cr))) and row.get("lpips_alex") is not None:
                by_image.setdefault(row["image"], []).append(row["lpips_alex"])
        assert point.n == len(by_image)
        if by_image:
            assert point.mean == pytest.approx(np.mean([np.mean(values) for values in by_image.values()]), rel=1e-12)
            assert point.low < point.mean < point.high


def test_uneven_repetitions_weigh_each_image_alike(tmp_path: Path) -> None:
    base = {"run": "r", "method": "m", "variant": "v", "dataset": "d", "cr": 0.1, "channel": "c", "snr_db": 1.0}
    base |= {"status": "ok", "error": ""}
    rows = [base | {"image": "a", "repetition": r, "psnr": 10.0} for r in range(9)] + [base | {"image": "b", "repetition": 0, "psnr": 20.0}]
    write_unit(tmp_path / "records" / "u.parquet", rows, ["psnr"])
    result = build_points(load(tmp_path), RunInfo.model_validate({"metrics": {"psnr": {"title": "PSNR", "better": "higher"}}}))
    assert result.points["mean"].tolist() == [15.0] and result.points["n"].tolist() == [2]


def test_failures_are_counted_and_explained(points: Points, records: pd.DataFrame, tables: dict[str, str]) -> None:
    lost = cell(points, method="digital", variant="jpeg", channel="rayleigh", snr_db=1.0, cr=1 / 24, metric="psnr")
    assert np.isnan(lost["mean"]) and lost["n"] == 0 and lost["failed"] == 24
    part = cell(points, method="beta", variant="sa", channel="awgn", snr_db=4.0, cr=1 / 24, metric="psnr")
    assert part["n"] == 11 and part["failed"] == 2
    assert cell(points, method="beta", variant="base", channel="awgn", snr_db=4.0, cr=1 / 24, metric="lpips_alex")["failed"] == 2
    assert cell(points, method="beta", variant="base", channel="awgn", snr_db=4.0, cr=1 / 24, metric="psnr")["failed"] == 0
    reasons = failure_points(records).set_index(["channel", "method", "variant"])
    assert reasons.loc[("rayleigh", "digital", "jpeg"), "rows"] == 48
    assert reasons.loc[("rayleigh", "digital", "jpeg"), "error"] == synthetic_run.REASON
    assert reasons.loc[("awgn", "beta", "base"), "error"] == "lpips_alex is not a finite number"
    row = next(line for line in tables["kodak_rayleigh.md"].splitlines() if "JPEG + LDPC" in line)
    assert row.split("|")[4].strip() == "failed (24)"
    assert r"no code rate fits 40 bytes \& 50 \% of the\_budget" in tables["failures.tex"]


def test_reasons_that_differ_in_numbers_alone_are_one_row(records: pd.DataFrame, info: RunInfo) -> None:
    lost = records["status"].eq("failed")
    texts = [f"{16 + n % 8} bytes do not fit {n * 1.5:.2f} symbols of jpeg2000 at 1/{24 + n % 2}" for n in range(lost.sum())]
    failed = records.copy()
    failed.loc[lost, "error"] = texts
    table = failures_table(failed, info)
    of_jpeg = [row for row in table.rows if row[1] == "JPEG + LDPC, adaptive"]
    assert [row[2:5] for row in of_jpeg] == [["rayleigh", "48", "12"]] and of_jpeg[0][6] in texts, "one cause, by an example of it"
    of_beta = [row for row in table.rows if row[1] == "beta/sa"]
    assert [row[2:5] for row in of_beta] == [["awgn, rayleigh", "8", "1"]]
    assert any("differ in numbers alone" in note for note in table.notes)
    points = failure_points(failed).query("variant == 'jpeg'")
    assert points["cause"].tolist() == ["N bytes do not fit N symbols of jpeg2000 at N/N"] and points["reasons"].item() == 48
    other = failed.assign(error=failed["error"].str.replace("jpeg2000", "webp").where(failed["cr"].lt(0.03), failed["error"]))
    assert len(failure_points(other).query("variant == 'jpeg'")) == 2, "another word is another cause"


def test_best_is_bold_where_significant_and_ties_are_alike(points: Points, tables: dict[str, str]) -> None:
    frame = points.points[points.points["source"].eq("")]
    marks = {(p.metric, p.method, p.variant): set() for p in frame.itertuples()}
    for p in frame.itertuples():
        marks[p.metric, p.method, p.variant].add(p.mark)
    assert marks["psnr", "alpha", "default"] == {"best"} and marks["lpips_alex", "alpha", "default"] == {"best"}
    assert marks["psnr", "beta", "sa"] == {""} and marks["fid", "alpha", "default"] == {""}
    assert marks["psnr", "fixed", "default"] == {""}, "a block of one has no best"
    line = next(line for line in tables["kodak_awgn.tex"].splitlines() if "alpha" in line)
    assert line.startswith(r"1/48 & alpha & 4,522 & \textbf{") and line.endswith(r"\\")


def test_tie_without_the_leader(records: pd.DataFrame, info: RunInfo) -> None:
    result = build_points(records[records["method"].eq("beta")], info).points
    psnr = result[result["metric"].eq("psnr") & result["channel"].eq("awgn")]
    assert (psnr["mark"] == "tie").mean() > 0.7, "the two betas differ in noise alone"


def test_pairs_are_paired_and_within_one_ratio(points: Points) -> None:
    pairs = points.pairs[points.pairs["metric"].eq("psnr")]
    assert not pairs["first"].eq("fixed").any()
    across = pairs[pairs["second"].eq("fixed")]
    # Five methods of two ratios at four SNRs on two channels, each with the one of fixed rate, but for a cell of which all failed.
    assert len(across) == 5 * 2 * 4 * 2 - 2 and across["cr"].notna().all()
    assert set(across["symbols_second"]) == {426.0} and across["symbols_first"].gt(3000).all()
    one = across[across["first"].eq("alpha") & across["channel"].eq("awgn") & across["snr_db"].eq(7.0)].iloc[0]
    assert one["low"] < one["difference"] < one["high"] and one["significant"] and one["n"] == synthetic_run.IMAGES
    row = pairs[pairs["first"].eq("alpha") & pairs["second"].eq("digital/webp") & pairs["channel"].eq("awgn")].iloc[0]
    assert row["difference"] == pytest.approx(3.0, abs=0.1) and row["high"] - row["low"] < 0.1
    interval = cell(points, method="alpha", channel="awgn", metric="psnr", cr=row["cr"], snr_db=row["snr_db"])
    assert interval["high"] - interval["low"] > 1.0, "images differ far more than the methods do on one image"


def test_envelope_takes_the_best_variant_that_did_not_fail(points: Points) -> None:
    for metric in ("psnr", "lpips_alex", "fid"):
        envelope = cell(points, variant="envelope", metric=metric, channel="awgn", snr_db=7.0, cr=1 / 48)
        assert envelope["source"] == "webp"
        assert envelope["mean"] == cell(points, variant="webp", metric=metric, channel="awgn", snr_db=7.0, cr=1 / 48)["mean"]
    assert cell(points, variant="envelope", metric="psnr", channel="rayleigh", snr_db=1.0, cr=1 / 48)["failed"] == 0


def test_a_variant_at_capacity_is_no_part_of_the_envelope(records: pd.DataFrame, info: RunInfo) -> None:
    renamed = records.assign(variant=records["variant"].replace("webp", "webp-capacity"))
    assert "envelope" not in set(build_points(renamed, info).points["variant"])


def test_a_codec_at_capacity_is_compared_and_never_the_best(records: pd.DataFrame, info: RunInfo) -> None:
    renamed = records.assign(variant=records["variant"].replace("webp", "webp-capacity"))
    # Far above all others, as a bound is.
    far = renamed.assign(psnr=renamed["psnr"] + 30.0 * renamed["variant"].eq("webp-capacity"))
    found = build_points(far, info)
    psnr = found.points[found.points["metric"].eq("psnr")]
    assert not psnr.loc[psnr["variant"].eq("webp-capacity"), "mark"].any() and psnr["mark"].eq("best").any()
    without = build_points(records[records["variant"].ne("webp")], info).points
    key = ["metric", "channel", "method", "variant", "cr", "snr_db"]
    both = psnr.merge(without, on=key, suffixes=("", "_without"))
    assert len(both) and both["mark"].eq(both["mark_without"]).all(), "the marks of the others are those without it"
    pairs = found.pairs[found.pairs["metric"].eq("psnr")]
    assert pairs[["first", "second"]].eq("digital/webp-capacity").any(axis=None)
    summary = summary_points(far, found, info).set_index("variant")
    assert np.isnan(summary.loc["webp-capacity", "rank"]) and np.isfinite(summary.loc["webp-capacity", "gain"])
    assert any("and have no rank" in note for note in summary_table(summary.reset_index(), found, info).notes)
    ranked = rank_points(found, info)
    assert len(ranked) and "webp-capacity" not in set(ranked["variant"])
    assert all(any("references that no link reaches" in note for note in notes) for notes in shared_notes(found, info).values())


def test_a_single_digital_variant_has_no_envelope(records: pd.DataFrame, info: RunInfo) -> None:
    assert "envelope" not in set(build_points(records[records["variant"] != "jpeg"], info).points["variant"])


def test_metric_of_a_whole_cell_stands_without_interval(points: Points, tables: dict[str, str]) -> None:
    fid = cell(points, method="alpha", metric="fid", channel="awgn", snr_db=4.0, cr=1 / 24)
    assert fid["mean"] == 176.0 and np.isnan(fid["low"]) and fid["n"] == 12
    section = tables["kodak_awgn.md"].split("## FID ↓")[1]
    assert "176.0 |" in section and "hence neither interval nor mark" in section


def test_every_table_says_direction_name_and_what_was_left_out(tables: dict[str, str]) -> None:
    for channel in ("awgn", "rayleigh"):
        text = tables[f"kodak_{channel}.md"]
        assert "## PSNR (dB) ↑ (psnr)" in text and "## LPIPS (AlexNet) ↓ (lpips\\_alex)" in text
        assert text.count("Left out: niqe (its weights niqe\\_100%.mat are absent)") == text.count("Mean and 95 %") == 1, "once a file"
        latex = tables[f"kodak_{channel}.tex"]
        assert latex.count(r"\begin{table*}") == latex.count(r"\bottomrule") == latex.count("Mean and 95") == 3, "a float stands by itself"
        assert latex.count(r"niqe\_100\%.mat") == 1
        assert r"PSNR (dB) $\uparrow$" in latex


def test_metric_without_any_value_is_left_out_not_failed(records: pd.DataFrame, info: RunInfo) -> None:
    mute = records.assign(lpips_alex=np.where(records["channel"].eq("awgn"), np.nan, records["lpips_alex"]))
    result = build_points(mute, info)
    assert result.absent == {("kodak", "awgn"): ["lpips_alex"], ("kodak", "rayleigh"): []}
    shown = {key[1:] for key in metric_tables(result, info)}
    assert ("awgn", "lpips_alex") not in shown and ("rayleigh", "lpips_alex") in shown
    notes = {channel: " ".join(said) for (_, channel), said in shared_notes(result, info).items()}
    assert "lpips_alex (no image here has a value)" in notes["awgn"] and "lpips_alex (" not in notes["rayleigh"]
    reasons = failure_points(mute)
    assert not (reasons["channel"].eq("awgn") & reasons["error"].str.startswith("lpips")).any()


def test_latex_rows_have_as_many_cells_as_columns(tables: dict[str, str]) -> None:
    for name in ("kodak_awgn.tex", "symbols.tex", "failures.tex"):
        for table in tables[name].split(r"\begin{tabular}{")[1:]:
            columns = len(table.split("}")[0])
            rows = [line for line in table.splitlines() if line.endswith(r"\\")]
            assert len(rows) > 1
            assert all(line.replace(r"\&", "").count("&") == columns - 1 for line in rows)


def test_latex_escapes_every_special_character() -> None:
    assert escape_latex("a_b & 5 % {x} #1 $2") == r"a\_b \& 5 \% \{x\} \#1 \$2"
    # Of these the default encoding prints an inverted mark, another one, a dash, a closing quote and a dash.
    assert escape_latex('<dir> a|b "c" --x') == r"\textless{}dir\textgreater{} a\textbar{}b ''c'' -{}-x"
    assert escape_latex("[draft] …") == r"{[}draft{]} \ldots{}", "after a line's end a bracket would be its length"
    assert escape_latex("~ ^ \\ ↑") == r"\textasciitilde{} \textasciicircum{} \textbackslash{} $\uparrow$"


def test_symbols_are_split_by_stream(records: pd.DataFrame) -> None:
    table = symbols_table(symbol_points(records))
    found = {tuple(row[1:3]): row[3:9] for row in table.rows}
    assert found["alpha", "1/48"] == ["4096", "426", "0", "4522", "–", "9.4 %"]
    assert found["fixed", "fixed"] == ["0", "426", "0", "426", "–", "100.0 %"]


def test_symbols_stand_beside_bandwidth_ratio_and_bits_per_pixel(records: pd.DataFrame) -> None:
    sent = records.assign(text_bytes_sent=np.where(records["method"].eq("alpha"), 1024.0, np.nan))
    table = symbols_table(symbol_points(sent), image_size=256)
    columns = [table.header.index(name) for name in ("total", "CBR sent", "digital bpp")]
    by_row = {(row[1], row[2]): [row[column] for column in columns] for row in table.rows}
    assert by_row["alpha", "1/24"] == ["8618", "1/22.8", "0.125"] and by_row["beta/base", "1/24"] == ["8192", "1/24.0", "–"]
    assert "CBR sent" not in symbols_table(symbol_points(records)).header, "an image of unknown size has no ratio"


def test_every_row_says_how_many_symbols_it_sends(records: pd.DataFrame, info: RunInfo, tables: dict[str, str]) -> None:
    uneven = records.assign(symbols_total=records["symbols_total"] + records["snr_db"].where(records["variant"].eq("sa"), 0) * 10)
    rows = [row for table in metric_tables(build_points(uneven, info), info).values() for block in table.blocks for row in block.rows]
    found = {(row.label, row.symbols) for row in rows}
    assert {("alpha", "4,522"), ("alpha", "8,618"), ("beta/sa", "4,106 to 4,196"), ("fixed", "426")} <= found
    assert tables["kodak_awgn.md"].count("|   Symbols |") == tables["kodak_awgn.tex"].count("CR & Method & Symbols & 1 dB") == 3
    assert span_text(pd.Series([np.nan])) == "–", "a row of which everything failed"


def test_symbols_name_the_schemes_and_what_was_lost(records: pd.DataFrame) -> None:
    sent = records[records["status"].eq("ok") & records["image"].ne("*") & records["method"].eq("alpha")].head(3)
    named = sent.assign(text_scheme=["16qam 1/2", "qpsk 7/10", "16qam 1/2"], text_ok=[1.0, 1.0, 0.0])
    table = symbols_table(symbol_points(named))
    assert table.header[-3:] == ["text intact", "text chrF", "schemes"]
    assert {row[-1] for row in table.rows} <= {"qpsk 7/10–16qam 1/2", "qpsk 7/10", "16qam 1/2"} and table.rows
    assert set(symbols_table(symbol_points(records)).header) == set(table.header) and {
        row[-1] for row in symbols_table(symbol_points(records)).rows
    } == {"–"}


def test_tidy_csv_holds_every_point(points: Points, tables: dict[str, str], run_dir: Path) -> None:
    read = pd.read_csv(run_dir / "tables" / "kodak_awgn.csv", keep_default_na=False, na_values=[""])
    expected = points.points[points.points["channel"].eq("awgn")]
    assert len(read) == len(expected) and list(read.columns) == list(expected.columns)
    assert read["mean"].to_numpy() == pytest.approx(expected["mean"].to_numpy(), nan_ok=True)


def test_writing_again_gives_the_same_bytes(run_dir: Path, tables: dict[str, str]) -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in write_tables(load_results(run_dir), RunLayout(run_dir))} == tables


def test_main_table_shows_the_first_metric(results: RunResults) -> None:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(main_table(results))
    text = console.export_text()
    assert text.count("PSNR (dB) ↑") == 2 and "failed (24)" in text and "LPIPS" not in text
    with pytest.raises(RecordError, match=r"no metric 'ssim'; choose one of psnr, lpips_alex, fid"):
        main_table(results, "ssim")


def test_records_that_contradict_the_description_are_refused(info: RunInfo, records: pd.DataFrame) -> None:
    with pytest.raises(RecordError, match="fid, lpips_alex, psnr"):
        build_points(records, RunInfo(metrics={}))
    two = pd.concat([records, records.assign(run="other")])
    with pytest.raises(RecordError, match="several runs"):
        build_points(two, info)


@pytest.mark.parametrize("prepare", [lambda path: path / "missing", lambda path: path])
def test_command_without_records_says_so_in_one_line(tmp_path: Path, prepare: Any) -> None:
    result = CliRunner().invoke(app, [str(prepare(tmp_path))])
    assert result.exit_code == 2
    assert result.stderr.strip().count("\n") == 0 and str(tmp_path) in result.stderr


def test_tables_load_no_model_library() -> None:
    code = "import sys, suite.tables; print([m for m in ('torch', 'ray', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_people_read_names_and_files_hold_ids(tables: dict[str, str], results: RunResults) -> None:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(main_table(results))
    for text in (tables["kodak_awgn.md"], tables["kodak_awgn.tex"], tables["symbols.md"], tables["failures.md"], console.export_text()):
        assert "JPEG + LDPC, adaptive" in text and "digital/jpeg" not in text and "beta/sa" in text, "nobody here knows beta"
    assert "Digital codecs, envelope" in tables["kodak_awgn.md"]
    for name in ("kodak_awgn.csv", "pairs.csv", "symbols.csv", "failures.csv"):
        assert "LDPC" not in tables[name]
    assert "digital/jpeg" in tables["pairs.csv"] and ",digital,jpeg," in tables["kodak_awgn.csv"]


@pytest.mark.parametrize("described", [{"flag": True}, {}])
def test_a_flag_is_counted_in_a_note_and_is_no_metric(described: dict[str, bool], tmp_path: Path) -> None:
    run_dir = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    run = load_results(run_dir)
    first = run.records["image"].isin(["set/01", "set/02"])
    records = run.records.assign(clip_score_x_truncated=np.where(run.records["symbols_total"].notna(), first.astype(float), np.nan))
    flag = {"title": "clip score x truncated", "better": "lower", **described}
    info = RunInfo.of({**run.info.document, "metrics": {**run.info.document["metrics"], "clip_score_x_truncated": flag}})
    flagged = RunResults(RunLayout(tmp_path / "made"), records, info)
    written = {path.name: path.read_text() for path in write_tables(flagged, RunLayout(tmp_path / "made"))}
    assert flagged.metrics == ["psnr"] and "clip score x truncated: 2 of 12 images." in written["kodak_awgn.md"]
    assert not any("truncated" in written[name] for name in written if name not in ("kodak_awgn.md", "kodak_awgn.tex"))
    assert {stem for _, (_, _, stem, *_) in curve_tasks(flagged, RunLayout(tmp_path))} == {"kodak_awgn_psnr"}


def test_labels() -> None:
    assert [cr_label(x) for x in (1 / 48, 1 / 24, 0.0625, float("nan"), None)] == ["1/48", "1/24", "1/16", "fixed", "fixed"]
    for name in (series_id, series_label):
        assert [name("m", v) for v in ("default", "sa", "default/stage-one")] == ["m", "m/sa", "m/stage-one"]
    assert Cell(float("nan"), float("nan"), float("nan"), 0, 0).value == "–"
