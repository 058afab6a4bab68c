"""A dry run without the data counts by published sizes."""

import pytest
from typer.testing import CliRunner

from benchmarks.datasets import DATASETS, open_dataset
from suite.config.compose import compose
from suite.errors import SettingsError
from suite.run import app
from suite.sketch import sketch_of

ASK = CliRunner()


def test_the_papers_grid_is_counted_without_its_data():
    shown = ASK.invoke(app, ["--grid", "paper", "--methods", "gened_sc,deepjscc", "--dry-run", "--set", "readings={}"])
    assert shown.exit_code == 0, shown.output
    # Two data sets; 4 ratios x 2 channels x 4 SNRs of each method; GenED-SC edits each, before which its coarse image is scored with it.
    images, cells = 5019 + 996, 4 * 2 * 4
    assert "data set duts: 5,019 of the 5,019 images" in shown.output and "give one with --data-dir" in shown.output
    assert f"reconstructions: {2 * cells * images:,}, {2 * cells} of an image" in shown.output
    assert f"generative.editor): at most {cells * images:,};" in shown.output
    assert "trainings, as far as there are no checkpoints: 8;" in shown.output


def test_calls_have_their_price_and_limits_cut():
    prices = "generative.prices={'openai:e': {call: 0.05}}"
    grid = compose(
        "paper", "gened_sc/full", "duts", 100, ["generative.editor=openai:e", "generative.captioner=openai:c", "readings={}", prices]
    )
    told = list(sketch_of(grid))
    assert "data set duts: 100 of the 5,019 images that are published" in told and "captions by openai:c: 100" in told
    assert f"images by openai:e: at most 3,200 calls, at most about ${3200 * 0.05:,.0f}" in told


def test_what_is_not_published_is_told_and_what_is_is_true():
    with pytest.raises(SettingsError, match="shows only in its folder; give --data-dir"):
        list(sketch_of(compose("quick", "deepjscc", "folder", None, [])))
    for name in ("photos", "scenes"):
        for split, number in DATASETS[name].sizes.items():
            assert len(open_dataset(name, split=split)) == number
    assert ASK.invoke(app, ["--datasets", "kodak"]).exit_code == 2, "a run needs the data"
