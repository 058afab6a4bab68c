"""Losses (21), (22), (24), (25) of GenED-SC; (26) is their weighted sum.

Each sums over all images of a batch and divides by the number of positions counted, as the equations are written for one.
A batch without any gives 0.
"""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-8


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return sum(mask * values) / (sum(mask) + epsilon)."""
    return (mask * values).sum() / (mask.sum() + EPSILON)


def matching_loss(scores: Tensor, saliency: Tensor, form: Literal["paper", "balanced"] = "paper") -> Tensor:
    """Pixel-semantic matching (21).

    Args:
        scores: (B, 1, h, w) logits S.
        saliency: (B, 1, h, w) in {0, 1}.
        form: ``paper`` averages the cross entropy over the foreground alone, and falls as S grows anywhere; ``balanced`` is
            the mean of the foreground's and the background's average.
    """
    entropy = F.binary_cross_entropy_with_logits(scores.float(), saliency, reduction="none")
    foreground = masked_mean(entropy, saliency)
    return foreground if form == "paper" else 0.5 * (foreground + masked_mean(entropy, 1.0 - saliency))


def masked_squared_error(output: Tensor, images: Tensor, mask: Tensor, scale: float = 255.0) -> Tensor:
    """Foreground reconstruction (22), and the same over another mask: squared error summed over colours, mean over the mask.

    Args:
        output: (B, 3, H, W) I_r on [0, 1].
        images: I_o, alike.
        mask: (B, 1, H, W) in {0, 1}.
        scale: value of a white pixel; (26)'s weight 1e-4 calls for 255.
    """
    return masked_mean((scale * (output - images)).square().sum(dim=1, keepdim=True), mask)


def contextual_distance(output: Tensor, reference: Tensor, temperature: float = 0.5) -> Tensor:
    """CX of (25) at each position: cross entropy of the co-located reference among all reference positions.

    With cosines in [0, 1], as between rectified features, and N positions it lies between log(1 + (N - 1) exp(-1 / tau)) and
    log(1 + (N - 1) exp(1 / tau)), so it does not reach 0.

    Args:
        output: (B, C, N) features x.
        reference: (B, C, N) features y.
        temperature: tau.

    Returns:
        (B, N); the intermediate matrix has B N^2 values.
    """
    similarity = F.normalize(output.float(), dim=1).transpose(1, 2) @ F.normalize(reference.float(), dim=1) / temperature
    return similarity.logsumexp(dim=2) - similarity.diagonal(dim1=1, dim2=2)


def contextual_loss(output: Tensor, reference: Tensor, saliency: Tensor, temperature: float = 0.5, positions: int = 1024) -> Tensor:
    """Background contextual loss (24).

    Args:
        output: (B, C, h, w) features Phi(I_r).
        reference: Phi(I_o), alike.
        saliency: (B, 1, H, W) in {0, 1}; read at the features' resolution by the nearest pixel.
        temperature: tau.
        positions: most positions compared; a larger map is read on a regular grid.
    """
    mask = F.interpolate(saliency, output.shape[-2:], mode="nearest")
    step = math.ceil(math.sqrt(output.shape[-2] * output.shape[-1] / positions))
    mask, output, reference = (map_[..., step // 2 :: step, step // 2 :: step].flatten(2) for map_ in (mask, output, reference))
    return masked_mean(contextual_distance(output, reference, temperature), 1.0 - mask.squeeze(1))


def probability_loss(probability: Tensor, coverage: Tensor) -> Tensor:
    """Cross entropy of M's probability against the salient share of its patch; an addition to the paper, see ``mask_weight``."""
    bounded = probability.clamp(1e-6, 1.0 - 1e-6)
    return -(coverage * torch.log(bounded) + (1.0 - coverage) * torch.log1p(-bounded)).mean()


def overlap_loss(probability: Tensor, coverage: Tensor) -> Tensor:
    """One minus the soft intersection over union of M's probability and the salient share of its patch, mean over the images.

    Intersection and union are taken as expectations (Rahman and Wang, ISVC 2016); one patch is added to both, so that an image
    without any salient patch counts too.

    Args:
        probability: (B, 1, h, w) in [0, 1].
        coverage: alike.
    """
    both = probability * coverage
    intersection, union = (map_.sum(dim=(1, 2, 3)) + 1.0 for map_ in (both, probability + coverage - both))
    return 1.0 - (intersection / union).mean()
