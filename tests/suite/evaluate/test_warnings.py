"""What a method must not do is told on every table, whatever the batch: results that another run or another batch would not give."""

import json

import pytest
import torch
from torch import nn

from benchmarks.datasets import open_dataset
from methods.registry import METHODS
from suite.api import run
from suite.config.methods import resolve
from suite.evaluate.executors.inline import inline
from suite.evaluate.plan import make_units
from suite.runs.info import read_info
from suite.runs.layout import RunLayout

WORDS = {
    "Chance": "gives other results when it is asked again",
    "Mates": "beside other images of its batch",
    "Writes": "writes into the images",
}


@pytest.fixture
def as_method(monkeypatch):
    """Register the test method with something done to the images before it encodes them."""
    usual = METHODS.get("blocks_for_tests")

    class Chance(usual):
        """Draws from the global generator."""

        def encode(self, images, point, descriptions):
            return super().encode(images + 0.05 * torch.randn(images.shape), point, descriptions)

    class Mates(usual):
        """Normalises over the batch, which a batch of one never shows."""

        def encode(self, images, point, descriptions):
            return super().encode(nn.functional.batch_norm(images, None, None, training=True) * 0.2 + 0.5, point, descriptions)

    class Writes(usual):
        """Works in place."""

        def encode(self, images, point, descriptions):
            return super().encode(images.mul_(0.5), point, descriptions)

    known = {"Chance": Chance, "Mates": Mates, "Writes": Writes, "sound": usual}
    return lambda name: monkeypatch.setitem(METHODS._entries, "blocks_for_tests", known[name])


def plan(grid, folder):
    dataset = open_dataset("folder", folder, grid.image_size, "test", grid.fit)
    return make_units("run", grid, resolve(grid), {"folder": (dataset, folder)}, {}, ("psnr",), {})


def said_of(make_grid, images, out, **evaluation) -> str:
    grid = make_grid(cr=["1/12"], snr_db=[10], channels=["awgn"], evaluation={"batch": 1, "unit": 2, "workers": 1, **evaluation})
    events = list(inline(plan(grid, images), out))
    told = [event.warned for event in events if event.warned]
    assert len(told) == 1, "a worker looks at a method once"
    return told[0]["blocks_for_tests/default"]


@pytest.mark.parametrize("name", WORDS)
def test_each_is_named_with_a_batch_of_one(name, as_method, make_grid, images, tmp_path):
    as_method(name)
    said = said_of(make_grid, images, tmp_path)
    assert WORDS[name] in said and "suite.check" in said
    assert sum(words in said for words in WORDS.values()) == 1
    assert ("moves the global random generator of torch" in said) == (name == "Chance")


def test_a_sound_method_has_none_and_one_image_is_enough_to_see_chance(as_method, make_grid, images, tmp_path):
    assert said_of(make_grid, images, tmp_path / "sound") == ""
    as_method("Chance")
    assert WORDS["Chance"] in said_of(make_grid, images, tmp_path / "chance", unit=1)


def test_a_warning_reaches_the_tables_and_stays_until_the_method_is_mended(as_method, images, tmp_path, draft_figures):
    as_method("Mates")

    def ran(**more):
        few = {"image_size": 32, "cr": ["1/12"], "snr_db": [10], "channels": ["awgn"], "metrics": ["psnr"], "sheet.images": 0, **more}
        of = {"methods": "blocks_for_tests", "datasets": "folder", "data_dir": images, "limit": 2, "out": tmp_path}
        return run("quick", **of, settings=few, executor="inline", quiet=True)

    ran()
    table = (tmp_path / "tables" / "folder_awgn.md").read_text()
    assert WORDS["Mates"] in table.replace("\\_", "_")
    # Nothing is left to do, so nobody looks again.
    ran()
    assert WORDS["Mates"] in " ".join(read_info(RunLayout(tmp_path)).warnings)
    as_method("sound")
    ran(seed=1, repetitions=2)
    assert json.loads((tmp_path / "run.json").read_text())["method_warnings"] == {}
    assert WORDS["Mates"] not in (tmp_path / "tables" / "folder_awgn.md").read_text()
