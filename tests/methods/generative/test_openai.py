"""The official client against a real server on loopback: what goes out and what comes back."""

import asyncio
import base64
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.openai_double import KEY, Fault, as_bytes, captioner, chat, editor, generator, png
from helpers.openai_double import images as sample_images
from methods.generative import ModelClient
from methods.generative.backends import openai_client
from methods.generative.costs import Limits, LocalSpending, Price
from methods.generative.response_cache import ResponseCache
from methods.generative.responses import GenerativeError

torch.set_num_threads(1)


def test_a_caption_is_asked_with_the_exact_image_and_the_prompt(server, tmp_path):
    images = sample_images(2)
    captions = ModelClient(ResponseCache(tmp_path)).caption(
        captioner(server, {"temperature": 0, "extra": {"reasoning_effort": "low"}}, 110), images
    )
    assert captions == [f"an image of mean {pixels.mean():.3f}" for pixels in as_bytes(images)]
    assert {each.path for each in server.asked} == {"/v1/chat/completions"}
    for pixels in as_bytes(images):
        assert sum(np.array_equal(each.images[0], pixels) for each in server.asked) == 1
    fields = server.asked[0].fields
    assert fields["model"] == "seer-1" and fields["temperature"] == 0 and fields["reasoning_effort"] == "low"
    text, look = fields["messages"][0]["content"]
    assert "at most 110 bytes" in text["text"] and look["image_url"]["detail"] == "high"
    assert "max_completion_tokens" not in fields


def test_an_edit_sends_image_and_caption_and_comes_back_in_its_own_size(server, tmp_path):
    images = sample_images(1)
    refined = ModelClient(ResponseCache(tmp_path)).edit(editor(server, {"send_seed": True, "extra": {"steps": 7}}), images, ["a red cat"])
    asked = server.asked[0]
    assert asked.path == "/v1/images/edits"
    assert np.array_equal(asked.images[0], as_bytes(images)[0])
    assert {name: asked.fields[name] for name in ("model", "size", "quality", "steps")} == {
        "model": "painter-1",
        "size": "64x64",
        "quality": "medium",
        "steps": "7",
    }
    assert asked.fields["prompt"].endswith("\n\nCaption: a red cat") and int(asked.fields["seed"]) < 2**31
    assert "response_format" not in asked.fields
    # The server enlarges fourfold; PIL's Lanczos filter brings it back.
    large = Image.fromarray(as_bytes(images)[0]).resize((64, 64), Image.Resampling.NEAREST)
    expected = np.asarray(large.resize((16, 16), Image.Resampling.LANCZOS))
    assert np.array_equal(as_bytes(refined.images)[0], expected)


def test_an_image_may_be_asked_for_in_the_size_of_the_method(server):
    assert ModelClient().edit(editor(server, {"size": "image"}), sample_images(1), ["a cat"]).images.shape == (1, 3, 16, 16)
    assert server.asked[0].fields["size"] == "16x16"


def test_images_of_one_text_are_one_call_and_variations_are_others(server, tmp_path):
    model_client = ModelClient(ResponseCache(tmp_path))
    refined = model_client.generate(generator(server, {"quality": None}), ["a dog", "a dog", "a cat"], 64, 64)
    assert len(server.asked) == 2 and {each.path for each in server.asked} == {"/v1/images/generations"}
    assert torch.equal(refined.images[0], refined.images[1]) and not torch.equal(refined.images[0], refined.images[2])
    assert "quality" not in server.asked[0].fields
    model_client.generate(generator(server, {"quality": None}), ["a dog"], 64, 64, variation=1)
    assert len(server.asked) == 3


def test_an_image_of_another_size_is_brought_to_the_wanted_one(server, tmp_path):
    server.image_size_of = (32, 32)
    refined = ModelClient(ResponseCache(tmp_path)).edit(editor(server), sample_images(1), ["a cat"])
    assert refined.images.shape == (1, 3, 16, 16)
    [file] = tmp_path.rglob("*.png")
    with Image.open(file) as kept:
        assert kept.size == (32, 32) and json.loads(kept.info["answer"])["metadata"]["received"] == [32, 32]


