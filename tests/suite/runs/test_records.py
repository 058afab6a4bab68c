"""Record files: whole or absent, verified when read, loaded sorted and without duplicates; the schema is the documented one."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.places import ROOT
from suite.errors import RecordError
from suite.runs import parquet, records
from suite.runs.columns import COLUMNS, KEY
from suite.runs.records import arrow_schema, load, read_unit, write_unit

README = ROOT / "results" / "README.md"
PINNED = [
    *("run", "method", "variant", "dataset", "image", "cr", "channel", "snr_db", "repetition", "status", "error"),
    *("symbols_analog", "symbols_digital", "symbols_total", "measured_snr_db", "seconds_encode", "seconds_decode"),
    *("symbols_pilot", "text_bytes_sent", "text_symbols", "text_ok", "text_char_error_rate"),
    *("seconds_describe", "seconds_refine", "text_cut", "cost_usd", "text_scheme", "text_chrf"),
]


def row(**changes: Any) -> dict[str, Any]:
    """Return a valid record."""
    base = {"run": "r", "method": "m", "variant": "default", "dataset": "d", "image": "a/1", "cr": 1 / 24, "channel": "awgn", "snr_db": 4.0}
    sent = {"symbols_analog": 10, "symbols_digital": 2, "symbols_total": 12, "text_ok": True}
    return base | {"repetition": 0, "status": "ok", "error": "", "psnr": 25.0} | sent | changes


def test_columns_are_pinned_and_documented() -> None:
    assert list(records.BASE_COLUMNS) == PINNED
    section = README.read_text(encoding="utf-8").split("## The record columns")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+?) \| (.+?) \| (.+?) \|$", section, flags=re.MULTILINE)
    assert documented == [(c.name, c.dtype, c.unit or "–", c.meaning, c.present) for c in COLUMNS]


def test_schema_has_a_float_column_for_each_metric() -> None:
    schema = arrow_schema(["psnr", "fid"])
    assert schema.names == [*PINNED, "psnr", "fid"]
    assert schema.field("fid").type == pa.float64()
    assert schema.field("symbols_total").type == pa.int64()
    with pytest.raises(RecordError, match="status"):
        arrow_schema(["status"])


LATER = ["seconds_describe", "seconds_refine", "text_cut", "cost_usd", "text_scheme", "text_chrf"]


@pytest.mark.parametrize("later", [LATER, LATER[-1:]], ids=["all", "the last"])
def test_files_of_before_columns_were_added_are_read_with_nothing_in_them(tmp_path: Path, later: list[str]) -> None:
    write_unit(tmp_path / "records" / "new.parquet", [row(image="b", text_cut="the end", cost_usd=0.5)], ["psnr"])
    whole = pq.read_table(tmp_path / "records" / "new.parquet")
    old = whole.drop_columns(later).set_column(4, "image", pa.array(["a"]))
    old = old.cast(pa.schema([whole.schema.field(name) for name in old.schema.names]))
    notes = {name: value for name, value in whole.schema.metadata.items() if name in (b"rows", b"unit", b"version")}
    pq.write_table(old.replace_schema_metadata(notes), tmp_path / "records" / "old.parquet")
    frame = load(tmp_path)
    assert list(frame.columns) == [*PINNED, "psnr"] and frame["psnr"].tolist() == [25.0, 25.0]
    there = [None, "the end"] if "text_cut" in later else ["the end", "the end"]
    assert frame["text_cut"].tolist() == there and frame["text_scheme"].tolist()[0] is None and frame["cost_usd"][1] == 0.5


def test_round_trip_keeps_every_value_and_gives_numpy_types(tmp_path: Path) -> None:
    write_unit(tmp_path / "records" / "x" / "b.parquet", [row(image="b"), row(image="a", cr=None, psnr=None)], ["psnr"], "unit-1")
    lost = row(image="c", status="failed", error="why", text_ok=None, symbols_total=None)
    write_unit(tmp_path / "records" / "a.parquet", [lost], ["psnr"])
    frame = load(tmp_path)
    assert frame["image"].tolist() == ["a", "b", "c"]
    assert np.isnan(frame["cr"][0]) and frame["cr"].tolist()[1:] == [1 / 24, 1 / 24]
    assert frame["text_ok"].tolist()[:2] == [1.0, 1.0] and np.isnan(frame["text_ok"][2])
    assert np.isnan(frame["symbols_total"][2]) and frame["symbols_total"][0] == 12
    assert np.isnan(frame["psnr"][0]) and frame["psnr"][1] == 25.0
    assert frame["error"].tolist() == ["", "", "why"]
    assert all(isinstance(dtype, np.dtype) for dtype in frame.dtypes), "Arrow-backed columns behave otherwise with NaN"
    assert frame.dtypes["repetition"] == np.int64 and frame.dtypes["psnr"] == np.float64
    assert pq.read_metadata(tmp_path / "records" / "x" / "b.parquet").metadata[b"rows"] == b"2"


def test_order_of_files_and_rows_does_not_matter(tmp_path: Path) -> None:
    rows = [row(image=str(i), repetition=r, snr_db=s) for i in range(5) for r in (0, 1) for s in (1.0, 10.0)]
    write_unit(tmp_path / "one" / "records" / "all.parquet", rows, ["psnr"])
    for index, single in enumerate(reversed(rows)):
        write_unit(tmp_path / "many" / "records" / f"{index:02d}.parquet", [single], ["psnr"])
    pd.testing.assert_frame_equal(load(tmp_path / "one"), load(tmp_path / "many"))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"psnrr": 1.0}, "psnrr"),
        ({"method": None}, "method"),
        ({"status": "done"}, "done"),
        ({"status": "failed"}, "does not say why"),
        ({"snr_db": "loud"}, "wrong type"),
        ({"symbols_total": 1.5}, "wrong type"),
    ],
)
def test_bad_rows_are_refused_and_leave_no_file(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(RecordError, match=word):
        write_unit(tmp_path / "u.parquet", [row(**changes)], ["psnr"])
    assert list(tmp_path.rglob("*")) == []


def test_failing_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "records" / "u.parquet"
    write_unit(path, [row()], ["psnr"])
    before = path.read_bytes()

    def full_disk(_table: pa.Table, file: Any, **_: Any) -> None:
        file.write(b"PAR1 half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet.pq, "write_table", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_unit(path, [row(psnr=1.0)], ["psnr"])
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["u.parquet"]


def test_damaged_files_are_never_read_as_done(tmp_path: Path) -> None:
    path = tmp_path / "records" / "u.parquet"
    write_unit(path, [row(image=str(i), psnr=float(i) ** 0.5) for i in range(500)], ["psnr"], "unit-1")
    whole = path.read_bytes()
    assert read_unit(path, "unit-1").num_rows == 500
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content in (b"", whole[: len(whole) // 2], whole[:-1], b"not parquet at all", bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(RecordError, match="u.parquet"):
            read_unit(path)
        with pytest.raises(RecordError, match="run the same command again"):
            load(tmp_path)
    path.write_bytes(whole)
    with pytest.raises(RecordError, match="unit-2"):
        read_unit(path, "unit-2")
    with pytest.raises(RecordError, match="cannot be read"):
        read_unit(tmp_path / "absent.parquet")


def test_foreign_parquet_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"run": ["r"]}), tmp_path / "u.parquet")
    with pytest.raises(RecordError, match="schema version"):
        read_unit(tmp_path / "u.parquet")
    notes = {"rows": "1", "version": str(records.SCHEMA_VERSION), "unit": ""}
    pq.write_table(pa.table({"run": ["r"]}).replace_schema_metadata(notes), tmp_path / "v.parquet")
    with pytest.raises(RecordError, match="other columns"):
        read_unit(tmp_path / "v.parquet")


def test_a_key_twice_is_an_error_that_names_the_files(tmp_path: Path) -> None:
    write_unit(tmp_path / "records" / "a.parquet", [row(cr=None), row(image="z")], ["psnr"])
    write_unit(tmp_path / "records" / "b.parquet", [row(cr=None, psnr=1.5)], ["psnr"])
    write_unit(tmp_path / "records" / "c.parquet", [row()], ["psnr"])
    with pytest.raises(RecordError, match=r"a\.parquet, b\.parquet\)"):
        load(tmp_path)
    assert len(KEY) == 9


def test_a_cell_that_two_units_share_stands_there_once(tmp_path: Path) -> None:
    write_unit(tmp_path / "records" / "a.parquet", [row(cr=None, seconds_encode=1.0), row(image="z")], ["psnr"])
    write_unit(tmp_path / "records" / "b.parquet", [row(cr=None, seconds_encode=2.0), row(image="y", psnr=None)], ["psnr"])
    write_unit(tmp_path / "records" / "c.parquet", [row(image="y", psnr=None)], ["psnr"])
    frame = load(tmp_path)
    assert frame["image"].tolist() == [row()["image"], "y", "z"] and frame["seconds_encode"].iloc[0] == 1.0


def test_no_records_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no record files"):
        load(tmp_path)
    write_unit(tmp_path / "records" / "a.parquet", [], ["psnr"])
    with pytest.raises(RecordError, match="hold no rows"):
        load(tmp_path)
