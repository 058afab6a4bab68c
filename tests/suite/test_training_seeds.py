"""Grids that train by several seeds: a network a seed, what was there stays, and a row over the seeds with an interval of its own."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import suite
from suite.config.grid import Grid
from suite.config.methods import resolve
from suite.config.reading import build_grid
from suite.errors import SettingsError
from suite.prepare import prepare
from suite.report.checks import trends
from suite.report.figures import series_styles
from suite.report.intervals import mean_intervals
from suite.report.points import build_points
from suite.report.results import RunResults
from suite.report.seeds import crossed_interval, shown_points
from suite.runs.folder import RunFolder
from suite.runs.info import RunInfo
from suite.runs.labels import series_id, series_label
from suite.train.jobs import train_job

TRAINING = {"data": "scenes", "steps": 2, "crop": 32, "warmup": 1, "batch": 2, "validation_pictures": 2}
TINY = {"name": "deepjscc", "settings": {"widths": [4, 4, 4, 4], "kernel": 3}}


def keys(**training: Any) -> dict[str, Any]:
    cells = {"image_size": 32, "datasets": ["scenes"], "snr_db": [1], "cr": ["1/12"], "channels": ["awgn"], "metrics": ["psnr"], "limit": 4}
    return {"name": "seeds", "methods": [TINY, "digital/jpeg"], **cells, "training": TRAINING | training}


def grid(**training: Any) -> Grid:
    return build_grid(keys(**training))


def trained(out: Path, **training: Any) -> RunResults:
    """Train what is lacking in this process, evaluate, and return the results."""
    folder = RunFolder(out, grid(**training))
    folder.start()
    for job in prepare(folder.grid).jobs.values():
        if not (folder.layout.checkpoints / f"{job.name}.json").exists():
            train_job(job, folder.layout.checkpoints)
    file = out.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(keys(**training)))
    return suite.evaluate(file, out=out, executor="inline", quiet=True)


def test_each_trainable_method_comes_once_a_seed_and_the_others_once() -> None:
    labels = [each.label for each in resolve(grid(seeds=[0, 1, 2]))]
    assert labels == ["deepjscc/default", "deepjscc/default seed 1", "deepjscc/default seed 2", "digital/jpeg"]
    assert [each.training.seed for each in resolve(grid(seeds=[5, 4], seed=4))] == [5, 4, 4], "the last is of no training"
    taken = build_grid(grid(seeds=[0, 1]).model_dump() | {"methods": [{"name": "deepjscc", "weights": "some/folder"}]})
    assert [each.label for each in resolve(taken)] == ["deepjscc/default"]
    seeded = resolve(grid(seeds=[0, 1]))[1]
    assert pickle.loads(pickle.dumps(seeded)) == seeded and seeded.trained.seed == 1


@pytest.mark.parametrize(("seeds", "said"), [([3], "one seed is training.seed=3"), ([1, 1], "stands there twice"), ([0, -1], "seeds")])
def test_seeds_are_several_and_distinct(seeds: list[int], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        grid(seeds=seeds)


def test_what_was_made_by_one_seed_is_found_beside_others(tmp_path: Path) -> None:
    one, several = (prepare(grid(**training)) for training in ({}, {"seeds": [1, 0]}))
    first = one.jobs["deepjscc/default", one.grid.cr[0]]
    assert several.jobs["deepjscc/default", one.grid.cr[0]].identity == first.identity
    assert several.jobs["deepjscc/default seed 1", one.grid.cr[0]].identity != first.identity
    units = {unit.variant: unit.identity for unit in several.units("run", {})}
    before = {unit.variant: unit.identity for unit in one.units("run", {})}
    assert before.items() <= units.items() and set(units) - set(before) == {"default seed 1"}
    assert RunFolder(tmp_path / "a", one.grid).identity != RunFolder(tmp_path / "b", several.grid).identity
    RunFolder(tmp_path / "a", one.grid).start()
    assert RunFolder(tmp_path / "a", several.grid).grown == ["training.seeds"], "it grows by them"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    out = tmp_path_factory.mktemp("seeds") / "run"
    trained(out)
    return trained(out, seeds=[0, 1])


def test_a_grid_of_two_seeds_has_two_networks_and_a_row_over_both(results: RunResults) -> None:
    cards = list(results.layout.checkpoints.glob("*.json"))
    assert len(cards) == 2 and set(results.info.trainings) == {"deepjscc/default 1/12", "deepjscc/default seed 1 1/12"}
    assert [told.seed for told in results.info.trainings.values()] == [0, 1]
    points = results.points.set_index("variant")
    row = points.loc["default 2 seeds"]
    assert row["mean"] == pytest.approx(points.loc[["default", "default seed 1"], "mean"].mean()) and row["n"] == 4
    assert row["source"] == "default, default seed 1" and row["mark"] == ""
    names = [name for _, name in results.table("psnr").index]
    assert names[:3] == ["DeepJSCC", "DeepJSCC, 2 seeds", "DeepJSCC, seed 1"]
    assert any("Rows of 2 seeds are means" in note for note in results.notes["scenes", "awgn"])
    assert not any({"deepjscc", "deepjscc seed 1"} == {pair.first, pair.second} for pair in results.pairs.itertuples())
    assert len(results.summary) == 3, "derived rows are no methods"
    assert trends(results.records, {"psnr": "higher"}) == [], "one SNR at one CR rises nowhere, whatever the seed"


def test_looks_tell_seeds_apart_in_the_colour_of_their_method(results: RunResults) -> None:
    style = series_styles(results.points)
    own = {variant: look for (method, variant), look in style.items() if method == "deepjscc"}
    assert len(own) == 3 and len({look.colour for look in own.values()}) == 1 and len({str(look.line) for look in own.values()}) == 3
    plain = series_styles(results.points[~results.points["variant"].str.contains("seed")])
    assert plain.items() <= style.items(), "they change nobody's colour"
    assert set(shown_points(results.points)["variant"]) == {"default 2 seeds", "jpeg"}
    assert series_id("deepjscc", "default seed 1") == "deepjscc seed 1"
    assert series_label("gened_sc", "full 3 seeds/stage-one [Eb/N0]") == "GenED-SC, 3 seeds, stage one [Eb/N0]"


def test_images_alike_leave_student_s_interval_over_the_seeds() -> None:
    values = np.tile([19.0, 20.0, 21.0], (6, 1))
    found = crossed_interval(values)
    assert found.mean[0] == 20.0 and found.high[0] - 20.0 == pytest.approx(4.302653 / np.sqrt(3)) == pytest.approx(20.0 - found.low[0])


def test_seeds_alike_leave_the_interval_over_images_and_others_widen_it() -> None:
    images = np.random.default_rng(1).normal(25.0, 2.0, 12)
    one = mean_intervals(images[:, None])
    alike = crossed_interval(np.stack([images, images, images], axis=1))
    assert (alike.low[0], alike.high[0]) == pytest.approx((one.low[0], one.high[0]))
    apart = crossed_interval(np.stack([images - 0.5, images, images + 0.5], axis=1))
    assert apart.low[0] < one.low[0] and apart.high[0] > one.high[0]
    grouped = crossed_interval(np.stack([images - 0.5, images, images + 0.5], axis=1), np.repeat(np.arange(4), 3))
    assert np.isfinite(grouped.low[0]) and grouped.low[0] != apart.low[0]


def test_an_image_that_lacks_a_seed_takes_no_part() -> None:
    values = np.array([[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [9.0, np.nan]])
    found = crossed_interval(values)
    assert found.n[0] == 3 and found.mean[0] == pytest.approx(values[:3].mean())
    assert np.isnan(crossed_interval(np.full((3, 2), np.nan)).low[0])


def test_the_interval_holds_the_mean_of_all_images_and_trainings() -> None:
    random, held, alone = np.random.default_rng(5), 0, 0
    for _ in range(150):
        values = random.normal(0, 1, (16, 1)) + random.normal(0, 0.5, (1, 3)) + random.normal(0, 0.2, (16, 3))
        found, single = crossed_interval(values), mean_intervals(values[:, :1])
        held += bool(found.low[0] <= 0 <= found.high[0])
        alone += bool(single.low[0] <= 0 <= single.high[0])
    assert held >= 0.92 * 150, "95 to 99 % in the long run"
    assert alone < 0.85 * 150, "the images of one network say nothing of other trainings"


def test_a_cell_that_lacks_a_seed_has_no_row() -> None:
    cell = {"run": "r", "method": "m", "dataset": "d", "cr": 1 / 24, "channel": "awgn", "repetition": 0, "status": "ok", "error": ""}
    rows = [
        cell | {"variant": variant, "image": f"i{image}", "snr_db": snr, "symbols_total": 10, "psnr": 20.0 + image + snr}
        for variant in ("base", "base seed 7")
        for snr in (1.0, 4.0)
        for image in range(5)
        if (variant, snr) != ("base seed 7", 4.0)
    ]
    info = RunInfo.of({"metrics": {"psnr": {"title": "PSNR (dB)", "better": "higher"}}})
    points = build_points(pd.DataFrame(rows), info).points
    assert points.loc[points["variant"].eq("base 2 seeds"), "snr_db"].tolist() == [1.0]