def test_a_caption_cut_by_the_token_limit_is_kept_and_an_unwritten_one_is_not(server, tmp_path):
    model_client = ModelClient(ResponseCache(tmp_path))
    server.faults = [Fault(200, chat("a cat that", "length")), Fault(200, chat("", "length"))]
    assert model_client.caption(captioner(server, {"max_output_tokens": 4}), sample_images(1)) == ["a cat that"]
    assert server.asked[0].fields["max_completion_tokens"] == 4
    with pytest.raises(GenerativeError, match="max_output_tokens"):
        model_client.caption(captioner(server), sample_images(1))


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("", ""),
        ("  a cat\n\ton a\x00 mat\x1b[0m ", "a cat on a mat [0m"),
        ("👩‍🚀 on the 🌙", "👩‍🚀 on the 🌙"),
        ("قطة على سجادة", "قطة على سجادة"),
        ("half \ud83d here", "half \ufffd here"),
        ("word " * 2000, ("word " * 102).strip()),
        ("é" * 10_000, "é" * 256),
    ],
    ids=["empty", "controls", "emoji", "arabic", "surrogate", "10000 letters", "one long word"],
)
def test_any_caption_arrives_as_one_line_and_is_edited_with(server, tmp_path, said, heard):
    server.caption = said
    model_client = ModelClient(ResponseCache(tmp_path))
    [caption] = model_client.caption(captioner(server), sample_images(1))
    assert caption == heard and len(caption.encode()) <= 512
    for text in (caption, said, caption.encode()[::-1].decode(errors="replace")):
        assert model_client.edit(editor(server), sample_images(1), [text]).images.shape == (1, 3, 16, 16)
    assert model_client.caption(captioner(server), sample_images(1)) == [heard]
    assert sum(each.path.endswith("completions") for each in server.asked) == 1


@pytest.mark.parametrize("address", ["files/one.png", "/v1/files/one.png", "{host}/v1/files/one.png"])
def test_an_image_may_come_at_an_address(server, tmp_path, address):
    server.as_url = address.format(host=server.host)
    images = ModelClient(ResponseCache(tmp_path)).edit(editor(server), sample_images(1), ["a cat"]).images
    server.as_url = None
    assert torch.equal(images, ModelClient().edit(editor(server, response_format="b64_json"), sample_images(1), ["a cat"]).images)
    assert "response_format" not in server.asked[0].fields and server.asked[-1].fields["response_format"] == "b64_json"
    [got] = [each for each in server.asked if each.path == "/v1/files/one.png"]
    assert got.headers["authorization"] == f"Bearer {KEY}"


def test_calls_equal_distinct_requests_for_any_number_of_threads(server, tmp_path):
    server.delay = 0.05
    images, settings = sample_images(6), captioner(server, concurrency=3)
    model_client = ModelClient(ResponseCache(tmp_path))
    barrier = threading.Barrier(8)

    def ask(start: int) -> list[str]:
        barrier.wait()
        order = [(start + step) % 6 for step in range(6)]
        found = dict(zip(order, model_client.caption(settings, images[order]), strict=True))
        return [found[index] for index in range(6)]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, range(8)))
    assert all(result == results[0] for result in results) and len(set(results[0])) == 6
    assert len(server.asked) == 6
    assert 1 < server.peak <= 3
    assert ModelClient(ResponseCache(tmp_path)).caption(settings, images) == results[0]
    assert len(server.asked) == 6


class Watched(LocalSpending):
    """A count that notes who settles, and may be interrupted."""

    def __init__(self, interrupted: bool = False) -> None:
        super().__init__()
        self.threads: list[threading.Thread] = []
        self._interrupted = interrupted

    def settle(self, model: str, estimate: float, cost: float) -> None:
        super().settle(model, estimate, cost)
        self.threads.append(threading.current_thread())
        if self._interrupted:
            raise KeyboardInterrupt


def test_a_batch_is_under_way_at_once_without_a_thread_for_each(server, tmp_path):
    server.delay, spending = 0.05, Watched()
    captions = ModelClient(ResponseCache(tmp_path), spending).caption(captioner(server, concurrency=3), sample_images(9))
    assert len(set(captions)) == 9 == len(server.asked) and 1 < server.peak <= 3
    assert spending.threads == [threading.current_thread()] * 9


def test_who_is_interrupted_gives_up_what_is_under_way_and_keeps_what_was_answered(server, tmp_path):
    released = threading.Event()

    def held() -> Iterator[bytes]:
        released.wait(60)
        yield b"{}"

    async def others() -> bool:
        return len(asyncio.all_tasks()) > 1

    server.faults = [Fault(200, chat("a cat")), Fault(200, held()), Fault(200, held())]
    with pytest.raises(KeyboardInterrupt):
        ModelClient(ResponseCache(tmp_path), Watched(interrupted=True)).caption(captioner(server, concurrency=2), sample_images(3))
    assert len(list(tmp_path.rglob("*.json"))) == 1
    for _ in range(1000):
        if not asyncio.run_coroutine_threadsafe(others(), openai_client._loop(os.getpid())).result():
            break
        released.wait(0.01)
    else:
        pytest.fail("a call goes on that nobody waits for")
    released.set()


