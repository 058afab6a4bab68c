"""Every command of every page: its module is there, takes its options and its values, and runs, or says what it needs that is not here."""

import importlib
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import typer
from PIL import Image

import suite
from helpers.pages import Command, commands
from helpers.places import ROOT
from suite.config.compose import compose
from suite.config.methods import resolve
from suite.new.files import write_new

ALL = commands()
OF_PROJECT = [command for command in ALL if command.project is not None]
ON_A_GRID = {"suite.run", "suite.train", "suite.evaluate", "suite.doctor"}
# What stands for something of the reader's own, or is not on every machine.
NEEDS = {
    "data": r"\b(DATA|DIR|PHOTOS|FOLDER\w*)\b|~/data|ray/data|suite\.assets get",
    "a key": r"openai:|\bMODEL\b",
    "a cluster": r"--address|^ray |^sbatch|^kubectl|^aws ",
    "a GPU": r"--device cuda|diffusers:Qwen",
    "minutes to hours": r"--rounds|--steps|suite\.(speed|faults|scene_models)|\.(measure|throughput|expected|intact|convert)\b",
    "weights of others": r"suite\.saliency(?!.*--model geodesic) .*--data-dir",
    "a run of one's own": r"\b(RUN|OTHER|NAME|COMMAND|results/kodak|results/my_codec|my\.yaml)\b",
    "another program": r"^(pip|hf|export|git|make) ?",
}


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


# What a page leaves to its reader, and what stands for it here.
STANDS_FOR = {
    r"(?<=suite\.tables )DIR\b": "results/quick",
    r"\bRUN\b|(?<=suite\.compare )results/my_codec": "results/quick",
    r"\bOTHER\b": "results/other",
    r"(?<=suite\.leaderboard )FOLDER\b": "archives",
    r"(?<=--out )FOLDER\b": "results/own",
    r"\bPHOTOS\b": "photos",
    # A dry run knows the published sets without their images, and a doctor names what is missing.
    r"(suite\.run .*) --data-dir DATA": r"\1",
    r"(?<=--data-dir )DATA\b": "data",
    r"openai:(CAPTIONER|EDITOR|GENERATOR)": "openai:any",
}
HERE = re.compile(r"suite\.(saliency|tables|compare|export|submit|leaderboard|doctor|train)|--dry-run|--grid photos")
# One image over one cell.
FEW = [f"--set={key}" for key in ("cr=[1/24]", "snr_db=[4]", "channels=[awgn]", "metrics=[psnr]", "sheet.images=0")] + ["--limit=1"]
# Those that are carried out whole, in processes of their own and with Ray, on what they can do in seconds.
WHOLE = {
    "python -m suite.run": ["--methods=digital/jpeg", "--out=results/whole", *FEW],
    "python -m suite.run --limit 2 --set training.steps=20 --set training.warmup=5 --out results/look": ["--methods=deepjscc", *FEW],
    "python -m suite.run --grid my_codec.yaml --method-file my_codec.py": ["--methods=my_codec,digital/jpeg", *FEW],
    "python -m suite.check my_codec.py": ["--no-cost"],
}


def stood_in(command: Command) -> str:
    """Return the text of a command with something of the tests in the place of what is the reader's own."""
    text = command.text.removeprefix(".venv/bin/")
    if not HERE.search(text) or re.search(r"authors_checkpoint|suite\.assets", text):
        return text
    for pattern, place in STANDS_FOR.items():
        text = re.sub(pattern, place, text)
    return text


RUNNABLE = list(dict.fromkeys(text for command in OF_PROJECT if not needs(Command(command.page, text := stood_in(command)))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working folder as a reader has it: two runs, an archive, photographs, a method of one's own as a file and as a package."""
    folder = tmp_path_factory.mktemp("reader")
    few = {"cr": ["1/24"], "channels": ["awgn"], "snr_db": [4], "metrics": ["psnr"], "sheet.images": 0}
    for name, methods in (("quick", "digital/jpeg"), ("other", "digital/jpeg,digital/jpeg-fixed")):
        suite.run("quick", methods=methods, limit=1, settings=few, out=folder / "results" / name, executor="inline", quiet=True)
    write_new("my_codec", "plain", folder, package=False)
    write_new("my_codec", "plain", folder / "of-packages" / "my_codec", package=True)
    for name in ("photos", "archives", "data"):
        (folder / name).mkdir()
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
    return folder


def call(module: str, words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Carry out a command in this process, which has the libraries loaded; return its exit status."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [module, *words])
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def call_apart(module: str, words: list[str], folder: Path) -> int:
    """Carry out a command in a process of its own: it starts Ray, or makes a method of one's own known; return its exit status."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", module, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    print(done.stdout, done.stderr, sep="\n")
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("text", RUNNABLE, ids=lambda text: text[:90])
def test_a_command_that_needs_nothing_runs(text, folder, tmp_path, monkeypatch):
    module, words = Command(Path(), text).project or ("", [])
    if text in WHOLE:
        assert call_apart(module, [*words, *WHOLE[text]], folder) == 0
        return
    if any("blocks" in word for word in words):
        pytest.skip("the method is written on the page")
    if module == "suite.new" and words:
        # It writes over nothing.
        folder = tmp_path
    elif module in ("suite.run", "suite.train", "suite.evaluate"):
        words = [*words, *(["--dry-run"] if "--dry-run" not in words else [])]
    elif not words and module not in ("suite.list", "suite.doctor"):
        words = ["--help"]
    if "my_codec/my_codec.yaml" in text:
        # The package is not installed here; the file of the same method is named.
        words = [word.replace("my_codec/", "of-packages/my_codec/") for word in words]
        assert call_apart(module, [*words, "--method-file", "my_codec.py"], folder) == 0
        return
    if module == "suite.leaderboard":
        shutil.rmtree(folder / "archives")
        (folder / "archives").mkdir()
        assert call("suite.submit", ["results/quick", "--out", "archives/quick.zip"], folder, monkeypatch) == 0
    # Trends of one image need not hold.
    assert call(module, words, folder, monkeypatch) in ((0, 1) if module == "suite.trends" else (0,))
