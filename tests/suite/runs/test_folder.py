"""The run folder, its files and identities."""

import json
import os
import re
import stat
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks.common.atomic import write_atomic, write_json
from benchmarks.common.hashing import canonical, digest
from helpers.places import ROOT
from suite.errors import RunFolderError
from suite.runs.folder import RunFolder
from suite.runs.provenance import git_state


def test_run_json_says_what_ran_where_and_when(make_grid, tmp_path):
    folder = RunFolder(tmp_path / "run", make_grid())
    folder.start(weights={"a": "b"})
    folder.finish(records=3)
    info = json.loads(folder.layout.run_json.read_text())
    assert info["name"] == "run" and info["seed"] == 1 and info["records"] == 3
    assert info["grid"]["cr"] == ["1/12", "1/6"]
    (start,) = info["starts"]
    assert start["versions"]["torch"] and start["hardware"]["cpu_cores"] == os.cpu_count()
    assert set(start["git"]) == {"commit", "dirty"}
    assert start["at"] <= info["ended"]
    (tmp_path / "run").rename(tmp_path / "renamed")
    RunFolder(tmp_path / "renamed", make_grid()).start()
    again = json.loads((tmp_path / "renamed" / "run.json").read_text())
    assert again["starts"][0] == start and len(again["starts"]) == 2
    assert again["ended"] is None and again["records"] == 3 and again["weights"] == {"a": "b"}
    assert RunFolder(tmp_path / "renamed", make_grid()).name == "run"


def test_another_grid_is_refused_and_a_harmless_change_is_not(make_grid, tmp_path):
    RunFolder(tmp_path, make_grid()).start()
    RunFolder(tmp_path, make_grid(limit=2, description="other", evaluation={"workers": 5}, training={"threads": 2, "gpus": 0}))
    RunFolder(tmp_path, make_grid(metric_settings={"weights_dir": "/elsewhere"}))
    assert RunFolder(tmp_path, make_grid(snr_db=[3])).grown == ["snr_db"]
    with pytest.raises(RunFolderError, match=r"another grid \(it differs in fit, seed, of which nothing could be kept\)"):
        RunFolder(tmp_path, make_grid(seed=5, snr_db=[3], fit="crop"))


def test_a_broken_run_json_is_named(make_grid, tmp_path):
    (tmp_path / "run.json").write_text("{half")
    with pytest.raises(RunFolderError, match="cannot be read"):
        RunFolder(tmp_path, make_grid())


def test_a_write_that_fails_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "file.json"
    write_json(path, {"old": 1})

    def fail(file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, fail)
    assert json.loads(path.read_text()) == {"old": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["file.json"]


def test_not_a_number_never_gets_into_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"value": float("nan")})


def test_a_full_disk_ends_a_run_with_one_sentence(make_grid, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("suite.runs.folder.write_json", full)
    with pytest.raises(RunFolderError, match=r"cannot be written \(No space left on device\); free it or choose another --out"):
        RunFolder(tmp_path, make_grid()).start()


def test_equal_values_have_one_spelling():
    assert digest("unit", {"b": Fraction(2, 48), "a": (1, 2)}) == digest("unit", {"a": [1, 2], "b": Fraction(1, 24)})
    assert digest("unit", {"a": 1}) != digest("run", {"a": 1})
    assert canonical({"x": {3, 1, 2}, "p": Path("a/b")}) == {"p": "a/b", "x": [1, 2, 3]}
    with pytest.raises(TypeError, match="no canonical form"):
        canonical(object())


def test_a_pinned_identity_stays_what_it_is():
    # Published runs are found again by these: whoever changes the spelling must raise identity.VERSION.
    assert digest("unit", {"cr": Fraction(1, 24), "snr_db": [1.0, 4.0], "method": "swinjscc", "weights": None}) == PINNED


PINNED = "c6d59f662e045d397f0aba89"


def test_the_git_state_is_told_inside_a_repository_and_unknown_outside(tmp_path, monkeypatch):
    monkeypatch.setattr("suite.runs.provenance.PROJECT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state() == {"commit": None, "dirty": None}
    commands = ("init -q", "config user.email a@b", "config user.name a", "commit -q --allow-empty -m first")
    for command in commands:
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    state = git_state()
    assert len(state["commit"]) == 40 and state["dirty"] is False


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_one_sentence(make_grid, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(RunFolderError, match="cannot be written"):
        RunFolder(tmp_path / "run", make_grid()).start()


def test_listing_names_costs_no_deep_learning_import():
    code = (
        "import sys; from methods.registry import METHODS; from suite.cli import guarded; import suite.list; "
        "assert 'swinjscc' in METHODS.names(); "
        "heavy = {'ray', 'diffusers', 'transformers', 'sionna', 'pyiqa', 'matplotlib'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_somebody_else_is_refused_and_left_as_it_is(make_grid, tmp_path):
    for name in ("figures/photo.png", "tables/mine.csv", "report.html", "records/mine.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"mine")
    before = content_of(tmp_path)
    with pytest.raises(RunFolderError, match=r"not empty: it has no run.json and holds figures, records, report.html, tables; choose"):
        RunFolder(tmp_path, make_grid())
    assert content_of(tmp_path) == before


@pytest.mark.parametrize("text", ["null", "[]", "{}", '{"scripts": {}}'])
def test_a_run_json_that_is_not_of_a_run_is_refused_by_name(text, make_grid, tmp_path):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"run\.json is not the run\.json of a run; restore it or choose another folder"):
        RunFolder(tmp_path, make_grid())


def test_what_a_killed_start_left_does_not_pass_for_somebody_elses(make_grid, tmp_path):
    (tmp_path / ".run.json.17-0123abcd.partial").write_text("{")
    RunFolder(tmp_path, make_grid()).start()


def test_no_message_advises_to_delete_a_folder():
    texts = {path: path.read_text() for part in ("suite", "methods", "benchmarks") for path in (ROOT / part).rglob("*.py")}
    texts |= {path: path.read_text() for part in ("suite", "methods", "benchmarks", "results") for path in (ROOT / part).rglob("*.md")}
    told = re.compile(r"(delete|remove|rm -r\w*) (the|this|that|its|your|whole) (\w+ )?(folder|director)", re.IGNORECASE)
    assert [str(path) for path, text in texts.items() if told.search(text)] == []


def test_a_method_that_nobody_added_yet_is_a_change(tmp_path, monkeypatch):
    monkeypatch.setattr("suite.runs.provenance.PROJECT", tmp_path)
    for command in ("init -q", "config user.email a@b", "config user.name a", "commit -q --allow-empty -m first"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    (tmp_path / "notes.txt").write_text("of no consequence")
    assert git_state()["dirty"] is False
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "mine.py").write_text("")
    assert git_state()["dirty"] is True


def test_a_repository_that_the_project_is_merely_installed_in_is_not_its_own(tmp_path, monkeypatch):
    installed = tmp_path / ".venv" / "lib" / "site-packages"
    installed.mkdir(parents=True)
    for command in ("init -q", "config user.email a@b", "config user.name a", "commit -q --allow-empty -m theirs"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    monkeypatch.setattr("suite.runs.provenance.PROJECT", installed)
    assert git_state() == {"commit": None, "dirty": None}
    with monkeypatch.context() as hook:
        hook.setenv("GIT_DIR", str(tmp_path / ".git"))
        assert git_state() == {"commit": None, "dirty": None}
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.setattr("suite.runs.provenance.PROJECT", tmp_path / "link")
    assert len(git_state()["commit"]) == 40
