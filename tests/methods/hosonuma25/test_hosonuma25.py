"""Hosonuma25: masks and palettes as bytes, over the real link, and images painted from what arrived."""

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.datasets import open_dataset
from methods import METHODS
from methods.base import Geometry, OperatingPoint, Received
from methods.errors import CheckpointMismatchError, MethodError, MissingAssetError, RateError
from methods.generative import ModelClient
from methods.generative.costs import Limits, LocalSpending, Price
from methods.generative.prompts import one_line
from methods.hosonuma25 import Hosonuma25, HosonumaSettings
from methods.hosonuma25.priors import Prior, PriorCode, UnreadablePriorError, frame, unframe
from methods.hosonuma25.regions import Saliency
from methods.hosonuma25.selection import agreement
from methods.hosonuma25.settings import VARIANTS

SIZE = 64
POINT = OperatingPoint(None)


def build(models, height=SIZE, width=SIZE, **changed) -> Hosonuma25:
    return Hosonuma25(HosonumaSettings(**{**models, "mask_size": 32, **changed}), Geometry(height, width))


def scene(top=16, left=24, height=SIZE, width=SIZE, seed=1) -> torch.Tensor:
    """(1, 3, H, W): an orange rectangle of 24 x 28 pixels on blue ground, slightly noisy."""
    image = torch.tensor([0.2, 0.3, 0.7])[:, None, None].repeat(1, height, width)
    image[:, top : top + 24, left : left + 28] = torch.tensor([0.9, 0.5, 0.1])[:, None, None]
    return (image + 0.02 * torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))).clamp(0, 1)[None]


def test_it_is_registered_as_a_method_of_one_operating_point():
    assert METHODS.get("hosonuma25") is Hosonuma25
    for variant in VARIANTS.values():
        traits = Hosonuma25.traits(HosonumaSettings(**variant))
        assert (traits.rates, traits.coarse, traits.describes, traits.refines) == ("fixed", False, True, True)
        # What is sent is a map of saliency, or of classes.
        inside = {"saliency_iou_geodesic"} if HosonumaSettings(**variant).mask_source == "saliency" else set()
        assert traits.metrics_inside == inside
    assert HosonumaSettings(**VARIANTS["original"]).prior == "palette"


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 300), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_priors_come_back_as_they_were_packed(height, width, labels, bits, seed):
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 2, (height, width)).astype(np.uint8)
    assert np.array_equal(PriorCode(height, width, 0).unpack(PriorCode(height, width, 0).pack(Prior(mask))).labels, mask)
    count = min(labels, 256)
    prior = Prior(rng.integers(0, count, (height, width)).astype(np.uint8), rng.integers(0, 256, (count, 3)).astype(np.uint8))
    code = PriorCode(height, width, bits)
    packed = code.pack(prior)
    back = code.unpack(packed)
    assert np.array_equal(back.labels, prior.labels)
    assert np.abs(back.palette.astype(int) - prior.palette).max() <= 255 / (2**bits - 1) / 2 + 0.5
    assert packed[0] == count - 1 and len(packed) >= 1 + math.ceil(3 * count * bits / 8)


def test_the_strip_alone_is_sent_and_it_is_the_one_of_a_tiff_file():
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[10:40, 20:50] = 1
    packed = PriorCode(64, 64, 0).pack(Prior(mask))
    file = io.BytesIO()
    Image.fromarray(mask.astype(bool)).save(file, "TIFF", compression="group4")
    assert packed in file.getvalue() and len(packed) < 25 < 100 < len(file.getvalue())


def test_bytes_that_are_no_prior_are_told_from_one(capfd):
    rng = np.random.default_rng(0)
    for length in range(40):
        for bits in (0, 5):
            code = PriorCode(16, 16, bits)
            try:
                prior = code.unpack(rng.bytes(length))
            except UnreadablePriorError:
                continue
            assert prior.labels.shape == (16, 16) and (prior.palette is None or prior.labels.max() < len(prior.palette))


