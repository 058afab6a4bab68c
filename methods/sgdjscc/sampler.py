"""The sampler: from the received latent, at the matched time, down to (almost) no noise.

::

    x_0 = received latent, t_0 = t(s) ──┐
                                        ├─ X_i = w_i P(x_i | text, edges) + (1 - w_i) P(x_i | negative)
    x_{i+1} = a_i x_i + b_i D_i <───────┘  D_i = (1 + q_i) X_i - q_i X_{i-1}
    ... last prediction X ──> denoised latent

Deterministic: a second-order multistep solver of the probability flow in lambda = log((1 - sigma) / sigma), with no
random draw. Two published forms differ in the step ratio q alone:

* ``regular``: q_i = (l_{i+1} - l_i) / (2 (l_i - l_{i-1})), the single-image sampler of the release;
* ``released``: the batched sampler that the released script runs. Its ratios stand one step late and its first two
  come from a wrap-around of the array (q_1 about -2 at 0 dB); needed to reproduce the authors' images.

Source: MauroZMJ/SGDJSCC at commit 2188acc, ``diffusion.py`` and ``diffusion_element_wise.py``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from methods.sgdjscc.schedule import guidance_weight, matching_time, noise_share

SamplerKind = Literal["regular", "released"]
GuidanceSchedule = Literal["power-cosine", "constant"]
Predictor = Callable[[Tensor, Tensor], Tensor]

LAST_TIME = 0.001


@dataclass(frozen=True)
class Steps:
    """Coefficients of every step for B images, noisy first; each (steps, B).

    Attributes:
        time, sigma: diffusion time and noise amplitude of each prediction.
        weight: guidance weight of each prediction; the last one repeats its predecessor, as released.
        keep, add: a and b of the update after each prediction but the last.
        ratio: q of the update; zero for the first.
    """

    time: Tensor
    sigma: Tensor
    weight: Tensor
    keep: Tensor
    add: Tensor
    ratio: Tensor


def plan(share: Tensor, steps: int, kind: SamplerKind, scale: float, guidance: GuidanceSchedule = "power-cosine") -> Steps:
    """Return the coefficients for images whose latents hold a noise share ``share`` (B,).

    The tables are float64 for ``regular`` and float32 for ``released``, as in the release.
    """
    share = share.double() if kind == "regular" else share.float()
    start = matching_time(share)
    fraction = torch.linspace(1.0, 0.0, steps, dtype=share.dtype, device=share.device)[:, None]
    time = LAST_TIME + (start - LAST_TIME) * fraction if steps > 1 else start[None]
    sigma = noise_share(time).sqrt()
    weight = guidance_weight(time, scale) if guidance == "power-cosine" else torch.full_like(time, scale)
    if steps > 1:
        weight = torch.cat((weight[:-1], weight[-2:-1]))
    keep = sigma[1:] / sigma[:-1]
    add = (1.0 - sigma[1:] ** 2).sqrt() - keep * (1.0 - sigma[:-1] ** 2).sqrt()
    return Steps(time, sigma, weight, keep, add, _ratios(sigma, kind))


def _ratios(sigma: Tensor, kind: SamplerKind) -> Tensor:
    """Return q_i for the steps - 1 updates."""
    steps = len(sigma)
    level = torch.log((1.0 - sigma) / sigma)
    ratio = torch.zeros_like(sigma[:-1])
    if steps < 3:
        return ratio
    if kind == "regular":
        gap = level[1:] - level[:-1]
        ratio[1:] = gap[1:] / (2.0 * gap[:-1])
        return ratio
    gap = level - level.roll(1, dims=0)
    index = torch.arange(1, steps - 1, device=sigma.device)
    ratio[1:] = gap[index - 1] / (2.0 * gap[index - 2])
    return ratio


def sample(
    latent: Tensor,
    plan: Steps,
    conditional: Predictor,
    unconditional: Predictor | None = None,
    observe: Callable[[Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Denoise (B, C, h, w) latents and return the last prediction of the clean latent.

    Args:
        latent: unit-power received latents.
        plan: coefficients from :func:`plan`.
        conditional: (x, sigma (B, 1)) -> clean latent, given text and edges.
        unconditional: the same without them; ``None`` leaves guidance out (w = 1).
        observe: called with each state and each prediction.
    """
    device = latent.device

    def column(values: Tensor) -> Tensor:
        return values.to(device=device, dtype=latent.dtype)[:, None, None, None]

    previous = predicted = latent
    for index in range(len(plan.sigma)):
        sigma = plan.sigma[index].to(device=device, dtype=latent.dtype)[:, None]
        predicted = conditional(latent, sigma)
        if unconditional is not None:
            weight = column(plan.weight[index])
            predicted = weight * predicted + (1.0 - weight) * unconditional(latent, sigma)
        if observe is not None:
            observe(latent, predicted)
        if index + 1 == len(plan.sigma):
            break
        ratio = column(plan.ratio[index])
        direction = (1.0 + ratio) * predicted - ratio * previous if index else predicted
        latent = column(plan.keep[index]) * latent + column(plan.add[index]) * direction
        previous = predicted
    return predicted


def unit_power(latent: Tensor) -> Tensor:
    """Scale each row of (B, ...) latents to a mean square of one."""
    flat = latent.flatten(1)
    size = math.sqrt(flat.shape[1])
    return torch.nn.functional.normalize(flat, dim=1).mul(size).view_as(latent)
