"""SwinJSCC by itself: forward pass and, with a GPU, training step, beside the limits of memory and arithmetic of this machine.

The limits are measured here: arithmetic by the product of two large matrices, memory by a copy. A forward pass can be no faster than
its multiplications over the first, nor than reading its weights over the second.
"""

import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from methods.base import Method, OperatingPoint, Received
from suite.config.compose import compose
from suite.config.methods import ConfiguredMethod, resolve
from suite.prepare import prepare
from suite.train.protocols import Placement

CR = Fraction(1, 24)
SIZE = 256
REPEATS = 5
STEPS = 30


def measure(seconds: float) -> dict[str, Any]:
    """Return seconds an image of SwinJSCC's two sizes, its multiplications, and the share of this machine's limit it reaches.

    Args:
        seconds: not used; the work is fixed.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    limits = {"gflops": _arithmetic(device), "gbytes_per_s": _memory(device)}
    result: dict[str, Any] = {"device": torch.cuda.get_device_name() if device == "cuda" else "one CPU thread", **limits}
    for preset in ("compact", "paper"):
        (configured,) = resolve(compose("quick", "swinjscc/sa", None, None, [f"training.preset={preset}"]))
        result[preset] = _forward(configured, device, 1 if device == "cpu" else 16, limits)
    if device == "cuda":
        result["training"] = _training(limits)
    return result


def _forward(configured: ConfiguredMethod, device: str, batch: int, limits: dict[str, float]) -> dict[str, float]:
    torch.manual_seed(0)
    method = configured.build(SIZE, SIZE, CR)
    if not isinstance(method, torch.nn.Module):
        raise TypeError(f"{configured.label} is no network")
    method.eval().to(device)
    images = torch.rand(batch, 3, SIZE, SIZE, device=device)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            _pass(method, images)
        seconds = _timed(lambda: _pass(method, images), device) / batch
    # Two floating-point operations are one multiplication with its addition.
    work, weights = counter.get_total_flops() / batch, sum(w.numel() * w.element_size() for w in method.parameters())
    least = max(work / (limits["gflops"] * 1e9), weights / (limits["gbytes_per_s"] * 1e9) / batch)
    return {"gmacs": work / 2e9, "weights_mb": weights / 1e6, "forward_s": seconds, "limit_s": least, "share_of_limit": least / seconds}


def _pass(method: Method, images: torch.Tensor) -> None:
    point = OperatingPoint(CR, 10.0, "awgn")
    signal = method.encode(images, point, None)
    noise = torch.full((len(images), 1), 0.1, device=images.device)
    method.decode(Received(analog=signal.analog, noise_variance=noise), point)


def _training(limits: dict[str, float]) -> dict[str, Any]:
    """Return images a second of a training of the paper's network in each precision."""
    found: dict[str, Any] = {}
    for precision in ("float32", "bfloat16"):
        settings = ["training.preset=paper", "training.gpus=1", f"training.precision={precision}", f"training.steps={STEPS}"]
        settings += ["training.warmup=5", "training.batch=16", f"training.crop={SIZE}", "training.validation_pictures=1", "cr=[1/24]"]
        (job,) = prepare(compose("quick", "swinjscc/sa", None, None, settings)).jobs.values()
        with tempfile.TemporaryDirectory() as folder:
            trainer = job.trainer(Path(folder), Placement(device="cuda:0"))
            ends: list[float] = []
            trainer.run(lambda values, ends=ends: ends.append(values["seconds"]))  # type: ignore[misc]
            found[precision] = {"pictures_per_s": STEPS * job.settings.batch / trainer.progress.seconds}
    return found


def _arithmetic(device: str) -> float:
    size = 1024 if device == "cpu" else 8192
    left, right = (torch.rand(size, size, device=device) for _ in range(2))
    return 2 * size**3 / _timed(lambda: left @ right, device) / 1e9


def _memory(device: str) -> float:
    source = torch.rand(2**26 if device == "cpu" else 2**29, device=device)
    target = torch.empty_like(source)
    # Read once and written once.
    return 2 * source.numel() * source.element_size() / _timed(lambda: target.copy_(source), device) / 1e9


def _timed(work: Callable[[], object], device: str) -> float:
    """Return the least seconds of several calls after two to warm up."""
    times = []
    for number in range(REPEATS + 2):
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        if number >= 2:
            times.append(time.perf_counter() - started)
    return min(times)
