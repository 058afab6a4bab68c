"""What a method tells of itself in training: diagnostics and maps at each validation."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import IMAGES, EventAccumulator
from torch import Tensor, nn

from benchmarks.datasets.training import Batch
from benchmarks.link.link import Link, LinkSettings
from methods.base import Geometry, MethodSettings, OperatingPoint, Received, Signal, Targets, TrainableMethod, TrainingLink, Traits
from suite.config.methods import ConfiguredMethod
from suite.config.training import TrainingSettings
from suite.link.training import TrainingLinkProvider
from suite.train import curves
from suite.train.jobs import TrainingJob
from suite.train.progress import TrainingProgress
from suite.train.sources import ImageSource
from suite.train.trainer import Trainer
from suite.train.validation import OVER_ONE_COLOUR, Validation

SIDE, CR = 16, Fraction(1, 12)


class Gain(TrainableMethod):
    """Sends block means; tells how bright the images are inside their masks."""

    def __init__(self, settings: MethodSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.gain = nn.Parameter(torch.tensor(0.5))

    @classmethod
    def traits(cls, settings: MethodSettings) -> Traits:
        return Traits(trainable=True)

    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        means = self.gain * nn.functional.avg_pool2d(images, 4).flatten(1)
        return Signal(analog=torch.complex(means, 1.0 - means)[:, : self.geometry.symbols(point.cr)])

    def decode(self, received: Received, point: OperatingPoint) -> Tensor:
        means = received.symbols().real.reshape(-1, 3, 4, 4).sigmoid()
        return nn.functional.interpolate(means * self.gain, scale_factor=4)

    def loss(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
        return {"total": (self.decode(link(self.encode(images, point, None), point), point) - images).square().mean()}

    def maps(self, images: Tensor, masks: Tensor | None = None) -> Mapping[str, Tensor]:
        assert not self.training
        return {"brightness": images.mean(dim=1, keepdim=True)}

    def diagnostics(self, images: Tensor, targets: Targets) -> Mapping[str, float]:
        assert targets.masks is not None and not self.training
        return {"bright": float((images * targets.masks).mean())}


class Memory:
    """Random images with masks; seven are held out, which no batch of four divides."""

    def batch(self, step: int, size: int) -> Batch:
        generator = torch.Generator().manual_seed(step)
        images = torch.rand(size, 3, SIDE, SIDE, generator=generator)
        return Batch(images, (torch.rand(size, 1, SIDE, SIDE, generator=generator) > 0.5).float(), None, None)

    def validation(self) -> Batch:
        return self.batch(10**6, 7)

    def fingerprint(self) -> str:
        return "memory"


SETTINGS = TrainingSettings(steps=6, batch=4, crop=SIDE, warmup=2, log_every=2, validate_every=3, snr_db=(10.0,))


@pytest.fixture
def method() -> Gain:
    return Gain(MethodSettings(), Geometry(SIDE, SIDE, CR))


def link_provider() -> TrainingLinkProvider:
    return TrainingLinkProvider(Link(LinkSettings()), SIDE)


def expected() -> float:
    held = Memory().validation()
    assert held.masks is not None
    return float((held.images * held.masks).mean())


def test_diagnostics_are_means_over_the_held_out_images(method: Gain) -> None:
    scores = Validation(Memory().validation(), link_provider(), SETTINGS, [CR], "cpu")(method.train())
    assert scores["diagnostics/bright"] == pytest.approx(expected(), rel=1e-5)
    assert {"psnr", "psnr/awgn/10dB"} <= set(scores) and scores["psnr"] == scores["psnr/awgn/10dB"]
    assert method.training


def test_maps_come_with_their_images_and_only_of_a_method_that_has_them(method: Gain, monkeypatch: pytest.MonkeyPatch) -> None:
    validation = Validation(Memory().validation(), link_provider(), SETTINGS, [CR], "cpu")
    shown = validation.maps(method)
    assert torch.equal(shown["picture"], Memory().validation().images[:4])
    torch.testing.assert_close(shown["brightness"], shown["picture"].mean(dim=1, keepdim=True))
    monkeypatch.setattr(Gain, "maps", TrainableMethod.maps)
    assert validation.maps(method) == {}


def test_curves_and_tensorboard_have_them_at_each_validation(method: Gain, tmp_path: Path) -> None:
    reported: list[dict[str, float]] = []
    result = Trainer(method, Memory(), link_provider(), SETTINGS, tmp_path, rates=[CR]).run(reported.append)
    rows = [(step, value) for step, series, value in curves.read(tmp_path / "curves.csv") if series == "diagnostics/bright"]
    assert [step for step, _ in rows] == [3, 6]
    assert rows[0][1] == pytest.approx(expected(), rel=1e-5)
    assert result.validation["diagnostics/bright"] == rows[-1][1]
    assert [values["step"] for values in reported if "diagnostics/bright" in values] == [3, 6]
    board = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={IMAGES: 0}).Reload()
    assert set(board.Tags()["images"]) == {f"maps/{name}/image/{i}" for name in ("picture", "brightness") for i in range(4)} or set(
        board.Tags()["images"]
    ) == {"maps/picture", "maps/brightness"}
    assert "diagnostics/bright" in board.Tags()["scalars"]
    assert {event.step for event in board.Images(board.Tags()["images"][0])} == {3, 6}


def test_progress_names_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    job = TrainingJob(ConfiguredMethod("gain", "default", "compact", MethodSettings(), SETTINGS), CR, (CR,), ImageSource(None, tmp_path))
    job.__dict__["identity"] = "gain"
    TrainingProgress()(job, {"step": 6, "seconds": 1.0, "psnr": 20.0, "diagnostics/mask_iou": 0.4567})
    assert "held-out PSNR 20.00 dB, mask iou 0.457" in capsys.readouterr().out
    assert math.isclose(SETTINGS.steps, 6)


def test_a_training_that_gives_one_colour_is_told_once_with_what_helps(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = TrainingJob(ConfiguredMethod("gain", "default", "compact", MethodSettings(), SETTINGS), CR, (CR,), ImageSource(None, tmp_path))
    job.__dict__["identity"] = "gain"
    monkeypatch.setattr("suite.train.progress.LEAST_STEPS", 2)
    progress = TrainingProgress()
    # Too early to tell, stuck, told already, and on its way.
    for step, gain in ((1, 0.0), (3, 0.1), (4, 0.1)):
        progress(job, {"step": step, "seconds": 1.0, OVER_ONE_COLOUR: gain})
    out = capsys.readouterr().out
    assert out.count("is stuck") == 1 and "after 3 of 6 steps held-out images are +0.1 dB beside one colour each" in out
    assert "training.warmup" in out and "over one colour" not in out
    TrainingProgress()(job, {"step": 3, "seconds": 1.0, OVER_ONE_COLOUR: 4.0})
    assert "stuck" not in capsys.readouterr().out
