"""The paper's grid: SGD-JSCC as the paper runs it, controls that the paper lacks, and what is missing here, told before it runs."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from rich.console import Console

from methods.errors import MissingAssetError
from suite.config.compose import compose
from suite.config.methods import resolve
from suite.errors import SettingsError
from suite.options import GridOptions
from suite.prepare import prepare
from suite.run_notes import run_notes
from suite.runs.labels import series_label
from suite.session import Session
from suite.shortfalls import ratios_left_out

MODELS = ["generative.captioner=dataset", "generative.editor='diffusers:results/reference/scene_models/editor'"]
HERE = [*MODELS, "metrics=[psnr]", "training.data=photos", "channels=[awgn]", "snr_db=[4]"]


def plan(tmp_path: Path, grid: str, methods: str, changes: Sequence[str] = ()) -> str:
    console = Console(record=True, width=250)
    options = GridOptions(grid, methods, "photos", limit=1, out=str(tmp_path / "run"), set_=[*HERE, *changes], dry_run=True)
    Session(options, console=console).show_plan()
    return console.export_text()


@pytest.mark.parametrize("grid", ["paper", "full"])
def test_sgdjscc_stands_there_with_its_guidance_and_the_unguided_one_beside_it(grid):
    guided, unguided = resolve(compose(grid, "sgdjscc", None, None, MODELS))
    own = guided.settings
    assert (guided.variant, own.guidance, own.checkpoint, own.charge_guidance) == ("both", "both", "authors", True)
    assert (own.text_encoder, own.edge_detector, own.captions, own.caption_tokens) == ("clip", "muge", "tile", 20)
    assert (unguided.variant, unguided.settings.guidance, unguided.settings.checkpoint) == ("default", "none", "own")
    ratios = compose(grid, None, None, None, []).cr
    assert guided.ratios(ratios) == (Fraction(1, 24),) and unguided.ratios(ratios) == ratios
    assert series_label("sgdjscc", "both") == "SGD-JSCC" and series_label("sgdjscc", "default") == "SGD-JSCC, unguided"


def test_a_dry_run_shows_the_guided_rows_and_says_which_files_of_the_authors_are_missing(tmp_path):
    told = plan(tmp_path, "paper", "sgdjscc")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in told.splitlines() if line.startswith("│ sgdjscc")]
    assert ["sgdjscc", "both", "1/24", "lacks files"] in rows and len([row for row in rows if row[1] == "both"]) == 1
    assert len([row for row in rows if row[1] == "default" and row[3].startswith("train")]) == 4
    assert "sgdjscc/both has weights for CR 1/24 alone: its cells at 1/48, 1/36, 1/12 are left out." in told
    (sentence,) = [line for line in told.splitlines() if line.startswith("lacking: ")]
    for file in (
        "JSCC_model.pth",
        "diffusion_controlnet.pth",
        "muge-epoch-19-checkpoint.pth",
        "ViT-L-14.pt",
        "huggingface.co/murjun/SGDJSCC",
    ):
        assert file in sentence and sentence.count("JSCC_model.pth") == 1
    assert "diffusion_backbone" not in sentence
    # The visual budget of a cell: k at 1/24 for the guided one under each of four readings, at all four ratios for the other.
    assert f"visual symbols at most: {4 * 8192 + 4096 + 5461 + 8192 + 16384:,}" in told


def test_a_run_is_refused_with_that_sentence_before_anything_is_done(tmp_path):
    with pytest.raises(MissingAssetError, match=r"sgdjscc/both needs files .*JSCC_model\.pth \(571 MB.*suite\.doctor --methods sgdjscc"):
        Session(GridOptions("paper", "sgdjscc", "photos", limit=1, out=str(tmp_path / "run"), set_=HERE))
    assert not (tmp_path / "run").exists()
    prepare(compose("paper", "sgdjscc/default", "photos", 1, HERE))


def test_ratios_without_weights_are_told_under_every_table_and_none_at_all_is_an_error():
    (guided,) = resolve(compose("paper", "sgdjscc/both", None, None, MODELS))
    assert not ratios_left_out(guided, [Fraction(1, 24)])
    with pytest.raises(SettingsError, match="weights for CR 1/24 alone and the grid has 1/12"):
        ratios_left_out(guided, [Fraction(1, 12)])
    prepared = prepare(compose("quick", "deepjscc", None, 1, ["metrics=[psnr]"]))
    assert not [note for note in run_notes(prepared) if "left out" in note]


@pytest.mark.parametrize("grid", ["paper", "full"])
def test_the_controls_are_there_and_share_the_networks_of_their_codecs(grid):
    configured = {each.label: each for each in resolve(compose(grid, "edited,swinjscc,deepjscc,digital", None, None, MODELS))}
    assert {"edited/swinjscc", "edited/deepjscc", "edited/digital", "swinjscc/perceptual"} <= set(configured)
    prepared = prepare(compose(grid, "edited,swinjscc,deepjscc", "photos", 1, HERE))
    for ratio in prepared.grid.cr:
        jobs = prepared.jobs
        assert jobs["edited/swinjscc", ratio] == jobs["swinjscc/base", ratio] != jobs["swinjscc/perceptual", ratio]
        assert jobs["edited/deepjscc", ratio] == jobs["deepjscc/default", ratio]
    assert configured["edited/swinjscc"].settings.editor == configured["edited/digital"].settings.editor
    assert series_label("edited", "swinjscc") == "SwinJSCC, edited"
