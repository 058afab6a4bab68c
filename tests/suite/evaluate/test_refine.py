"""Refinement of a unit's cells in one call: the images of one call a cell, failures where they belong, the point kept from it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from methods.base import Refined, Traits
from methods.errors import MethodError
from suite.evaluate.model_access import Access
from suite.evaluate.stages.captions import Captions
from suite.evaluate.stages.refine import Refiner
from suite.evaluate.stages.transmit import Transmitter
from suite.runs.columns import KEY


class Blurring:
    """A refine stage on top of the test method: notes the calls, blurs each image, and refuses images of one SNR where it is told it."""

    def __init__(self, traits: Traits, refuses_bright: bool = False) -> None:
        self.traits, self.refuses_bright = traits, refuses_bright
        self.calls: list[tuple[int, float | None]] = []

    def refine(self, coarse, received, point) -> Refined:
        self.calls.append((len(coarse), point.snr_db))
        if self.refuses_bright and bool((coarse.mean(dim=(1, 2, 3)) > 0.5).any()):
            raise MethodError("this image is too bright")
        return Refined(torch.nn.functional.avg_pool2d(coarse, 3, 1, 1))


@pytest.fixture
def refined(make_grid, plan, monkeypatch, tmp_path):
    """Return a function: records and pixels of the first unit of the test method with a refine stage."""

    def run(stage: Blurring):
        (unit, *_) = plan(make_grid(limit=3, evaluation={"batch": 2, "unit": 4}))
        monkeypatch.setattr(type(unit.configured), "traits", property(lambda self: stage.traits))
        monkeypatch.setattr(unit.configured.cls, "refine", lambda self, *arguments: stage.refine(*arguments))
        output = Transmitter()(Captions(tmp_path).unit_input(unit))
        done = Refiner(Access.local([unit], tmp_path).model_client())(output).reconstructions
        named = {tuple(each.record[name] for name in KEY if name != "run"): each for each in done if each.record["variant"] == "default"}
        return unit, named

    return run


def test_cells_in_one_call_come_out_as_each_by_itself(refined):
    apart, together = Blurring(Traits(refines=True)), Blurring(Traits(refines=True, uses_snr_at_refine=False))
    unit, by_cell = refined(apart)
    _, at_once = refined(together)
    # Two batches of two in each cell, the second filled up, against one call of every image in every cell that no point is told.
    assert len(apart.calls) == 2 * len(unit.cells) and {size for size, _ in apart.calls} == {2}
    assert {snr for _, snr in apart.calls} == {1.0, 10.0}
    assert together.calls == [(3 * len(unit.cells), None)]
    assert by_cell.keys() == at_once.keys() and len(by_cell) == 3 * len(unit.cells)
    for key, expected in by_cell.items():
        assert np.array_equal(at_once[key].pixels, expected.pixels)
        same = {name: value for name, value in expected.record.items() if not name.startswith("seconds_") and name != "measured_snr_db"}
        assert same.items() <= at_once[key].record.items()


def test_an_image_that_fails_in_the_one_call_fails_alone(refined):
    stage = Blurring(Traits(refines=True, uses_snr_at_refine=False), refuses_bright=True)
    _, done = refined(stage)
    failed = {key for key, each in done.items() if each.record["status"] == "failed"}
    assert 0 < len(failed) < len(done) and all(done[key].record["error"].startswith("MethodError: this image") for key in failed)
    assert all(snr is None for _, snr in stage.calls)


def test_nothing_to_refine_is_left_alone(make_grid, plan, tmp_path):
    (unit, *_) = plan(make_grid())
    output = Transmitter()(Captions(tmp_path).unit_input(unit))
    refine = Refiner(Access.local([unit], tmp_path).model_client())
    assert refine(output) is output and refine(replace(output, reconstructions=[])).reconstructions == []
