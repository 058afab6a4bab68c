"""Losses of the two stages and of the edge branch; all of it ours, the release has no training code.

::

    image ─ encoder ─ link at 10 dB ─ decoder ─> squared error                                  (autoencoder)
       └─ frozen latent z ─ + noise of a drawn share s ─ denoiser(sigma, text, edges) ─> weighted squared error of x_0
                                  └─ SNR estimator ─> squared error of the amplitude               (denoiser)
       └─ edges ─ edge codec ─ link ─ edge codec ─> cross entropy                                  (control)

Noise and noise levels come from torch's default generator, which the training loop seeds for each step.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.base import OperatingPoint
from methods.sgdjscc.networks.build import Networks, base_of
from methods.sgdjscc.receiver import control_latent, predict
from methods.sgdjscc.sampler import unit_power
from methods.sgdjscc.schedule import share_of_snr
from methods.sgdjscc.settings import SGDJSCCSettings, Stage

MIN_SNR_GAMMA = 5.0


def training_point(settings: SGDJSCCSettings, point: OperatingPoint) -> OperatingPoint:
    """Return the point at which the autoencoder is trained: the step's own or the fixed SNR of the settings."""
    return point if settings.autoencoder_snr_db is None else replace(point, snr_db=settings.autoencoder_snr_db)


def drawn_shares(settings: SGDJSCCSettings, rows: int, device: torch.device) -> Tensor:
    """Return (rows,) noise shares, uniform in dB over the training range and stratified over the batch."""
    low, high = settings.train_snr_db
    place = (torch.randperm(rows, device=device) + torch.rand(rows, device=device)) / rows
    return share_of_snr(low + (high - low) * place)


def denoiser_losses(
    stage: Stage, settings: SGDJSCCSettings, networks: Networks, latent: Tensor, text: Tensor, no_text: Tensor, edges: Tensor | None
) -> dict[str, Tensor]:
    """Return the losses of the denoiser and of the SNR estimator on clean unit-power latents (B, z, h, w).

    The weight of a noise level is min(1 / s, 5), close to min-SNR weighting (Hang et al., ICCV 2023): it keeps the
    low levels, whose error is small in any case, from being ignored.

    Text and edges are dropped alike, so that the network also learns the unconditional prediction.

    Args:
        stage: what is being trained.
        settings: the method's settings.
        networks: its networks.
        latent: clean latents; no gradient goes into them.
        text: (B, E) embeddings of the captions; some are dropped here.
        no_text: (1, E) embedding of no caption, which stands for those, as it does at the receiver.
        edges: (B, 1, H, W) edge maps where the control branch is trained.
    """
    latent = latent.detach()
    share = drawn_shares(settings, len(latent), latent.device)
    level = share[:, None, None, None]
    noisy = (1.0 - level).sqrt() * latent + level.sqrt() * torch.randn_like(latent)
    text = torch.where(torch.rand(len(text), 1, device=text.device) >= settings.text_dropout, text, no_text)
    sigma = share.sqrt()[:, None]
    residual = settings.prediction == "residual"
    weight = level.reciprocal().clamp(max=MIN_SNR_GAMMA)

    def error(predicted: Tensor) -> Tensor:
        return (weight * (predicted - latent).square()).mean()

    hint = strength = None
    if edges is not None:
        with torch.no_grad():
            hint = control_latent(settings, networks, edges)
        strength = (torch.rand(len(latent), device=latent.device) >= settings.text_dropout).float()
    losses = {"denoiser": error(predict(networks.denoiser, residual, noisy, sigma, text, hint, strength))}
    if stage == "control":
        return losses
    if settings.mask_ratio:
        output = base_of(networks.denoiser)(noisy, sigma, text, _visible(settings.mask_ratio, latent))
        losses["masked"] = error((1.0 - level).sqrt() * noisy + level.sqrt() * output if residual else output)
    amplitude = networks.estimator(unit_power(noisy)).squeeze(1)
    losses["estimator"] = F.mse_loss(amplitude, (1.0 - share).sqrt())
    return losses


def _visible(ratio: float, latent: Tensor) -> Tensor:
    """Return (B, h, w) masks with equally many kept positions a row."""
    rows, _, height, width = latent.shape
    places = height * width
    hidden = min(int(ratio * places), places - 1)
    order = torch.rand(rows, places, device=latent.device).argsort(dim=1)
    return (order >= hidden).view(rows, height, width)
