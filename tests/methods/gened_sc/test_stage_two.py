"""GenED-SC's stage two: the caption on top of the symbols, and the editor that gets I_r and what arrived of it."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from methods.base import Geometry, OperatingPoint, Received, Targets
from methods.errors import MethodError, MissingAssetError
from methods.gened_sc import GenEDSC, GenEDSCSettings
from methods.gened_sc.settings import PRESETS, VARIANTS
from methods.generative.prompts import one_line

CR = Fraction(1, 24)
SIZE = 32
TINY: dict[str, Any] = {
    **PRESETS["compact"],
    **{"features": 8, "dims": (8, 16), "depths": (1, 2), "heads": (2, 4), "score_width": 4, "importance_patch": 2},
    **{"background_dims": (4, 8), "background_heads": (1, 2)},
}


def build(models: dict[str, Any], variant: str = "full", **changed: Any) -> GenEDSC:
    torch.manual_seed(4)
    own = {name: models[name] for name in ("captioner", "editor")}
    return GenEDSC(GenEDSCSettings(**{**TINY, **own, **VARIANTS[variant], **changed}), Geometry(SIZE, SIZE, CR)).eval()


def sample_images(count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def test_stage_two_belongs_to_the_evaluation_and_the_network_is_that_of_stage_one(models):
    full, first = build(models), build(models, "stage-one")
    assert VARIANTS["full"] == {"stage_two": True}
    assert GenEDSCSettings.evaluation_only == {"stage_two", "captioner", "editor"}
    changed = {name for name in GenEDSCSettings.model_fields if getattr(full.settings, name) != getattr(first.settings, name)}
    assert changed <= GenEDSCSettings.evaluation_only
    assert all(torch.equal(a, b) for a, b in zip(full.state_dict().values(), first.state_dict().values(), strict=True))
    for settings, there in ((full.settings, True), (first.settings, False)):
        traits = GenEDSC.traits(settings)
        assert (traits.describes, traits.refines) == (there, there)
        assert traits.coarse and traits.trainable and traits.rates == "variable"


@torch.no_grad()
def test_stage_one_neither_describes_nor_sends_words_nor_refines(asked, models, link_provider):
    method, images = build(models, "stage-one"), sample_images()
    assert method.describe(images) is None
    signal = method.encode(images, OperatingPoint(CR), ["a boat"])
    assert signal.digital is None and not signal.text
    with pytest.raises(MethodError, match="no stage two"):
        method.refine(images, Received(digital=[b"a boat"]), OperatingPoint(CR))
    assert not asked.requests


@torch.no_grad()
def test_awkward_captions_come_on_top_of_the_budget_and_are_edited_with(asked, models, link_provider, awkward):
    method, link, images = build(models), link_provider(cr=CR), sample_images()
    signal, received, (entry,) = link.through(method, images, [awkward])
    assert signal.digital == [awkward.encode()] and signal.text
    assert torch.equal(signal.analog, build(models, "stage-one").encode(images, OperatingPoint(CR), None).analog)
    blocks = math.ceil(len(awkward.encode()) / 1053)
    size = math.ceil(len(awkward.encode()) / blocks) if blocks else 0
    assert entry.symbols_analog == method.geometry.symbols() == 128
    assert entry.symbols_digital == 55 + blocks * (8 * size + 24) // 2 and entry.text_ok
    coarse = method.decode(received, link.point)
    refined = method.refine(coarse, received, link.point)
    (request,) = asked.requests
    assert request.task == "edit" and one_line(awkward) in request.prompt
    assert np.array_equal(request.pixels, (coarse[0] * 255).round().byte().permute(1, 2, 0).numpy())
    assert refined.images.shape == images.shape


@torch.no_grad()
def test_a_damaged_caption_is_edited_with_as_it_arrived_and_a_lost_one_is_empty(asked, models, link_provider):
    sent = "a brown dog leaps over a wooden fence in a grassy yard"
    method, link = build(models), link_provider(snr_db=4.0, cr=CR)
    _, received, (entry,) = link.through(method, sample_images(), [sent])
    arrived = received.digital[0]
    assert not entry.text_ok and arrived not in (None, sent.encode())
    coarse = method.decode(received, link.point)
    method.refine(coarse, received, link.point)
    method.refine(coarse, Received(digital=[None], intact=[False]), link.point)
    method.refine(coarse, Received(digital=[b""], intact=[True]), link.point)
    prompts = [request.prompt for request in asked.requests]
    assert one_line(arrived.decode(errors="replace")) in prompts[0] and sent not in "".join(prompts)
    assert prompts[1] == prompts[2] and "Restore it" in prompts[1]


@torch.no_grad()
def test_the_captioner_sees_the_original_and_the_editor_only_what_arrived(asked, models, link_provider):
    method, link, images = build(models), link_provider(cr=CR), sample_images(2)
    captions = method.describe(images)
    assert captions == [f"an image of mean {(image * 255).round().mean():.3f}" for image in images]
    _, received, _ = link.through(method, images, captions)
    coarse = method.decode(received, link.point)
    together = method.refine(coarse, received, link.point).images
    seen = asked.requests[2:]
    assert [request.task for request in asked.requests] == ["caption"] * 2 + ["edit"] * 2
    assert not any(np.array_equal(request.pixels, original.pixels) for request in seen for original in asked.requests[:2])
    alone = [method.refine(coarse[row : row + 1], Received(digital=[received.digital[row]]), link.point).images for row in range(2)]
    assert torch.equal(together, torch.cat(alone))


def test_what_is_missing_is_named(models):
    bare = build({"captioner": None, "editor": None})
    with pytest.raises(MissingAssetError, match=r"gened_sc.*captioner.*generative\.captioner"):
        bare.check_ready()
    with pytest.raises(MissingAssetError, match="editor"):
        build({"captioner": "dataset", "editor": None}).check_ready()
    build({"captioner": None, "editor": None}, "stage-one").check_ready()
    with pytest.raises(MethodError, match="describe the images first"):
        bare.encode(sample_images(), OperatingPoint(CR), None)
    with pytest.raises(MethodError, match="decode first"):
        build(models).refine(None, Received(digital=[b""]), OperatingPoint(CR))
    with pytest.raises(MethodError, match="no digital stream"):
        build(models).refine(sample_images(), Received(), OperatingPoint(CR))


def test_training_neither_asks_nor_sends_words(asked, models):
    method, images = build(models).train(), sample_images(2)
    sent = []

    def link(signal, point):
        sent.append(signal)
        return Received(analog=signal.analog)

    masks = torch.zeros(2, 1, SIZE, SIZE)
    masks[..., :16, :16] = 1.0
    method.loss(images, Targets(masks=masks), link, OperatingPoint(CR))["total"].backward()
    assert sent[0].digital is None and not asked.requests
