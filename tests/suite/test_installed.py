"""The project called from elsewhere: another working folder, an installed package without the repository, a folder of like names."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.common.project import PROJECT, REFERENCE, not_shipped, shipped


def call(folder: Path, *arguments: str, **surroundings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ | surroundings, capture_output=True, text=True, timeout=120)


def test_what_the_project_ships_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clip = Path("results/reference/scene_models/clip")
    assert shipped(clip) == PROJECT / clip and shipped(clip).is_dir()
    assert shipped(Path("results/own")) == Path("results/own")
    clip.mkdir(parents=True)
    assert shipped(clip) == clip
    assert not_shipped(REFERENCE) == not_shipped(clip) == ""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The built package."""
    source, wheels = (tmp_path_factory.mktemp(name) for name in ("source", "wheels"))
    for name in ("suite", "methods", "benchmarks"):
        shutil.copytree(PROJECT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "-w", str(wheels), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return next(wheels.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The files of the built package, as an installation lays them out."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def test_a_package_holds_every_file_beside_the_modules(installed):
    for name in ("suite", "methods", "benchmarks"):
        beside = [path for path in (PROJECT / name).rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
        lacking = [str(path.relative_to(PROJECT)) for path in beside if not (installed / path.relative_to(PROJECT)).is_file()]
        assert beside and not lacking


def test_an_installed_package_runs_and_says_what_it_does_not_hold(installed, tmp_path):
    here = {"PYTHONPATH": str(installed)}
    plan = call(tmp_path, "suite.run", "--methods", "deepjscc,digital", "--dry-run", "--out", "o", **here)
    assert plan.returncode == 0, plan.stderr
    assert "results/reference comes with the project's repository" in plan.stdout and "train 3000 steps" in plan.stdout
    whole = call(tmp_path, "suite.run", "--dry-run", "--out", "o", **here)
    assert whole.returncode == 2 and "Traceback" not in whole.stderr
    assert "scene_models/editor comes with the project's repository" in whole.stderr
    assert call(tmp_path, "suite.list", "methods", **here).returncode == 0


@pytest.mark.parametrize("name", ["benchmarks", "methods"])
def test_a_package_of_the_same_name_in_the_working_folder_is_told(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    done = call(tmp_path, "suite.list", "methods")
    assert done.returncode == 2
    other = tmp_path / name / "__init__.py"
    assert done.stderr.strip().startswith(f"error: the project's package '{name}' is {other}; run the command from another folder")


@pytest.mark.slow
def test_the_project_and_a_method_of_ones_own_install_into_a_fresh_environment(wheel, tmp_path):
    """What the project needs is taken from this environment: to fetch it again would show nothing more."""
    env = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", str(env)], check=True, timeout=300)
    (site,) = env.glob("lib/python*/site-packages")
    # The one that comes with Python would hide this environment's.
    subprocess.run([str(env / "bin" / "python"), "-m", "pip", "uninstall", "-y", "-q", "setuptools"], check=True, timeout=120)
    # A path in a .pth file brings packages, and not the editable project, whose own .pth is not read there.
    (site / "base.pth").write_text(next(path for path in sys.path if path.endswith("site-packages")))
    pip = [str(env / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*pip, str(wheel)], cwd=tmp_path, check=True, capture_output=True, timeout=300)

    def semcom(*arguments: str) -> str:
        command = [str(env / "bin" / "semcom"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    where = "import suite, pathlib; print(pathlib.Path(suite.__file__).parent)"
    told = subprocess.run([str(env / "bin" / "python"), "-c", where], cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=120)
    assert Path(told.stdout.strip()) == site / "suite"
    assert "swinjscc" in semcom("list", "methods")
    semcom("new", "my_codec", "--package", "--folder", "my_codec")
    subprocess.run([*pip, "./my_codec"], cwd=tmp_path, env=clean, check=True, capture_output=True, timeout=300)
    assert "my_codec" in semcom("list", "methods")
    run = (
        "import suite; few = {'cr': ['1/24'], 'snr_db': [4], 'metrics': ['psnr'], 'sheet.images': 0}; "
        "run = suite.run('my_codec/my_codec.yaml', methods='my_codec,digital/jpeg', limit=1, settings=few, out='o', executor='inline'); "
        "assert run.failed == 0 and run.report_path.exists(), run"
    )
    done = subprocess.run([str(env / "bin" / "python"), "-c", run], cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "My codec" in (tmp_path / "o" / "tables" / "scenes_awgn.md").read_text()
    shutil.rmtree(tmp_path / "o" / "tables")
    assert "files written" in semcom("tables", "o")
    assert "My codec" in (tmp_path / "o" / "tables" / "scenes_awgn.md").read_text()
    assert "project results/reference" in semcom("doctor")
