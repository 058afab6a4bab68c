"""Ablation tables from invented records: values against a loop over the rows, check marks, what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.common.hashing import canonical
from helpers import synthetic_run
from suite.config.grid import Grid
from suite.config.methods import resolve
from suite.config.reading import build_grid, read_grid
from suite.errors import RunFolderError, SettingsError
from suite.report.ablations import ablation_points, ablation_tables
from suite.report.points import build_points
from suite.report.results import load_results
from suite.report.tables import write_tables
from suite.run import app
from suite.runs.info import read_info
from suite.runs.layout import RunLayout

ABLATION = {
    "name": "table-1",
    "title": "Parts_of beta",
    "components": ["sense", "colour"],
    "rows": ["beta/base", {"alpha/default": ["sense"]}, {"series": "beta/sa", "has": ["colour", "sense"]}, {"gamma/none": ["colour"]}],
    "notes": ["Published: 1 2 3."],
}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = synthetic_run.make_run(tmp_path_factory.mktemp("run"))
    described = json.loads((folder / "run.json").read_text())
    grid = build_grid({**read_grid("ablation"), "ablations": [ABLATION], "repetitions": 2})
    # As a run folder keeps it, with the keys of every mapping in one order.
    (folder / "run.json").write_text(json.dumps(described | {"grid": canonical(grid)}))
    return folder


def mean(method: str, variant: str, cr: float, metric: str) -> float:
    """The mean over SNRs of the mean over images of the mean over repetitions."""
    values: dict[float, dict[str, list[float]]] = {}
    for row in synthetic_run.rows():
        key = (row["method"], row["variant"], row["cr"], row["channel"])
        if key == (method, variant, cr, "awgn") and row.get(metric) is not None and row["image"] != "*":
            values.setdefault(row["snr_db"], {}).setdefault(row["image"], []).append(row[metric])
    assert len(values) == 4
    return float(np.mean([np.mean([np.mean(each) for each in images.values()]) for images in values.values()]))


def test_the_table_is_the_variants_in_order_with_marks_and_means(run_dir: Path) -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in write_tables(load_results(run_dir), RunLayout(run_dir))}
    assert {"table-1.csv", "table-1.md", "table-1.tex"} <= set(written)
    awgn = written["table-1.md"].split("# ")[1]
    assert awgn.startswith("Parts\\_of beta: kodak, awgn")
    lines = [[part.strip() for part in line.strip("|").split("|")] for line in awgn.splitlines() if line.startswith("| 1/")]
    assert [line[:4] for line in lines[:3]] == [["1/48", "beta/base", "", ""], ["1/48", "alpha", "✓", ""], ["1/48", "beta/sa", "✓", "✓"]]
    assert [line[0] for line in lines] == ["1/48"] * 3 + ["1/24"] * 3
    for line, (method, variant) in zip(lines[:3], (("beta", "base"), ("alpha", "default"), ("beta", "sa")), strict=True):
        assert line[4] == ("4,522" if method == "alpha" else "4,096") and float(line[5].split()[0]) == pytest.approx(
            mean(method, variant, 1 / 48, "psnr"), abs=0.006
        )
    assert "failed (2)" in lines[2][5] and "failed" not in lines[1][5]
    assert "over 1, 4, 7, 10 dB" in awgn and "Published: 1 2 3." in awgn and "Not in this run: gamma/none." in awgn
    assert r"$\checkmark$" in written["table-1.tex"] and r"Parts\_of" in written["table-1.tex"]


def test_a_cell_without_a_value_at_some_snr_has_none(run_dir: Path) -> None:
    results = load_results(run_dir)
    records, info = results.records, results.info
    records.loc[records["method"].eq("alpha") & records["snr_db"].eq(7.0), "psnr"] = np.nan
    found = ablation_points(info.grid.ablations[0], build_points(records, info)).set_index(["channel", "cr", "row", "metric"])["mean"]
    assert np.isnan(found["awgn", 1 / 24, "alpha/default", "psnr"])
    assert np.isfinite(found["awgn", 1 / 24, "alpha/default", "lpips_alex"])


def test_a_chosen_snr_has_a_table_beside_that_of_the_mean(run_dir: Path) -> None:
    results = load_results(run_dir)
    chosen = results.info.grid.ablations[0].model_copy(update={"snr_db": (4.0, 30.0)})
    tables = [table for table in ablation_tables(chosen, results.comparison, results.info) if "awgn" in table.title]
    assert [table.title for table in tables] == ["Parts_of beta: kodak, awgn, 4 dB", "Parts_of beta: kodak, awgn, mean over SNR"]
    assert tables[0].notes[0].startswith("Means over images at 4 dB") and "over 1, 4, 7, 10 dB" in tables[1].notes[0]
    assert all("asks for a table at 30 dB, which this run does not have" in " ".join(table.notes) for table in tables)
    point = results.table("psnr", channel="awgn").loc[("1/24", "alpha"), 4.0]
    shown = {(row[0], row[1]): row[5] for row in tables[0].rows}
    assert float(shown["1/24", "alpha"]) == pytest.approx(point, abs=0.006)
    assert len({table.label for table in tables}) == 2
    assert "snr_db" in ablation_points(chosen, results.comparison)


def test_the_built_in_grid_has_tables_one_and_two_of_edited_images_and_before_the_edit() -> None:
    grid = build_grid(read_grid("ablation"))
    run = {each.label: each for each in resolve(grid)}
    measured = set(run) | {f"{label}/stage-one" for label, each in run.items() if each.traits.refines}
    tables = {each.name: {row.series: set(row.has) for row in each.rows} for each in grid.ablations}
    assert all(set(rows) <= measured and each.snr_db == (4.0,) for each, rows in zip(grid.ablations, tables.values(), strict=True))
    for name in ("table-1-components", "table-2-architecture", "table-3-routing"):
        before = {series.removesuffix("/stage-one"): has for series, has in tables[f"{name}-stage-one"].items() if "gened" in series}
        assert before == tables[name] and all(run[series].traits.refines for series in tables[name])
        assert any("0.408 32.78 20.49" in note and "equal in every digit" in note for note in _notes(grid, name)) or name[6] == "3"
    has = tables["table-1-components"]
    full = has["gened_sc/full"]
    assert full - has["gened_sc/single-branch-full"] == {"dual branch"} and len(full) == 3 and has["gened_sc/bare-full"] == set()
    paper = build_grid(read_grid("paper"))
    assert grid.training.of_weights() == paper.training.of_weights() and grid.training.steps == 1_319_125


def test_a_dry_run_of_the_built_in_grid_names_its_tables(tmp_path: Path) -> None:
    editor = "generative.editor=diffusers:results/reference/scene_models/editor"
    small = ("training.preset=compact", "datasets=[scenes]", "training.data=scenes", "image_size=64", "training.crop=64", "metrics=[psnr]")
    changes = [word for key in (*small, "generative.captioner=dataset", editor) for word in ("--set", key)]
    result = CliRunner().invoke(
        app,
        ["--grid", "ablation", "--methods", "gened_sc/bare-full", *changes, "--limit", "1", "--out", str(tmp_path / "run"), "--dry-run"],
    )
    assert result.exit_code == 0, result.output
    grid = build_grid(read_grid("ablation"))
    assert all(f"table {each.name}: {each.title}" in result.output for each in grid.ablations)
    assert "bare-full" in result.output and "train 1319125 steps" in result.output and "at most 4 calls" in result.output


def _notes(grid: Grid, name: str) -> tuple[str, ...]:
    return next(each.notes for each in grid.ablations if each.name == name)


def test_mistakes_are_told(run_dir: Path, tmp_path: Path) -> None:
    keys = read_grid("ablation")
    with pytest.raises(SettingsError, match="names weight, which is none of the components"):
        build_grid({**keys, "ablations": [{"name": "a", "title": "A", "components": ["size"], "rows": [{"x/y": ["weight"]}]}]})
    with pytest.raises(SettingsError, match="title"):
        build_grid({**keys, "ablations": [{"name": "a", "rows": ["x/y"]}]})
    (tmp_path / "run.json").write_text(json.dumps({"grid": {"ablations": [{"name": "a", "title": "A", "rows": []}]}}))
    with pytest.raises(RunFolderError, match=r"run\.json cannot be read: grid\.ablations\.0\.rows: "):
        read_info(RunLayout(tmp_path))
