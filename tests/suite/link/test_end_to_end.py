"""Sending once: what a sender may see, two ends that share weights and nothing else, receivers that know more than they should."""

from fractions import Fraction
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.datasets import open_dataset
from benchmarks.link.draws import KeyedDraws, TrainingDraws
from benchmarks.link.link import Link
from methods.base import Geometry, Method, MethodSettings, OperatingPoint, Received, Signal, TrainableMethod, Traits
from methods.errors import MethodError, RateError
from methods.registry import METHODS
from suite.config.methods import resolve
from suite.evaluate.executors.inline import inline
from suite.evaluate.plan import make_units
from suite.link.adapter import operating_point
from suite.link.end_to_end import Ends, Sending, Source, encode
from suite.link.training import TrainingLinkProvider
from suite.runs.records import load

CR = Fraction(1, 12)
KEPT: list[Tensor] = []
FOUND: dict[float, torch.Tensor] = {}


def blocks() -> Method:
    cls = METHODS.get("blocks_for_tests")
    return cls(cls.Settings(), Geometry(32, 32, CR))


class Cheat(MethodSettings):
    """How the receiver comes by its image."""

    keeps: str = "itself"


class Cheater(Method):
    """Decodes as the honest test method does, but for what it keeps of the originals or takes from its batch mates."""

    Settings = Cheat
    variants = {name: {"keeps": name} for name in ("itself", "module", "found", "mates")}

    def encode(self, images, point, descriptions) -> Signal:
        self.kept = images
        KEPT[:] = [images]
        FOUND.update((float(image.mean()), image) for image in images)
        return blocks().encode(images, point, descriptions)

    def decode(self, received: Received, point):
        honest = blocks().decode(received, point)
        if self.settings.keeps == "mates":
            return (honest + honest.flip(0)) / 2
        if self.settings.keeps == "found":
            # What arrived is enough to tell which of the originals it was.
            return torch.stack([min(FOUND.values(), key=lambda image: float((image - arrived).abs().mean())) for arrived in honest])
        kept = getattr(self, "kept", honest) if self.settings.keeps == "itself" else KEPT[0]
        return kept[: len(honest)]


@pytest.fixture(autouse=True)
def _cheater():
    METHODS.register("cheater_for_tests")(Cheater)
    yield
    METHODS._entries.pop("cheater_for_tests")


def evaluated(make_grid, images, out, entry: str, **evaluation: int):
    grid = make_grid(methods=[entry], cr=["1/12"], snr_db=[10], evaluation={"batch": 2, "unit": 2, "workers": 1, **evaluation})
    dataset = open_dataset("folder", images, grid.image_size, "test", grid.fit)
    units = make_units("run", grid, resolve(grid), {"folder": (dataset, images)}, {}, ("psnr",), {})
    assert list(inline(units, out))
    return load(out)


def test_what_a_sender_keeps_on_itself_does_not_reach_the_receiver(make_grid, images, tmp_path):
    honest = evaluated(make_grid, images, tmp_path / "honest", "blocks_for_tests")
    cheater = evaluated(make_grid, images, tmp_path / "cheater", "cheater_for_tests/itself")
    assert cheater["status"].eq("ok").all() and np.array_equal(cheater["psnr"], honest["psnr"])


@pytest.mark.parametrize(
    ("variant", "size", "reason"),
    [
        ("module", 1, "once its sender has encoded others"),
        ("module", 2, "once its sender"),
        ("mates", 2, "beside other images of its batch"),
        ("found", 1, "without what its sender left in a module or a class"),
        ("found", 2, "without what its sender left"),
    ],
)
def test_a_receiver_that_knows_more_than_arrived_fails_every_cell(variant, size, reason, make_grid, images, tmp_path):
    records = evaluated(make_grid, images, tmp_path, f"cheater_for_tests/{variant}", batch=size)
    assert records["status"].eq("failed").all() and records["image"].nunique() == 5
    (sentence,) = records["error"].unique()
    assert f"receiver of cheater_for_tests/{variant} decodes one signal to another image {reason}" in sentence


