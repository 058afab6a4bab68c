"""The console command: it names every command that there is, and leads to each."""

import subprocess
import sys
from pathlib import Path

import suite
from suite.__main__ import COMMANDS


def called(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "suite", *arguments], capture_output=True, text=True, timeout=300)


def test_every_command_is_named():
    folder = Path(suite.__file__).parent
    there = {
        path.parent.name if path.name == "__main__.py" else path.stem
        for path in [*folder.glob("*.py"), *folder.glob("*/__main__.py")]
        if "typer.Typer(" in path.read_text()
    }
    assert set(COMMANDS) == there


def test_a_command_gets_its_own_arguments_and_its_exit_code_is_kept(tmp_path):
    gone = called("tables", str(tmp_path / "nowhere"))
    assert gone.returncode == 2 and gone.stderr.startswith("error: there is no run folder")


def test_a_misspelt_command_is_told():
    wrong = called("rn")
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: there is no command 'rn'. Did you mean 'run'? Known: run, train")
