"""The model client: each distinct question once, within the limits, in wording that can be read and changed."""

import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers import openai_double
from helpers.openai_double import images as sample_images
from methods.errors import MissingAssetError
from methods.generative import ModelClient
from methods.generative.backends import base as backends
from methods.generative.backends.base import (
    Captioner,
    Editor,
    GenerativeOptionsError,
    Generator,
    open_backend,
)
from methods.generative.costs import Limits, LocalSpending, Price
from methods.generative.prompts import PROMPTS, filled_prompt, one_line, shortened
from methods.generative.response_cache import ResponseCache
from methods.generative.responses import (
    GenerativeError,
    ModelUnavailableError,
    Request,
    Response,
)
from methods.generative.settings import CaptionerSettings, EditorSettings, GeneratorSettings

torch.set_num_threads(1)
MODEL = "openai:seer-1"


def captioner(server: Any) -> CaptionerSettings:
    return openai_double.captioner(server, retries=0)


class Slow(Captioner, Generator, Editor):
    """A local model that is broken by two threads at once, fails where told, and paints the seed of the request."""

    batch = 4

    def __init__(self, settings: Any) -> None:
        self.identity = settings.model
        self.settings: dict[str, Any] = {}
        self.batches: list[int] = []
        self.busy = threading.Lock()

    def _paint(self, requests: Sequence[Request]) -> list[Any]:
        assert self.busy.acquire(blocking=False), "two threads at once"
        time.sleep(0.02)
        self.batches.append(len(requests))
        self.busy.release()
        if any("unloadable" in request.prompt for request in requests):
            raise ModelUnavailableError("the weights are missing")
        return [GenerativeError("bad luck") if "bad" in each.prompt else self._answer(each) for each in requests]

    def _answer(self, request: Request) -> Response:
        height, width = request.size or (1, 1)
        return Response(text=str(request.draw), pixels=np.full((height, width, 3), request.draw % 256, np.uint8), cut="the end")

    caption = generate = edit = _paint


@pytest.fixture
def local(monkeypatch) -> list[Slow]:
    opened: list[Slow] = []
    module = ModuleType("methods.generative.backends.slow_model")
    module.generator = module.editor = lambda settings: opened.append(Slow(settings)) or opened[-1]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(backends._MODULES, "slow", "slow_model")
    return opened


def test_a_local_model_is_opened_once_and_asked_in_batches_by_one_thread_at_a_time(local, tmp_path):
    settings = GeneratorSettings(model="slow:one")
    model_client = ModelClient(ResponseCache(tmp_path))
    with ThreadPoolExecutor(6) as pool:
        results = list(
            pool.map(lambda start: model_client.generate(settings, [f"text {start % 3}", f"text {start % 3 + 3}"], 8, 8), range(12))
        )
    assert len(local) == 1 and sum(local[0].batches) == 6
    assert all(torch.equal(results[index].images, results[index % 3].images) for index in range(12))
    assert results[0].cut == ("the end", "the end") and results[0].cost == (0.0, 0.0)
    assert model_client.generate(settings, [f"text {index}" for index in range(8)], 8, 8).images.shape == (8, 3, 8, 8)
    # Six of the eight are known; then ten that are not, as many at a time as it takes.
    assert local[0].batches[-1] == 2
    model_client.generate(settings, [f"other {index}" for index in range(10)], 8, 8)
    assert local[0].batches[-3:] == [4, 4, 2]
    model_client.generate(GeneratorSettings(model="slow:one", seed=2, prompt_file=PROMPTS / "edit.txt"), ["text 0"], 8, 8)
    assert len(local) == 1 and local[0].batches[-1] == 1


def test_the_same_request_has_the_same_seed_in_any_company(local):
    alone = ModelClient().generate(GeneratorSettings(model="slow:one"), ["text 2"], 8, 8).images[0]
    together = ModelClient().generate(GeneratorSettings(model="slow:one"), ["text 1", "text 2", "text 3"], 8, 8).images[1]
    assert torch.equal(alone, together)
    candidates = [ModelClient().generate(GeneratorSettings(model="slow:one"), ["text 2"], 8, 8, variation=each).images for each in range(4)]
    assert len({float(images[0, 0, 0, 0]) for images in candidates}) == 4


def test_one_failure_of_a_batch_does_not_lose_the_others(local, tmp_path):
    settings = EditorSettings(model="slow:one")
    model_client = ModelClient(ResponseCache(tmp_path))
    with pytest.raises(GenerativeError, match="bad luck"):
        model_client.edit(settings, sample_images(3), ["good", "bad", "also good"])
    assert len(list(tmp_path.rglob("*.png"))) == 2
    model_client.edit(settings, sample_images(3)[::2], ["good", "also good"])
    assert local[0].batches == [3]
    with pytest.raises(ModelUnavailableError, match="weights are missing"):
        model_client.edit(settings, sample_images(2), ["unloadable", "either"])
    assert model_client.edit(settings, sample_images(2), ["still", "there"]).images.shape == (2, 3, 16, 16)


def test_what_was_answered_is_kept_when_a_later_part_of_the_questions_fails(local, tmp_path):
    model_client = ModelClient(ResponseCache(tmp_path))
    texts = [f"text {index}" for index in range(4)] + ["unloadable"] + [f"text {index}" for index in range(5, 12)]
    with pytest.raises(ModelUnavailableError, match="weights are missing"):
        model_client.generate(GeneratorSettings(model="slow:one"), texts, 8, 8)
    # The four before it; what comes after is not tried with a model that cannot be used.
    assert len(list(tmp_path.rglob("*.png"))) == 4 and local[0].batches == [4, 4]


