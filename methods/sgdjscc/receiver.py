"""From what arrived to the clean latent and the image, for tiles of one size.

::

    y (B, z, h, w) ─ unit power ─┬──────────────────────────────── x_0 ─┐
                                 └─ estimator ─> noise share s ─ t(s) ─> sampler ─ unit power ─ decoder ─> image
    edge features ─ edge codec ─ gate ─ encoder ─> edge latent ─────────────↑
    caption ─ text encoder ─> embedding ────────────────────────────────────↑
"""

import torch
from torch import Tensor

from methods.sgdjscc.networks.build import Networks
from methods.sgdjscc.networks.control import ControlledDenoiser
from methods.sgdjscc.networks.denoiser import Denoiser
from methods.sgdjscc.networks.edge_codec import EdgeCodec, normalised, released_power
from methods.sgdjscc.sampler import plan, sample, unit_power
from methods.sgdjscc.schedule import FLOOR, snr_db_of_share
from methods.sgdjscc.settings import SGDJSCCSettings

GATE_SNR_DB = -5.0
SHARPENED = (0, 3)


def predict(
    network: Denoiser | ControlledDenoiser,
    residual: bool,
    x: Tensor,
    sigma: Tensor,
    text: Tensor,
    control: Tensor | None = None,
    strength: Tensor | None = None,
) -> Tensor:
    """Return the predicted clean latent.

    With ``residual`` the network adds sigma times its output to the linear estimate sqrt(1 - sigma^2) x, so that an
    untrained one already leaves a clean latent alone (Karras et al., arXiv 2206.00364, for unit-power data).
    """
    given = {} if control is None else {"control": control, "strength": strength}
    output = network(x, sigma, text, **given)
    if not residual:
        return output
    amplitude = sigma[:, :, None, None]
    return (1.0 - amplitude.square()).sqrt() * x + amplitude * output


def noise_share(settings: SGDJSCCSettings, networks: Networks, latent: Tensor, variance: Tensor) -> Tensor:
    """Return the noise's share s (B,) of unit-power latents.

    ``known``: with v the noise variance of each zero-forced symbol, the MMSE-equalised latent correlates with the
    sent one by the root of the mean of 1 / (1 + v), so s is the mean of v / (1 + v); without fading that is
    1 / (1 + snr). ``estimated``: one minus the square of the estimated amplitude.

    Args:
        settings: the method's settings.
        networks: its networks.
        latent: (B, z, h, w) received latents of unit power.
        variance: (B, k) noise variance of each symbol after zero forcing, in units of the symbol power.
    """
    if settings.noise_level == "known":
        share = (variance / (1.0 + variance)).mean(dim=1)
    else:
        share = 1.0 - networks.estimator(latent).squeeze(1).square()
    return share.clamp(FLOOR, 1.0 - FLOOR)


def decoded_edges(codec: EdgeCodec, settings: SGDJSCCSettings, features: Tensor, variance: Tensor, share: Tensor) -> Tensor:
    """Decode (B, N, r) received edge features to edge maps (B, 1, side, side) in (0, 1).

    Args:
        codec: the edge codec.
        settings: the method's settings.
        features: as received, of unit power a real where the symbols have unit power.
        variance: (B, m) noise variance of each symbol after zero forcing.
        share: (B,) noise share of the main latent, from which the codec's SNR comes.
    """
    power = released_power(features, codec.tokens * codec.channels, variance.mean(dim=1)) if settings.edge_power == "released" else None
    return codec.decode(normalised(features, power), snr_db_of_share(share)[:, None])


def gated(edges: Tensor, share: Tensor) -> Tensor:
    """Drop edges fainter than 0.25 (0.35 at -15 dB) at -5 dB and below, as released."""
    level = snr_db_of_share(share)[:, None, None, None]
    threshold = torch.where(level <= -15.0, 0.35, 0.25)
    return torch.where(level <= GATE_SNR_DB, edges * (edges > threshold), edges)


def control_latent(settings: SGDJSCCSettings, networks: Networks, edges: Tensor) -> Tensor:
    """Return the (B, z, h, w) latent of (B, 1, H, W) edges: their encoding as a grey image."""
    mean = networks.autoencoder.encode(edges.expand(-1, 3, -1, -1))
    return unit_power(mean) if settings.control_scale is None else mean / settings.control_scale


def control_strength(settings: SGDJSCCSettings, share: Tensor) -> Tensor:
    """Return the control strength (B,) at a noise share (B,).

    The release gives 0.05, 0.10, 0.15 and 0.20 at -15, -10, -5 and 0 dB and above; between them it is linear in dB here.
    """
    if settings.control_strength is not None:
        return torch.full_like(share, settings.control_strength)
    return (0.05 + 0.01 * (snr_db_of_share(share) + 15.0)).clamp(0.05, 0.20)


def denoise(
    settings: SGDJSCCSettings,
    networks: Networks,
    latent: Tensor,
    share: Tensor,
    text: Tensor,
    negative: Tensor | None,
    edges: Tensor | None = None,
) -> Tensor:
    """Run the sampler on unit-power latents and return unit-power latents.

    Args:
        settings: the method's settings.
        networks: its networks.
        latent: (B, z, h, w) received latents.
        share: (B,) their noise share.
        text: (B, E) embeddings of the captions.
        negative: (B, E) embeddings for the unconditional prediction; ``None`` for none.
        edges: (B, 1, H, W) received edges, where edges are sent.
    """
    residual = settings.prediction == "residual"
    hint = None if edges is None else control_latent(settings, networks, edges)
    strength = control_strength(settings, share)

    def conditional(x: Tensor, sigma: Tensor) -> Tensor:
        return predict(networks.denoiser, residual, x, sigma, text, hint, strength)

    def unconditional(x: Tensor, sigma: Tensor) -> Tensor:
        return predict(networks.denoiser, residual, x, sigma, text if negative is None else negative)

    steps = plan(share, settings.steps, settings.sampler, settings.guidance_scale, settings.guidance_schedule)
    clean = sample(latent, steps, conditional, None if negative is None else unconditional)
    if settings.brightness:
        brighter = clean.new_zeros(clean.shape[1])
        brighter[[channel for channel in SHARPENED if channel < clean.shape[1]]] = settings.brightness
        clean = clean + brighter[None, :, None, None]
    return unit_power(clean)
