"""The evaluation without Ray: sharing, invariance, failures that stay visible, units that are recognised."""

import io
import shutil
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console

from benchmarks.datasets import open_dataset
from benchmarks.metrics import METRICS, SetMetric
from suite.config.execution import EvaluationSettings
from suite.config.methods import resolve
from suite.errors import EvaluationError
from suite.evaluate import runner
from suite.evaluate.executors.inline import inline
from suite.evaluate.plan import estimate, make_units
from suite.evaluate.stages import images as unit_images
from suite.evaluate.stages.messages import UnitInput
from suite.evaluate.stages.transmit import Transmitter
from suite.runs.columns import KEY
from suite.runs.records import load

VALUES = ["psnr", "symbols_analog", "symbols_total", "measured_snr_db", "status", "error"]


def plan(grid, folder):
    dataset = open_dataset("folder", folder, grid.image_size, "test", grid.fit)
    return make_units("run", grid, resolve(grid), {"folder": (dataset, folder)}, {}, ("psnr",), {})


def evaluated(grid, folder, out) -> pd.DataFrame:
    assert list(inline(plan(grid, folder), out))
    return load(out)


def same(first: pd.DataFrame, second: pd.DataFrame, columns=VALUES) -> None:
    pd.testing.assert_frame_equal(first[[*KEY, *columns]], second[[*KEY, *columns]], check_exact=True)


def test_every_cell_is_there_once_with_its_bill(make_grid, images, tmp_path):
    grid = make_grid(repetitions=2)
    records = evaluated(grid, images, tmp_path)
    assert len(records) == 5 * 2 * 2 * 2 * 2
    assert records["status"].eq("ok").all()
    budget = records["cr"].map(lambda cr: int(Fraction(cr).limit_denominator(100) * 3 * 32 * 32))
    assert (records["symbols_analog"] == budget).all()
    assert (records["symbols_total"] == records["symbols_analog"] + records["symbols_digital"] + records["symbols_pilot"]).all()
    assert records[["seconds_encode", "seconds_decode"]].gt(0).all(axis=None)


def test_quality_rises_with_snr(make_grid, images, tmp_path):
    records = evaluated(make_grid(), images, tmp_path)
    means = records.groupby(["channel", "cr", "snr_db"])["psnr"].mean().unstack("snr_db")
    assert (means[10.0] > means[1.0]).all()


@pytest.mark.parametrize("change", [{"evaluation": {"batch": 1, "unit": 1}}, {"evaluation": {"batch": 1, "unit": 5}}])
def test_results_do_not_depend_on_how_the_work_is_cut(change, make_grid, images, tmp_path):
    same(evaluated(make_grid(), images, tmp_path / "a"), evaluated(make_grid(**change), images, tmp_path / "b"))


def test_results_do_not_depend_on_the_order(make_grid, images, tmp_path):
    grid = make_grid()
    units = plan(grid, images)
    list(inline(units, tmp_path / "a"))
    shuffled = [units[index] for index in np.random.default_rng(0).permutation(len(units))]
    list(inline(shuffled, tmp_path / "b"))
    same(load(tmp_path / "a"), load(tmp_path / "b"))


def test_results_do_not_depend_on_the_batch_beyond_rounding(make_grid, images, tmp_path):
    alone = evaluated(make_grid(), images, tmp_path / "a")
    together = evaluated(make_grid(evaluation={"batch": 4, "unit": 4}), images, tmp_path / "b")
    assert (alone["psnr"] - together["psnr"]).abs().max() < 1e-4


def test_a_limit_changes_nothing_for_the_images_that_stay(make_grid, images, tmp_path):
    whole = evaluated(make_grid(evaluation={"batch": 4, "unit": 4}), images, tmp_path / "a")
    part = evaluated(make_grid(evaluation={"batch": 4, "unit": 4}, limit=2), images, tmp_path / "b")
    same(whole[whole["image"].isin(part["image"].unique())].reset_index(drop=True), part)