@settings(deadline=None)
@given(st.binary(max_size=80), st.text(max_size=40))
def test_a_message_holds_a_prior_and_a_caption(prior, caption):
    assert unframe(frame(prior, caption)) == (prior, caption.encode("utf-8"))


def test_a_message_whose_length_cannot_be_true_is_all_caption():
    assert unframe(b"some words\xff\xff") == (b"", b"some words")
    assert unframe(b"") == unframe(b"\x00") == (b"", b"")
    with pytest.raises(RateError, match="65536 bytes"):
        frame(bytes(1 << 16), "")


@pytest.mark.parametrize(("height", "width", "cells"), [(64, 64, (32, 32)), (64, 32, (32, 16)), (16, 24, (16, 24)), (256, 16, (32, 2))])
def test_the_mask_keeps_the_shape_of_the_image(models, height, width, cells):
    method = build(models, height, width)
    assert method.cells == cells
    shown = method.shown(Prior(np.ones(cells, dtype=np.uint8)))
    assert shown.shape == (3, height, width) and bool((shown == 1).all())


def test_saliency_finds_an_object_and_nothing_in_a_flat_image():
    labels = Saliency().labels(scene()[0], (32, 32))
    truth = np.zeros((32, 32), dtype=bool)
    truth[8:20, 12:26] = True
    assert (labels.astype(bool) & truth).sum() / (labels.astype(bool) | truth).sum() > 0.75
    assert not Saliency().labels(torch.full((3, 64, 64), 0.3), (32, 32)).any()
    assert Saliency().labels(torch.rand(3, 8, 8), (1, 8)).shape == (1, 8)


def test_saliency_agrees_with_the_masks_of_drawn_scenes():
    dataset = open_dataset("scenes", None, 64, "test")
    scores = []
    for id in dataset.items()[:25]:
        sample = dataset.load(id)
        image = torch.from_numpy(sample.image).permute(2, 0, 1).float() / 255
        found, truth = Saliency().labels(image, (64, 64)).astype(bool), np.asarray(sample.mask).squeeze() > 0
        hit = (found & truth).sum()
        precision, recall = hit / max(1, found.sum()), hit / truth.sum()
        scores.append(1.3 * precision * recall / max(1e-9, 0.3 * precision + recall))
    # All foreground scores as precision alone would: the share of the masks.
    assert np.mean(scores) > 0.6


def test_awkward_captions_arrive_are_counted_and_are_edited_with(asked, models, link_provider, awkward):
    method, link, image = build(models), link_provider(), scene()
    signal, received, (entry,) = link.through(method, image, [awkward])
    mask = method.prior(image[0])
    packed = method.code.pack(mask)
    assert signal.digital == [packed + awkward.encode() + len(packed).to_bytes(2)] and not signal.text
    assert received.digital == tuple(signal.digital) and entry.text_ok and entry.text_bytes_sent == len(signal.digital[0])
    blocks = math.ceil(len(signal.digital[0]) / 1053)
    assert entry.symbols_total == entry.symbols_digital == 55 + blocks * (8 * math.ceil(len(signal.digital[0]) / blocks) + 24) // 2
    assert method.decode(received, link.point) is None
    refined = method.refine(None, received, link.point)
    (request,) = asked.requests
    assert request.task == "edit" and one_line(awkward) in request.prompt and "bright areas" in request.prompt
    assert np.array_equal(request.pixels[..., 0], 255 * mask.labels.repeat(2, 0).repeat(2, 1))
    assert refined.images.shape == image.shape


