"""The report: complete, self-contained, escaped, and the same bytes each time."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from helpers import synthetic_run
from suite.report.page import write_report
from suite.report.results import load_results
from suite.runs.layout import RunLayout


class Balance(HTMLParser):
    """Checks that every element that needs it is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_holds_tables_figures_failures_and_provenance(tmp_path: Path) -> None:
    run_dir = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    run = json.loads((run_dir / "run.json").read_text())
    (run_dir / "run.json").write_text(json.dumps(run | {"starts": [{"git": {"sha": "<b>abc</b>", "dirty": True}}]}))
    (run_dir / "figures").mkdir()
    figure = run_dir / "figures" / "snr_kodak.png"
    figure.write_bytes(b"\x89PNG image")
    page = write_report(load_results(run_dir), RunLayout(run_dir), [figure]).read_text(encoding="utf-8")
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert "PSNR (dB) ↑ (psnr) on kodak, awgn" in page and "<strong>2" in page and "failed (2)" in page
    assert "no code rate fits 40 bytes &amp; 50 % of the_budget" in page
    assert "working tree was not clean" in page and "&lt;b&gt;abc" in page and "<b>abc" not in page
    assert not re.search(r'(src|href)="(?!data:)', page), "the page must not need other files"
    first = (run_dir / "report.html").read_bytes()
    assert write_report(load_results(run_dir), RunLayout(run_dir), [figure]).read_bytes() == first
