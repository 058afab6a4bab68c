"""Names and messages of others are shown as text, whatever a figure, a terminal, a page or a spreadsheet would read in them."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from helpers import synthetic_run
from suite.evaluate.progress import Tally
from suite.evaluate.stages.score import Share, UnitResult
from suite.report.formats import LONGEST_TEXT, PlainTable, csv_text, shown_text, to_markdown
from suite.report.qualitative import write_sheets
from suite.report.results import RunResults, load_results
from suite.report.rewrite import rewrite
from suite.report.tables import main_table
from suite.runs.info import RunInfo
from suite.runs.layout import RunLayout

MARKUP = "the server said [/INST] and [bold]no[/bold]"


def shown(what: object) -> str:
    buffer = io.StringIO()
    Console(file=buffer, width=300).print(what)
    return buffer.getvalue()


def test_an_image_name_with_dollars_is_drawn(tmp_path: Path) -> None:
    layout = RunLayout(tmp_path)
    row = {"dataset": "d", "cr": 1 / 24, "channel": "awgn", "snr_db": 4.0, "repetition": 0, "method": "m", "variant": "v", "psnr": 20.0}
    row |= {"image": "price_$5_to_$6_{_^"}
    for path in (layout.original("d", row["image"]), layout.sample(row)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    assert all(path.is_file() for path in write_sheets(RunResults(layout, pd.DataFrame([row]), RunInfo()), layout))


@pytest.mark.parametrize("name", ["co$t_{x^", "[bold]mine[/bold]", "[/INST]"])
def test_a_method_of_any_name_has_tables_figures_and_a_line_on_the_terminal(name: str, tmp_path: Path) -> None:
    run_dir = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    results = load_results(run_dir)
    results.records.loc[results.records["method"].eq("beta"), "method"] = name
    rewrite(results)
    assert name in shown(main_table(results))


def test_a_failure_with_brackets_is_counted_and_shown() -> None:
    tally = Tally()
    tally.add(UnitResult("unit", 1, {MARKUP: 1}, label="[red]x[/red]/v", shares={("[red]x[/red]", "v"): Share(1, 1)}))
    assert "[red]x[/red]" in shown(tally.table())


def test_the_image_before_and_after_refinement_are_two_rows_of_the_table_so_far() -> None:
    tally = Tally()
    for psnr in (20.0, 22.0):
        coarse, final = Share(2, 0, {"psnr": (2 * psnr, 2)}), Share(2, 1, {"psnr": (psnr - 4, 1)})
        tally.add(
            UnitResult("unit", 4, {}, label="gened_sc/full", shares={("gened_sc", "full/stage-one"): coarse, ("gened_sc", "full"): final})
        )
    lines = [" ".join(line.replace("│", " ").split()) for line in shown(tally.table()).splitlines()]
    assert "GenED-SC, stage one 4 0 21" in lines and "GenED-SC 4 2 failed 17" in lines


def test_a_spreadsheet_computes_nothing() -> None:
    frame = pd.DataFrame({"image": ["=cmd|'/c calc'!A0", "+1", "@x", "-2", "plain"], "mean": [-1.5, 2.0, 3.0, 4.0, 5.0]})
    back = pd.read_csv(io.StringIO(csv_text(frame)))
    assert list(back["image"]) == ["'=cmd|'/c calc'!A0", "'+1", "'@x", "'-2", "plain"] and list(back["mean"]) == list(frame["mean"])


def test_a_page_of_markdown_runs_nothing() -> None:
    table = PlainTable("Failures", "tab:x", ["reason"], [["<script>alert(1)</script>"], ["[link](javascript:alert(1))"]], frozenset(), [])
    text = to_markdown(table)
    assert "<script" not in text and "&lt;script" in text and "](" not in text


def test_a_long_message_with_control_characters_is_one_short_line() -> None:
    text = shown_text("\x1b[31mred\x1b[0m\n" + "x" * 5_000_000)
    assert text.isprintable() and len(text) < LONGEST_TEXT + 40 and "5,000," in text
    assert shown_text("ü 中 said: no") == "ü 中 said: no"


def test_where_every_cell_failed_nothing_is_promised(tmp_path: Path) -> None:
    run_dir = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    results = load_results(run_dir)
    results.records["status"], results.records["error"], results.records["psnr"] = "failed", "no luck", np.nan
    rewrite(results)
    assert "nan" not in shown(main_table(results)) and "no luck" in (run_dir / "tables" / "failures.md").read_text()


def test_a_name_in_another_script_draws_without_a_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    run_dir = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    results = load_results(run_dir)
    results.records.loc[results.records["method"].eq("beta"), "method"] = "语义通信"
    rewrite(results)
    assert not [str(each.message) for each in recwarn if "Glyph" in str(each.message)]
