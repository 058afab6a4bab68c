"""The analog stream: power normalisation before the channel and equalisation after it; differentiable throughout.

::

    features ──normalise──> x, mean |x_i|^2 = 1 a row ──channel──> Observation ──equalise──> symbols for the decoder
"""

import torch
from torch import Tensor

from benchmarks.common.errors import SignalError
from benchmarks.link.channels import Observation
from benchmarks.link.settings import Equalizer


def normalise(symbols: Tensor, checked: bool = True) -> Tensor:
    """Scale each row of complex (B, k) symbols to unit mean power, whatever its batch mates are.

    Args:
        symbols: what is sent.
        checked: refuse a row that no scale gives unit power. Looking at it waits for the device; where that is too long, such a row
            becomes NaN and nothing waits.

    Raises:
        SignalError: a row is silent or not finite.
    """
    if not symbols.is_complex() or symbols.ndim != 2 or symbols.shape[1] == 0:
        raise SignalError(f"the analog stream must be complex symbols of shape (B, k), k >= 1; got {symbols.dtype} {tuple(symbols.shape)}")
    power = symbols.abs().square().mean(dim=1, keepdim=True)
    bad = ~(torch.isfinite(power) & (power > 0)).squeeze(1)
    if not checked:
        return symbols / power.masked_fill(bad.unsqueeze(1), torch.nan).sqrt()
    if bad.any():
        row = int(bad.nonzero()[0])
        raise SignalError(
            f"row {row} of the analog stream has mean power {float(power[row].detach())}; send finite symbols that are not all zero"
        )
    return symbols / power.sqrt()


def equalise(observation: Observation, fading: bool, equalizer: Equalizer) -> Tensor:
    """Return the symbols the decoder gets.

    With x^ = y / h and its noise variance v = sigma^2 / |h|^2, the MMSE estimate of a unit-power symbol is
    x^ / (1 + v) = conj(h) y / (|h|^2 + sigma^2). Without fading there is no gain to equalise and y is passed on.
    """
    if not fading or equalizer == "zf":
        return observation.symbols
    return observation.symbols / (1.0 + observation.noise_variance)
