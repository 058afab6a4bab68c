"""GenED-SC at its full size: it trains, and costs what its page says."""

import subprocess
import sys
from typing import Any

import pytest
import torch

from helpers.places import ROOT
from helpers.tiny_gened import CR, POINT, blobs, link_provider
from methods.base import Geometry, Targets
from methods.gened_sc import GenEDSC, GenEDSCSettings

FULL_SIZE: dict[str, Any] = {"score_supervision": "saliency", "background_loss": "mse", "loss_weights": (1.0, 1e-4, 1e-5)}


@pytest.mark.slow
def test_the_full_size_network_trains_and_transmits() -> None:
    torch.manual_seed(0)
    method = GenEDSC(GenEDSCSettings(**FULL_SIZE), Geometry(256, 256, CR))
    images, masks = blobs(1, size=256)
    method.loss(images, Targets(masks=masks), link_provider(), POINT)["total"].backward()
    assert all(weights.grad is not None for weights in method.parameters())
    with torch.no_grad():
        signal = method.encode(images, POINT, None)
        assert signal.analog is not None and signal.analog.shape == (1, 8192)
        assert method.decode(link_provider()(signal, POINT), POINT).shape == images.shape
    # Near SwinJSCC's base model: 18.3 million live parameters of 28.2.
    assert sum(weights.numel() for weights in method.parameters()) == pytest.approx(21.6e6, rel=0.02)


@pytest.mark.slow
def test_the_full_size_network_costs_what_its_page_says() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    method = GenEDSC(GenEDSCSettings(**FULL_SIZE, importance="oracle"), Geometry(256, 256, CR)).eval()
    images, masks = torch.rand(1, 3, 256, 256), torch.ones(1, 1, 256, 256)
    with torch.no_grad():
        with FlopCounterMode(display=False) as sender:
            signal = method.encode_with_masks(images, POINT, None, masks)
        with FlopCounterMode(display=False) as receiver:
            method.decode(link_provider()(signal, POINT), POINT)
    # The counter counts a multiply-accumulate as two operations.
    assert sender.get_total_flops() / 2e9 == pytest.approx(17.8, rel=0.01)
    assert receiver.get_total_flops() / 2e9 == pytest.approx(17.5, rel=0.01)


_STEP = """
import resource, torch
from fractions import Fraction
from methods.base import Geometry, OperatingPoint, Received, Targets
from methods.gened_sc import GenEDSC, GenEDSCSettings
torch.set_num_threads(1)
method = GenEDSC(GenEDSCSettings(**{settings}), Geometry(256, 256, Fraction(1, 24)))
masks = torch.zeros(1, 1, 256, 256)
masks[..., 64:192, 64:192] = 1.0
received = lambda signal, point: Received(analog=signal.analog)
point = OperatingPoint(Fraction(1, 24), 7.0, "awgn")
method.loss(torch.rand(1, 3, 256, 256), Targets(masks=masks), received, point)["total"].backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_full_size_training_step_fits_into_the_memory_that_its_page_says() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STEP.format(settings=FULL_SIZE)], cwd=ROOT, capture_output=True, text=True, check=True, timeout=600
    )
    assert 1.5 < int(done.stdout) / 2**20 < 3.0
