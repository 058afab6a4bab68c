"""The digital stream from bytes to bytes: what arrives, what it costs, and that batches do not matter."""

import math
import random

import pytest
import torch
from scipy.stats import norm

from benchmarks.common.errors import LinkError
from benchmarks.link.channels import AWGN, RAYLEIGH, RAYLEIGH_BLOCK, FlatChannel
from benchmarks.link.digital import DigitalSettings, DigitalStream, char_error_rate, readable
from benchmarks.link.digital.mcs import DEFAULT_TABLE
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.draws import KeyedDraws
from helpers.mcs_tables import curve, table

CAPTION = b"A brown dog leaps over a wooden fence in a grassy yard while two children watch from a porch, at dusk in May"[:106]


class Spy:
    """A channel that counts what crosses it, an image at a time."""

    fading = True

    def __init__(self, channel: FlatChannel) -> None:
        self.name, self.summary, self.channel = channel.name, channel.summary, channel
        self.seen: dict[str, int] = {}
        self.images: list[str] = []

    def transmit(self, symbols, snr_db, draws, stream):
        assert stream == "digital"
        for image in draws.images:
            self.images.append(image)
            self.seen[image.split("/")[0]] = self.seen.get(image.split("/")[0], 0) + symbols.shape[1]
        return self.channel.transmit(symbols, snr_db, draws, stream)


def draws(count: int, channel, snr_db: float) -> KeyedDraws:
    return KeyedDraws(7, [f"image{row}" for row in range(count)], channel.name, snr_db, 0)


def send(messages, channel=AWGN, snr_db=10.0, **settings):
    return DigitalStream(DigitalSettings(**settings)).transmit(messages, channel, snr_db, draws(len(messages), channel, snr_db))


@pytest.mark.parametrize(
    "lengths", [range(0, 100), range(100, 200, 3), range(200, 301, 3), [511, 512, 1053, 1054, 2107, 4095, 4096]], ids=str
)
def test_random_bytes_survive(lengths):
    messages = [random.Random(length).randbytes(length) for length in lengths]
    coded = send(messages, snr_db=30.0)
    assert coded.messages == tuple(messages) and all(coded.intact)
    delivered = send(messages, snr_db=-20.0, mode="lossless")
    assert delivered.messages == tuple(messages) and all(delivered.intact)
    assert delivered.symbols == coded.symbols
    assert coded.bytes_sent == tuple(lengths)


def test_an_empty_message_costs_a_header():
    heard = send([b""])
    assert heard.symbols == heard.header_symbols == (55,)
    assert heard.messages == (b"",) and heard.intact == (True,)


def test_the_papers_caption_costs_436_symbols_and_a_header():
    heard = send([CAPTION])
    assert heard.symbols[0] - heard.header_symbols[0] == (848 + 24) // 2 == 436
    assert heard.header_symbols[0] == 5 * (16 + 6) // 2


@pytest.mark.parametrize("channel", [AWGN, RAYLEIGH_BLOCK], ids=lambda channel: channel.name)
@pytest.mark.parametrize("mode", ["ldpc", "adaptive", "uncoded"])
def test_a_message_does_not_depend_on_its_batch(channel, mode):
    snr_db = 6.3
    messages = [random.Random(row).randbytes(length) for row, length in enumerate([106, 0, 5, 106, 40, 106, 5, 106, 1100, 106])]
    stream = DigitalStream(DigitalSettings(mode=mode))
    keyed = draws(len(messages), channel, snr_db)
    together = stream.transmit(messages, channel, snr_db, keyed)
    alone = [stream.transmit([message], channel, snr_db, keyed.part([row])) for row, message in enumerate(messages)]
    order = list(reversed(range(len(messages))))
    shuffled = KeyedDraws(7, [keyed.images[row] for row in order], channel.name, snr_db, 0)
    backwards = stream.transmit([messages[row] for row in order], channel, snr_db, shuffled)
    for row in range(len(messages)):
        for name in ("messages", "intact", "symbols", "noise_power", "transmissions"):
            assert getattr(together, name)[row] == getattr(alone[row], name)[0] == getattr(backwards, name)[order.index(row)], (name, row)


def test_a_failed_message_is_delivered_damaged_or_not_at_all():
    damaged, nothing = (send([CAPTION] * 10, snr_db=5.0, on_failure=choice) for choice in ("damaged", "nothing"))
    assert not any(damaged.intact) and not any(nothing.intact)
    assert all(len(message) == 106 and message != CAPTION for message in damaged.messages)
    assert nothing.messages == (None,) * 10


