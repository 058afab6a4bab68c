"""The comparisons with published numbers on a terminal, a line each as it is measured, or as JSON."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from suite.bars import stages
from suite.calibration.codecs import capacity_points, kodak_codecs
from suite.calibration.comparison import Comparison
from suite.calibration.image_quality import calibration_pairs, clip_score_example
from suite.calibration.link import pdsch

_HEAD = f"{'published':>10} {'ours':>10} {'difference':>10}  "


def differing(data_dir: Path | None, as_json: bool) -> int:
    """Print every comparison and return how many differ by more than they may."""
    found = []
    if not as_json:
        print(_HEAD)
    source = ""
    # Where what is measured goes to a file, it is not in it.
    with stages("measuring", Console(stderr=True)) as told:
        for each in comparisons(data_dir):
            found.append(each)
            told(f"after {each.what}")
            if as_json:
                continue
            if each.source != source:
                source = each.source
                print(f"\n{source}")
            print(line(each), flush=True)
    if as_json:
        print(json.dumps([_plain(each) for each in found], indent=2, ensure_ascii=False))
    else:
        counts = Counter(each.state for each in found)
        print("\n" + ", ".join(f"{count} {state}" for state, count in counts.items()))
    return sum(each.state == "differs" for each in found)


def comparisons(data_dir: Path | None) -> Iterator[Comparison]:
    """Yield what can be compared here, and what would be missing for the rest.

    Args:
        data_dir: folder with ``kodak/``, ``ResultsCalibra/`` and ``clipscore/``, as far as they are there.
    """
    yield from kodak_codecs(data_dir)
    yield from capacity_points()
    yield from pdsch()
    yield from calibration_pairs(data_dir)
    yield from clip_score_example(data_dir)


def line(each: Comparison) -> str:
    """Return a comparison as a line of text."""
    numbers = (each.published, each.ours, each.difference)
    shown = " ".join(f"{_number(value, each.digits, signed=index == 2):>10}" for index, value in enumerate(numbers))
    state = "" if each.state == "agrees" else f", {each.state}"
    why = f" ({each.remark})" if each.remark else ""
    return f"{shown}  {each.what}{state}{why}"


def _number(value: float | None, digits: int, *, signed: bool) -> str:
    if value is None or math.isnan(value):
        return "–"
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"


def _plain(each: Comparison) -> dict[str, Any]:
    fields = {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in asdict(each).items()}
    return fields | {"difference": each.difference, "state": each.state}
