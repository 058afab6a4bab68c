"""MCS tables made up for tests."""

from benchmarks.link.channels import AWGN
from benchmarks.link.digital.mcs import Curve, McsTable, Point


def curve(*points, size=106, modulation="qpsk", rate="1/2"):
    return Curve(
        modulation=modulation, code_rate=rate, payload_bytes=size, points=[Point(snr_db=s, lost=n, blocks=b) for s, n, b in points]
    )


def table(*curves, summary=AWGN.summary):
    entry = {"recipe": {}, "summary": summary, "transmissions": 1, "curves": [c.model_dump() for c in curves]}
    return McsTable.model_validate({"channels": {"awgn": entry}})