def test_a_damaged_message_keeps_its_caption_and_loses_its_mask(asked, models, link_provider):
    sent = "a brown dog leaps over a wooden fence in a grassy yard"
    method, link = build(models), link_provider(snr_db=4.0)
    signal, received, (entry,) = link.through(method, scene(), [sent])
    assert not entry.text_ok and received.digital[0] not in (None, signal.digital[0])
    (prior,), (text,) = method.read(received)
    assert prior is None and text == unframe(received.digital[0])[1].decode(errors="replace") != sent
    method.refine(None, received, link.point)
    method.refine(None, Received(digital=[None], intact=[False]), link.point)
    assert method.read(Received(digital=[None], intact=[False])) == ([None], [""])
    assert one_line(text) in asked.requests[0].prompt and sent not in asked.requests[1].prompt
    assert all((request.pixels == 128).all() for request in asked.requests)
    with pytest.raises(MethodError, match="no digital stream"):
        method.refine(None, Received(), link.point)


def test_the_palette_holds_mean_colours_and_is_painted_over(asked, models, link_provider):
    method, link, image = build(models, prior="palette", palette_bits=8), link_provider(), scene()
    prior = method.prior(image[0])
    cells = image[0].reshape(3, 32, 2, 32, 2).mean(dim=(2, 4)).permute(1, 2, 0).numpy()
    for label, colour in enumerate(prior.palette):
        inside = [cells[row, column] for row in range(32) for column in range(32) if prior.labels[row, column] == label]
        assert np.abs(np.mean(inside, axis=0) * 255 - colour).max() < 0.51
    _, received, _ = link.through(method, image, ["an orange box"])
    method.refine(None, received, link.point)
    (request,) = asked.requests
    assert "mean colour" in request.prompt
    assert np.array_equal(request.pixels, prior.palette[prior.labels].repeat(2, 0).repeat(2, 1))


def test_agreement_by_loops_and_at_its_ends():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, (6, 5)).astype(np.uint8)
    palette = rng.integers(0, 256, (4, 3)).astype(np.uint8)
    cells = rng.random((6, 5, 3))
    total = between = distance = 0.0
    mean = cells.reshape(-1, 3).mean(axis=0)
    for row in range(6):
        for column in range(5):
            own = np.mean([cells[i, j] for i in range(6) for j in range(5) if labels[i, j] == labels[row, column]], axis=0)
            total += sum((cells[row, column] - mean) ** 2)
            between += sum((own - mean) ** 2)
            distance += math.dist(own, palette[labels[row, column]] / 255) / 30
    assert agreement(cells, Prior(labels)) == pytest.approx(between / total)
    assert agreement(cells, Prior(labels, palette)) == pytest.approx((between / total + 1 - distance / math.sqrt(3)) / 2)
    assert agreement(palette[labels] / 255, Prior(labels, palette)) == pytest.approx(1.0)
    assert agreement(np.zeros((6, 5, 3)), Prior(labels)) == 0.0
    black = np.zeros((4, 3), dtype=np.uint8)
    assert agreement(np.ones((6, 5, 3)), Prior(labels, black)) == pytest.approx(0.0)


@pytest.mark.parametrize("prior", ["mask", "palette"])
def test_the_best_of_several_candidates_is_kept(asked, models, link_provider, prior):
    method = build(models, prior=prior, receiver="select", candidates=5)
    type(asked).remote = True
    try:
        method.model_client = ModelClient(spending=LocalSpending(Limits(prices={"openai:pictures": Price(call=0.25)})))
        link, images = link_provider(), torch.cat([scene(), scene(top=32, left=4, seed=2)])
        _, received, _ = link.through(method, images, ["an orange box", "a box below"])
        broken = Received(digital=[*received.digital, None], intact=[*received.intact, False])
        refined = method.refine(None, broken, link.point)
    finally:
        type(asked).remote = False
    assert refined.cost == (1.25, 1.25, 0.25)
    priors, _ = method.read(broken)
    for row, text in enumerate(["an orange box", "a box below"]):
        requests = [request for request in asked.requests if text in request.prompt]
        assert sorted(request.variation for request in requests) == [0, 1, 2, 3, 4]
        candidates = [asked.paint(request).pixels.astype(np.float32) / 255 for request in requests]
        scores = [agreement(each.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3)), priors[row]) for each in candidates]
        kept = refined.images[row].permute(1, 2, 0).numpy()
        assert np.allclose(kept, candidates[int(np.argmax(scores))], atol=1e-6)
        assert int(np.argmax(scores)) != int(np.argmin(scores))
    alone = method.refine(None, Received(digital=received.digital[1:], intact=[True]), link.point)
    assert torch.equal(alone.images[0], refined.images[1])


