"""What calls cost and where they end: counted once, within the limits, and none whose answer would be lost."""

import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from methods.generative import Desk
from methods.generative.answers import (
    GenerativeError,
    ModelUnavailableError,
    RefusalError,
    SpendingLimitError,
    UnkeptAnswerError,
    UnusableAnswerError,
)
from methods.generative.bank import Bank, BankError
from methods.generative.settings import CaptionerSettings, EditorSettings
from methods.generative.spending import Limits, LocalSpending, Price, UnpricedModelError

torch.set_num_threads(1)
DOUBLE = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("openai_double.py"))))
server, pictures = DOUBLE.server, DOUBLE.pictures
MODEL = "openai:seer-1"


def captioner(server: Any) -> CaptionerSettings:
    return DOUBLE.captioner(server, retries=0)


def editor(server: Any) -> EditorSettings:
    return DOUBLE.editor(server, {"size": "16x16"}, retries=0)


def test_costs_are_counted_from_the_tokens_of_the_response(server, tmp_path):
    prices = {
        MODEL: Price(input_text=2.5, output_text=10, estimate=1.0),
        "openai:painter-1": Price(call=0.001, input_text=5, input_image=8, output_image=32),
    }
    spending = LocalSpending(Limits(max_cost=20, prices=prices))
    desk = Desk(Bank(tmp_path), spending)
    desk.caption(captioner(server), pictures(2))
    refined = desk.edit(editor(server), pictures(2), ["a", "b"])
    # The server tells 900 and 50 tokens for a caption, and 120, 200 and 1000 for a picture.
    each = 0.001 + (120 * 5 + 200 * 8 + 1000 * 32) / 1e6
    assert refined.cost == pytest.approx([each, each])
    assert spending.cost == pytest.approx({MODEL: 2 * (900 * 2.5 + 50 * 10) / 1e6, "openai:painter-1": 2 * each})
    again = Desk(Bank(tmp_path), LocalSpending()).edit(editor(server), pictures(2), ["a", "b"])
    assert again.cost == refined.cost and torch.equal(again.images, refined.images)


def test_max_calls_stops_cleanly_and_a_later_run_goes_on(server, tmp_path):
    settings = captioner(server)
    for run in range(3):
        desk = Desk(Bank(tmp_path), LocalSpending(Limits(max_calls=2)))
        if run < 2:
            with pytest.raises(SpendingLimitError, match="max_calls is 2"):
                desk.caption(settings, pictures(5))
            with pytest.raises(SpendingLimitError):
                desk.caption(settings, pictures(5).flip(-1))
            assert len(server.asked) == 2 * (run + 1) == len(list(tmp_path.rglob("*.json")))
    assert len(desk.caption(settings, pictures(5))) == 5 and len(server.asked) == 5
    free = Desk(Bank(tmp_path), LocalSpending(Limits(max_calls=0, max_cost=0, prices={MODEL: Price(call=1)})))
    assert len(free.caption(settings, pictures(5))) == 5


def test_max_cost_is_never_passed_by_calls_under_way(server, tmp_path):
    server.delay = 0.02
    spending = LocalSpending(Limits(max_cost=1.0, prices={MODEL: Price(call=0.3)}))
    desk = Desk(Bank(tmp_path), spending)

    def ask(picture: torch.Tensor) -> bool:
        try:
            return bool(desk.caption(captioner(server), picture[None]))
        except SpendingLimitError:
            return False

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(ask, pictures(8)))
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
    desk = Desk(Bank(tmp_path), spending)
    server.usage = usage
    for seed in range(10):
        try:
            desk.caption(captioner(server), pictures(1, seed=seed))
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
    desk = Desk(Bank(tmp_path), spending)
    server.faults = [DOUBLE.Fault(500, {}), DOUBLE.Fault(200, DOUBLE.chat(None, refusal="no"))]
    with pytest.raises(GenerativeError):
        desk.caption(captioner(server), pictures(1))
    assert spending.cost[MODEL] == 0.0
    with pytest.raises(RefusalError):
        desk.caption(captioner(server), pictures(1))
    assert spending.cost[MODEL] == 0.25 and spending.calls[MODEL] == 2