@pytest.mark.parametrize(("modulation", "order"), [("qpsk", 2), ("16qam", 4), ("64qam", 6)])
def test_uncoded_messages_cost_their_bits_and_a_check(modulation, order):
    lengths = [0, 1, 31, 106, 1053, 1054]
    heard = send([random.Random(length).randbytes(length) for length in lengths], snr_db=30.0, mode="uncoded", modulation=modulation)
    assert all(heard.intact)
    for length, spent, header in zip(lengths, heard.symbols, heard.header_symbols, strict=True):
        blocks = -(-length // 1053)
        size = -(-length // blocks) if blocks else 0
        assert spent - header == blocks * -(-(8 * size + 24) // order)
        assert header == 55


@pytest.mark.parametrize("ebn0_db", [5.0, 7.5, 10.0])
def test_uncoded_bits_flip_as_often_as_the_closed_form_says(ebn0_db):
    # Four uncoded bits a symbol: Es/N0 is Eb/N0 + 6.02 dB.
    snr_db = ebn0_db + 10 * math.log10(4)
    messages = [random.Random(row).randbytes(400) for row in range(60)]
    heard = send(messages, snr_db=snr_db, mode="uncoded")
    wrong = [(int.from_bytes(a) ^ int.from_bytes(b)).bit_count() / 3200 for a, b in zip(messages, heard.messages, strict=True)]
    snr = 10 ** (snr_db / 10)
    expected = sum(weight * norm.sf(math.sqrt(b * snr)) for weight, b in ((0.75, 1 / 5), (0.5, 9 / 5), (-0.25, 5.0)))
    mean = sum(wrong) / len(wrong)
    assert abs(mean - expected) < 4.5 * math.sqrt(expected / (60 * 3200))
    assert heard.intact == tuple(share == 0 for share in wrong)


def test_a_damaged_uncoded_caption_stays_readable_or_is_withheld():
    damaged, nothing = (send([CAPTION] * 40, snr_db=13.0, mode="uncoded", on_failure=choice) for choice in ("damaged", "nothing"))
    rates = [char_error_rate(CAPTION.decode(), readable(message)) for message in damaged.messages]
    assert damaged.intact == nothing.intact == tuple(rate == 0 for rate in rates)
    assert 0 < sum(rates) / len(rates) < 0.2 and len(set(damaged.messages)) > 20
    assert [message is None for message in nothing.messages] == [not passed for passed in damaged.intact]


def test_without_its_header_a_message_is_lost():
    heard = send([CAPTION, b""] * 5, snr_db=-15.0)
    assert heard.messages == (None,) * 10 and not any(heard.intact)


def test_a_repeated_header_is_heard_lower():
    once, four = (send([b""] * 60, snr_db=-4.0, header_repetitions=count) for count in (1, 4))
    assert sum(four.intact) > sum(once.intact) + 10
    assert four.symbols[0] == 4 * once.symbols[0]


@pytest.mark.parametrize("compression", ["brotli", "clip-bpe"])
def test_compressed_messages_arrive_and_damaged_ones_never_raise(compression):
    text = CAPTION.lower()
    clean = send([text] * 3, compression=compression)
    assert clean.bytes_sent[0] < 90
    assert all(clean.intact)
    if compression == "brotli":
        assert clean.messages == (text,) * 3
    for snr_db in (0.0, 4.0, 6.0):
        assert all(
            message is None or isinstance(message, bytes) for message in send([text] * 15, snr_db=snr_db, compression=compression).messages
        )


@pytest.mark.parametrize(
    ("channel", "mode"),
    [(AWGN, "ldpc"), (RAYLEIGH, "adaptive"), (RAYLEIGH_BLOCK, "adaptive"), (RAYLEIGH, "lossless"), (AWGN, "uncoded")],
)
def test_what_is_charged_is_what_crossed_the_channel(channel, mode):
    spy = Spy(channel)
    messages = [CAPTION, b"", CAPTION[:30], CAPTION] * 3
    heard = DigitalStream(DigitalSettings(mode=mode)).transmit(messages, spy, 4.0, draws(len(messages), channel, 4.0))
    assert [spy.seen[f"image{row}"] for row in range(len(messages))] == list(heard.symbols)


def test_a_retransmission_meets_a_fade_of_its_own_and_is_charged():
    spy = Spy(RAYLEIGH_BLOCK)
    stream = DigitalStream(DigitalSettings(mode="adaptive", harq=True))
    keyed = draws(40, RAYLEIGH_BLOCK, 4.0)
    heard = stream.transmit([CAPTION] * 40, spy, 4.0, keyed)
    again = [row for row, count in enumerate(heard.transmissions) if count > 1]
    assert again and sum(heard.intact) >= 37
    assert all(heard.symbols[row] == heard.transmissions[row] * min(heard.symbols) for row in again)
    assert max(heard.symbols) <= stream.symbols_for(106, "rayleigh-block", 4.0)
    later = next(image for image in spy.images if "/" in image)
    fades = [KeyedDraws(7, [name], "rayleigh-block", 4.0, 0).complex_normal("block/fading", 1, 1) for name in (later.split("/")[0], later)]
    assert not torch.equal(*fades)


def test_once_on_slow_fading_loses_what_the_outage_allows():
    """Within three standard deviations of a tenth; a smaller outage is a more robust scheme."""
    keyed = draws(80, RAYLEIGH_BLOCK, 10.0)
    heard = DigitalStream(DigitalSettings(mode="adaptive")).transmit([CAPTION[:32]] * 80, RAYLEIGH_BLOCK, 10.0, keyed)
    assert set(heard.transmissions) == {1} and 80 - sum(heard.intact) <= 16
    # Where the block's symbols are repeated, the header is too: it would be lost first otherwise.
    low = DigitalStream(DigitalSettings(mode="adaptive")).transmit([CAPTION[:32]] * 80, RAYLEIGH_BLOCK, 1.0, draws(80, RAYLEIGH_BLOCK, 1.0))
    assert str(low.schemes[0]) == "qpsk 1/20" and low.header_symbols[0] == 4 * 65 and 80 - sum(low.intact) <= 16
    safer = DigitalStream(DigitalSettings(mode="adaptive", outage=0.03)).scheme(32, "rayleigh-block", 10.0)
    assert safer.efficiency < heard.schemes[0].efficiency


def test_a_table_of_messages_that_are_sent_again_is_refused_where_none_is():
    stream = DigitalStream(DigitalSettings(mode="adaptive", mcs_table=DEFAULT_TABLE))
    with pytest.raises(LinkError, match="4 transmissions.*set harq"):
        stream.check(RAYLEIGH_BLOCK)


@pytest.mark.parametrize(
    ("mode", "channel"),
    [("ldpc", "awgn"), ("adaptive", "awgn"), ("adaptive", "rayleigh-block"), ("adaptive", "rayleigh"), ("uncoded", "awgn")],
)
@pytest.mark.parametrize("snr_db", [1.0, 7.0])
def test_payload_bytes_is_what_fits(mode, channel, snr_db):
    stream = DigitalStream(DigitalSettings(mode=mode))
    assert stream.payload_bytes(10, channel, snr_db) == 0
    for symbols in (400, 1000, 8192, 16384):
        fits = stream.payload_bytes(symbols, channel, snr_db)
        assert stream.symbols_for(fits, channel, snr_db) <= symbols < stream.symbols_for(fits + 1, channel, snr_db)


def hole_table():
    """A table whose 32-byte blocks bear QPSK 1/5 alone and whose 106-byte blocks bear 3/4."""
    curves = [curve((1.0, 0, 100), size=32, rate="1/5"), curve((1.0, 0, 100), rate="1/5"), curve((1.0, 0, 100), rate="3/4")]
    return table(*curves)


def test_a_longer_payload_that_fits_is_found_behind_a_shorter_one_that_does_not(tmp_path):
    (tmp_path / "table.json").write_text(hole_table().model_dump_json())
    stream = DigitalStream(DigitalSettings(mode="adaptive", mcs_table=tmp_path / "table.json"))
    assert stream.symbols_for(105, "awgn", 4.0) > 700 > stream.symbols_for(106, "awgn", 4.0)
    assert stream.payload_bytes(700, "awgn", 4.0) >= 106


@pytest.mark.parametrize(("mode", "files"), [("ldpc", True), ("adaptive", True), ("adaptive", False)])
def test_offers_fit_and_are_sent_as_offered(mode, files):
    stream = DigitalStream(DigitalSettings(mode=mode), files)
    offers = stream.offers(700, "awgn", 10.0)
    messages = [random.Random(row).randbytes(offer.payload_bytes) for row, offer in enumerate(offers)]
    heard = stream.transmit(messages, AWGN, 10.0, draws(len(messages), AWGN, 10.0), [offer.scheme for offer in offers], 700)
    assert heard.schemes == tuple(offer.scheme for offer in offers) and max(heard.symbols) <= 700
    sizes, shares = [offer.payload_bytes for offer in offers], [offer.delivery for offer in offers]
    assert sizes == sorted(set(sizes)) and shares == sorted(shares, reverse=True)
    assert heard.intact[0] and heard.messages[0] == messages[0]


def test_a_file_costs_the_wider_index_of_its_ladder_and_captions_what_they_did():
    headers = [DigitalStream(DigitalSettings(mode="adaptive"), files).symbols_for(0, "awgn", 4.0) for files in (False, True)]
    assert headers == [65, 67]


@pytest.mark.parametrize("symbols", [256, 512, 8192])
def test_adapting_to_the_channel_costs_a_file_no_more_than_the_fixed_scheme(symbols):
    """With the fixed scheme among the offers an adaptive sender has at least its bytes, for all that its header says more."""
    (fixed,) = DigitalStream(DigitalSettings(), files=True).offers(symbols, "awgn", 7.0)
    offers = DigitalStream(DigitalSettings(mode="adaptive"), files=True).offers(symbols, "awgn", 7.0)
    assert max(offer.payload_bytes for offer in offers if offer.delivery > 0.97) >= fixed.payload_bytes


def test_a_scheme_outside_the_table_is_refused():
    stream = DigitalStream(DigitalSettings(mode="adaptive"), files=True)
    with pytest.raises(LinkError, match="message 0 asks for 64qam 1/5"):
        stream.transmit([b"x"], AWGN, 10.0, draws(1, AWGN, 10.0), [Scheme.of("64qam", 0.2)])


def test_a_message_too_long_for_its_header_is_refused():
    with pytest.raises(LinkError, match=r"300 bytes.*length_bits"):
        send([bytes(300)], length_bits=8)
