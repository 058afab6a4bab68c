"""The MCS table and the adaptive choice made from it."""

import json

import pytest

from benchmarks.common.errors import LinkError
from benchmarks.link.channels import AWGN
from benchmarks.link.digital import DigitalSettings, DigitalStream
from benchmarks.link.digital.block_curves import BLOCK_SIZES, BLOCK_SNRS, FILE_SCHEMES, BlockTrials
from benchmarks.link.digital.codec import block_code
from benchmarks.link.digital.mcs import DEFAULT_TABLE, FILE_TABLE, ONE_SHOT_TABLE, SLOW_FADING, load, table_files
from benchmarks.link.digital.measure import LADDER, SIZES, SIZES_SLOW
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.digital.trials import blocks_lost
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.link import CHANNELS
from helpers.mcs_tables import curve, table


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


def test_the_table_of_single_transmissions_covers_slow_fading_and_speaks_there_alone():
    once = load(ONE_SHOT_TABLE)
    assert set(once.channels) == set(SLOW_FADING)
    assert all(
        entry.outage and entry.transmissions == 1 and entry.summary == CHANNELS[name].summary for name, entry in once.channels.items()
    )
    adaptive = DigitalSettings(mode="adaptive")
    assert table_files(adaptive, False, ["awgn", "rayleigh"]) == (DEFAULT_TABLE,)
    assert table_files(adaptive, True, ["awgn", "tdl-a"]) == (DEFAULT_TABLE, FILE_TABLE, ONE_SHOT_TABLE)
    assert table_files(adaptive.model_copy(update={"harq": True}), False, ["tdl-a"]) == (DEFAULT_TABLE,)
    assert table_files(adaptive, False, ["tdl-a"], "ldpc") == ()
    read = load(DEFAULT_TABLE, FILE_TABLE, ONE_SHOT_TABLE)
    assert read.channel("tdl-a") == once.channel("tdl-a") and len(read.schemes("awgn")) > len(load(DEFAULT_TABLE).schemes("awgn"))


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


def loss(found, length, snr_db=4.0, rate=0.5):
    return round(found.loss("awgn", Scheme.of("qpsk", rate), length, snr_db), 9)


def test_a_block_is_judged_by_the_size_and_the_snr_below_it():
    found = table(curve((1.0, 9, 99), (4.0, 0, 99), size=64), curve((4.0, 49, 99), size=32), curve((4.0, 19, 99), size=256))
    assert loss(found, 64) == loss(found, 255) == loss(found, 64, snr_db=6.9) == 0.5 / 100
    assert loss(found, 63) == 49.5 / 100 and loss(found, 256) == 19.5 / 100
    assert loss(found, 64, snr_db=3.9) == 9.5 / 100 and loss(found, 64, snr_db=0.9) == 1.0


def test_what_was_not_measured_does_as_well_as_what_is_harder():
    found = table(curve((4.0, 0, 99), size=64, rate="3/4"), curve((1.0, 49, 99), size=64))
    assert loss(found, 64) == loss(found, 64, rate=0.6) == 0.5 / 100
    assert loss(found, 64, rate=0.8) == 1.0


def test_a_file_is_lost_with_any_of_its_blocks():
    found = table(curve((4.0, 9, 99), size=64))
    assert loss(found, 3 * 1053) == round(1 - 0.905**3, 9)


def test_the_committed_blocks_reach_what_captions_do_not():
    """Of 1053-byte blocks these schemes lose none of 100 where captions' thresholds do not trust them."""
    found, captions = load(DEFAULT_TABLE, FILE_TABLE), load(DEFAULT_TABLE)
    reached = {1.0: ("qpsk", 0.5), 4.0: ("qpsk", 0.7), 7.0: ("16qam", 0.55), 10.0: ("16qam", 0.7)}
    for snr_db, (modulation, rate) in reached.items():
        scheme = Scheme.of(modulation, rate)
        assert found.loss("awgn", scheme, 1053, snr_db) < 0.01
        assert scheme.efficiency > captions.choose("awgn", snr_db, 1053, 0.01).efficiency
    assert found.loss("rayleigh", Scheme.of("qpsk", 0.4), 1053, 1.0) < 0.01
    for name in ("awgn", "rayleigh"):
        entry = load(FILE_TABLE).channel(name)
        assert {point.snr_db for curve in entry.curves for point in curve.points} == set(BLOCK_SNRS)
        assert {curve.payload_bytes for curve in entry.curves} == set(BLOCK_SIZES) and set(entry.schemes) <= set(FILE_SCHEMES)
        assert entry.recipe["command"].startswith(f"python -m benchmarks.link.digital.measure --files --channel {name} ")


def test_a_measurement_finds_the_last_scheme_that_holds_and_the_first_beyond(monkeypatch):
    monkeypatch.setattr("benchmarks.link.digital.block_curves.BLOCK_SIZES", (32,))
    monkeypatch.setattr(BlockTrials, "_expected", lambda self, snr_db: FILE_SCHEMES.index(Scheme.of("qpsk", 0.7)))
    found = BlockTrials(CHANNELS["awgn"], 1, 25, 0.04, 20, 0).curves([5.0])
    points = {curve.scheme.efficiency: curve.points[0] for curve in found}
    held = max(efficiency for efficiency, point in points.items() if point.lost <= 1)
    assert any(point.lost > 1 for efficiency, point in points.items() if efficiency > held) and len(points) <= 5