def test_an_answer_that_is_of_no_use_is_counted_as_it_was_expected(server):
    spending = LocalSpending(Limits(max_cost=1.0, prices={MODEL: Price(estimate=0.25), "openai:painter-1": Price(call=0.125)}))
    desk = Desk(None, spending)
    spent = DOUBLE.chat("", "length")
    server.faults = [DOUBLE.Fault(200, spent), DOUBLE.Fault(200, b"<html>"), DOUBLE.Fault(200, {"data": [{"b64_json": "AAAA"}]})]
    for _ in range(2):
        with pytest.raises(UnusableAnswerError):
            desk.caption(captioner(server), pictures(1))
    with pytest.raises(UnusableAnswerError, match="cannot be read"):
        desk.edit(editor(server), pictures(1), ["a cat"])
    assert spending.cost == {MODEL: 0.5, "openai:painter-1": 0.125} and sum(spending.calls.values()) == 3 == len(server.asked)


def test_calls_that_reach_no_model_are_not_counted(server):
    spending = LocalSpending(Limits(max_calls=2, max_cost=1.0, prices={MODEL: Price(estimate=0.25)}))
    desk = Desk(None, spending)
    server.faults = [DOUBLE.Fault(401, DOUBLE.error("wrong key"))]
    for seed in range(4):
        with pytest.raises(ModelUnavailableError, match="not accepted"):
            desk.caption(captioner(server), pictures(1, seed=seed))
    assert spending.calls == {MODEL: 0} and spending.cost == {MODEL: 0.0} and len(server.asked) == 1
    assert len(Desk(None, spending).caption(captioner(server), pictures(2))) == 2 and spending.calls == {MODEL: 2}


def test_no_call_is_paid_whose_answer_would_be_lost(server, tmp_path):
    (tmp_path / "bank").write_text("no folder")
    desk = Desk(Bank(tmp_path / "bank"), LocalSpending())
    for seed in range(3):
        with pytest.raises((UnkeptAnswerError, BankError), match="bank"):
            desk.caption(captioner(server), pictures(1, seed=seed))
    assert len(server.asked) <= 1
    full = Bank(tmp_path / "full")
    full._write = lambda name, content: (_ for _ in ()).throw(BankError("the disk is full"))
    desk = Desk(full, LocalSpending(Limits(prices={MODEL: Price(call=0.5)})))
    server.asked.clear()
    for seed in range(3):
        with pytest.raises(UnkeptAnswerError, match="the disk is full; calls cost money"):
            desk.caption(captioner(server), pictures(1, seed=seed))
    assert len(server.asked) == 1 and desk.spending.cost == {MODEL: 0.5}


def test_a_model_without_a_price_is_not_called_under_a_limit_of_cost(server, tmp_path):
    desk = Desk(Bank(tmp_path), LocalSpending(Limits(max_cost=1.0)))
    with pytest.raises(UnpricedModelError, match=f"max_cost is 1.0 and {MODEL} has no price"):
        desk.caption(captioner(server), pictures(1))
    with pytest.raises(UnpricedModelError):
        desk.price_of_call(captioner(server))
    assert not server.asked
    assert Desk(spending=LocalSpending(Limits(max_cost=0.0))).caption(CaptionerSettings(model="dataset"), pictures(1), ["a"]) == ["a"]


def test_estimates_follow_the_prices():
    assert Price(call=0.04).expected("edit") == 0.04
    assert Price(estimate=0.1, call=0.04).expected("caption") == 0.1
    assert Price(input_text=10, input_image=10, output_image=40).expected("edit") == pytest.approx((200 * 10 + 400 * 10 + 1100 * 40) / 1e6)
    assert Price(call=1).charged("edit", {}) == 1 and Price(output_text=1e6).charged("caption", {"tokens": {"output_text": 2}}) == 2
