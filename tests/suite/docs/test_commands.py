"""Every command of every page: its module is there, takes its options and its values, and runs, or says what it needs that is not here."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

import suite
from helpers.pages import Command, commands
from helpers.places import ROOT
from suite.config.compose import compose
from suite.config.methods import resolve

ALL = commands()
OF_PROJECT = [command for command in ALL if command.project is not None]
ON_A_GRID = {"suite.run", "suite.train", "suite.evaluate", "suite.doctor"}
# What stands for something of the reader's own, or is not on every machine.
NEEDS = {
    "data": r"\b(DATA|DIR|PHOTOS|FOLDER\w*)\b|~/data|ray/data|suite\.assets get",
    "a key": r"openai:|\bMODEL\b",
    "a cluster": r"--address|^ray |^sbatch|^kubectl|^aws ",
    "a GPU": r"--device cuda|diffusers:Qwen",
    "minutes to hours": r"--rounds|--steps|suite\.(speed|faults|scene_models|saliency)|\.(measure|throughput|expected|intact|convert)\b",
    "a run of one's own": r"\b(RUN|OTHER|NAME|COMMAND|results/kodak|results/my_codec|my\.yaml)\b",
    "another program": r"^(pip|hf|export|git|make) ?",
}
# What the small runs below replace.
TINY = ["--limit", "1", "--dry-run"]


def needs(command: Command) -> list[str]:
    return [name for name, pattern in NEEDS.items() if re.search(pattern, command.text)]


def parser(module: str) -> click.Command | None:
    """Return the parser of a command; ``None`` for one that is made when it runs."""
    found = importlib.import_module(module)
    app = getattr(found, "app", None)
    if app is None and (ROOT / Path(*module.split(".")) / "__main__.py").is_file():
        app = getattr(importlib.import_module(f"{module}.__main__"), "app", None)
    if app is not None:
        return typer.main.get_command(app)
    main = getattr(found, "main", None)
    if main is not None and "typer.run" in Path(str(found.__file__)).read_text():
        single = typer.Typer()
        single.command()(main)
        return typer.main.get_command(single)
    return None


def filled(words: list[str]) -> list[str]:
    """Return arguments with numbers and choices in the place of capitals that stand for them."""
    return [re.sub(r"^NAME$", "awgn", word) for word in words if word not in ("...", "[OPTIONS]")]


@pytest.mark.parametrize("command", OF_PROJECT, ids=str)
def test_a_command_takes_its_options(command):
    module, words = command.project
    if "COMMAND" in module:
        return
    parse = parser(module)
    if not words or parse is None:
        assert parse is not None or "ArgumentParser" in Path(str(importlib.import_module(module).__file__)).read_text()
        return
    try:
        context = parse.make_context(module, filled(words))
    except Exception as error:
        pytest.fail(f"{command}: {error}")
    if module not in ON_A_GRID or str(context.params["grid"]) not in ("quick", "photos", "paper", "ablation", "full"):
        return
    given = context.params
    models = (
        [f"generative.{task}=openai:any" for task in ("captioner", "editor", "generator")] if given["grid"] in ("paper", "full") else []
    )
    methods = None if given["methods"] and "blocks" in given["methods"] else given["methods"]
    resolve(compose(given["grid"], methods, given["datasets"], given.get("limit"), [*models, *given["set_"]]))


def test_makefile_targets_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {command.words[1] for command in ALL if command.words[0] == "make" and len(command.words) > 1}
    assert named and named <= targets


def test_pages_show_commands_of_every_kind():
    assert len(OF_PROJECT) > 50 and {"ray", "make", "pip"} <= {command.words[0] for command in ALL}
    unknown = [str(command) for command in ALL if command.project is None and not needs(command) and command.words[0] != "semcom"]
    assert not unknown, "\n".join(unknown)


RUNNABLE = list(dict.fromkeys(command.text.removeprefix(".venv/bin/") for command in OF_PROJECT if not needs(command)))


@pytest.mark.slow
def test_commands_that_need_nothing_run_in_a_folder_of_their_own_in_the_order_of_the_pages(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def run(*words: str, folder: Path = tmp_path) -> None:
        folder.mkdir(exist_ok=True)
        done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
        # Trends of one image need not hold.
        assert done.returncode in ((0, 1) if "suite.trends" in words else (0,)), f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"

    few = {"cr": ["1/24"], "channels": ["awgn"], "metrics": ["psnr"], "sheet.images": 0}
    suite.run("quick", methods="digital/jpeg", limit=1, settings=few, out=tmp_path / "results/quick", executor="inline", quiet=True)
    done = set()
    for text in sorted(RUNNABLE, key=lambda text: "suite.new" not in text):
        module, words = Command(Path(), text).project or ("", [])
        if any("blocks" in word for word in words) or (module in done and not words):
            continue
        done.add(module)
        if module in ("suite.run", "suite.train", "suite.evaluate"):
            words = [word for word in words if word != "--dry-run"] + (TINY if module != "suite.train" else ["--dry-run"])
        elif not words and module not in ("suite.list", "suite.doctor"):
            words = ["--help"]
        if module == "suite.check":
            words.append("--no-cost")
        # A package lies in a folder of its own, where no file of its name is.
        if "my_codec/my_codec.yaml" in text:
            # The package is not installed here; the file of the same method is.
            words = [word.replace("my_codec/", "of-packages/my_codec/") for word in words] + ["--method-file", "my_codec.py"]
        run("-m", module, *words, folder=tmp_path / "of-packages" if "--package" in text else tmp_path)
