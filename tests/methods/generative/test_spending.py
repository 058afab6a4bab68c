"""What calls cost and where they end: counted once, within the limits, and none whose answer would be lost."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from helpers import openai_double
from helpers.openai_double import Fault, chat, error, images
from methods.generative import ModelClient, response_cache
from methods.generative.costs import Limits, LocalSpending, Price, UnpricedModelError
from methods.generative.response_cache import CacheError, ResponseCache
from methods.generative.responses import (
    CacheWriteError,
    GenerativeError,
    ModelUnavailableError,
    RefusalError,
    SpendingLimitError,
    UnusableResponseError,
)
from methods.generative.settings import CaptionerSettings, EditorSettings

torch.set_num_threads(1)
MODEL = "openai:seer-1"


def captioner(server: Any) -> CaptionerSettings:
    return openai_double.captioner(server, retries=0)


def editor(server: Any) -> EditorSettings:
    return openai_double.editor(server, {"size": "16x16"}, retries=0)


def test_costs_are_counted_from_the_tokens_of_the_response(server, tmp_path):
    prices = {
        MODEL: Price(input_text=2.5, output_text=10, estimate=1.0),
        "openai:painter-1": Price(call=0.001, input_text=5, input_image=8, output_image=32),
    }
    spending = LocalSpending(Limits(max_cost=20, prices=prices))
    model_client = ModelClient(ResponseCache(tmp_path), spending)
    model_client.caption(captioner(server), images(2))
    refined = model_client.edit(editor(server), images(2), ["a", "b"])
    # The server tells 900 and 50 tokens for a caption, and 120, 200 and 1000 for an image.
    each = 0.001 + (120 * 5 + 200 * 8 + 1000 * 32) / 1e6
    assert refined.cost == pytest.approx([each, each])
    assert spending.cost == pytest.approx({MODEL: 2 * (900 * 2.5 + 50 * 10) / 1e6, "openai:painter-1": 2 * each})
    again = ModelClient(ResponseCache(tmp_path), LocalSpending()).edit(editor(server), images(2), ["a", "b"])
    assert again.cost == refined.cost and torch.equal(again.images, refined.images)


def test_max_calls_stops_cleanly_and_a_later_run_goes_on(server, tmp_path):
    settings = captioner(server)
    for run in range(3):
        model_client = ModelClient(ResponseCache(tmp_path), LocalSpending(Limits(max_calls=2)))
        if run < 2:
            with pytest.raises(SpendingLimitError, match="max_calls is 2"):
                model_client.caption(settings, images(5))
            with pytest.raises(SpendingLimitError):
                model_client.caption(settings, images(5).flip(-1))
            assert len(server.asked) == 2 * (run + 1) == len(list(tmp_path.rglob("*.json")))
    assert len(model_client.caption(settings, images(5))) == 5 and len(server.asked) == 5
    free = ModelClient(ResponseCache(tmp_path), LocalSpending(Limits(max_calls=0, max_cost=0, prices={MODEL: Price(call=1)})))
    assert len(free.caption(settings, images(5))) == 5


def test_max_cost_is_never_passed_by_calls_under_way(server, tmp_path):
    server.delay = 0.02
    spending = LocalSpending(Limits(max_cost=1.0, prices={MODEL: Price(call=0.3)}))
    model_client = ModelClient(ResponseCache(tmp_path), spending)

    def ask(image: torch.Tensor) -> bool:
        try:
            return bool(model_client.caption(captioner(server), image[None]))
        except SpendingLimitError:
            return False

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(ask, images(8)))
    assert sum(done) == 3 == len(server.asked) and spending.cost[MODEL] == pytest.approx(0.9)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -(10**9), "completion_tokens": 50},
        {"prompt_tokens": 900, "completion_tokens": -(10**15)},
        {"prompt_tokens": 0, "completion_tokens": 0},
        {},
    ],
    ids=["negative input", "negative output", "nothing", "empty"],
)
def test_a_count_of_tokens_that_cannot_be_is_charged_as_expected(server, tmp_path, usage):
    spending = LocalSpending(Limits(max_cost=0.025, prices={MODEL: Price(input_text=10, output_text=10, estimate=0.0125)}))
    model_client = ModelClient(ResponseCache(tmp_path), spending)
    server.usage = usage
    for seed in range(10):
        try:
            model_client.caption(captioner(server), images(1, seed=seed))
        except SpendingLimitError:
            continue
    assert len(server.asked) == 2 and spending.cost == {MODEL: pytest.approx(0.025)}


def test_costs_never_fall_below_nothing():
    assert Price(estimate=1).charged("caption", {"tokens": {"input_text": float("nan"), "output_text": 1}}) == 1
    spending = LocalSpending()
    spending.reserve(MODEL, 0.5)
    spending.settle(MODEL, 0.5, -9999.9)
    spending.withdraw(MODEL, 0.5)
    assert spending.cost == {MODEL: 0.0}


def test_failures_cost_nothing_and_refusals_what_was_expected(server, tmp_path):
    spending = LocalSpending(Limits(max_cost=1.0, prices={MODEL: Price(input_text=2.5, estimate=0.25)}))
    model_client = ModelClient(ResponseCache(tmp_path), spending)
    server.faults = [Fault(500, {}), Fault(200, chat(None, refusal="no"))]
    with pytest.raises(GenerativeError):
        model_client.caption(captioner(server), images(1))
    assert spending.cost[MODEL] == 0.0
    with pytest.raises(RefusalError):
        model_client.caption(captioner(server), images(1))
    assert spending.cost[MODEL] == 0.25 and spending.calls[MODEL] == 2


def test_an_answer_that_is_of_no_use_is_counted_as_it_was_expected(server):
    spending = LocalSpending(Limits(max_cost=1.0, prices={MODEL: Price(estimate=0.25), "openai:painter-1": Price(call=0.125)}))
    model_client = ModelClient(None, spending)
    spent = chat("", "length")
    server.faults = [Fault(200, spent), Fault(200, b"<html>"), Fault(200, {"data": [{"b64_json": "AAAA"}]})]
    for _ in range(2):
        with pytest.raises(UnusableResponseError):
            model_client.caption(captioner(server), images(1))
    with pytest.raises(UnusableResponseError, match="cannot be read"):
        model_client.edit(editor(server), images(1), ["a cat"])
    assert spending.cost == {MODEL: 0.5, "openai:painter-1": 0.125} and sum(spending.calls.values()) == 3 == len(server.asked)


def test_calls_that_reach_no_model_are_not_counted(server):
    spending = LocalSpending(Limits(max_calls=2, max_cost=1.0, prices={MODEL: Price(estimate=0.25)}))
    model_client = ModelClient(None, spending)
    server.faults = [Fault(401, error("wrong key"))]
    for seed in range(4):
        with pytest.raises(ModelUnavailableError, match="not accepted"):
            model_client.caption(captioner(server), images(1, seed=seed))
    assert spending.calls == {MODEL: 0} and spending.cost == {MODEL: 0.0} and len(server.asked) == 1
    assert len(ModelClient(None, spending).caption(captioner(server), images(2))) == 2 and spending.calls == {MODEL: 2}


def test_no_call_is_paid_whose_answer_would_be_lost(server, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "the disk is full")

    (tmp_path / "bank").write_text("no folder")
    model_client = ModelClient(ResponseCache(tmp_path / "bank"), LocalSpending())
    for seed in range(3):
        with pytest.raises((CacheWriteError, CacheError), match="bank"):
            model_client.caption(captioner(server), images(1, seed=seed))
    assert len(server.asked) <= 1
    monkeypatch.setattr(response_cache, "create_atomic", full)
    model_client = ModelClient(ResponseCache(tmp_path / "full"), LocalSpending(Limits(prices={MODEL: Price(call=0.5)})))
    server.asked.clear()
    for seed in range(3):
        with pytest.raises(CacheWriteError, match="the disk is full; .*; calls cost money"):
            model_client.caption(captioner(server), images(1, seed=seed))
    assert len(server.asked) == 1 and model_client.spending.cost == {MODEL: 0.5}


def test_a_model_without_a_price_is_not_called_under_a_limit_of_cost(server, tmp_path):
    model_client = ModelClient(ResponseCache(tmp_path), LocalSpending(Limits(max_cost=1.0)))
    with pytest.raises(UnpricedModelError, match=f"max_cost is 1.0 and {MODEL} has no price"):
        model_client.caption(captioner(server), images(1))
    with pytest.raises(UnpricedModelError):
        model_client.price_of_call(captioner(server))
    assert not server.asked
    assert ModelClient(spending=LocalSpending(Limits(max_cost=0.0))).caption(CaptionerSettings(model="dataset"), images(1), ["a"]) == ["a"]


def test_estimates_follow_the_prices():
    assert Price(call=0.04).expected("edit") == 0.04
    assert Price(estimate=0.1, call=0.04).expected("caption") == 0.1
    assert Price(input_text=10, input_image=10, output_image=40).expected("edit") == pytest.approx((200 * 10 + 400 * 10 + 1100 * 40) / 1e6)
    assert Price(call=1).charged("edit", {}) == 1 and Price(output_text=1e6).charged("caption", {"tokens": {"output_text": 2}}) == 2
