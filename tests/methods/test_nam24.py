"""Nam24: words over the real link, and an image of what arrived of them."""

import math

import pytest
import torch

from methods import METHODS
from methods.base import Geometry, OperatingPoint, Received
from methods.errors import MethodError, MissingAssetError
from methods.generative.prompts import one_line
from methods.nam24 import Nam24, Nam24Settings, head_words

SIZE = 16
POINT = OperatingPoint(None)


def build(models, variant="default", **settings) -> Nam24:
    own = {name: models[name] for name in ("captioner", "generator")}
    return Nam24(Nam24Settings(**{**own, **Nam24.variants[variant], **settings}), Geometry(SIZE, SIZE))


def sample_images(count=1):
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def test_it_is_registered_as_a_method_of_one_operating_point_without_a_coarse_image():
    assert METHODS.get("nam24") is Nam24
    traits = Nam24.traits(Nam24Settings())
    assert (traits.rates, traits.coarse, traits.describes, traits.refines, traits.trainable) == ("fixed", False, True, True, False)
    assert Nam24.traits(Nam24Settings(**Nam24.variants["original"])).coding_mode == "uncoded"
    assert Nam24Settings.evaluation_only == {"captioner", "generator"}


def test_a_model_that_nobody_named_is_asked_for_before_the_run(models):
    bare = Nam24(Nam24Settings(), Geometry(SIZE, SIZE))
    with pytest.raises(MissingAssetError, match=r"nam24 has no captioner.*generative\.captioner"):
        bare.check_ready()
    with pytest.raises(MissingAssetError, match="nam24 has no generator"):
        Nam24(Nam24Settings(captioner="dataset"), Geometry(SIZE, SIZE)).check_ready()
    with pytest.raises(MethodError, match="describe the images first"):
        build(models).encode(sample_images(), POINT, None)


def test_the_sender_describes_by_its_captioner(asked, models):
    method, images = build(models), sample_images(3)
    expected = [f"an image of mean {(image * 255).round().mean():.3f}" for image in images]
    assert method.describe(images) == expected
    assert len(asked.requests) == 3


def test_awkward_captions_arrive_are_counted_and_are_painted(asked, models, link_provider, awkward):
    method, link = build(models), link_provider()
    signal, received, (entry,) = link.through(method, sample_images(), [awkward])
    assert signal.digital == [awkward.encode()] and signal.text and signal.analog is None
    assert received.digital == (awkward.encode(),) and entry.text_ok
    blocks = math.ceil(len(awkward.encode()) / 1053)
    size = math.ceil(len(awkward.encode()) / blocks) if blocks else 0
    assert entry.symbols_total == entry.symbols_digital == 55 + blocks * (8 * size + 24) // 2
    assert method.decode(received, link.point) is None
    refined = method.refine(None, received, link.point)
    (request,) = asked.requests
    assert request.task == "generate" and one_line(awkward) in request.prompt
    assert refined.images.shape == (1, 3, SIZE, SIZE)


def test_a_damaged_caption_is_painted_as_it_arrived_and_a_lost_one_as_an_empty_text(asked, models, link_provider):
    sent = "a brown dog leaps over a wooden fence in a grassy yard"
    method, link = build(models), link_provider(snr_db=4.0)
    _, received, (entry,) = link.through(method, sample_images(), [sent])
    assert not entry.text_ok and received.digital[0] not in (None, sent.encode())
    method.refine(None, received, link.point)
    assert one_line(received.digital[0].decode(errors="replace")) in asked.requests[0].prompt
    assert sent not in asked.requests[0].prompt
    method.refine(None, Received(digital=[None], intact=[False]), link.point)
    method.refine(None, Received(digital=[b""], intact=[True]), link.point)
    assert len(asked.requests) == 3 and asked.requests[1].prompt == asked.requests[2].prompt
    with pytest.raises(MethodError, match="no digital stream"):
        method.refine(None, Received(), link.point)


def test_equal_texts_give_equal_images_and_rows_do_not_depend_on_one_another(models, link_provider):
    method, link = build(models), link_provider()
    captions = ["a boat", "a tower", "a boat"]
    _, received, _ = link.through(method, sample_images(3), captions)
    together = method.refine(None, received, link.point).images
    alone = [method.refine(None, Received(digital=[text.encode()]), link.point).images[0] for text in captions]
    assert torch.equal(together, torch.stack(alone))
    assert torch.equal(together[0], together[2]) and not torch.equal(together[0], together[1])


def test_the_original_sends_head_words_eight_bits_a_character_without_a_code(asked, models, link_provider):
    method, link = build(models, "original"), link_provider(snr_db=30.0)
    signal, received, (entry,) = link.through(method, sample_images(), ["A small dog runs over the green grass – café"])
    assert signal.digital == ["dog runs grass café".encode("latin-1")]
    assert method.encode(sample_images(), POINT, ["a big 🐕"]).digital == [b"big"]
    assert method.encode(sample_images(), POINT, ["犬"]).digital == [b"?"]
    # Four bits a symbol, a check of 24 bits, and the link's header.
    assert entry.symbols_total == 55 + (8 * len(signal.digital[0]) + 24) // 4
    method.refine(None, received, link.point)
    assert "dog runs grass café" in asked.requests[0].prompt


def test_uncoded_words_lose_characters_and_stay_readable(asked, models, link_provider):
    words = "man riding brown horse along sandy beach"
    method, link = build(models, "original", words="all"), link_provider(snr_db=16.0)
    _, received, entries = link.through(method, sample_images(20), [words] * 20)
    arrived = [message.decode("latin-1") for message in received.digital]
    assert all(len(text) == len(words) for text in arrived) and 0 < sum(entry.text_ok for entry in entries) < 20
    wrong = sum(a != b for text in arrived for a, b in zip(text, words, strict=True)) / (20 * len(words))
    # The bit error rate of 16-QAM at 16 dB, 1.8e-3 by its closed form, eight times a character.
    assert 0.004 < wrong < 0.03
    method.refine(None, received, link.point)
    prompts = [request.prompt for request in asked.requests]
    assert len(prompts) == len(set(arrived)) and all(any(one_line(text) in prompt for prompt in prompts) for text in arrived)


@pytest.mark.parametrize(
    ("caption", "heads"),
    [
        ("A small brown dog runs over the green grass.", "dog runs grass"),
        ("a man riding a horse on a sandy beach", "man riding horse beach"),
        ("Two dogs, playing with the red ball!", "Two dogs playing ball"),
        ("a glass of water and my cat's blue-eyed kitten", "glass water cat's kitten"),
        ("", ""),
        ("the of and", ""),
        ("🙂 . ,", ""),
    ],
)
def test_head_words(caption, heads):
    assert head_words(caption) == heads
