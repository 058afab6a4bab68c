"""The MCS table and the adaptive choice made from it."""

import json

import pytest

from benchmarks.common.errors import LinkError
from benchmarks.link.channels import AWGN
from benchmarks.link.digital import DigitalSettings, DigitalStream
from benchmarks.link.digital.codec import block_code
from benchmarks.link.digital.mcs import DEFAULT_TABLE, Curve, McsTable, Point, load
from benchmarks.link.digital.measure import LADDER, SIZES, SIZES_SLOW, blocks_lost
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.link import CHANNELS


def curve(*points, size=106, modulation="qpsk", rate="1/2"):
    return Curve(
        modulation=modulation, code_rate=rate, payload_bytes=size, points=[Point(snr_db=s, lost=n, blocks=b) for s, n, b in points]
    )


def table(*curves, summary=AWGN.summary):
    entry = {"recipe": {}, "summary": summary, "transmissions": 1, "curves": [c.model_dump() for c in curves]}
    return McsTable.model_validate({"channels": {"awgn": entry}})


def test_a_scheme_is_trusted_from_the_lowest_point_from_which_all_hold():
    measured = curve((0, 50, 50), (1, 0, 500), (1.5, 30, 100), (2, 4, 500), (2.5, 0, 1000))
    assert measured.threshold_db(0.01) == 2
    assert measured.threshold_db(0.001) == 2.5
    assert curve((0, 50, 50)).threshold_db(0.01) is None


def test_too_few_blocks_prove_nothing():
    assert curve((1, 0, 500), (2, 0, 1000)).threshold_db(0.001) == 2
    assert curve((1, 0, 500)).threshold_db(0.001) is None


def test_the_most_efficient_trusted_scheme_is_chosen_and_the_most_robust_below_all():
    found = table(curve((1.0, 0, 100)), curve((7.0, 0, 100), modulation="16qam"), curve((3.0, 0, 100), rate="3/4"))
    chosen = [str(found.choose("awgn", snr_db, 106, 0.01)) for snr_db in (-5.0, 1.0, 2.9, 3.0, 6.99, 7.0)]
    assert chosen == ["qpsk 1/2", "qpsk 1/2", "qpsk 1/2", "qpsk 3/4", "qpsk 3/4", "16qam 1/2"]


def test_a_payload_is_judged_by_the_largest_size_that_does_not_exceed_it():
    found = table(
        curve((1.0, 0, 100), size=32), curve((3.0, 0, 100), size=32, rate="3/4"), curve((1.0, 0, 100)), curve((2.0, 0, 100), rate="3/4")
    )
    assert [str(found.choose("awgn", 2.0, length, 0.01)) for length in (5, 105, 106, 4000)] == [
        "qpsk 1/2",
        "qpsk 1/2",
        "qpsk 3/4",
        "qpsk 3/4",
    ]


def test_errors_name_the_command_that_measures():
    found = table(curve((1.0, 0, 100)))
    with pytest.raises(LinkError, match=r"'mars'.*python -m benchmarks.link.digital.measure --channel mars"):
        found.choose("mars", 1.0, 10, 0.01)
    with pytest.raises(LinkError, match=r"100 blocks.*--target 0.001 --blocks 10000"):
        found.choose("awgn", 1.0, 10, 0.001)


def test_a_table_of_another_channel_is_refused(tmp_path):
    path = tmp_path / "table.json"
    path.write_text(table(curve((1.0, 0, 100)), summary="h = 2").model_dump_json())
    stream = DigitalStream(DigitalSettings(mode="adaptive", mcs_table=path))
    with pytest.raises(LinkError, match="measured 'awgn' as 'h = 2'"):
        stream.transmit([b"x"], AWGN, 1.0, KeyedDraws(1, ["a"], "awgn", 1.0, 0))


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "bad.json").write_text(json.dumps({"channels": {"awgn": 3}}))
    with pytest.raises(LinkError, match="no MCS table"):
        load(tmp_path / "bad.json")
    with pytest.raises(LinkError, match="there is no MCS table"):
        load(tmp_path / "none.json")


def test_the_committed_table_measures_the_channels_as_they_are():
    found = load(DEFAULT_TABLE)
    assert {"awgn", "rayleigh", "rayleigh-real", "rayleigh-block"} <= set(found.channels)
    for name, entry in found.channels.items():
        assert entry.summary == CHANNELS[name].summary
        assert entry.recipe["command"].startswith(f"python -m benchmarks.link.digital.measure --channel {name}")
        assert found.sizes(name) == (SIZES if entry.transmissions == 1 else SIZES_SLOW)
        assert len(found.schemes(name)) == len(LADDER)


def test_adaptive_captions_cost_what_the_channel_supports():
    stream = DigitalStream(DigitalSettings(mode="adaptive"))
    header = stream.symbols_for(0, "awgn", 1.0)
    assert header == 65
    assert [stream.symbols_for(106, "awgn", snr_db) - header for snr_db in (1.0, 4.0, 7.0, 10.0)] == [1090, 654, 436, 364]


@pytest.mark.parametrize(
    ("name", "modulation", "rate"), [("awgn", "16qam", 0.5), ("rayleigh", "qpsk", 0.5), ("rayleigh-block", "qpsk", 0.5)]
)
def test_the_committed_thresholds_hold_on_other_noise(name, modulation, rate):
    scheme = Scheme.of(modulation, rate)
    entry = load(DEFAULT_TABLE).channel(name)
    (found,) = (c for c in entry.curves if c.scheme == scheme and c.payload_bytes == 32)
    code = block_code(8 * 32, scheme, 50, combines=entry.transmissions > 1)
    lost = [blocks_lost(code, CHANNELS[name], found.threshold_db(0.01) + shift, entry.transmissions, 99, 0, 100) for shift in (0.0, -4.0)]
    assert lost[0] <= 6 < lost[1]
