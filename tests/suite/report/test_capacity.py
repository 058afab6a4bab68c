"""The limits beside a run: capacity times symbols, and what the coded stream really carried."""

import math
from pathlib import Path

import pandas as pd
import pytest

from suite.report.capacity import carried_points, limit_points, write_limits
from suite.report.results import RunResults
from suite.runs.info import GridInfo, RunInfo
from suite.runs.layout import RunLayout


def records() -> pd.DataFrame:
    rows = []
    for variant, intact in (("webp", 1.0), ("webp-fixed", 0.0)):
        for snr_db in (1.0, 10.0):
            for cr in (1 / 48, 1 / 24):
                rows.append(
                    {"method": "digital", "variant": variant, "channel": "awgn", "snr_db": snr_db, "cr": cr, "status": "ok",
                     "text_bytes_sent": 500.0, "text_ok": intact}
                )  # fmt: skip
    rows.append({**rows[0], "method": "swinjscc", "variant": "base", "text_bytes_sent": math.nan, "text_ok": math.nan})
    rows.append({**rows[0], "channel": "of another world"})
    return pd.DataFrame(rows)


GRID = GridInfo.model_validate({"image_size": 256, "link": {"rician_k": 4.0}, "channels": ["awgn"]})


def written_limits(folder: Path, grid: GridInfo) -> list[Path]:
    return write_limits(RunResults(RunLayout(folder), records(), RunInfo(grid=grid)), RunLayout(folder))


def test_capacity_times_symbols():
    points = limit_points(GRID, records()).set_index(["snr_db", "cr"])
    assert points.loc[(10.0, 1 / 24), "symbols"] == 8192
    assert points.loc[(10.0, 1 / 24), "bytes_at_capacity"] == pytest.approx(8192 * math.log2(1 + 10) / 8)
    # 815 and 265 symbols for 848 bits at a block error rate of 1e-3: Polyanskiy, Poor, Verdu 2010, normal approximation.
    assert points.loc[(1.0, 1 / 48), "caption_symbols_at_least"] == pytest.approx(815, abs=2)
    assert points.loc[(10.0, 1 / 48), "caption_symbols_at_least"] == pytest.approx(265, abs=2)
    assert set(points["channel"]) == {"awgn"}


def test_only_what_arrived_intact_was_carried():
    carried = carried_points(records()[lambda frame: frame["channel"].eq("awgn")])
    assert carried[carried["variant"].eq("webp")]["bytes"].eq(500).all()
    assert carried[carried["variant"].eq("webp-fixed")]["bytes"].eq(0).all()
    assert set(carried["method"]) == {"digital"}


def test_files_are_written_and_repeat_byte_for_byte(tmp_path):
    written = written_limits(tmp_path, GRID)
    assert {path.name for path in written} == {f"limits_awgn.{kind}" for kind in ("csv", "png", "pdf", "svg")}
    before = [path.read_bytes() for path in written]
    assert before == [path.read_bytes() for path in written_limits(tmp_path, GRID)]
    table = pd.read_csv(tmp_path / "figures" / "limits_awgn.csv")
    assert (table["bytes_delivered"] < table["bytes_at_capacity"]).all()


def test_a_run_without_a_grid_has_no_limits(tmp_path):
    assert written_limits(tmp_path, GridInfo()) == []