def test_the_models_that_a_receiver_needs_are_asked_for(models):
    with pytest.raises(MissingAssetError, match="hosonuma25 has no editor"):
        Hosonuma25(HosonumaSettings(captioner="dataset"), Geometry(SIZE, SIZE)).check_ready()
    with pytest.raises(MissingAssetError, match="has no generator"):
        Hosonuma25(HosonumaSettings(captioner="dataset", **VARIANTS["original"]), Geometry(SIZE, SIZE)).check_ready()
    with pytest.raises(MethodError, match="describe the images first"):
        build(models).encode(scene(), POINT, None)
    with pytest.raises(ValueError, match="torchvision:NAME"):
        HosonumaSettings(mask_model="deeplab")


@pytest.fixture(scope="module")
def segformer(tmp_path_factory):
    """A folder with a small random SegFormer of six classes."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

    folder = tmp_path_factory.mktemp("segformer")
    sizes = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2], "decoder_hidden_size": 16}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = SegformerForSemanticSegmentation(SegformerConfig(num_labels=6, **sizes))
        torch.nn.init.normal_(network.decode_head.classifier.weight, std=2.0)
        network.save_pretrained(folder)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def test_a_segmentation_network_of_transformers_gives_labels_and_masks(models, segformer):
    named = {"mask_source": "segmentation", "mask_model": f"transformers:{segformer}"}
    images = torch.cat([scene(), scene(top=2, left=2)])
    method = build(models, prior="palette", **named)
    assert list(Hosonuma25.assets(method.settings)) == [segformer]
    priors = [method.prior(image) for image in images]
    assert all(len(np.unique(prior.labels)) == len(prior.palette) > 1 for prior in priors)
    masks = build(models, background=(0, 1, 2), **named)
    labels = masks._sources().labels(images[0], (32, 32))
    assert np.array_equal(masks.prior(images[0]).labels, (labels > 2).astype(np.uint8))
    encoded = method.encode(images, POINT, ["a", "b"]).digital
    assert encoded == [method.encode(images[row : row + 1], POINT, [text]).digital[0] for row, text in enumerate("ab")]


def test_a_segmentation_network_of_torchvision_is_loaded_from_its_file(models, tmp_path):
    from torchvision.models import get_model

    file = tmp_path / "lraspp.pth"
    with torch.random.fork_rng():
        torch.save(get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=21).state_dict(), file)
    named = {"mask_source": "segmentation", "mask_model": "torchvision:lraspp_mobilenet_v3_large"}
    method = build(models, prior="palette", mask_weights=file, **named)
    assert list(Hosonuma25.assets(method.settings)) == [file]
    prior = method.prior(scene()[0])
    assert prior.labels.shape == (32, 32) and prior.labels.max() < len(prior.palette) <= 21
    wrong = build(models, mask_weights=file, mask_source="segmentation", mask_model="torchvision:fcn_resnet50")
    with pytest.raises(CheckpointMismatchError, match="fcn_resnet50"):
        wrong.prior(scene()[0])


@pytest.mark.parametrize("model", ["torchvision:lraspp_mobilenet_v3_large", "torchvision:nonesuch", "transformers:/nonesuch"])
def test_a_segmentation_network_that_is_not_there_is_named_before_the_run(asked, models, monkeypatch, tmp_path, model):
    monkeypatch.setattr("methods.hosonuma25.method.check_required", lambda *named, **fields: None)
    method = build(models, mask_source="segmentation", mask_model=model, mask_weights=tmp_path / "absent.pth")
    with pytest.raises(MissingAssetError, match=model.partition(":")[2]):
        method.check_ready()
