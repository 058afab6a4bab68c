"""What makes a stream cheaper than it is must be told in every table, or its cells fail."""

import pytest
import torch
from rich.console import Console

from methods.base import Method, MethodSettings, Received, Signal, Traits
from methods.errors import MethodError
from methods.registry import METHODS
from suite.evaluate import runner
from suite.evaluate.executors.inline import inline
from suite.link.declared import check_declared
from suite.options import GridOptions
from suite.report.results import load_results
from suite.runs.records import load
from suite.session import Session
from suite.transmission import transmit


class Taking(MethodSettings):
    """What is taken, and whether the traits say so."""

    takes: str = ""
    told: bool = False


class Taker(Method):
    """Sends every image as bytes."""

    Settings = Taking
    variants = {
        "free": {"takes": "digital"},
        "all-uncharged": {"takes": "digital"},
        "whole": {"takes": "lossless"},
        "told": {"takes": "lossless", "told": True},
    }

    @classmethod
    def traits(cls, settings):
        return Traits(coding_mode="lossless" if settings.told else None)

    def encode(self, images, point, descriptions) -> Signal:
        messages = [(image * 255).byte().numpy().tobytes() for image in images]
        if self.settings.takes == "lossless":
            return Signal(digital=messages, coding_mode="lossless")
        return Signal(digital=messages, uncharged=frozenset({self.settings.takes}))

    def decode(self, received: Received, point):
        size = (3, self.geometry.height, self.geometry.width)
        return (
            torch.stack(
                [torch.frombuffer(bytearray(each or bytes(3 * size[1] * size[2])), dtype=torch.uint8) for each in received.digital]
            ).reshape(-1, *size)
            / 255
        )


@pytest.fixture(autouse=True)
def _taker(monkeypatch):
    METHODS.register("taker_for_tests")(Taker)
    for elsewhere in ("stream", "processes"):
        monkeypatch.setattr(runner, elsewhere, lambda units, run_dir, settings, address=None: inline(units, run_dir, settings))
    yield
    METHODS._entries.pop("taker_for_tests")


def test_a_stream_that_nobody_pays_for_or_that_nothing_harms_is_told_or_fails(images, tmp_path):
    keys = ["image_size=32", "metrics=[psnr]", "channels=[awgn]", "cr=[1/12]", "snr_db=[1]", "sheet.images=0"]
    names = ",".join(f"taker_for_tests/{variant}" for variant in Taker.variants)
    options = GridOptions("quick", names, "folder", images, limit=1, out=str(tmp_path / "run"), set_=keys)
    session = Session(options, console=Console(quiet=True))
    assert session.evaluate() == 2
    errors = load(tmp_path / "run").set_index("variant")["error"]
    results = load_results(tmp_path / "run")
    assert errors[["all-uncharged", "told"]].eq("").all()
    assert "leaves its digital stream uncharged and the variant 'free' does not tell it" in errors["free"]
    assert "lossless by decree where the grid's is 'adaptive'" in errors["whole"]
    (table,) = results.metric_tables.values()
    assert any(note.startswith("The digital stream of taker_for_tests/told is lossless by decree") for note in table.notes)


def test_the_grid_may_ask_for_a_lossless_stream():
    signal = Signal(digital=[b"whole"], coding_mode="lossless")
    check_declared(signal, Traits(), "whole", "lossless")
    with pytest.raises(MethodError, match=r"Traits\(coding_mode='lossless'\)"):
        check_declared(signal, Traits(), "whole", "ldpc")


def test_a_single_image_is_no_exception():
    with pytest.raises(MethodError, match="leaves its digital stream uncharged"):
        transmit("taker_for_tests", torch.zeros(32, 32, 3).numpy(), variant="free")


def test_the_visual_stream_is_always_charged():
    signal = Signal(analog=torch.ones(1, 4, dtype=torch.complex64), uncharged=frozenset({"analog"}))
    with pytest.raises(MethodError, match="its analog stream uncharged; only digital and side can be"):
        check_declared(signal, Traits(), "all-uncharged", "ldpc")
