"""The limits beside a run: capacity times symbols, and what the coded stream really carried."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from suite.report.capacity import carried_points, limit_points, write_limits


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


@pytest.fixture
def run_dir(tmp_path) -> Path:
    (tmp_path / "run.json").write_text(json.dumps({"grid": {"image_size": 256, "link": {"rician_k": 4.0}}}))
    return tmp_path


def test_capacity_times_symbols(run_dir):
    points = limit_points(run_dir, records()).set_index(["snr_db", "cr"])
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


def test_files_are_written_and_repeat_byte_for_byte(run_dir):
    written = write_limits(run_dir, records())
    assert {path.name for path in written} == {"limits_awgn.csv", "limits_awgn.png", "limits_awgn.pdf"}
    before = [path.read_bytes() for path in written]
    assert before == [path.read_bytes() for path in write_limits(run_dir, records())]
    table = pd.read_csv(run_dir / "figures" / "limits_awgn.csv")
    assert (table["bytes_delivered"] < table["bytes_at_capacity"]).all()


def test_a_run_without_a_grid_has_no_limits(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    assert write_limits(tmp_path, records()) == []
