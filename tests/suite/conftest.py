"""What the suite's tests share: tiny grids, tiny methods, one local Ray."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from methods.base import Method, MethodSettings, OperatingPoint, Received, Signal
from methods.registry import METHODS
from suite.config.grid import Grid
from suite.config.reading import build_grid
from suite.evaluate import runner
from suite.evaluate.executors.inline import inline
from suite.report import figures


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """A folder of five small images with smooth content."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = torch.Generator().manual_seed(0)
    for index in range(5):
        coarse = torch.rand(1, 3, 4, 4, generator=generator)
        image = F.interpolate(coarse, (40, 48), mode="bicubic").clamp(0, 1)[0].mul(255).byte().permute(1, 2, 0)
        Image.fromarray(image.numpy()).save(folder / f"picture{index}.png")
    return folder


@pytest.fixture
def make_grid():
    """Return a factory of grids over a folder of images at 32 x 32."""

    def make(**changes: Any) -> Grid:
        keys: dict[str, Any] = {
            "name": "tiny",
            "image_size": 32,
            "methods": ["blocks_for_tests"],
            "datasets": ["folder"],
            "snr_db": [1, 10],
            "cr": ["1/12", "1/6"],
            "channels": ["awgn", "rayleigh"],
            "metrics": ["psnr"],
            "evaluation": {"batch": 1, "unit": 2, "workers": 1},
        }
        return build_grid(keys | changes)

    return make


@pytest.fixture
def without_ray(monkeypatch) -> list[str]:
    """Carry out the units of runs that would use other processes in this one; returns the identities of those units, as they come."""
    seen: list[str] = []

    def stream(units, run_dir, settings, address=None):
        seen.extend(unit.identity for unit in units)
        yield from inline(units, run_dir, settings)

    monkeypatch.setattr(runner, "stream", stream)
    monkeypatch.setattr(runner, "processes", stream)
    return seen


@pytest.fixture
def draft_figures(monkeypatch) -> None:
    """Draw figures coarsely, as PNG alone: others take most of a small run's time, and the report's own tests alone look at them."""
    monkeypatch.setattr(figures, "_METADATA", {"png": figures._METADATA["png"]})
    monkeypatch.setitem(figures._STYLE, "savefig.dpi", 40)


class BlocksSettings(MethodSettings):
    """Settings of the test method; ``fault`` makes it misbehave."""

    fault: str = ""


class Blocks(Method):
    """Sends the mean colours of 4 x 4 blocks; without weights, so it can be evaluated at once."""

    Settings = BlocksSettings
    variants = {"default": {}} | {
        fault: {"fault": fault} for fault in ("raises", "nan", "shape", "range", "greedy", "picky", "late", "inverted")
    }

    def encode(self, images, point: OperatingPoint, descriptions) -> Signal:
        self.calls = getattr(self, "calls", 0) + 1
        if self.settings.fault == "picky" and bool((images.mean(dim=(1, 2, 3)) > 0.5).any()):
            raise RuntimeError("this image is too bright")
        budget = self.geometry.symbols(point.cr) + (1 if self.settings.fault == "greedy" else 0)
        flat = (F.avg_pool2d(images, 4) - 0.5).flatten(1)
        flat = F.pad(flat, (0, max(0, 2 * budget - flat.shape[1])), value=0.1)[:, : 2 * budget]
        return Signal(analog=torch.complex(*flat.chunk(2, dim=1)))

    def decode(self, received: Received, point: OperatingPoint):
        if self.settings.fault == "raises" or (self.settings.fault == "late" and point.snr_db == 10.0):
            raise RuntimeError("the decoder broke")
        symbols = received.symbols()
        height, width = self.geometry.height // 4, self.geometry.width // 4
        values = torch.cat((symbols.real, symbols.imag), dim=1)
        values = F.pad(values, (0, max(0, 3 * height * width - values.shape[1])))[:, : 3 * height * width]
        images = F.interpolate(values.reshape(-1, 3, height, width) * 0.3 + 0.5, scale_factor=4).clamp(0, 1)
        broken = {"nan": images * float("nan"), "shape": images[:, :, :8], "range": images + 0.5, "inverted": 1 - images}
        return broken.get(self.settings.fault, images)


@pytest.fixture(autouse=True)
def _test_methods() -> Iterator[None]:
    """Register the test method for one test, so that no other test meets it in the registry."""
    METHODS.register("blocks_for_tests")(Blocks)
    yield
    METHODS._entries.pop("blocks_for_tests")
