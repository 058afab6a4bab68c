"""The command line: dry run, wrong input, listing, and the guide followed to the letter."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import methods
from methods.registry import METHODS
from suite import list as listing
from suite.config.compose import compose
from suite.config.methods import resolve
from suite.run import app

RUN = CliRunner()


def run(*arguments: str):
    return RUN.invoke(app, list(arguments))


@pytest.fixture
def out(tmp_path) -> str:
    return str(tmp_path / "run")


def test_a_dry_run_says_what_would_be_done_and_starts_nothing(out):
    result = run("--methods", "deepjscc", "--dry-run", "--out", out, "--set", "training.steps=4000")
    assert result.exit_code == 0, result.output
    for words in (
        "train 4000 steps",
        "trainings left to do: 2",
        "reconstructions: 512",
        "2 channels x 4 SNRs x 1 repetitions",
        "left out: lpips",
    ):
        assert words in result.output
    assert not Path(out).exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--grid", "quik"), "Did you mean 'quick'"),
        (("--methods", "swinjsc"), "unknown method 'swinjsc'. Did you mean 'swinjscc'"),
        (("--methods", "swinjscc/saa"), "unknown variant of swinjscc 'saa'. Did you mean 'sa'"),
        (("--datasets", "kodac"), "unknown data set 'kodac'. Did you mean 'kodak'"),
        (("--datasets", "kodak"), "--data-dir"),
        (("--datasets", "kodak", "--data-dir", "{tmp}"), "expects the folder {tmp}/kodak"),
        (("--datasets", "duts", "--data-dir", "{tmp}"), "DUTS-TE"),
        (("--data-dir", "{tmp}/missing"), "there is no folder {tmp}/missing"),
        (("--train-data", "{tmp}/missing"), "there is no folder {tmp}/missing"),
        (("--set", "metrics=[psnrr]"), "Did you mean 'psnr'"),
        (("--set", "metrics=[lpips_alex]"), "alexnet-owt-7be5be79.pth"),
        (("--set", "channels=[awgm]"), "unknown channel 'awgm'. Did you mean 'awgn'"),
        (("--set", "snr_db=[loud]"), "'loud'"),
        (("--set", "cr=[1/1000000]"), "leaves no symbol"),
        (("--set", "image_size=30"), "multiples of 4"),
        (("--set", "traning.steps=3"), "Did you mean 'training'"),
    ],
)
def test_wrong_input_gets_one_sentence_and_exit_code_two(arguments, sentence, out, tmp_path):
    filled = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    result = run("--methods", "deepjscc", "--out", out, *filled)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert sentence.replace("{tmp}", str(tmp_path)) in result.stderr
    assert "Traceback" not in result.output


def test_a_folder_of_another_grid_is_refused(out, images):
    Path(out).mkdir()
    (Path(out) / "run.json").write_text(json.dumps({"identity": "another", "grid": {"seed": 7}}))
    result = run("--methods", "deepjscc", "--dry-run", "--out", out)
    assert result.exit_code == 2 and "holds a run of another grid" in result.stderr and "seed" in result.stderr


def test_a_file_in_place_of_the_folder_is_refused(out):
    Path(out).write_text("not a folder")
    result = run("--methods", "blocks_for_tests", "--out", out)
    assert result.exit_code == 2 and "is not a folder" in result.stderr


def test_help_teaches():
    result = run("--help")
    assert result.exit_code == 0
    for word in ("--data-dir", "--dry-run", "python -m suite.run", "resumes"):
        assert word in result.output


def test_methods_narrow_the_grid_or_add_to_it():
    grid = compose("quick", "swinjscc/sa,digital/webp,sgdjscc", None, 3, ["cr=[1/12]"])
    named = [("swinjscc", ("sa",)), ("digital", ("webp",)), ("sgdjscc", ()), ("sgdjscc", ("both",))]
    assert [(entry.name, entry.variants) for entry in grid.methods] == named
    assert grid.methods[0].training == {"learning_rate": 0.001, "warmup": 200}
    assert grid.limit == 3


def test_a_variant_that_is_named_has_the_settings_of_its_own_entry():
    guided, unguided, other = compose("quick", "sgdjscc/both,sgdjscc/default,sgdjscc/edges", None, None, []).methods
    assert guided.settings["text_encoder"] == "clip" and guided.training["steps"] == 2240
    assert unguided.settings == other.settings == {} and unguided.training["steps"] == 1400


def test_what_is_set_for_training_holds_for_every_method():
    grid = compose("quick", None, None, None, ["training.steps=20", "training.warmup=5"])
    assert {configured.training.steps for configured in resolve(grid)} == {20}
    assert {configured.training.warmup for configured in resolve(grid)} == {5}


@pytest.mark.parametrize("kind", ["methods", "datasets", "metrics", "channels", "grids"])
def test_listings_are_complete_and_machine_readable(kind):
    result = RUN.invoke(listing.app, [kind, "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    expected = {"methods": "swinjscc", "datasets": "kodak", "metrics": "psnr", "channels": "rayleigh-block", "grids": "quick"}[kind]
    assert expected in [row["name"] for row in rows]
    if kind == "methods":
        (row,) = [row for row in rows if row["name"] == "swinjscc"]
        assert row["variants"][:2] == ["base", "sa"] and row["trainable"] and row["rates"] == "variable" and "SwinJSCC" in row["paper"]


@pytest.mark.parametrize("kind", ["methods", "datasets", "metrics", "channels", "grids"])
def test_a_listing_is_readable_at_80_columns(kind, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = RUN.invoke(listing.app, [kind])
    assert result.exit_code == 0
    rows = json.loads(RUN.invoke(listing.app, [kind, "--json"]).stdout)
    whole = {word for row in rows for value in row.values() for word in str(value).split() if "://" in word or "/" in word}
    shown = set(result.stdout.split())
    broken = [word for line in result.stdout.splitlines() if len(line) > 80 for word in line.split()]
    assert not broken and all(row["name"] in shown for row in rows)
    addresses = {word for word in whole if word.startswith("http") and kind == "datasets"}
    assert all(any(address.rstrip(";") in word for word in shown) for address in addresses), "an address is broken inside"


def test_a_method_that_cannot_be_loaded_is_listed_with_the_reason(monkeypatch, tmp_path):
    from importlib.metadata import EntryPoint

    import benchmarks.common.registry

    (tmp_path / "broken_plugin.py").write_text("import nothing_of_that_name\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    point = EntryPoint("broken", "broken_plugin:Codec", "semcom.methods")
    monkeypatch.setattr(benchmarks.common.registry, "entry_points", lambda group: [point] if group == "semcom.methods" else [])
    result = RUN.invoke(listing.app, ["methods"])
    assert result.exit_code == 0 and "swinjscc" in result.output
    assert "cannot be loaded: ModuleNotFoundError: No module named 'nothing_of_that_name'" in " ".join(result.output.split())


@pytest.fixture
def guide(tmp_path, monkeypatch):
    """Do what methods/README.md says: put its file beside the other methods."""
    text = (Path(methods.__file__).parent / "README.md").read_text()
    code = re.search(r"<!-- guide: methods/blocks\.py -->\n```python\n(.*?)```", text, re.DOTALL).group(1)
    (tmp_path / "blocks.py").write_text(code)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    yield
    METHODS._entries.pop("blocks", None)


def test_the_guide_adds_a_method_in_one_file(guide, out, images, without_ray, draft_figures):
    assert "blocks" in [row["name"] for row in json.loads(RUN.invoke(listing.app, ["methods", "--json"]).stdout)]
    arguments = ("--methods", "blocks,blocks/coarse", "--datasets", "folder", "--data-dir", str(images), "--set", "image_size=64",
                 "--set", "metrics=[psnr]", "--limit", "3", "--out", out)  # fmt: skip
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "PSNR" in result.output
    tables = "".join(path.read_text() for path in (Path(out) / "tables").glob("*.md"))
    assert "blocks/coarse" in tables
    assert list((Path(out) / "figures").glob("*.png"))
    again = run(*arguments)
    assert again.exit_code == 0 and "0 are left" in again.output


def test_failed_cells_make_the_exit_code_non_zero_and_are_reported(out, images, without_ray, draft_figures):
    result = run("--methods", "blocks_for_tests,blocks_for_tests/raises", "--datasets", "folder", "--data-dir", str(images),
                 "--set", "image_size=32", "--set", "metrics=[psnr]", "--out", out)  # fmt: skip
    assert result.exit_code == 1
    assert "failed cells: RuntimeError: the decoder broke" in result.output
    info = json.loads((Path(out) / "run.json").read_text())
    assert info["failed"] == 80 and info["records"] == 160 and info["ended"]
    assert "the decoder broke" in (Path(out) / "tables" / "failures.md").read_text()


def test_what_is_not_read_is_told_of_test_and_training_images(out, images, tmp_path):
    for part in ("tests", "[/b] trains"):
        shutil.copytree(images, tmp_path / part)
        (tmp_path / part / "holiday.heic").write_bytes(b"?")
    folders = ("--data-dir", str(tmp_path / "tests"), "--train-data", str(tmp_path / "[/b] trains"))
    result = run("--methods", "deepjscc", "--datasets", "folder", *folders, "--dry-run", "--out", out)
    assert result.exit_code == 0, result.output
    for part in ("tests", "[/b] trains"):
        assert result.output.count(f"1 file is not read in {tmp_path / part}: 1 .heic") == 1
