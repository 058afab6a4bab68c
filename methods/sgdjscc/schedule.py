"""Noise schedule, step matching and guidance weight.

::

    SNR of the channel ──> noise share s of a unit-power latent ──t(s)──> diffusion time ──> where sampling starts

A latent z of unit power that met noise of total share s is ``sqrt(1 - s) z + sqrt(s) n``: that is a diffusion state,
so the receiver needs no forward process, only the time at which the state stands. s = 1 / (1 + snr), snr linear.

Source: M. Zhang et al., arXiv 2501.01138 (sigmoid schedule after Jabri et al., arXiv 2212.11972), and the released
inference code, MauroZMJ/SGDJSCC at commit 2188acc.
"""

import math

import torch
from torch import Tensor

END = 3.0
TAU = 0.7
FLOOR = 1e-6


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


_SPAN = _logistic(END / TAU) - 0.5


def noise_share(time: Tensor) -> Tensor:
    """Return s(t) in [1e-6, 1 - 1e-6], the noise's share of the power at diffusion time t in [0, 1]."""
    share = (torch.sigmoid(END * time / TAU) - 0.5) / _SPAN
    return share.clamp(FLOOR, 1.0 - FLOOR)


def matching_time(share: Tensor) -> Tensor:
    """Return t(s), the diffusion time at which the noise's share is ``share``; the inverse of :func:`noise_share`."""
    logistic = share * _SPAN + 0.5
    return (TAU * torch.logit(logistic) / END).clamp(min=0.0)


def share_of_snr(snr_db: Tensor) -> Tensor:
    """Return the noise share 1 / (1 + snr) of a latent received at ``snr_db``."""
    return 1.0 / (1.0 + torch.pow(10.0, snr_db / 10.0))


def snr_db_of_share(share: Tensor) -> Tensor:
    """Return the SNR in dB at which the noise's share is ``share``."""
    return 10.0 * torch.log10(1.0 / share - 1.0)


def guidance_weight(time: Tensor, scale: float) -> Tensor:
    """Return w(t) = scale (1 - cos(pi t)) / 2, the weight of the conditional prediction.

    With the released scale of 4 it is 0.58 at 0 dB, 0.057 at 7 dB and 0.017 at 10 dB: from there on the text and the
    edges hardly act, because the unconditional prediction has the weight 1 - w.
    """
    return scale * (1.0 - torch.cos(math.pi * time)) / 2.0
