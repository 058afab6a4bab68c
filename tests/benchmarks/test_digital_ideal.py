"""The reference at capacity: everything arrives, and bits are charged at Shannon's limit."""

import math

import pytest

from benchmarks.common.errors import LinkError
from benchmarks.link.digital.scheme import AT_CAPACITY
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.link import Link


@pytest.mark.parametrize(("channel", "snr_db", "bits"), [("awgn", 10.0, math.log2(11)), ("awgn", 1.0, 1.1757), ("rayleigh", 7.0, 2.16)])
def test_symbols_carry_their_capacity_and_no_more(channel, snr_db, bits):
    link = Link()
    (offer,) = link.offers(8192, "capacity", channel=channel, snr_db=snr_db)
    assert offer.payload_bytes == pytest.approx(8192 * bits / 8, rel=2e-3) and offer.delivery == 1.0
    draws = KeyedDraws(1, ["a"], channel, snr_db, 0)
    message = bytes(offer.payload_bytes)
    sent = link.send(
        channel, snr_db, draws, digital=[message], coding_mode="capacity", schemes=[offer.scheme], budget=8192, digital_in_budget=True
    )
    assert sent.digital.messages == (message,) and sent.digital.intact == (True,)
    assert 8185 < sent.entries[0].symbols_digital <= 8192
    assert sent.entries[0].text_scheme == "at capacity"


def test_a_real_link_carries_less():
    link = Link()
    for snr_db in (1.0, 4.0, 7.0, 10.0):
        (ideal,) = link.offers(8192, "capacity", channel="awgn", snr_db=snr_db)
        assert max(offer.payload_bytes for offer in link.offers(8192, "adaptive", channel="awgn", snr_db=snr_db)) < ideal.payload_bytes


def test_gaussian_symbols_are_no_modulation():
    with pytest.raises(LinkError, match="Gaussian symbols"):
        _ = AT_CAPACITY.bits_per_symbol
