"""What a receiver cannot do without arrives: rates below the code's lowest, no header, schemes that lose a two-thousandth at most."""

import math

import pytest
import torch

from benchmarks.common.errors import LinkError
from benchmarks.link.channels import AWGN
from benchmarks.link.digital import DigitalSettings, DigitalStream
from benchmarks.link.digital.codec import block_code
from benchmarks.link.digital.mcs import ROBUST_TABLE, SLOW_FADING, load
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.link import CHANNELS, Link

CAPTION = b"A brown dog leaps over a wooden fence in a grassy yard while two children watch from a porch, at dusk in May"[:106]


def draws(count: int, channel: str, snr_db: float) -> KeyedDraws:
    return KeyedDraws(3, [f"image{row}" for row in range(count)], channel, snr_db, 0)


def test_below_the_codes_lowest_rate_symbols_are_repeated_and_added_up():
    bits = torch.randint(0, 2, (40, 16), generator=torch.Generator().manual_seed(0)).float()
    lost = []
    for rate, symbols in (("1/5", 100), ("1/10", 200), ("1/20", 400)):
        code = block_code(16, Scheme.of("qpsk", rate), 50)
        sent = code.modulate(bits)
        assert sent.shape == (40, symbols) and code.symbols == symbols
        assert all(torch.equal(sent[:, :100], sent[:, start : start + 100]) for start in range(0, symbols, 100))
        seen = AWGN.transmit(sent, -7.0, draws(40, "awgn", -7.0), "digital")
        lost.append(int((~code.decode([code.demodulate(seen.symbols, seen.noise_variance)])[1]).sum()))
    assert lost[0] > lost[1] > lost[2] == 0
    with pytest.raises(LinkError, match="repeats no whole block"):
        Scheme.of("qpsk", "1/7")


@pytest.mark.parametrize("name", CHANNELS)
def test_side_information_arrives_at_the_lowest_snr_of_the_grids(name):
    """At most 1 of 2000 lost was measured; where the whole channel fades it is the outage that is stated, a tenth."""
    count = 100 if name in SLOW_FADING else 400
    sent = Link().send(name, 1.0, draws(count, name, 1.0), digital=[bytes([row % 256, 7]) for row in range(count)], coding_mode="robust")
    lost = count - sum(sent.digital.intact)
    assert lost <= (20 if name == "rayleigh-block" else 2)
    (entry, *_) = sent.entries
    assert entry.symbols_digital == sent.digital.symbols[0] > 0 and sent.digital.header_symbols[0] == 0
    assert entry.text_scheme == str(load(ROBUST_TABLE).choose(name, 1.0, 2, 0.1 if name == "rayleigh-block" else 5e-4))


def test_the_committed_table_covers_every_channel_as_it_is():
    found = load(ROBUST_TABLE)
    assert set(found.channels) == set(CHANNELS)
    for name, entry in found.channels.items():
        assert entry.summary == CHANNELS[name].summary and entry.transmissions == 1
        assert entry.outage == (name == "rayleigh-block")
        assert entry.recipe["command"].startswith(f"python -m benchmarks.link.digital.measure --kind robust --channel {name} ")


def test_a_robust_message_says_nothing_of_its_length():
    stream = DigitalStream(DigitalSettings(mode="robust"))
    with pytest.raises(LinkError, match="1, 2 bytes share a batch"):
        stream.transmit([b"a", b"ab"], AWGN, 10.0, draws(2, "awgn", 10.0))


@pytest.mark.parametrize(("mode", "bits"), [("ldpc", 2.0), ("uncoded", 4.0)])
def test_the_energy_of_a_bit_is_that_of_a_symbol_by_its_bits(mode, bits):
    """Es/N0 = Eb/N0 + 10 log10(bits a symbol): the same draws at 3.01 and 6.02 dB more."""
    keyed = draws(30, "awgn", 4.0)
    as_bits = DigitalStream(DigitalSettings(mode=mode, snr_as="eb_n0")).transmit([CAPTION] * 30, AWGN, 4.0, keyed)
    as_symbols = DigitalStream(DigitalSettings(mode=mode)).transmit([CAPTION] * 30, AWGN, 4.0 + 10.0 * math.log10(bits), keyed)
    assert as_bits == as_symbols
    plain = DigitalStream(DigitalSettings(mode=mode)).transmit([CAPTION] * 30, AWGN, 4.0, keyed)
    assert plain.symbols == as_bits.symbols and sum(plain.intact) == 0
    if mode == "ldpc":
        # What Fig. 8 of the paper shows: captions lost at 1 dB and whole from 4 dB on.
        assert all(as_bits.intact)
        assert not any(DigitalStream(DigitalSettings(snr_as="eb_n0")).transmit([CAPTION] * 5, AWGN, 1.0, draws(5, "awgn", 1.0)).intact)


def test_schemes_that_are_chosen_for_the_channel_are_read_at_its_snr():
    sent = [
        DigitalStream(DigitalSettings(mode="adaptive", snr_as=read)).transmit([CAPTION] * 3, AWGN, 4.0, draws(3, "awgn", 4.0))
        for read in ("es_n0", "eb_n0")
    ]
    assert sent[0] == sent[1]