def test_methods_meet_the_same_noise(make_grid, images, tmp_path):
    records = evaluated(make_grid(methods=["blocks_for_tests", "blocks_for_tests/inverted"], cr=["1/12"]), images, tmp_path)
    one, other = (records[records["variant"] == variant] for variant in ("default", "inverted"))
    assert not np.array_equal(one["psnr"], other["psnr"])
    assert np.array_equal(one["measured_snr_db"], other["measured_snr_db"])


def test_an_image_is_encoded_once_a_ratio(make_grid, images):
    transmitter = Transmitter()
    unit = plan(make_grid(repetitions=3), images)[0]
    transmitter(UnitInput(unit))
    # Two more batches are encoded to see that the receiver goes by the link alone, three to see chance and batch mates.
    assert transmitter.networks.ends(unit).sender.calls == len(unit.images.ids) + 5


@pytest.mark.parametrize(
    ("variant", "reason"),
    [
        ("raises", "RuntimeError: the decoder broke"),
        ("nan", "PixelsError: .*nan"),
        ("shape", "ValueError: .*shape"),
        ("range", "PixelsError: .*values"),
        ("greedy", r"BudgetError: .*257 symbols.*256"),
    ],
)
def test_a_method_that_fails_has_visible_rows_and_leaves_others_alone(variant, reason, make_grid, images, tmp_path):
    records = evaluated(make_grid(methods=[f"blocks_for_tests/{variant}", "blocks_for_tests"], cr=["1/12"]), images, tmp_path)
    failed = records[records["variant"] == variant]
    assert failed["status"].eq("failed").all() and failed["psnr"].isna().all()
    assert failed["error"].str.match(reason).all()
    assert records[records["variant"] == "default"]["status"].eq("ok").all()


def test_a_cell_that_fails_leaves_the_other_cells_of_its_images_alone(make_grid, images, tmp_path):
    late = evaluated(make_grid(methods=["blocks_for_tests/late"], evaluation={"batch": 4, "unit": 4}), images, tmp_path / "a")
    whole = evaluated(make_grid(evaluation={"batch": 4, "unit": 4}), images, tmp_path / "b")
    assert late[late["snr_db"] == 10.0]["status"].eq("failed").all()
    rest, same_cells = late[late["snr_db"] == 1.0], whole[whole["snr_db"] == 1.0]
    assert rest["status"].eq("ok").all() and np.array_equal(rest["psnr"], same_cells["psnr"])


def test_one_bad_image_of_a_batch_fails_alone_and_does_not_change_its_mates(make_grid, images, tmp_path):
    whole = evaluated(make_grid(evaluation={"batch": 4, "unit": 4}), images, tmp_path / "a")
    picky = evaluated(make_grid(methods=["blocks_for_tests/picky"], evaluation={"batch": 4, "unit": 4}), images, tmp_path / "b")
    failed = picky[picky["status"] == "failed"]
    assert 0 < failed["image"].nunique() < 5
    assert failed["error"].eq("RuntimeError: this image is too bright").all()
    rest = picky[picky["status"] == "ok"].reset_index(drop=True)
    mates = whole[whole["image"].isin(rest["image"].unique())].reset_index(drop=True)
    assert np.array_equal(mates["psnr"], rest["psnr"])