class Taught(TrainableMethod):
    """A weight that two names share, a buffer that no checkpoint holds, and what its sender was shown."""

    shown: ClassVar[list[tuple]] = []
    looks: ClassVar[dict[str, bool]] = {}

    def __init__(self, settings: MethodSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.first = nn.Linear(4, 4)
        self.second = self.first
        self.register_buffer("steps", torch.arange(3), persistent=False)

    @classmethod
    def traits(cls, settings: MethodSettings) -> Traits:
        return Traits(trainable=True, **cls.looks)

    def encode(self, images, point, descriptions) -> Signal:
        self.shown.append((point.snr_db, descriptions, None))
        return Signal(analog=torch.ones(len(images), 8, dtype=torch.complex64))

    def encode_with_masks(self, images, point, descriptions, masks) -> Signal:
        self.shown.append((point.snr_db, descriptions, masks))
        return Signal(analog=torch.ones(len(images), 8, dtype=torch.complex64))

    def decode(self, received, point):
        return torch.full((len(received.symbols()), 3, 16, 16), 0.5)

    def loss(self, images, targets, link, point):
        raise NotImplementedError


def taught(**looks: bool) -> Taught:
    Taught.looks = looks
    Taught.shown.clear()
    return Taught(MethodSettings(), Geometry(16, 16, CR))


def test_both_ends_hold_the_same_weights_once():
    sender = taught().eval()
    ends = Ends.apart(sender, taught)
    assert isinstance(ends.receiver, Taught) and ends.receiver is not sender and not ends.receiver.training
    for (name, own), (_, other) in zip(sender.state_dict().items(), ends.receiver.state_dict().items(), strict=True):
        assert own.data_ptr() == other.data_ptr(), name
    assert torch.equal(ends.receiver.steps, sender.steps)


@pytest.mark.parametrize("looks", [{}, {"uses_snr_at_sender": True}, {"describes": True}, {"oracle_masks": True}])
def test_a_sender_sees_what_its_traits_say(looks):
    masks = torch.ones(1, 1, 16, 16)
    method = taught(**looks)
    encode(method, Source(torch.zeros(1, 3, 16, 16), masks, ["a boat"]), OperatingPoint(CR, 4.0, "awgn"))
    ((snr_db, texts, seen),) = method.shown
    assert (snr_db == 4.0) == ("uses_snr_at_sender" in looks)
    assert (texts == ["a boat"]) == ("describes" in looks) and (seen is masks) == ("oracle_masks" in looks)


@pytest.mark.parametrize(("looks", "encodings"), [({}, 1), ({"uses_snr_at_sender": True}, 2)])
def test_a_batch_is_encoded_again_only_where_the_sender_looks_at_the_channel(looks, encodings):
    link, method = Link(), taught(**looks)
    sending = Sending(Ends(method, method), Source(torch.zeros(1, 3, 16, 16)))
    for snr_db in (1.0, 10.0):
        for repetition in range(2):
            sent = sending.send(link, KeyedDraws(1, ["a"], "awgn", snr_db, repetition), operating_point(link, CR, snr_db, "awgn"))
            assert sent.entries[0].symbols_total == 8
    assert len(method.shown) == encodings


@pytest.mark.parametrize("channel", ["awgn", "rayleigh", "tdl-a"])
def test_a_training_step_and_an_evaluation_meet_the_same_analog_link(channel):
    link, method = Link(), blocks()
    source = Source(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    point = operating_point(link, CR, 4.0, channel)
    sending = Sending(Ends(method, method), source)

    def draws() -> TrainingDraws:
        return TrainingDraws(torch.Generator().manual_seed(7))

    step = sending.send_uncounted(TrainingLinkProvider(link, 32).link(draws()), point)
    cell = sending.send(link, draws(), point)
    assert torch.equal(step.received.symbols(), cell.received.symbols()) and torch.equal(step.decoded, cell.decoded)
    assert torch.equal(step.received.noise_variance, cell.received.noise_variance)
    assert not step.entries and len(cell.entries) == 2


@pytest.mark.parametrize("kept", [set(), {"digital"}, {"side", "digital"}])
def test_decode_is_given_and_charged_what_refine_does_not_keep_for_itself(kept):
    seen: list[Received] = []

    class Keeping(Taught):
        def encode(self, images, point, descriptions) -> Signal:
            ones = torch.ones(len(images), 40, dtype=torch.complex64)
            return Signal(analog=ones, side=ones[:, :8], digital=[b"a red boat"] * len(images), text=True)

        def decode(self, received, point):
            seen.append(received)
            return super().decode(received, point)

    Taught.looks = {"refines": True, "refine_only": frozenset(kept)}
    method = Keeping(MethodSettings(), Geometry(16, 16, CR))
    # A channel with pilots, of which the streams share those of one grid.
    link, images = Link(), torch.rand(2, 3, 16, 16)
    sent = Sending(Ends(method, method), Source(images)).send(
        link, KeyedDraws(1, ["a", "b"], "tdl-a", 10.0, 0), operating_point(link, CR, 10.0, "tdl-a")
    )
    streams = {name: getattr(sent.received, name) for name in ("analog", "side", "digital")}
    assert all(each is not None for each in streams.values())
    assert {name for name in streams if getattr(seen[0], name) is None} == kept and sent.decoded_from == seen[0]
    left = {name: getattr(sent.signal, name) for name in streams if name not in kept}
    alone = link.send("tdl-a", 10.0, KeyedDraws(1, ["a", "b"], "tdl-a", 10.0, 0), **left, text=True)
    assert sent.decoded_entries == alone.entries and (sent.entries == alone.entries) == (not kept)
    assert sent.entries[0].symbols_pilot == sent.decoded_entries[0].symbols_pilot == 1024


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"refine_only": frozenset({"text"}), "refines": True}, "text, which is no stream"),
        ({"refine_only": frozenset({"digital"})}, "there is not"),
    ],
)
def test_a_stream_is_kept_for_a_refinement_that_there_is(stated, reason):
    with pytest.raises(MethodError, match=reason):
        Traits(**stated)


def test_the_geometry_answers_for_every_budget():
    assert Geometry(64, 64).limit(Fraction(1, 24)) == 512 and Geometry(64, 64).limit(None) is None
    assert Geometry.channels(Fraction(1, 24), 4) == 4 and Geometry.channels(Fraction(1, 24), 16, Fraction(3, 4)) == 48
    assert Geometry.ratio(4, 4) == Fraction(1, 24)
    with pytest.raises(RateError, match="larger CR"):
        Geometry(8, 8).limit(Fraction(1, 400))
