"""Runs that have next to nothing, too much, or strange names: every table, figure and the page still come and say what is missing."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from suite.report.results import load_results
from suite.report.rewrite import rewrite
from suite.runs.records import write_unit

METRICS = {"psnr": {"title": "PSNR (dB)", "better": "higher"}, "lpips": {"title": "LPIPS & <co>", "better": "lower"}}
ALWAYS = {"summary.csv", "summary.md", "summary.tex", "pairs.csv", "gains.csv", "ranks.csv", "bd.csv", "symbols.csv", "failures.md"}

Rows = Callable[[], Iterator[dict[str, Any]]]


def row(method: str, image: str, snr: float, value: float | None, cr: float | None = 1 / 24, **more: Any) -> dict[str, Any]:
    key = {"run": "odd", "method": method, "variant": "default", "dataset": "kodak", "image": image, "cr": cr, "channel": "awgn"}
    sent = {"symbols_analog": 100, "symbols_digital": 0, "symbols_total": 100, "symbols_pilot": 0}
    return key | {"snr_db": snr, "repetition": 0, "status": "ok", "error": "", "psnr": value, "lpips": None} | sent | more


def one_image() -> Iterator[dict[str, Any]]:
    yield from (row(method, "a", 4.0, 20.0 + place) for place, method in enumerate(("one", "two", "three")))


def one_method() -> Iterator[dict[str, Any]]:
    yield from (row("one", f"{image}", 4.0, 20.0 + image) for image in range(5))


def not_finite() -> Iterator[dict[str, Any]]:
    for image in range(5):
        yield row("one", f"{image}", 4.0, float("nan") if image < 4 else 20.0, lpips=0.1 * image)
        yield row("two", f"{image}", 4.0, float("inf"), lpips=float("nan"))


def a_failed_method() -> Iterator[dict[str, Any]]:
    for image in range(5):
        yield row("one", f"{image}", 4.0, 20.0 + image)
        yield row(
            "lost", f"{image}", 4.0, None, status="failed", error="nothing <b>came</b> & 50 %", symbols_total=None, symbols_analog=None
        )


def all_failed() -> Iterator[dict[str, Any]]:
    yield from (row("lost", f"{image}", 4.0, None, status="failed", error="no luck") for image in range(3))


def fixed_rates_alone() -> Iterator[dict[str, Any]]:
    yield from (row(method, f"{image}", snr, image + snr, cr=None) for method in ("one", "two") for image in range(4) for snr in (1.0, 7.0))


def fifty_methods() -> Iterator[dict[str, Any]]:
    yield from (row(f"method_{number}", f"{image}", 4.0, 20 + image + number / 10) for number in range(50) for image in range(4))


def strange_names() -> Iterator[dict[str, Any]]:
    for place, method in enumerate(("<script>alert(1)</script>", "=SUM(A1)", "قط & %_\\{", "two\nlines", "図 面")):
        yield from (row(method, f"{method}/{image}", 4.0, 20 + place + image) for image in range(3))


@pytest.mark.parametrize(
    "rows",
    [one_image, one_method, not_finite, a_failed_method, all_failed, fixed_rates_alone, fifty_methods, strange_names],
    ids=lambda rows: rows.__name__,
)
@pytest.mark.usefixtures("draft_figures")
def test_everything_comes_and_says_what_is_missing(rows: Rows, tmp_path: Path) -> None:
    write_unit(tmp_path / "records" / "0.parquet", list(rows()), tuple(METRICS))
    (tmp_path / "run.json").write_text(json.dumps({"name": "odd", "metrics": METRICS, "metrics_left_out": {"fid": "too few images"}}))
    results = load_results(tmp_path)
    written = {path.name for path in map(Path, map(str, rewrite(results)))}
    assert written >= ALWAYS | {"report.html"}
    if results.points["mean"].notna().any():
        assert written >= {f"{kind}_kodak_awgn_psnr.{form}" for kind in ("snr", "symbols") for form in ("png", "csv")}
        assert written >= {"kodak_awgn.csv", "kodak_awgn.md", "kodak_awgn.tex"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<script") == 2 and "alert(1)</script>" not in page
    if results.metrics:
        assert "fid (too few images)" in page
        shown = (tmp_path / "tables" / "kodak_awgn.md").read_text(encoding="utf-8")
        assert bool(re.search(r"failed \(\d", shown)) == bool(results.points["failed"].any())
    for name in ("pairs", "summary", "failures"):
        assert not [line for line in (tmp_path / "tables" / f"{name}.csv").read_text().splitlines() if line.startswith(("=", "+", "@"))]
    if rows is all_failed:
        assert "No cell has a value" in page or "No metric has a value" in page
    if rows is a_failed_method:
        assert "nothing &lt;b&gt;came&lt;/b&gt; &amp; 50 %" in page
