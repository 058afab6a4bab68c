"""Generative methods in a grid, asked over a real server on loopback: nothing asked twice, nothing spent beyond a limit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from benchmarks.metrics import METRICS
from helpers.generative_runs import METHODS, TINY, VALUES, evaluated, questions
from helpers.openai_double import Fault, error
from methods.generative import SpendingLimitError
from suite.config.methods import resolve
from suite.evaluate import runner
from suite.evaluate.costs import read_spending
from suite.evaluate.executors.inline import inline
from suite.evaluate.forecast import told
from suite.evaluate.stages.captions import sources_of
from suite.runs.columns import KEY
from suite.runs.records import load

torch.set_num_threads(1)
REFUSED = error("Your request was rejected by the safety system.", "moderation_blocked")


def test_every_method_is_measured_and_no_question_is_asked_twice(grid, plan, server, tmp_path):
    records = evaluated(plan(grid()), tmp_path / "run")
    assert records["status"].eq("ok").all(), records["error"].unique()
    counts = records.groupby(["method", "variant"]).size().to_dict()
    assert counts == {
        **{("nam24", "default"): 4, ("hosonuma25", "default"): 4},
        **{("gened_sc", "full"): 4, ("gened_sc", "full/stage-one"): 4},
    }
    asked = questions(server)
    assert len(asked) == len(set(asked))
    # Three methods describe two images with one captioner.
    assert sum("/chat/" in each for each in asked) == 2
    refined = records[~records["variant"].str.endswith("stage-one")]
    assert refined["seconds_refine"].gt(0).all() and refined["seconds_describe"].gt(0).all() and refined["text_cut"].eq("").all()
    assert records[records["variant"].str.endswith("stage-one")]["seconds_refine"].isna().all()
    coarse, final = (records[records["variant"] == variant] for variant in ("full/stage-one", "full"))
    assert not np.array_equal(coarse["psnr"], final["psnr"])
    # The caption is for the editor alone: the image before it did without.
    assert np.array_equal(coarse["symbols_total"], coarse["symbols_analog"]) and coarse["symbols_digital"].eq(0).all()
    assert coarse["seconds_describe"].isna().all()
    assert coarse["text_bytes_sent"].isna().all() and coarse["text_ok"].isna().all() and final["text_ok"].notna().all()
    assert np.array_equal(coarse["symbols_analog"], final["symbols_analog"]) and final["symbols_digital"].gt(0).all()
    assert np.array_equal(final["symbols_total"], final["symbols_analog"] + final["symbols_digital"])
    captions = pq.read_table(tmp_path / "run" / "captions.parquet").to_pandas()
    assert captions.groupby("image")["caption"].nunique().eq(1).all() and set(captions["method"]) == {"nam24", "hosonuma25", "gened_sc"}
    assert captions["caption"].str.startswith("an image of mean").all() and captions["model"].eq("openai:seer-1").all()


def test_another_run_that_shares_the_bank_asks_nothing_and_finds_the_same(grid, plan, server, tmp_path):
    first = evaluated(plan(grid()), tmp_path / "one")
    count = len(server.posts())
    second = evaluated(plan(grid(evaluation={"batch": 1, "unit": 1})), tmp_path / "two")
    assert len(server.posts()) == count
    pd.testing.assert_frame_equal(first[[*KEY, *VALUES]], second[[*KEY, *VALUES]], check_exact=True)
    assert not read_spending(tmp_path / "two").calls


def test_a_limit_of_calls_stops_the_run_and_a_higher_one_goes_on(grid, plan, server, tmp_path, console, without_ray):
    whole = evaluated(plan(grid(generative={"bank": str(tmp_path / "other")})), tmp_path / "whole")
    distinct = set(questions(server))
    server.asked.clear()
    done: list[int] = []
    for limit in (1, 5, 200):
        units = plan(grid(generative={"max_calls": limit}))
        if limit < 200:
            with pytest.raises(SpendingLimitError, match=f"max_calls is {limit} "):
                runner.evaluate(units, tmp_path / "run", units[0].grid.evaluation, console)
            assert len(server.posts()) == sum(read_spending(tmp_path / "run").calls.values()) == limit
            done.append(sum(1 for _ in (tmp_path / "run" / "records").rglob("*.parquet")))
        else:
            runner.evaluate(units, tmp_path / "run", units[0].grid.evaluation, console)
    assert done[0] == 0, "without all captions nothing is sent"
    assert sorted(questions(server)) == sorted(distinct)
    records = load(tmp_path / "run")
    pd.testing.assert_frame_equal(records[[*KEY[1:], *VALUES]], whole[[*KEY[1:], *VALUES]], check_exact=True)


def test_a_limit_of_cost_counts_what_was_spent_before(grid, plan, server, tmp_path, console, without_ray):
    prices = {"openai:seer-1": {"call": 0.25}, "openai:painter-1": {"call": 0.5}}
    units = plan(grid(methods=["nam24"], generative={"max_cost": 1.0, "prices": prices}))
    for _ in range(2):
        with pytest.raises(SpendingLimitError, match="max_cost is 1 dollars"):
            runner.evaluate(units, tmp_path / "run", units[0].grid.evaluation, console)
    spent = read_spending(tmp_path / "run")
    assert spent.calls == {"openai:seer-1": 2, "openai:painter-1": 1} and sum(spent.cost.values()) == pytest.approx(1.0)
    assert len(server.posts()) == 3
    units = plan(grid(methods=["nam24"], generative={"max_cost": 9.0, "prices": prices}))
    runner.evaluate(units, tmp_path / "run", units[0].grid.evaluation, console)
    assert load(tmp_path / "run")["cost_usd"].eq(0.5).all()


def test_a_refusal_is_a_failed_cell_and_is_not_asked_again(grid, plan, server, tmp_path, console, without_ray):
    units = plan(grid(methods=["nam24"], concurrency=1, snr_db=[20]))
    server.faults = [None, None, Fault(400, REFUSED)]
    for _ in range(2):
        tally = runner.evaluate(units, tmp_path / "run", units[0].grid.evaluation, console)
        assert not tally.stopped
        records = load(tmp_path / "run")
        failed = records[records["status"] == "failed"]
        assert len(records) == 2 and len(failed) == 1
        assert failed["error"].str.match("RefusalError: .*safety system").all()
    assert len(server.posts()) == 4


def test_an_image_that_cannot_be_described_fails_alone(grid, plan, server, tmp_path):
    server.faults = [Fault(400, REFUSED)]
    records = evaluated(plan(grid(methods=METHODS[:1], concurrency=1)), tmp_path / "run")
    failed = records[records["status"] == "failed"]
    assert failed["image"].nunique() == 1 and len(failed) == 2 and failed["error"].str.startswith("RefusalError").all()
    assert records[records["status"] == "ok"]["image"].nunique() == 1
    captions = pq.read_table(tmp_path / "run" / "captions.parquet").to_pandas()
    assert captions["error"].str.startswith("RefusalError").sum() == 1


@pytest.mark.parametrize("concurrency", [3, 64])
def test_calls_under_way_are_many_and_never_more_than_allowed(concurrency, grid, plan, server, tmp_path):
    server.delay, server.together = 0.05, min(concurrency, 21)
    # Nearly every text arrives, and damaged, so nearly every image is another question.
    noisy = {"snr_db": [0.5 * step for step in range(13)], "repetitions": 2, "link": {"digital": {"header_repetitions": 8}}}
    evaluated(plan(grid(concurrency, methods=["nam24"], limit=5, evaluation={"unit": 8}, **noisy)), tmp_path / "run")
    assert len(server.posts()) > 70 and min(concurrency - 1, 20) < server.peak <= concurrency


def test_workers_that_fail_in_the_middle_of_a_batch_lose_no_answer(grid, plan, server, tmp_path):
    server.faults = [None, None, Fault(500, error("overloaded")), None]
    records = evaluated(plan(grid(methods=["nam24"], snr_db=[20], evaluation={"batch": 2, "unit": 2})), tmp_path / "run")
    assert sorted(records["status"]) == ["failed", "ok"]
    again = evaluated(plan(grid(methods=["nam24"], snr_db=[20], evaluation={"batch": 2, "unit": 2})), tmp_path / "run")
    assert again["status"].eq("ok").all() and len(server.posts()) == 5


def test_metrics_of_text_take_the_captioners_words_where_the_data_set_has_none(grid, plan, server, tmp_path, monkeypatch):
    access = {"base_url": server.url, "timeout": 60, "retries": 0}
    prices = {"openai:judge-1": {"call": 0.5}, "openai:seer-1": {"call": 0.25}}
    references = {"reference_captioner": {"model": "openai:judge-1", "access": access}, "prices": prices}
    units = plan(grid(methods=["blocks_for_tests"], generative=references), ("psnr", "clip_score_vit_b_32"))
    counted = told(units, tmp_path / "run")
    assert counted[0] == "captions by openai:judge-1: 2 to ask for, 0 in the response cache, 2 calls, about $1.00"
    seen: list[str | None] = []

    class Scorer:
        columns = ("psnr", "clip_score_vit_b_32")

        def reference(self, id, image, caption, *more):
            seen.append(caption)

        def score(self, reference, pixels):
            return {}

    monkeypatch.setattr("suite.evaluate.stages.score.UnitScorer._scorer", lambda self, unit: Scorer())
    assert METRICS["clip_score_vit_b_32"].needs_caption and list(inline(units, tmp_path / "run"))
    assert len(server.posts()) == 2 and len(set(seen)) == 2 and all(str(each).startswith("an image of mean") for each in seen)
    assert {each.fields["model"] for each in server.posts()} == {"judge-1"}
    assert read_spending(tmp_path / "run").calls == {"openai:judge-1": 2}
    # A text that was written once is not asked for again, by this run or another that shares the response cache.
    assert list(inline(units, tmp_path / "run")) and list(inline(units, tmp_path / "other")) and len(server.posts()) == 2

    def identity(metrics, **models) -> str:
        return plan(grid(methods=["blocks_for_tests"], generative=models), metrics)[0].identity

    assert identity(("psnr",)) == identity(("psnr",), **references) == identity(("psnr",), captioner="openai:other")
    of_text = ("clip_score_vit_b_32",)
    assert identity(of_text) == identity(of_text, captioner="openai:other") != identity(of_text, **references)


def test_metrics_of_text_never_take_the_words_that_a_method_was_given(grid, plan, server, tmp_path):
    units = plan(grid(methods=["nam24"]), ("psnr", "clip_score_vit_b_32"))
    assert units[0].reference_captioner is None and [source.configured for source in sources_of(units[0])] == [units[0].configured]


def test_a_dry_run_counts_captions_exactly_and_images_at_most(grid, plan, server, tmp_path):
    prices = {"openai:seer-1": {"call": 0.25}, "openai:painter-1": {"call": 0.5}}
    chosen = grid(methods=METHODS[:2], generative={"prices": prices, "max_calls": 100})
    sentences = told(plan(chosen), tmp_path / "run")
    assert not server.asked and not (tmp_path / "run").exists()
    assert sentences[0] == "captions by openai:seer-1: 2 to ask for, 0 in the response cache, 2 calls, about $0.50"
    assert sentences[1].startswith("images by openai:painter-1: at most 8 calls, at most about $4.00")
    assert sentences[2] == "limits of this run folder: 100 calls, any cost; spent so far: nothing"
    evaluated(plan(chosen), tmp_path / "run")
    elsewhere = told(plan(chosen), tmp_path / "two")
    assert elsewhere[0] == "captions by openai:seer-1: 2 to ask for, 2 in the response cache, 0 calls, about $0.00"


def test_models_and_their_words_change_results_and_limits_do_not(grid, plan, tmp_path):
    def identities(**generative):
        return {unit.identity for unit in plan(grid(methods=["nam24"], generative=generative))}

    base = identities()
    assert identities(bank=str(tmp_path), max_calls=3, max_cost=1.0, concurrency=9, prices={"openai:seer-1": {"call": 1}}) == base
    assert identities(editor="openai:unused") == base
    words = tmp_path / "words.txt"
    words.write_text("Describe it in French.")
    french = identities(captioner={"model": "openai:seer-1", "prompt_file": str(words)})
    copy = tmp_path / "copy.txt"
    copy.write_bytes(words.read_bytes())
    assert identities(captioner={"model": "openai:seer-1", "prompt_file": str(copy)}) == french
    for other in (french, identities(captioner="openai:seer-2"), identities(generator={"model": "openai:painter-1", "seed": 2})):
        assert not other & base


def test_the_networks_weights_do_not_depend_on_what_only_the_evaluation_reads(grid):
    from suite.train.jobs import _trained_settings, trained_variant

    (full,) = resolve(grid(methods=METHODS[2:]))
    (plain,) = resolve(grid(methods=[{"name": "gened_sc", "variants": ["stage-one"], "settings": TINY}], generative={"editor": None}))
    assert _trained_settings(full) == _trained_settings(plain) and trained_variant(full) == trained_variant(plain) == "stage-one"
    assert full.settings != plain.settings and not {"captioner", "editor"} & set(plain.identity_fields)
    assert full.identity_fields["stage_two"] and not plain.identity_fields["stage_two"]
    (sampled,) = resolve(grid(methods=[{"name": "sgdjscc", "settings": {"steps": 7}}]))
    assert sampled.identity_fields["steps"] == 7 and "steps" not in _trained_settings(sampled)
    bare = replace(full, variant="bare", settings=full.settings)
    assert trained_variant(bare) == "bare"
