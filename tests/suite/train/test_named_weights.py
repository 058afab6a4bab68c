"""Weights that are named: found by method, variant and ratio, told in every table, and refused where they are not the method's."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from benchmarks.common.project import REFERENCE
from suite.config.compose import compose
from suite.errors import SettingsError, TrainingError
from suite.prepare import SHIPPED, prepare
from suite.run import app
from suite.run_notes import run_notes
from suite.train.named import named_weights

CELL = ["snr_db=[10]", "channels=[awgn]", "metrics=[psnr]"]


def asked(*weights: str, methods: str = "deepjscc", cr: str = "1/24"):
    return compose("quick", methods, None, 2, [*CELL, f"cr=[{cr}]"], weights=weights)


@pytest.fixture
def other_folder(tmp_path):
    """The shipped weights of DeepJSCC at 1/24 alone, under another name."""
    (card,) = sorted(SHIPPED.glob("deepjscc-default-1_24-*.json"))
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in (card, card.with_suffix(".safetensors")):
        shutil.copy(path, folder / f"best{path.suffix}")
    return folder


def test_weights_are_taken_by_name_and_nothing_is_trained(other_folder):
    for place in (other_folder, other_folder / "best.safetensors"):
        prepared = prepare(asked(f"deepjscc={place}"))
        assert not prepared.jobs
        (unit,) = {unit.weights for unit in prepared.units("run", {})}
        assert unit == other_folder / "best.safetensors"
        assert any("Weights taken by name from" in note and "deepjscc/default 1/24 (3,000 steps)" in note for note in run_notes(prepared))


def test_a_run_notes_how_named_weights_were_trained(other_folder, tmp_path):
    """As those that it found by their training: the hash, and what the card tells."""
    options = ["--grid", "quick", "--methods", "deepjscc", "--limit", "2", "--out", str(tmp_path / "run"), "--set", "sheet.images=0"]
    options += [part for cell in (*CELL, "cr=[1/24]") for part in ("--set", cell)]
    assert CliRunner().invoke(app, [*options, "--weights", f"deepjscc={other_folder}"]).exit_code == 0
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    card = json.loads((other_folder / "best.json").read_text())
    assert told["weights"] == {"deepjscc/default 1/24": card["sha256"]}
    assert told["trainings"]["deepjscc/default 1/24"]["steps"] == card["steps"]
    assert told["trainings"]["deepjscc/default 1/24"]["parameters"] == 116_143


def test_the_weights_of_a_codec_serve_the_method_behind_it():
    prepared = prepare(asked(f"edited={SHIPPED}", methods="edited/swinjscc"))
    assert [found.card.method for found in prepared.named.values()] == ["swinjscc"] and not prepared.jobs


def test_a_variant_is_named_apart_from_the_others(other_folder):
    grid = asked(f"swinjscc/sa={other_folder}", methods="swinjscc/base,swinjscc/sa")
    assert {(entry.variants, entry.weights) for entry in grid.methods} == {(("base",), ""), (("sa",), str(other_folder))}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cr": "1/48"}, "no weights of deepjscc/default at CR 1/48, only deepjscc/default 1/24"),
        ({"methods": "swinjscc/base"}, "no weights of swinjscc/base at CR 1/24"),
    ],
)
def test_weights_of_something_else_are_refused(other_folder, change, words):
    name = change.get("methods", "deepjscc").partition("/")[0]
    with pytest.raises(TrainingError, match=words):
        prepare(asked(f"{name}={other_folder}", **change))


def test_two_that_fit_and_a_damaged_file_are_refused(other_folder):
    for suffix in (".json", ".safetensors"):
        shutil.copy(other_folder / f"best{suffix}", other_folder / f"again{suffix}")
    (configured,) = prepare(asked()).configured_methods
    with pytest.raises(TrainingError, match=r"2 checkpoints of .*again.safetensors, best.safetensors; name one of the files"):
        prepare(asked(f"deepjscc={other_folder}"))
    (other_folder / "best.safetensors").write_bytes(b"x")
    with pytest.raises(TrainingError, match="SHA-256 is not the one on the card"):
        prepare(asked(f"deepjscc={other_folder / 'best.safetensors'}"))
    assert configured.weights == ""


@pytest.mark.parametrize("assignment", ["deepjscc", "deepjscc=", "nam24=/x", "deepjscc/nobody=/x"])
def test_an_assignment_names_a_method_of_the_grid_and_a_place(assignment):
    with pytest.raises(SettingsError, match="give METHOD=PATH or METHOD/VARIANT=PATH"):
        asked(assignment)


def test_training_images_train_anew(other_folder, images):
    prepared = prepare(asked(f"deepjscc={other_folder}"), train_data=images)
    assert not prepared.named and len(prepared.jobs) == 1


def test_checkpoints_of_another_folder_are_found_by_their_training(tmp_path, other_folder):
    """A folder of a run, or of checkpoints, beside the run's own; one that is not there is refused."""
    options = ["--grid", "quick", "--methods", "deepjscc", "--limit", "2", "--dry-run", "--out", str(tmp_path / "run")]
    options += [part for cell in (*CELL, "cr=[1/24]") for part in ("--set", cell)]
    assert "there" in CliRunner().invoke(app, [*options, "--checkpoints", str(other_folder)]).output
    refused = CliRunner().invoke(app, [*options, "--checkpoints", str(tmp_path / "nobody")])
    assert refused.exit_code and "there is no folder" in refused.output


def test_the_shipped_photograph_networks_are_those_of_their_grid():
    folder = REFERENCE / "photos"
    if not folder.is_dir():
        pytest.skip("results/reference is not here")
    # Its HEVC needs a library of its own.
    grid = compose("photos", "deepjscc,swinjscc,gened_sc,sgdjscc", "scenes", None, CELL)
    for configured in prepare(grid).configured_methods:
        if configured.trained.traits.trainable:
            for cr in configured.ratios(grid.cr):
                own = configured.trained.settings.model_dump(mode="json", exclude=set(configured.cls.Settings.evaluation_only))
                # A setting that came later has its first value there.
                assert own | named_weights(configured, cr).card.settings == own
