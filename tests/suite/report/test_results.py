"""The results of a run as a notebook meets them, and that a rewrite makes everything once."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import synthetic_run
from suite.errors import RecordError, RunFolderError
from suite.report import ablations, metric_tables, results
from suite.report.results import RunResults, load_results
from suite.report.rewrite import rewrite
from suite.report.tables import main_table
from suite.runs import records
from suite.runs.layout import RunLayout


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_run.make_run(tmp_path_factory.mktemp("run"), metrics=("psnr",))


@pytest.fixture(scope="module")
def run(run_dir: Path) -> RunResults:
    return load_results(str(run_dir))


def test_the_means_of_a_metric_stand_as_in_the_printed_table(run: RunResults) -> None:
    table = run.table("psnr", dataset="kodak", channel="rayleigh")
    printed = next(each for key, each in run.metric_tables.items() if key == ("kodak", "rayleigh", "psnr"))
    assert list(table.index) == [(block.label, row.label) for block in printed.blocks for row in block.rows]
    assert list(table.columns) == [1.0, 4.0, 7.0, 10.0]
    assert table.loc[("fixed", "fixed")].notna().all() and np.isnan(table.loc[("1/24", "JPEG + LDPC, adaptive"), 1.0])
    point = run.points.query("method == 'alpha' and channel == 'rayleigh' and snr_db == 7 and cr > 0.03")
    assert table.loc[("1/24", "alpha"), 7.0] == point["mean"].item()
    shown = pd.DataFrame([[cell.value for cell in row.cells] for block in printed.blocks for row in block.rows])
    filled = table.notna().to_numpy()
    assert (shown.to_numpy()[filled] == table.map("{:.2f}".format).to_numpy()[filled]).all()


def test_what_is_not_there_or_not_said_is_named(run: RunResults) -> None:
    with pytest.raises(RecordError, match=r"no metric 'ssim'; choose one of psnr"):
        run.table("ssim", channel="awgn")
    with pytest.raises(RecordError, match=r"no channel 'rician'; choose one of awgn, rayleigh"):
        run.table("psnr", channel="rician")
    with pytest.raises(RecordError, match=r"several values of 'channel'; name one of awgn, rayleigh"):
        run.table("psnr", dataset="kodak")
    assert run.table("psnr", channel="awgn").equals(run.table("psnr", dataset="kodak", channel="awgn"))


def test_the_run_is_described(run: RunResults, run_dir: Path) -> None:
    assert run.name == "demo" and run.metrics == ["psnr"] and run.report_path == run_dir / "report.html"
    assert run.failed == int(run.records["status"].eq("failed").sum()) > 0
    assert repr(run) == f"RunResults('demo', {len(run.records)} records, {run.failed} failed, metrics: psnr)"


def test_a_folder_that_is_no_run_is_refused(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="there is no run folder"):
        load_results(tmp_path / "nowhere")
    with pytest.raises(RecordError, match="no record files"):
        load_results(tmp_path)
    synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    (tmp_path / "run.json").unlink()
    with pytest.raises(RunFolderError, match=r"there is no .*run\.json; give the folder of a run"):
        load_results(tmp_path)


def test_a_rewrite_loads_and_makes_everything_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    described = json.loads((folder / "run.json").read_text())
    ablation = {"name": "parts", "title": "Parts", "rows": ["beta/base", "alpha/default"]}
    (folder / "run.json").write_text(json.dumps(described | {"grid": {"image_size": 64, "ablations": [ablation]}}))
    counted: Counter[str] = Counter()

    def count(module: object, name: str) -> None:
        made = getattr(module, name)

        def counting(*arguments: object, **options: object) -> object:
            counted[name] += 1
            return made(*arguments, **options)

        monkeypatch.setattr(module, name, counting)

    count(results, "load")
    count(records, "read_unit")
    count(results, "read_info")
    count(results, "build_points")
    count(metric_tables, "_metric_table")
    count(ablations, "ablation_tables")
    for name in ("symbols_table", "failures_table", "summary_points", "summary_table"):
        count(results, name)
    run = load_results(folder)
    written = {str(path.relative_to(folder)) for path in rewrite(run)}  # type: ignore[arg-type]
    main_table(run)
    files = len(list((folder / "records").rglob("*.parquet")))
    once = (
        "load",
        "read_info",
        "build_points",
        "_metric_table",
        "ablation_tables",
        "symbols_table",
        "failures_table",
        "summary_points",
        "summary_table",
    )
    assert counted == {"read_unit": files, **dict.fromkeys(once, 1)}
    assert {
        "tables/kodak_awgn.csv",
        "tables/parts.md",
        "figures/snr_kodak_awgn_psnr.png",
        "figures/limits_awgn.pdf",
        "report.html",
    } <= written


def test_what_an_earlier_state_left_is_taken_away(tmp_path: Path) -> None:
    folder = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    earlier = ["tables/old.csv", "figures/old.png"]
    for name in earlier:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"of an earlier state")
    RunLayout(folder).made.write_text(json.dumps({"files": earlier}))
    rewrite(load_results(folder))
    assert not (folder / "tables" / "old.csv").exists() and not (folder / "figures" / "old.png").exists()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert 'id="ranks_kodak"' in page and 'id="old"' not in page


@pytest.mark.usefixtures("draft_figures")
def test_a_part_alone_is_written_and_the_rest_stays(tmp_path: Path) -> None:
    folder = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    heard: list[str] = []
    rewrite(load_results(folder), told=heard.append)
    assert heard == ["tables", "ablations", "training curves", "limits", "sheets", "curves", "distortion and perception", "ranks", "page"]
    listed = json.loads(RunLayout(folder).made.read_text())["files"]
    before = {name: (folder / name).read_bytes() for name in listed}
    (folder / "report.html").unlink()
    (folder / "tables" / "summary.md").unlink()
    assert {path.name for path in map(Path, map(str, rewrite(load_results(folder), "report")))} == {"report.html"}
    assert (folder / "report.html").read_bytes() == before["report.html"] and not (folder / "tables" / "summary.md").exists()
    assert {"tables"} == {Path(str(path)).parent.name for path in rewrite(load_results(folder), "tables")}
    assert json.loads(RunLayout(folder).made.read_text())["files"] == listed
    assert {name: (folder / name).read_bytes() for name in listed if "times" not in name} == {
        name: content for name, content in before.items() if "times" not in name
    }
