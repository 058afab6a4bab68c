"""A run takes away what it made, and nothing else."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from helpers import synthetic_run
from suite.evaluate import runner as work
from suite.report.results import load_results
from suite.report.rewrite import rewrite
from suite.run import app
from suite.runs.layout import RunLayout
from suite.runs.made import keep_only
from suite.scene_models import provenance as recipe


@pytest.fixture
def run_dir(tmp_path) -> Path:
    return synthetic_run.make_run(tmp_path / "demo", ("awgn",), ("psnr",))


def test_what_the_run_made_goes_and_what_lies_beside_it_stays(run_dir, draft_figures):
    rewrite(load_results(run_dir))
    listed = json.loads(RunLayout(run_dir).made.read_text())["files"]
    assert "tables/kodak_awgn.csv" in listed and "figures/snr_kodak_awgn_psnr.png" in listed and "report.html" in listed
    assert all((run_dir / name).is_file() for name in listed)
    RunLayout(run_dir).made.write_text(json.dumps({"files": [*listed, "tables/stale.csv", "figures/stale.png"]}))
    for name in ("figures/photo.png", "tables/mine.csv", "figures/stale.png", "tables/stale.csv"):
        (run_dir / name).write_bytes(b"mine")
    rewrite(load_results(run_dir))
    assert (run_dir / "figures/photo.png").read_bytes() == (run_dir / "tables/mine.csv").read_bytes() == b"mine"
    assert not list(run_dir.rglob("stale.*"))
    assert json.loads(RunLayout(run_dir).made.read_text())["files"] == listed
    assert b"photo" not in (run_dir / "report.html").read_bytes()


OLD_NAMES = ("tables/kodak_tdl-a.csv", "tables/parts.tex", "figures/snr_kodak_tdl-a_psnr.png", "figures/limits_tdl-a.pdf")
OTHERS = ("tables/mine.csv", "tables/kodak_tdl-a_notes.md", "figures/snr_photo.png", "figures/kodak.png", "tables/pairs.xlsx")


def with_files(run_dir: Path) -> Path:
    run_dir.mkdir(exist_ok=True)
    grid = {"datasets": ["kodak"], "channels": ["awgn", "tdl-a"], "ablations": [{"name": "parts"}]}
    (run_dir / "run.json").write_text(json.dumps({"grid": grid}))
    for name in OLD_NAMES + OTHERS:
        (run_dir / name).parent.mkdir(exist_ok=True)
        (run_dir / name).write_bytes(b"x")
    return run_dir


def test_a_folder_of_before_there_were_lists_loses_only_names_of_the_run(tmp_path):
    run_dir = with_files(tmp_path / "run")
    keep_only(run_dir, [])
    assert sorted(path.relative_to(run_dir).as_posix() for path in run_dir.rglob("*.*")) == sorted([*OTHERS, "made.json", "run.json"])


@pytest.mark.parametrize("text", ["null", "{", '{"files": 3}', '{"files": ["../../elsewhere", "tables/../../elsewhere"]}'])
def test_a_broken_list_takes_nothing_of_others_away(text, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"mine")
    run_dir = with_files(tmp_path / "run")
    RunLayout(run_dir).made.write_text(text)
    keep_only(run_dir, [])
    assert all((run_dir / name).is_file() for name in OTHERS) and (tmp_path / "elsewhere").is_file()


def test_foreign_parquet_is_not_moved(run_dir):
    records = run_dir / "records"
    foreign = [records / "mine.parquet", records / "a" / "b" / "c" / f"{'0123' * 6}.parquet"]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"x": [1]}), path)
    assert work.archive_superseded([], run_dir) == 0
    assert all(path.is_file() for path in foreign)


def test_the_command_leaves_a_foreign_folder_alone(images, tmp_path, without_ray):
    out = tmp_path / "mine"
    (out / "figures").mkdir(parents=True)
    (out / "figures" / "photo.png").write_bytes(b"mine")
    arguments = ["--methods", "blocks_for_tests", "--datasets", "folder", "--data-dir", str(images), "--out", str(out)]
    result = CliRunner().invoke(app, [*arguments, "--set", "image_size=32", "--set", "metrics=[psnr]", "--limit", "1"])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and "holds figures; choose another --out" in result.stderr
    assert [path.name for path in out.rglob("*")] == ["figures", "photo.png"]


def test_a_part_of_the_zoo_replaces_its_own_files_alone(tmp_path):
    out, made = tmp_path / "out", tmp_path / "made"
    for name in ("weights", "deep/config.json"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(b"1")
    recipe.replace(out, "clip", "one", made)
    assert recipe.problem(out, "clip", "one") is None
    (made / "weights").rename(made / "renamed")
    recipe.replace(out, "clip", "two", made)
    assert recipe.problem(out, "clip", "two") is None and not (out / "clip" / "weights").exists()
    recipe.refuse_foreign(out, "clip")
    (out / "clip" / "photo.png").write_bytes(b"mine")
    with pytest.raises(
        recipe.TrainingError, match=r"clip holds files that are not of the scene models \(photo.png\); choose another --out"
    ):
        recipe.refuse_foreign(out, "clip")