def test_a_dry_run_counts_without_asking(server, tmp_path):
    spending = LocalSpending(Limits(prices={MODEL: Price(call=0.5)}))
    model_client = ModelClient(ResponseCache(tmp_path), spending)
    settings = captioner(server)
    model_client.caption(settings, sample_images(4)[:3])
    asked = model_client.requests(settings, images=sample_images(4))
    assert model_client.known(asked) == 3 and ModelClient().known(asked) == 0 and len(server.asked) == 3
    assert model_client.price_of_call(settings) == 0.5 and spending.calls == {MODEL: 3}
    assert model_client.price_of_call(CaptionerSettings(model="dataset")) == 0.0


def test_captions_of_the_data_set_are_used_as_they_are_and_missed_where_they_are_not(tmp_path):
    model_client = ModelClient(ResponseCache(tmp_path))
    settings = CaptionerSettings(model="dataset", max_bytes=12)
    assert model_client.caption(settings, sample_images(2), ["a cat sits on a mat", "a\ndog"]) == ["a cat sits", "a dog"]
    assert not list(tmp_path.iterdir())
    for captions in (["a cat", ""], None):
        with pytest.raises(GenerativeError, match="no caption for this image"):
            model_client.caption(settings, sample_images(2), captions)


def test_images_of_any_shape_and_prompts_of_any_wording(local, tmp_path):
    model_client = ModelClient()
    wide = torch.rand(1, 3, 8, 16)
    assert model_client.edit(EditorSettings(model="slow:one"), wide, ["a cat"]).images.shape == (1, 3, 8, 16)
    with pytest.raises(GenerativeOptionsError, match="64x64 where an image of 16x8 is wanted"):
        model_client.edit(EditorSettings(model="openai:painter-1", options={"size": "64x64"}), wide, ["a cat"])
    own = tmp_path / "mine.txt"
    own.write_text("Use {this}: {caption}!\n", encoding="utf-8")
    [asked] = model_client.requests(EditorSettings(model="slow:one", prompt_file=own), images=wide, texts=["a {caption}\n cat"])
    assert asked.prompt == "Use {this}: a {caption} cat!"
    own.write_text("Use the text.")
    with pytest.raises(GenerativeOptionsError, match="no place for the caption"):
        model_client.edit(EditorSettings(model="slow:one", prompt_file=own), wide, ["a cat"])
    with pytest.raises(MissingAssetError, match=r"gone\.txt.*prompt_file"):
        model_client.caption(CaptionerSettings(model=MODEL, prompt_file=tmp_path / "gone.txt"), wide)


def test_the_prompts_beside_the_code():
    asked = filled_prompt(CaptionerSettings(model=MODEL, max_bytes=110), "caption")
    assert "at most 110 bytes" in asked and "{" not in asked
    for settings, name in (
        (GeneratorSettings(model="slow:one"), "generate"),
        (EditorSettings(model="slow:one"), "edit"),
        (EditorSettings(model="slow:one"), "mask"),
        (EditorSettings(model="slow:one"), "palette"),
    ):
        last = filled_prompt(settings, name, "a red cat")
        instruction, _, caption = last.partition("\n\n")
        assert caption == "Caption: a red cat" and len(instruction) > 100
        # A model that reads 77 tokens must read the caption.
        first = filled_prompt(settings, name, "a red cat", caption_first=True)
        assert first == f"{caption}\n\n{instruction}" and "above" not in instruction and "below" not in instruction
        assert len(filled_prompt(settings, name, "")) > 20 and "{" not in filled_prompt(settings, name, "")


@given(st.text(max_size=80), st.integers(1, 60))
def test_a_shortened_line_fits_and_ends_behind_a_word(text, limit):
    line = one_line(text)
    assert one_line(line) == line and "\n" not in line and "\x00" not in line
    cut = shortened(line, limit)
    assert len(cut.encode()) <= limit and line.startswith(cut)
    if len(line.encode()) <= limit:
        assert cut == line
    elif " " in line.encode()[: limit + 1].decode(errors="ignore"):
        assert cut == "" or line[len(cut)] in " ,;:.!?"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("a cat, a dog", 12, "a cat, a dog"),
        ("a cat, a dog", 7, "a cat"),
        ("a cat, a dog", 5, "a cat"),
        ("a cat, a dog", 4, "a"),
        ("at 3.5 m", 4, "at"),
        ("a mat. A dog.", 5, "a mat"),
        ("éééé", 5, "éé"),
        ("👩‍🚀👩‍🚀", 15, "👩‍🚀"),
        ("e\u0301e\u0301", 4, "e\u0301"),
        ("👩‍🚀", 8, ""),
    ],
)
def test_shortening_by_example(text, limit, expected):
    assert shortened(text, limit) == expected


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (CaptionerSettings(model="opnai:x"), r"unknown backend 'opnai'\. Did you mean 'openai'\?"),
        (EditorSettings(model="dataset"), "dataset cannot serve as editor: the backend 'dataset' offers captioner"),
        (GeneratorSettings(model="openai:x", options={"size": "big"}), "options of openai:x: 'size': .*1024x1024"),
        (CaptionerSettings(model="dataset", options={"detail": "low"}), "unknown key 'detail'"),
    ],
)
def test_a_model_that_cannot_be_opened_is_told_in_one_sentence(settings, words):
    with pytest.raises(GenerativeOptionsError, match=words):
        open_backend(settings)


def test_a_model_is_named_by_backend_and_name():
    for name in ("gpt-5.2", ":x", "openai:"):
        with pytest.raises(ValueError, match="<backend>:<name>"):
            CaptionerSettings(model=name)
