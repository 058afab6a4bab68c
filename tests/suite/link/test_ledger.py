"""The ledger against a channel that counts for itself, for every method and variant that is registered."""

from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from benchmarks.common.errors import BudgetError, LinkError, UnknownNameError
from benchmarks.link.channels import GridChannel
from benchmarks.link.digital.settings import CAPACITY
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.ledger import Entry
from benchmarks.link.link import CHANNELS, Link, LinkSettings
from methods.base import Geometry, OperatingPoint, Signal
from methods.errors import MissingAssetError
from methods.generative import CaptionerSettings
from methods.registry import METHODS
from suite.link.adapter import operating_point, send
from suite.link.end_to_end import Source, encode

SIZE = 128
CR = Fraction(1, 6)


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    """Ask no hub for what is not here."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


class SpyChannel:
    """A channel that counts what really passes through it."""

    def __init__(self, channel) -> None:
        self.channel = channel
        self.name, self.summary, self.fading = channel.name, channel.summary, channel.fading
        self.passed = 0
        self.pilots = 0
        if isinstance(channel, GridChannel):
            self.pilot_elements = channel.pilot_elements

    def transmit(self, symbols, snr_db, draws, stream, place=None):
        seen = self.channel.transmit(symbols, snr_db, draws, stream, *([place] if place else []))
        self.passed += symbols.numel()
        # One image, sent once: its streams stand on one grid.
        self.pilots = max(self.pilots, seen.pilots)
        return seen


def configured_methods():
    return [(name, variant) for name, cls in METHODS.items() for variant in cls.variants]


def image() -> torch.Tensor:
    coarse = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize(("name", "variant"), configured_methods(), ids=lambda value: str(value))
def test_the_count_is_what_a_spy_channel_saw(name, variant):
    try:
        count(name, variant, "awgn")
    except MissingAssetError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", METHODS.names())
def test_pilots_are_counted_too(name):
    entry = count(name, next(iter(METHODS.get(name).variants)), "tdl-a")
    assert entry.symbols_pilot > 0


def count(name: str, variant: str, channel: str) -> Entry:
    """Send one image through a method and a spy, and hold the ledger's entry against what the spy counted."""
    cls = METHODS.get(name)
    settings = cls.Settings(**{**cls.presets["compact"], **cls.variants[variant]})
    if "captioner" in cls.Settings.model_fields:
        settings = settings.model_copy(update={"captioner": CaptionerSettings(model="dataset")})
    traits = cls.traits(settings)
    cr = CR if traits.rates == "variable" else None
    method = cls(settings, Geometry(SIZE, SIZE, None if traits.one_model_for_all_rates else cr))
    link = Link()
    spy = link._channels[channel] = SpyChannel(CHANNELS[channel])
    point = operating_point(link, cr, 10.0, channel)
    with torch.inference_mode():
        descriptions = method.describe(image(), ["a red boat on a blue sea"]) if traits.describes else None
        signal = encode(method, Source(image(), torch.ones(1, 1, SIZE, SIZE), descriptions), point)
        assert not traits.describes or signal.digital is not None or signal.texts is not None
        # A variant that gives streams away, as a published accounting does, is counted in full here.
        signal = replace(signal, uncharged=frozenset())
        drawn = KeyedDraws(1, ["image"], channel, 10.0, 0)
        budget = Geometry(SIZE, SIZE).limit(cr)
        received, (entry,) = send(link, signal, point, drawn, budget=budget, digital_in_budget=traits.digital_in_budget)
        decoded = method.decode(received, point)
    if traits.coding_mode == CAPACITY:
        # Shannon's limit by decree: nothing crosses the channel, and the budget is charged.
        assert spy.passed == 0 and entry.text_scheme == "at capacity" and 0 < entry.symbols_total <= budget
    else:
        assert entry.symbols_analog + entry.symbols_digital == spy.passed > 0
        assert entry.symbols_pilot == spy.pilots
        assert entry.symbols_total == spy.passed + spy.pilots
    assert (decoded is not None) == traits.coarse
    if decoded is not None:
        assert decoded.shape == (1, 3, SIZE, SIZE) and 0 <= decoded.min() and decoded.max() <= 1
    return entry


def draws(rows: int = 1) -> KeyedDraws:
    return KeyedDraws(1, [f"image{row}" for row in range(rows)], "awgn", 10.0, 0)


def symbols(rows: int, length: int) -> torch.Tensor:
    return torch.randn(rows, length, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))


def test_a_signal_beyond_its_budget_is_refused_with_both_numbers():
    with pytest.raises(BudgetError, match=r"spends 101 symbols an image, the budget is 100"):
        Link().send("awgn", 10.0, draws(), analog=symbols(1, 101), budget=100)
    with pytest.raises(BudgetError, match="the budget is 100"):
        Link().send("awgn", 10.0, draws(), digital=[bytes(300)], budget=100, digital_in_budget=True)


def test_side_information_and_captions_come_on_top_of_the_budget_and_in_the_total():
    sent = Link().send("awgn", 30.0, draws(), analog=symbols(1, 100), side=symbols(1, 20), digital=[b"a red boat"], text=True, budget=100)
    (entry,) = sent.entries
    assert entry.symbols_analog == 120
    assert entry.symbols_digital == sent.digital.symbols[0] > 40
    assert entry.symbols_total == 120 + entry.symbols_digital
    assert sent.digital.messages == (b"a red boat",) and entry.text_ok and entry.text_bytes_sent == 10


def test_streams_that_a_published_accounting_gives_away_are_left_out():
    free = frozenset({"side", "digital"})
    sent = Link().send("awgn", 30.0, draws(), analog=symbols(1, 100), side=symbols(1, 20), digital=[b"a red boat"], uncharged=free)
    assert sent.entries[0].symbols_total == sent.entries[0].symbols_analog == 100
    assert sent.side is not None and sent.digital.messages == (b"a red boat",)