def test_an_unreadable_image_is_a_failed_item_by_name(make_grid, images, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for source in sorted(images.glob("*.png"))[:2]:
        (folder / source.name).write_bytes(source.read_bytes())
    whole = (folder / "picture0.png").read_bytes()
    (folder / "picture0.png").write_bytes(whole[: len(whole) // 2])
    records = evaluated(make_grid(), folder, tmp_path / "run")
    broken = records[records["image"].str.contains("picture0")]
    assert broken["status"].eq("failed").all() and len(broken) == 8
    assert broken["error"].str.contains("picture0.png").all()
    assert records[records["image"].str.contains("picture1")]["status"].eq("ok").all()


def test_the_executor_of_this_process_resumes_and_shows_progress_as_the_other_does(make_grid, images, tmp_path):
    units = plan(make_grid(), images)
    shown = Console(record=True, width=200, file=io.StringIO())
    first = runner.evaluate(units[:2], tmp_path, units[0].grid.evaluation, shown, executor="inline")
    whole = runner.evaluate(units, tmp_path, units[0].grid.evaluation, shown, executor="inline")
    assert (first.units, whole.units) == (2, len(units) - 2) and len(load(tmp_path)) == 40
    text = shown.export_text()
    assert f"2 of {len(units)} units are done" in text and "│ blocks_for_tests " in text


def test_an_executor_that_cannot_serve_is_refused(make_grid, images, tmp_path, console):
    units = plan(make_grid(), images)
    with pytest.raises(EvaluationError, match="no executor 'dask'; choose one of auto, ray, processes, inline"):
        runner.evaluate(units, tmp_path, units[0].grid.evaluation, console, executor="dask")
    with pytest.raises(EvaluationError, match="cannot join auto"):
        runner.evaluate(units, tmp_path, units[0].grid.evaluation, console, "auto", executor="inline")
    if not torch.cuda.is_available():
        with pytest.raises(EvaluationError, match=r"evaluation.score.gpus=1 asks for a GPU and this process sees none"):
            runner.evaluate(units, tmp_path, EvaluationSettings(score={"gpus": 1.0}), console, executor="inline")


def test_this_process_keeps_its_threads(make_grid, images, tmp_path):
    before = torch.get_num_threads()
    assert [torch.get_num_threads() for _ in inline(plan(make_grid(), images), tmp_path)] == [before] * 6


def test_a_second_run_does_nothing(make_grid, images, tmp_path, console, without_ray):
    units = plan(make_grid(), images)
    tally = runner.evaluate(units, tmp_path, units[0].grid.evaluation, console)
    assert (tally.units, tally.records, len(without_ray)) == (len(units), 40, len(units))
    assert runner.evaluate(units, tmp_path, units[0].grid.evaluation, console).units == 0
    assert len(without_ray) == len(units)


@pytest.mark.parametrize("damage", [b"", b"PAR1 half", None])
def test_a_damaged_or_missing_record_file_is_recomputed(damage, make_grid, images, tmp_path, console, without_ray):
    units = plan(make_grid(), images)
    runner.evaluate(units, tmp_path, units[0].grid.evaluation, console)
    before = load(tmp_path)
    victim = tmp_path / "records" / units[1].file
    victim.unlink() if damage is None else victim.write_bytes(damage)
    runner.evaluate(units, tmp_path, units[0].grid.evaluation, console)
    assert without_ray[len(units) :] == [units[1].identity]
    same(before, load(tmp_path))


def test_failed_units_are_tried_again(make_grid, images, tmp_path, console, without_ray):
    units = plan(make_grid(methods=["blocks_for_tests/raises"], cr=["1/12"]), images)
    tally = runner.evaluate(units, tmp_path, units[0].grid.evaluation, console)
    assert tally.failures["RuntimeError: the decoder broke"] == tally.records == 20
    assert len(runner.remaining(units, tmp_path).units) == len(units)


def test_another_cut_of_the_grid_sends_nothing_again_and_sets_aside_what_it_has_no_use_for(
    make_grid, images, tmp_path, console, without_ray
):
    fine, coarse = plan(make_grid(), images), plan(make_grid(limit=1, evaluation={"batch": 1, "unit": 3}), images)
    runner.evaluate(fine, tmp_path, fine[0].grid.evaluation, console)
    before, count = load(tmp_path), len(without_ray)
    runner.evaluate(coarse, tmp_path, coarse[0].grid.evaluation, console)
    # Of each ratio the unit that the first image is in.
    assert load(tmp_path)["image"].nunique() == 2
    runner.evaluate(fine, tmp_path, fine[0].grid.evaluation, console)
    assert len(without_ray) == count
    same(before, load(tmp_path))


def test_identity_follows_what_changes_results(make_grid, images):
    def identities(**changes):
        return {unit.identity for unit in plan(make_grid(**changes), images)}

    base = identities()
    assert identities(name="other", description="x", sheet={"images": 0}, evaluation={"batch": 1, "unit": 2, "workers": 7}) == base
    for change in (
        {"seed": 2}, {"image_size": 36}, {"fit": "crop"}, {"snr_db": [1, 7]}, {"channels": ["awgn"]}, {"repetitions": 2},
        {"link": {"equalizer": "zf"}}, {"evaluation": {"batch": 2, "unit": 2}}, {"methods": ["blocks_for_tests/nan"]}, {"cr": ["1/24"]},
    ):  # fmt: skip
        assert not identities(**change) & base, change


def test_the_estimate_counts_reconstructions_and_symbols(make_grid, images):
    numbers = estimate(plan(make_grid(), images))
    assert numbers["reconstructions"] == 5 * 2 * 2 * 2
    assert numbers["visual symbols at most"] == 5 * 4 * (256 + 512)


class MeanColour(SetMetric):
    """A metric of whole cells that needs no weights: distance of the mean colours, and a count of what it was given."""

    def features(self, image):
        return image.reshape(-1, 3).mean(axis=0).astype(np.float32)

    def reduce(self, references, candidates):
        assert references.shape == candidates.shape
        return float(np.abs(references.mean(0) - candidates.mean(0)).mean() + 1000 * len(references))


def test_metrics_of_whole_cells_see_all_images_of_a_cell(make_grid, images, tmp_path, console, without_ray, monkeypatch):
    spec = replace(METRICS["gmsd"], name="colour_cell", per="cell", build=MeanColour, packages=(), minimum_side=1)
    monkeypatch.setitem(METRICS, "colour_cell", spec)
    grid = make_grid(metrics=["psnr", "colour_cell"])
    units = [replace(unit, metrics=("psnr", "colour_cell")) for unit in plan(grid, images)]
    runner.evaluate(units, tmp_path, grid.evaluation, console)
    records = load(tmp_path)
    cells = records[records["image"] == "*"]
    assert len(cells) == 2 * 2 * 2
    assert cells["colour_cell"].between(5000, 5255).all() and cells["psnr"].isna().all()
    assert records[records["image"] != "*"]["colour_cell"].isna().all()
    before = len(without_ray)
    runner.evaluate(units, tmp_path, grid.evaluation, console)
    assert len(without_ray) == before
    pd.testing.assert_frame_equal(load(tmp_path), records)


def test_a_contestant_that_could_not_be_trained_fails_visibly(make_grid, images, tmp_path):
    units = [
        replace(unit, failure_reason="TrainingError: the loss is not finite at step 7") for unit in plan(make_grid(cr=["1/12"]), images)
    ]
    list(inline(units, tmp_path))
    records = load(tmp_path)
    assert len(records) == 20 and records["status"].eq("failed").all()
    assert records["error"].eq("TrainingError: the loss is not finite at step 7").all()


def test_a_data_set_is_opened_once_for_all_its_units(make_grid, images, tmp_path, monkeypatch):
    folder = tmp_path / "images"
    shutil.copytree(images, folder)
    opened = []

    def counted(*arguments, **keys):
        opened.append(arguments)
        return open_dataset(*arguments, **keys)

    monkeypatch.setattr(unit_images, "open_dataset", counted)
    grid = make_grid(evaluation={"batch": 1, "unit": 1, "workers": 1})
    assert len(list(inline(plan(grid, folder), tmp_path / "a"))) == 10
    assert len(opened) == 1
    # A later plan of the same process meets the files of its day.
    shutil.copy(folder / "picture0.png", folder / "picture5.png")
    assert evaluated(grid, folder, tmp_path / "b")["image"].nunique() == 6
    assert len(opened) == 2
