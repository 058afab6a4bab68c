"""Ablation tables from invented records: values against a loop over the rows, check marks, what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.hashing import canonical
from helpers import synthetic_run
from suite.config.reading import build_grid, read_grid
from suite.errors import RunFolderError, SettingsError
from suite.report.ablations import ablation_points
from suite.report.points import build_points
from suite.report.results import load_results
from suite.report.tables import write_tables
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


def test_the_built_in_grid_has_tables_one_and_two() -> None:
    grid = build_grid(read_grid("ablation"))
    named = {f"{entry.name}/{variant}" for entry in grid.methods for variant in entry.variants or ("base",)}
    assert [each.name[:7] for each in grid.ablations[:2]] == ["table-1", "table-2"]
    assert all({row.series for row in each.rows} <= named for each in grid.ablations)
    has = {row.series: set(row.has) for row in grid.ablations[0].rows}
    full = has["gened_sc/stage-one"]
    assert full - has["gened_sc/single-branch"] == {"dual branch"} and len(full) == 3 and has["gened_sc/bare"] == set()


def test_mistakes_are_told(run_dir: Path, tmp_path: Path) -> None:
    keys = read_grid("ablation")
    with pytest.raises(SettingsError, match="names weight, which is none of the components"):
        build_grid({**keys, "ablations": [{"name": "a", "title": "A", "components": ["size"], "rows": [{"x/y": ["weight"]}]}]})
    with pytest.raises(SettingsError, match="title"):
        build_grid({**keys, "ablations": [{"name": "a", "rows": ["x/y"]}]})
    (tmp_path / "run.json").write_text(json.dumps({"grid": {"ablations": [{"name": "a", "title": "A", "rows": []}]}}))
    with pytest.raises(RunFolderError, match=r"run\.json cannot be read: grid\.ablations\.0\.rows: "):
        read_info(RunLayout(tmp_path))
