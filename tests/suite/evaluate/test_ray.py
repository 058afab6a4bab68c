"""The evaluation through Ray Data: the same bits as without it, for any number of workers."""

import pandas as pd
import pytest

from benchmarks.datasets import open_dataset
from suite.config.execution import EvaluationSettings, StageSettings
from suite.config.methods import resolve
from suite.evaluate.executors.inline import inline
from suite.evaluate.executors.ray_data import stream
from suite.evaluate.plan import make_units
from suite.runs.records import KEY, load

VALUES = ["psnr", "symbols_analog", "symbols_digital", "measured_snr_db", "text_ok", "status"]


def units(make_grid, images, unit):
    # A method of the project: Ray's workers import it, a test's own class they could not.
    grid = make_grid(methods=["digital/webp"], cr=["1/2"], channels=["awgn"], snr_db=[7, 20], evaluation={"batch": 1, "unit": unit})
    dataset = open_dataset("folder", images, grid.image_size, "test", grid.fit)
    return make_units("run", grid, resolve(grid), {"folder": (dataset, images)}, {}, ("psnr",), {})


@pytest.mark.parametrize(("workers", "scorers", "unit", "backwards"), [(1, 1, 2, False), (2, 0, 1, True)])
def test_workers_units_and_order_change_no_bit(workers, scorers, unit, backwards, make_grid, images, tmp_path, ray_here):
    list(inline(units(make_grid, images, 5), tmp_path / "plain"))
    work = units(make_grid, images, unit)
    settings = EvaluationSettings(workers=workers, score=StageSettings(workers=scorers))
    done = list(stream(work[::-1] if backwards else work, tmp_path / "ray", settings))
    assert {each.identity for each in done} == {each.identity for each in work}
    plain, rayed = load(tmp_path / "plain"), load(tmp_path / "ray")
    assert len(plain) == 10 and plain["status"].eq("ok").all()
    pd.testing.assert_frame_equal(plain[[*KEY, *VALUES]], rayed[[*KEY, *VALUES]], check_exact=True)