def test_where_a_server_stands_is_no_part_of_a_request(server):
    here, there = captioner(server), captioner(server, timeout=7, concurrency=2, base_url="http://elsewhere/v1")
    [one] = ModelClient().requests(here, images=sample_images(1))
    [other] = ModelClient().requests(there, images=sample_images(1))
    [changed] = ModelClient().requests(captioner(server, {"detail": "low"}), images=sample_images(1))
    assert one.digest == other.digest != changed.digest


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm, a dog?"}]}


@pytest.mark.parametrize(
    ("content", "heard"),
    [
        ([{"type": "text", "text": "a cat "}, {"type": "text", "text": "on a mat"}], "a cat on a mat"),
        ([THOUGHT, {"type": "text", "text": "a cat"}, {"type": "text", "text": None}, "a dog", 7], "a cat"),
        ([{"text": "a cat"}], "a cat"),
        ([], ""),
        ("<think>\nA dog?\nNo.\n</think>\n\na cat", "a cat"),
        ("  <THINK></THINK>a cat", "a cat"),
        ("A dog? No.</think>a cat", "a cat"),
        ([{"type": "text", "text": "<think>A dog?</think>"}, {"type": "text", "text": "a cat"}], "a cat"),
        ("a cat on a <think> sign", "a cat on a <think> sign"),
    ],
)
def test_a_caption_is_read_however_it_is_written(server, tmp_path, content, heard):
    server.caption = content
    assert ModelClient(ResponseCache(tmp_path)).caption(captioner(server), sample_images(1)) == [heard]


@pytest.mark.parametrize("content", ["<think>A dog?</think>", "<think>A dog? A", "A dog?</think>\n "])
def test_thinking_without_an_answer_is_told(server, tmp_path, content):
    server.caption = content
    with pytest.raises(GenerativeError, match="wrote down its thinking and no answer"):
        ModelClient(ResponseCache(tmp_path)).caption(captioner(server), sample_images(1))
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    "more",
    [
        {"usage": None},
        {"usage": 7},
        {"usage": {"prompt_tokens": None, "completion_tokens": 12.5}},
        {"usage": {"prompt_tokens": "many", "completion_tokens": 10**400}},
        {"usage": {"input_tokens": 3.2, "input_tokens_details": [1]}},
        {"id": 17, "model": 3.5, "system_fingerprint": {"a": 1}, "created": "today"},
        {"created": 1.7e9 + 0.25, "size": [64, 64], "quality": 3},
    ],
)
def test_what_is_no_answer_never_costs_the_answer(server, tmp_path, more):
    words, image = chat("a cat"), {"created": 1, "data": [{"b64_json": as_base64(), "revised_prompt": 7}, {"b64_json": 7}]}
    words["choices"][0] |= {"finish_reason": 1}
    words["choices"].append({"message": None})
    server.faults = [Fault(200, words | more), Fault(200, image | more)]
    model_client = ModelClient(ResponseCache(tmp_path))
    assert model_client.caption(captioner(server), sample_images(1)) == ["a cat"]
    assert model_client.edit(editor(server), sample_images(1), ["a cat"]).images.shape == (1, 3, 16, 16)
    # What is kept can be read again.
    assert ModelClient(ResponseCache(tmp_path)).caption(captioner(server), sample_images(1)) == ["a cat"] and len(server.asked) == 2


def as_base64() -> str:
    return base64.encodebytes(png(np.zeros((64, 64, 3), np.uint8))).decode()


@pytest.mark.parametrize(
    ("name", "form"),
    [("b64_json", "{}"), ("b64_json", " \r\n{}\r\n"), ("b64_json", "data:image/png;base64,{}"), ("url", "data:image/png;base64,{}")],
)
def test_base64_may_have_broken_lines(server, name, form):
    encoded = as_base64()
    assert "\n" in encoded.strip()
    server.faults = [Fault(200, {"data": [{name: form.format(encoded.replace("\n", "\r\n"))}]})]
    assert ModelClient().edit(editor(server), sample_images(1), ["a cat"]).images.max() == 0


@pytest.mark.parametrize(
    ("usage", "cost"),
    [(None, 0.5), ({"prompt_tokens": None, "completion_tokens": 2}, 2.0), ({"prompt_tokens": 0.5, "completion_tokens": 2.25}, 3.0)]
    + [({"prompt_tokens": 10**400, "completion_tokens": 2}, 0.5), ({"prompt_tokens": "9", "completion_tokens": 2}, 0.5)],
)
def test_usage_is_counted_as_far_as_it_tells_something(server, usage, cost):
    server.faults = [Fault(200, chat("a cat") | {"usage": usage})]
    spending = LocalSpending(Limits(max_cost=10, prices={"openai:seer-1": Price(output_text=1e6, estimate=0.5)}))
    ModelClient(None, spending).caption(captioner(server), sample_images(1))
    assert spending.cost == {"openai:seer-1": cost}