def test_streams_must_cover_the_same_images():
    with pytest.raises(LinkError, match="batch sizes"):
        Link().send("awgn", 10.0, draws(2), analog=symbols(2, 10), digital=[b"one"])
    with pytest.raises(LinkError, match="at least one"):
        Link().send("awgn", 10.0, draws())


@pytest.mark.parametrize("name", list(CHANNELS))
def test_a_row_does_not_depend_on_its_batch_mates(name):
    link = Link()
    together = link.send(name, 10.0, KeyedDraws(1, ["a", "b"], name, 10.0, 0), analog=symbols(2, 600))
    alone = link.send(name, 10.0, KeyedDraws(1, ["b"], name, 10.0, 0), analog=symbols(2, 600)[1:])
    assert torch.equal(together.analog.symbols[1:], alone.analog.symbols)
    assert together.entries[1] == alone.entries[0]


def test_text_is_compressed_where_asked_and_nothing_else_is():
    link = Link(LinkSettings(digital={"compression": "brotli"}))
    caption = b"A brown dog leaps over a wooden fence in a grassy yard while two children watch from a porch."
    text = link.send("awgn", 30.0, draws(), digital=[caption], text=True)
    plain = link.send("awgn", 30.0, draws(), digital=[caption])
    assert text.digital.messages == plain.digital.messages == (caption,)
    assert text.entries[0].text_bytes_sent < plain.entries[0].text_bytes_sent == len(caption)


def test_an_unknown_channel_or_protection_is_named():
    with pytest.raises(UnknownNameError, match=r"unknown channel 'awgm'\. Did you mean 'awgn'\? Known: awgn, "):
        Link().send("awgm", 10.0, draws(), analog=symbols(1, 4))
    with pytest.raises(LinkError, match="unknown protection 'strong'"):
        Link().send("awgn", 10.0, draws(), digital=[b"x"], coding_mode="strong")


def test_a_signal_needs_a_channel_and_an_snr():
    with pytest.raises(LinkError, match="channel and an SNR"):
        send(Link(), Signal(analog=symbols(1, 4)), OperatingPoint(CR), draws())


@pytest.mark.parametrize("csi", ["perfect", "ls"])
def test_streams_of_a_signal_share_a_grid_and_its_pilots(csi):
    """4096 + 200 + 170 symbols take five OFDM symbols of data and two of pilots, not four, one and one with a pilot each."""
    link = Link(LinkSettings(ofdm={"csi": csi}))
    keyed = KeyedDraws(1, ["a", "b"], "tdl-a", 10.0, 0)
    streams = {"analog": symbols(2, 4096), "side": symbols(2, 200)}
    sent = link.send("tdl-a", 10.0, keyed, **streams, digital=[b"a red boat" * 3, b"a red boat"])
    grid = CHANNELS["tdl-a"]
    for entry in sent.entries:
        assert entry.symbols_pilot == grid.pilot_elements(entry.symbols_analog + entry.symbols_digital) == 2048
    for left_out, pilots in ((frozenset({"digital"}), 2048), (frozenset({"side", "digital"}), 1024), (frozenset({"analog"}), 1024)):
        assert {entry.symbols_pilot for entry in sent.entries_without(left_out)} == {pilots}
    free = link.send("tdl-a", 10.0, keyed, **streams, digital=[b"a"] * 2, uncharged=frozenset({"side", "digital"}))
    assert {entry.symbols_pilot for entry in free.entries} == {1024}
    if csi == "perfect":
        # What stands behind it on the grid leaves the analog stream as it is.
        alone = link.send("tdl-a", 10.0, keyed, analog=streams["analog"])
        torch.testing.assert_close(alone.analog.symbols, sent.analog.symbols, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channel", ["rayleigh-block", "tdl-a"])
def test_with_harq_analog_symbols_meet_as_many_fades_as_a_message(channel):
    """Every fourth symbol meets the fade of the same transmission of a message, at no symbol more; without HARQ there is one fade."""
    keyed, sent = KeyedDraws(1, ["a"], channel, 10.0, 0), symbols(1, 403)
    once, again = (Link(LinkSettings(digital={"harq": harq})).send(channel, 10.0, keyed, analog=sent) for harq in (False, True))
    assert once.entries[0].symbols_analog == again.entries[0].symbols_analog == 403
    assert (once.entries[0].symbols_pilot, again.entries[0].symbols_pilot) == ((0, 0) if channel == "rayleigh-block" else (1024, 4096))
    for number in range(4):
        alone = CHANNELS[channel].transmit(sent[:, number::4], 10.0, keyed.part([0], number), "analog")
        torch.testing.assert_close(again.analog.noise_variance[:, number::4], alone.noise_variance)
    if channel == "rayleigh-block":
        assert len(set(once.analog.noise_variance[0].tolist())) == 1 and len(set(again.analog.noise_variance[0].tolist())) == 4


@pytest.mark.parametrize("mode", ["ldpc", "robust"])
def test_messages_are_sent_again_with_harq_alone(mode):
    keyed, messages = KeyedDraws(1, [str(row) for row in range(40)], "rayleigh-block", 1.0, 0), [b"ab"] * 40
    once, again = (
        Link(LinkSettings(digital={"harq": harq})).send("rayleigh-block", 1.0, keyed, digital=messages, coding_mode=mode).digital
        for harq in (False, True)
    )
    assert set(once.transmissions) == {1} and max(again.transmissions) > 1 and sum(again.intact) > sum(once.intact)
    assert again.symbols == tuple(count * once.symbols[0] for count in again.transmissions)
