"""A second command makes nothing again where nothing has changed, and everything where something has."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from helpers import synthetic_run
from suite.report.unchanged import files_made_of, source_digest
from suite.runs.layout import RunLayout
from suite.tables import app


@pytest.fixture
def run_dir(tmp_path: Path, draft_figures: None) -> Path:
    return synthetic_run.make_run(tmp_path / "demo", ("awgn",), ("psnr",))


def told(run_dir: Path, *options: str) -> str:
    done = CliRunner().invoke(app, [str(run_dir), *options])
    assert done.exit_code == 0
    return done.output


def test_nothing_is_made_again_until_something_has_changed(run_dir: Path) -> None:
    first = told(run_dir)
    assert "files written" in first
    summary = run_dir / "tables" / "summary.md"
    before, written = summary.read_bytes(), summary.stat().st_mtime_ns
    again = told(run_dir)
    assert "Nothing has changed" in again and summary.stat().st_mtime_ns == written
    summary.write_bytes(b"by hand")
    assert "files written" in told(run_dir) and summary.read_bytes() == before
    told(run_dir, "--only", "report")
    assert "files written" in told(run_dir), "what was written in part is made as a whole once more"


def test_another_source_is_another_record_image_or_word_of_the_run(run_dir: Path) -> None:
    layout = RunLayout(run_dir)
    seen = [source_digest(layout)]
    (run_dir / "run.json").write_text((run_dir / "run.json").read_text() + "\n")
    seen.append(source_digest(layout))
    (run_dir / "samples" / "kodak").mkdir(parents=True)
    (run_dir / "samples" / "kodak" / "a.png").write_bytes(b"a")
    seen.append(source_digest(layout))
    max((run_dir / "records").rglob("*.parquet")).unlink()
    seen.append(source_digest(layout))
    assert len(set(seen)) == len(seen) and source_digest(layout) == seen[-1]
    assert files_made_of(layout, seen[-1]) == [], "nothing was made yet"
