"""What travels to the nodes of a cluster: what git tracks, the shipped weights, and nothing that may hold a key."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner

from suite.faults.rounds import two_nodes
from suite.ray_env import PROJECT
from suite.shipping import ShippingError, app, package

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
TRACKED = ["suite/__init__.py", "methods/own.py", "benchmarks/grids/quick.yaml", "results/reference/clip.safetensors", "pyproject.toml"]
TRACKED_AND_PRIVATE = [
    ".env.production",
    "suite/.env",
    "methods/server.pem",
    "secrets.yaml",
    "methods/credentials/key.txt",
    "tests/test_a.py",
]
UNTRACKED = [".env", "notes.txt", "suite/notes.txt", "methods/new.py", "results/quick/run.json", "suite/__pycache__/run.pyc"]
# A worker's view of the folder it works in, and of the code it imports.
LOOK = """
import json, os, sys
from pathlib import Path
from suite.ray_env import connect
connect(sys.argv[1], extra=[Path(sys.argv[2])])
import ray

@ray.remote(num_cpus=0)
def look():
    import suite
    here = Path.cwd()
    files = [path.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {"here": str(here), "suite": suite.__file__, "files": files}

print(json.dumps(ray.get(look.remote())))
"""


def git(project: Path, *arguments: str) -> None:
    subprocess.run(("git", "-C", str(project), *arguments), check=True, capture_output=True)


def planted(project: Path, names: list[str]) -> None:
    for name in names:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")


def names(archive: Path) -> list[str]:
    with ZipFile(archive) as package:
        return sorted(package.namelist())


@pytest.fixture
def checkout(tmp_path) -> Path:
    project = tmp_path / "project"
    planted(project, TRACKED + TRACKED_AND_PRIVATE + ["methods/gone.py"])
    (tmp_path / "id_secret").write_text("of somebody")
    (project / "methods" / "link.txt").symlink_to(tmp_path / "id_secret")
    (project / "methods" / "through.txt").symlink_to(project / "methods" / "link.txt")
    git(tmp_path, "init", "project")
    git(project, "add", "--all", "--force")
    (project / "methods" / "gone.py").unlink()
    planted(project, UNTRACKED)
    return project


@needs_git
def test_only_what_git_tracks_travels_and_no_key_even_then(checkout, tmp_path, caplog):
    assert names(package(tmp_path / "code.zip", project=checkout)) == sorted(TRACKED)
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "methods/server.pem may hold a key" in said and "methods/new.py is not tracked by git" in said
    assert "notes.txt" not in said


@needs_git
def test_what_is_changed_and_not_committed_travels_as_it_is(checkout, tmp_path):
    (checkout / "methods" / "own.py").write_text("changed")
    with ZipFile(package(tmp_path / "code.zip", project=checkout)) as archive:
        assert archive.read("methods/own.py") == b"changed"


@needs_git
def test_the_same_files_make_the_same_package(checkout, tmp_path):
    first = package(tmp_path / "one.zip", project=checkout).read_bytes()
    os.utime(checkout / "methods" / "own.py", (0, 0))
    assert package(tmp_path / "two.zip", project=checkout).read_bytes() == first


@pytest.mark.parametrize("around", [False, True])
def test_of_an_installed_package_only_the_three_and_the_weights_travel(around, tmp_path):
    project = tmp_path / "somebody" / "site-packages"
    planted(project, TRACKED + TRACKED_AND_PRIVATE + UNTRACKED + ["numpy/__init__.py"])
    if around and shutil.which("git"):
        # A folder of somebody else's repository.
        git(tmp_path, "init", "somebody")
        git(project, "add", "numpy/__init__.py")
    there = [name for name in TRACKED if name != "pyproject.toml"] + ["suite/notes.txt", "methods/new.py"]
    assert names(package(tmp_path / "code.zip", project=project)) == sorted(there)


def test_files_that_are_named_travel_too(tmp_path):
    project = tmp_path / "project"
    planted(project, TRACKED)
    (tmp_path / "my_method.py").write_text("mine")
    assert "my_method.py" in names(package(tmp_path / "code.zip", [tmp_path / "my_method.py"], project))
    with pytest.raises(ShippingError, match="there is no file"):
        package(tmp_path / "code.zip", [tmp_path / "missing.py"], project)
    (tmp_path / "suite").write_text("in the way")
    with pytest.raises(ShippingError, match="would replace the project's own suite"):
        package(tmp_path / "code.zip", [tmp_path / "suite"], project)


def test_the_command_packs_this_project(tmp_path):
    result = CliRunner().invoke(app, [str(tmp_path / "code.zip")])
    assert result.exit_code == 0, result.output
    packed = names(tmp_path / "code.zip")
    assert {"suite/run.py", "results/reference/scene_models/clip/open_clip_model.safetensors", "benchmarks/grids/quick.yaml"} <= set(packed)
    assert not any(name.startswith(("tests/", ".git/", "results/quick")) for name in packed)
    assert CliRunner().invoke(app, [str(tmp_path / "code.tar")]).exit_code == 2


@needs_git
def test_nothing_private_arrives_at_a_worker_of_a_cluster(tmp_path):
    project = tmp_path / "project"
    with ZipFile(package(tmp_path / "code.zip")) as archive:
        archive.extractall(project)
    planted(project, ["suite/.env", "tests/test_a.py"])
    git(tmp_path, "init", "project")
    git(project, "add", "--all", "--force")
    planted(project, [".env", "notes.txt", "suite/notes.txt"])
    (tmp_path / "my_method.py").write_text("mine")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with two_nodes() as cluster:
        command = [sys.executable, "-c", LOOK, cluster.address, str(tmp_path / "my_method.py")]
        environment = os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": ""}
        looked = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=400)
    assert looked.returncode == 0, looked.stderr
    seen = json.loads(looked.stdout.splitlines()[-1])
    assert seen["suite"].startswith(seen["here"]) and not seen["here"].startswith(str(tmp_path))
    assert {"suite/run.py", "my_method.py", "results/reference/scene_models/clip/open_clip_model.safetensors"} <= set(seen["files"])
    private = [name for name in seen["files"] if Path(name).name.startswith(".env") or "notes.txt" in name or name.startswith("tests/")]
    assert private == [] and len(seen["files"]) > 200
    # The package is gone once it has been sent.
    assert list(scratch.glob("semcom-*")) == []
    assert PROJECT != project


@needs_git
def test_a_link_to_a_file_that_travels_is_that_file(checkout, tmp_path):
    (checkout / "methods" / "again.py").symlink_to("../suite/__init__.py")
    git(checkout, "add", "--all", "--force")
    with ZipFile(package(tmp_path / "code.zip", project=checkout)) as archive:
        assert archive.read("methods/again.py") == archive.read("suite/__init__.py")
