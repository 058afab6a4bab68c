"""A GPU without a GPU: methods, losses, the link's analog path and metrics are followed on device "cuda" by shapes alone."""

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode, ShapeEnv

from benchmarks.datasets import open_dataset
from benchmarks.link.link import CHANNELS, Link
from benchmarks.metrics import METRICS, MetricSettings, Scorer, check, metric_table
from methods.gened_sc.method import GenEDSC
from suite.check import subjects
from suite.check.devices import DEVICE, devices, move
from suite.check.subject import Fault, NotChecked, Subject

# What leaves the device on purpose: files and messages are bytes, and are made where bytes are.
LEAVES = {
    "digital/jpeg": "image files are written by Pillow",
    "nam24/default": "there is a text alone, no tensor",
    "hosonuma25/default": "masks are packed to bytes",
    "swinjscc/sa-ra": "the channels that were kept are written to bytes",
    "sgdjscc/edges": "Canny's edges are found by scikit-image",
}
METHODS = (
    "deepjscc/default",
    "swinjscc/base",
    "swinjscc/sa",
    "gened_sc/full",
    "gened_sc/no-importance-objective",
    "gened_sc/swin-swin",
    "sgdjscc/default",
    "edited/swinjscc",
)


def subject(label: str) -> Subject:
    (found,) = subjects(label)
    return found


@pytest.mark.parametrize("label", METHODS)
def test_methods_and_their_losses_stay_on_the_device(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its training noise is drawn on the CPU by a generator of its own, which shapes alone cannot follow.
    monkeypatch.setattr(GenEDSC, "_noise", lambda method: (None, 0))
    try:
        devices(subject(label))
    except NotChecked as reason:
        pytest.fail(f"{label} cannot be followed: {reason}")


@pytest.mark.parametrize("label", LEAVES)
def test_what_leaves_the_device_on_purpose_mixes_none(label: str) -> None:
    try:
        devices(subject(label))
    except NotChecked:
        return
    except Fault as fault:
        pytest.fail(f"{label}: {fault}; {LEAVES[label]}")


# Sionna asks for a device that is there before it makes the resource grid of the others.
@pytest.mark.parametrize("channel", sorted(name for name in CHANNELS if not name.startswith("tdl")))
def test_the_analog_path_of_the_link_stays_on_the_device(channel: str) -> None:
    """But for the one look at the values that refuses a silent signal, which a training does without."""
    link = Link()
    with FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv(), static_shapes=True), torch.no_grad():
        symbols = torch.zeros(2, 512, dtype=torch.complex64, device=DEVICE)
        try:
            heard = link.send_analog(channel, 4.0, DrawsWithoutValues(), symbols, "analog", checked=False)
        except (DataDependentOutputException, GuardOnDataDependentSymNode) as error:
            pytest.fail(f"{channel} reads values on the device: {error}")
    assert heard.symbols.device.type == heard.noise_variance.device.type == DEVICE
    assert heard.symbols.shape == heard.noise_variance.shape == (2, 512)


class DrawsWithoutValues:
    """Draws of which shape and device alone are known."""

    def complex_normal(self, stream: str, rows: int, length: int, device: torch.device | str = "cpu") -> torch.Tensor:
        """Return (rows, length) numbers on the device."""
        return torch.zeros(rows, length, dtype=torch.complex64, device=device)


def here() -> list[str]:
    names = [name for name, spec in METRICS.items() if spec.per == "image"]
    lacking = check(names, MetricSettings())
    return [name for name in names if not lacking[name]]


@pytest.mark.parametrize("name", here())
def test_metrics_mix_no_devices(name: str) -> None:
    """Each is followed until it reads a value, which is what it is for; a tensor of another device fails before."""
    scenes = open_dataset("scenes", image_size=192)
    sample = scenes.load(scenes.items()[0])
    scorer = Scorer([name])
    # The network is built with values and then shown images that have none.
    for metric in scorer.metrics:
        metric.device = DEVICE
    scorer.device = DEVICE
    spec = metric_table(MetricSettings())[name]
    with FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv(), static_shapes=True) as mode, torch.no_grad():
        for metric in scorer.metrics:
            _placed(metric, mode)
        reference = scorer.reference("scene", sample.image, sample.caption, sample.mask)
        try:
            scorer.score(reference, np.flip(sample.image, 1).copy())
        except (DataDependentOutputException, DynamicOutputShapeException, GuardOnDataDependentSymNode):
            return
        except RuntimeError as error:
            assert "device" not in str(error) or "cpu" not in str(error), f"{spec.name}: {error}"


def _placed(metric: object, mode: FakeTensorMode) -> None:
    """Put the parameters of every network that a metric holds on the device, without values."""
    held = [each for value in vars(metric).values() for each in (value, *getattr(value, "__dict__", {}).values())]
    for network in (each for each in held if isinstance(each, torch.nn.Module)):
        move(network, lambda tensor: mode.from_tensor(tensor).to(DEVICE))
