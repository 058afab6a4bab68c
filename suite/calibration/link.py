"""Our measured block error rates against the tables that come with Sionna.

::

    Sionna: modulation, code rate, SNR ──> share of blocks lost, p
    ours:   at the code rates around it, the SNR at which p is lost ──linear in the code rate──> SNR, which must be theirs
"""

import json
import math
from collections.abc import Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
from scipy.special import logit

from benchmarks.link.digital.mcs import DEFAULT_TABLE, FILE_TABLE, Curve, McsTable, load
from benchmarks.link.digital.settings import Modulation
from suite.calibration.comparison import Comparison, published

BITS = 1000
# Below, the published counts are of a few blocks; above, the curves are flat.
LEAST, MOST = 1e-3, 0.8
# Decibels: 20 iterations of belief propagation there and 50 here, codes of some per cent of other length and rate, counted blocks.
TOLERANCE_DB = 0.5


def pdsch() -> Iterator[Comparison]:
    """Yield Sionna's block error rates on AWGN beside ours, as the SNRs at which the same share of blocks is lost."""
    there = published()["pdsch"]
    path = _table()
    if path is None:
        yield Comparison("PDSCH block error rates", there["source"], math.nan, None, remark="the tables lie in the wheel of sionna-no-rt")
        return
    curves = [curve for table in (DEFAULT_TABLE, FILE_TABLE) for curve in _curves(load(table))]
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["category"]["1"]["index"]["1"]["MCS"]
    for modulation, rates in there["code_rate_1024"].items():
        for index, rate in rates.items():
            if (found := content.get(str(index))) is not None:
                yield from _of_index(index, cast(Modulation, modulation), Fraction(rate, 1024), found, curves, there["source"])


def _of_index(
    index: int, modulation: Modulation, rate: Fraction, found: dict[str, Any], curves: list[Curve], source: str
) -> Iterator[Comparison]:
    errors = found["CBS"].get(str(BITS), {}).get("BLER", [])
    for snr_db, share in zip(found["SNR_db"], errors, strict=False):
        if LEAST <= share <= MOST and (ours := _snr_at(curves, modulation, rate, share)) is not None:
            what = f"MCS {index}, {modulation} {float(rate):.3f}: SNR at which {share:.2%} of the blocks are lost (dB)"
            yield Comparison(what, source, snr_db, ours, TOLERANCE_DB)


def _snr_at(curves: list[Curve], modulation: Modulation, rate: Fraction, share: float) -> float | None:
    """Return the SNR at which a share of blocks is lost at a code rate, from our curves of the rates around it; ``None`` outside them."""
    own = {}
    for curve in curves:
        # Curves of one rate differ by the length of their blocks alone; the last one's is nearest to what was published.
        if curve.modulation == modulation and (snr_db := _crossing(curve, share)) is not None:
            own[float(Fraction(curve.code_rate))] = snr_db
    rates = sorted(own)
    if not rates or not rates[0] <= rate <= rates[-1]:
        return None
    return float(np.interp(float(rate), rates, [own[each] for each in rates]))


def _crossing(curve: Curve, share: float) -> float | None:
    """Return the SNR at which a curve loses a share, linear in the logit between its points; ``None`` outside them."""
    points = sorted(curve.points, key=lambda point: -point.snr_db)
    logits = [float(logit((point.lost + 0.5) / (point.blocks + 1))) for point in points]
    wanted = float(logit(share))
    if not logits or not min(logits) <= wanted <= max(logits):
        return None
    return float(np.interp(wanted, np.maximum.accumulate(logits), [point.snr_db for point in points]))


def _curves(table: McsTable) -> list[Curve]:
    """Return the curves on AWGN whose blocks are near those that were published, of 100 bytes and more."""
    return [curve for curve in table.channels["awgn"].curves if 100 <= curve.payload_bytes <= 150]


def _table() -> Path | None:
    spec = find_spec("sionna")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / "sys" / "bler_tables" / "PDSCH_table1.json"
    return path if path.is_file() else None
