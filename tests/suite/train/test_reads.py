"""No step of a training reads a value back from its device: on PyTorch's device "meta", which has no values, reading one is an error."""

from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.datasets.training import Batch
from benchmarks.link.link import Link
from methods.base import Geometry
from suite.config.compose import compose
from suite.config.methods import resolve
from suite.config.training import TrainingSettings
from suite.link.training import TrainingLinkProvider
from suite.train.jobs import build
from suite.train.protocols import Placement
from suite.train.trainer import Trainer

SIDE, CR, BATCH = 32, Fraction(1, 24), 2


class Images:
    """The same images in every step."""

    def __init__(self) -> None:
        self.made = Batch(torch.full((BATCH, 3, SIDE, SIDE), 0.5), torch.ones(BATCH, 1, SIDE, SIDE), None, None)

    def batch(self, step: int, size: int) -> Batch:
        return self.made

    def validation(self) -> Batch:
        return self.made

    def fingerprint(self) -> str:
        return "the same"


class Draws:
    """Noise where the symbols are."""

    def complex_normal(self, stream: str, rows: int, length: int, device: torch.device | str = "cpu") -> Tensor:
        return torch.zeros(rows, length, dtype=torch.complex64, device=device)


def on_meta(label: str, channel: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **changed: object) -> Trainer:
    """Return the trainer of a compact network whose weights and images are on the device without values."""
    (configured,) = resolve(compose("quick", label, None, None, []))
    training = TrainingSettings.model_validate({"warmup": 0, "batch": BATCH, "crop": SIDE, "channels": (channel,), **changed})
    method, link = build(configured, Geometry(SIDE, SIDE, CR), 0), TrainingLinkProvider(Link(), SIDE)
    trainer = Trainer(method, Images(), link, training, folder, rates=(CR,), placement=Placement(device="meta"))
    monkeypatch.setattr(trainer, "_draws", lambda step: Draws())
    # Neither has a say in float32, and both refuse the device.
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: nullcontext())
    return trainer


@pytest.mark.parametrize(
    ("label", "channel", "changed"),
    [
        ("deepjscc", "awgn", {"ema": 0.9}),
        ("deepjscc", "rayleigh", {"clip": 0.0, "optimiser": "adam"}),
        ("swinjscc/base", "rician", {"weight_decay": 0.1}),
        ("swinjscc/sa", "rayleigh-block", {}),
        ("gened_sc/full", "awgn", {}),
    ],
)
def test_a_step_reads_nothing_and_a_row_of_the_curves_does(
    label: str, channel: str, changed: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = on_meta(label, channel, tmp_path, monkeypatch, **changed)
    before = {name: value._version for name, value in trainer.method.named_parameters()}
    for step, batch in ((1, trainer.data.batch(1, BATCH)), (2, trainer.data.batch(2, BATCH))):
        trainer._step(step, batch)
    # The optimiser wrote to every weight.
    assert all(value.device.type == "meta" and value._version > before[name] for name, value in trainer.method.named_parameters())
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        trainer._read()
