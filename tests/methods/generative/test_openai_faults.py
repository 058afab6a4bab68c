"""The official client against a real server on loopback that delays, breaks, declines and talks nonsense."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
import torch

from helpers.openai_double import Fault, captioner, chat, editor, error, images
from methods.generative import ModelClient
from methods.generative.backends.openai_backend import OpenAICaptioner
from methods.generative.backends.openai_client import Access, Connection
from methods.generative.response_cache import ResponseCache
from methods.generative.responses import GenerativeError, ModelUnavailableError, RefusalError, Request, Response

torch.set_num_threads(1)
SOON = {"retry-after-ms": "1"}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_faults_are_asked_again(server, tmp_path, status):
    server.faults = [Fault(status, error("later", "x"), SOON), Fault(drop=True)]
    assert ModelClient(ResponseCache(tmp_path)).caption(captioner(server), images(1))[0].startswith("an image")
    assert len(server.asked) == 3


def test_a_short_retry_after_is_honoured(server, tmp_path):
    # The client's own first pause is half a second at most.
    server.faults = [Fault(429, error("slow down", "rate_limit_exceeded"), {"Retry-After": "0.7"})]
    ModelClient(ResponseCache(tmp_path)).caption(captioner(server), images(1))
    first, second = server.asked
    assert second.at - first.at >= 0.7


def test_a_quota_used_up_ends_the_calls(server, tmp_path):
    server.faults = [Fault(429, error("You exceeded your current quota.", "insufficient_quota"))]
    model_client = ModelClient(ResponseCache(tmp_path))
    for seed in range(2):
        with pytest.raises(ModelUnavailableError, match=r"the quota is used up \(429\): You exceeded"):
            model_client.caption(captioner(server, retries=0), images(1, seed=seed))
    assert len(server.asked) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_long_retry_after_is_waited_for(server, form):
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=301), usegmt=True)
    server.faults = [Fault(429, error("slow down", "rate_limit_exceeded"), {"Retry-After": "300" if form == "seconds" else until})]
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    settings = captioner(server)
    backend = OpenAICaptioner(settings, Connection(Access(**settings.access), sleep))
    [response] = backend.caption([Request("caption", backend.identity, "look", np.zeros((8, 8, 3), np.uint8))])
    assert isinstance(response, Response) and response.text == "an image of mean 0.000"
    assert len(waits) == 1 and 290 < waits[0] <= 301 and len(server.asked) == 2


def test_a_wait_beyond_patience_is_a_failure_at_once(server, tmp_path):
    server.faults = [Fault(429, error("tomorrow", "rate_limit_exceeded"), {"Retry-After": "86400"})]
    with pytest.raises(GenerativeError, match=r"status 429: tomorrow"):
        ModelClient(ResponseCache(tmp_path)).caption(captioner(server), images(1))
    assert len(server.asked) == 1


def test_lasting_faults_fail_the_image_alone_and_are_asked_again_later(server, tmp_path):
    model_client = ModelClient(ResponseCache(tmp_path))
    server.faults = [Fault(500, error("broken"), SOON)] * 3
    with pytest.raises(GenerativeError, match="status 500: broken"):
        model_client.caption(captioner(server), images(1))
    assert len(server.asked) == 3 and not list(tmp_path.rglob("*.json"))
    assert model_client.caption(captioner(server), images(1))[0].startswith("an image")


def test_good_answers_of_a_batch_outlive_the_failure_of_another(server, tmp_path):
    model_client = ModelClient(ResponseCache(tmp_path))
    server.faults = [Fault(400, error("no such thing"))]
    with pytest.raises(GenerativeError, match="status 400: no such thing"):
        model_client.caption(captioner(server), images(3))
    assert len(server.asked) == 3
    assert len(model_client.caption(captioner(server), images(3))) == 3
    assert len(server.asked) == 4


def test_an_unanswered_call_times_out(server, tmp_path):
    server.faults = [Fault(wait=1.0)]
    with pytest.raises(GenerativeError, match=r"no answer within 0\.2 s, after 1 tries"):
        ModelClient(ResponseCache(tmp_path)).caption(captioner(server, timeout=0.2, retries=0), images(1))


def test_a_dropped_connection_and_a_missing_server_are_told_apart(server, tmp_path):
    server.faults = [Fault(drop=True)]
    with pytest.raises(GenerativeError, match="broke off the connection") as caught:
        ModelClient(ResponseCache(tmp_path)).caption(captioner(server, retries=0), images(1))
    assert not isinstance(caught.value, ModelUnavailableError)
    server.close()
    with pytest.raises(ModelUnavailableError, match="cannot be reached"):
        ModelClient(ResponseCache(tmp_path)).caption(captioner(server, retries=0), images(1))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"choices": [', "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"<html>busy</html>", "it is not JSON"),
        ({"id": "x"}, "choices is missing"),
        ({"choices": []}, "choices is missing or of a wrong type"),
        ({"choices": [{"message": {"content": 7}}]}, r"choices\.0\.message\.content"),
        ([1, 2], "the whole is missing or of a wrong type"),
        ({"error": {"message": "overloaded", "code": 502}}, "answered with an error: overloaded"),
    ],
)
def test_malformed_captions_fail(server, tmp_path, body, words):
    server.faults = [Fault(200, body)]
    with pytest.raises(GenerativeError, match=words):
        ModelClient(ResponseCache(tmp_path)).caption(captioner(server), images(1))
    assert len(server.asked) == 1 and not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"data": []}, "data is missing"),
        ({"data": [{}]}, "neither an image nor its address"),
        ({"data": [{"b64_json": "@@@"}]}, "not valid base64"),
        ({"data": [{"b64_json": "AAAA"}]}, "3 bytes that cannot be read"),
        ({"data": [{"url": "file:///etc/hostname"}]}, "cannot be fetched"),
        ({"data": [{"url": "files/missing.png"}]}, "status 404"),
    ],
)
def test_malformed_images_fail(server, tmp_path, body, words):
    model_client = ModelClient(ResponseCache(tmp_path))
    server.faults = [Fault(200, body)]
    with pytest.raises(GenerativeError, match=words):
        model_client.edit(editor(server), images(1), ["a cat"])
    assert not list(tmp_path.rglob("*.png"))
    # An image that is gone from its address says nothing of the model.
    assert model_client.edit(editor(server), images(1), ["a cat"]).images.shape == (1, 3, 16, 16)


def test_an_image_of_another_shape_is_not_distorted_and_not_asked_for_again(server, tmp_path):
    server.image_size_of = (96, 64)
    for _ in range(2):
        with pytest.raises(GenerativeError, match="an image of 96x64 where 64x64 was asked for"):
            ModelClient(ResponseCache(tmp_path)).edit(editor(server), images(1), ["a cat"])
    assert len(server.asked) == 1


REFUSALS = {
    "message": (Fault(200, chat(None, refusal="I cannot describe this.")), "I cannot describe this"),
    "filter": (Fault(200, chat("half a", "content_filter")), "content filter"),
    "status": (Fault(400, error("Your request was rejected by the safety system.", "moderation_blocked")), "safety system"),
    "policy": (Fault(400, error("Not this.", "content_policy_violation")), "Not this"),
    "gateway": (Fault(200, error("Filtered.", "content_filter")), "Filtered"),
}


@pytest.mark.parametrize("form", REFUSALS)
def test_a_refusal_is_kept_and_not_asked_about_again(server, tmp_path, form):
    fault, words = REFUSALS[form]
    server.faults = [fault]
    for _ in range(2):
        with pytest.raises(RefusalError, match=words):
            ModelClient(ResponseCache(tmp_path)).caption(captioner(server), images(1))
    assert len(server.asked) == 1


def test_an_edit_is_refused_by_the_image_interface(server, tmp_path):
    server.faults = [REFUSALS["status"][0]]
    for _ in range(2):
        with pytest.raises(RefusalError, match="declines by its content policy: Your request was rejected"):
            ModelClient(ResponseCache(tmp_path)).edit(editor(server), images(1), ["a cat"])
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": "model is still loading"}, "status 422: model is still loading"),
        ({"detail": [{"loc": ["body", "size"], "msg": "bad size", "input": "x" * 9999}]}, r"status 422: body\.size: bad size$"),
        (b"plain words", "status 422: plain words"),
        ({"message": "y" * 9999}, r"y{500}\.\.\.$"),
    ],
)
def test_errors_of_other_servers_are_told(server, tmp_path, body, words):
    server.faults = [Fault(422, body)]
    with pytest.raises(GenerativeError, match=words):
        ModelClient(ResponseCache(tmp_path)).edit(editor(server), images(1), ["a cat"])
