"""Semantic Importance Prediction Module (12)-(14): which patches are foreground, and how each side is to be treated.

::

    v (B, C', H', W') ─┬─ conv 1x1, conv 3x3 ── A_g (B, 2, H', W')
                       ├──────────────────────────┴── S (B, 1, H', W')
                       └── e_cond (B, C'+3, H', W')                                                          (12)
                            │ mean over channels ── w x w patches (B, N, w^2) ── MLP ── Gumbel ── M (B, 1, H'/w, W'/w)   (14)
                            └ embedding ─┬─ conv 1x1 x 2, tanh ──────── Delta p (B, 2, H', W')               (13)
                                         ├─ mean over positions, conv ─ A_CA (B, C', 1, 1)
                                         └─ conv 3x3, sigmoid ───────── A_SA (B, 1, H', W')

Sizes of the shallow networks follow the predictor of FAJSCC (arXiv 2504.04758; github.com/hansung-choi/FAJSCC, commit
b7589af), from which the module descends: A_g through 8 channels, the MLP through w, offsets up to 8 positions. Where
its window coordinates stood, S stands. Its evaluation keeps a random number of patches; here evaluation takes the likelier
class of each patch and nothing else.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from timm.layers import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.1


@dataclass(frozen=True)
class Prediction:
    """What Psi gives for B images.

    Attributes:
        mask: (B, 1, H'/w, W'/w) M in {0, 1}, with a straight-through gradient in training; ``None`` without a mask network.
        probability: (B, 1, H'/w, W'/w) that a patch is foreground, before any noise; ``None`` likewise.
        offsets: (B, 2, H', W') Delta p, (x, y) in positions; ``None`` where none are predicted.
        channel_attention: (B, C', 1, 1) A_CA in (0, 1).
        spatial_attention: (B, 1, H', W') A_SA in (0, 1).
    """

    mask: Tensor | None
    probability: Tensor | None
    offsets: Tensor | None
    channel_attention: Tensor
    spatial_attention: Tensor


def patch_descriptor(features: Tensor, side: int) -> Tensor:
    """Return e_patch of (14): the channels' mean at each of the ``side``^2 positions of each patch.

    Args:
        features: (B, C, H', W').
        side: w.

    Returns:
        (B, H'/w, W'/w, w^2), positions of a patch row by row.
    """
    plane = features.mean(dim=1)
    patches = plane.unflatten(2, (-1, side)).unflatten(1, (-1, side))
    return patches.permute(0, 1, 3, 2, 4).flatten(3)


def gumbel_choice(logits: Tensor, temperature: float, on: Literal["probabilities", "logits"], generator: torch.Generator | None) -> Tensor:
    """Return the hard choice of class 0 over class 1, straight-through.

    Args:
        logits: (..., 2).
        temperature: of the relaxed choice whose gradient is used.
        on: where the Gumbel noise is added.
        generator: source of the noise, on the CPU so that every device sees the same; ``None`` for the likelier class.

    Returns:
        (...) exactly 0 or 1. With noise, the gradient is that of the relaxed choice; without it, that of the probability.
    """
    scores = logits.float()
    probabilities = scores.softmax(dim=-1)
    if generator is None:
        soft = probabilities[..., 0]
        hard = (scores[..., 0] > scores[..., 1]).to(soft.dtype)
    else:
        exponential = torch.empty(scores.shape).exponential_(generator=generator).to(scores.device)
        noisy = (probabilities if on == "probabilities" else scores) - exponential.log()
        soft = (noisy / temperature).softmax(dim=-1)[..., 0]
        hard = (noisy[..., 0] > noisy[..., 1]).to(soft.dtype)
    # The parentheses keep the value exactly 0 or 1: the difference is exactly zero.
    return hard + (soft - soft.detach())


class ImportancePredictor(nn.Module):
    """A_g, e_cond and Psi.

    Args:
        features: C'.
        side: w.
        with_mask, with_offsets: whether M and Delta p are predicted.
        max_offset: bound of the offsets in positions.
        descriptor: the mean is over the channels of the ``condition`` or of its ``embedding``; ``sum`` is the condition's sum.
        gumbel_on, temperature: see :func:`gumbel_choice`.
    """

    def __init__(
        self,
        features: int,
        side: int,
        *,
        with_mask: bool = True,
        with_offsets: bool = True,
        max_offset: float = 8.0,
        descriptor: Literal["condition", "embedding", "sum"] = "condition",
        gumbel_on: Literal["probabilities", "logits"] = "probabilities",
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.side, self.max_offset, self.descriptor = side, max_offset, descriptor
        self.gumbel_on: Literal["probabilities", "logits"] = gumbel_on
        self.temperature = temperature
        width = (features + 3) // 4 + 1
        self.modulation = nn.Sequential(
            nn.Conv2d(features, 8, 1), nn.LeakyReLU(_SLOPE), nn.Conv2d(8, 2, 3, padding=1), nn.LeakyReLU(_SLOPE)
        )
        self.embed = nn.Sequential(nn.Conv2d(features + 3, width, 1), LayerNorm2d(width), nn.LeakyReLU(_SLOPE))
        self.classify = nn.Sequential(nn.Linear(side * side, side), nn.LeakyReLU(_SLOPE), nn.Linear(side, 2)) if with_mask else None
        narrow = max(width // 2, 2)
        displace = nn.Sequential(nn.Conv2d(width, narrow, 1), nn.LeakyReLU(_SLOPE), nn.Conv2d(narrow, 2, 1))
        self.displace = displace if with_offsets else None
        self.channels = nn.Conv2d(width, features, 1)
        self.positions = nn.Conv2d(width, 1, 3, padding=1)

    def condition(self, features: Tensor, scores: Tensor) -> Tensor:
        """Return e_cond of (12), (B, C'+3, H', W')."""
        return torch.cat((features, self.modulation(features), scores), dim=1)

    def forward(self, features: Tensor, scores: Tensor, generator: torch.Generator | None = None) -> Prediction:
        """Predict from v and S; without a generator there is no noise.

        Args:
            features: (B, C', H', W').
            scores: (B, 1, H', W') logits.
            generator: source of the Gumbel noise.
        """
        condition = self.condition(features, scores)
        embedding = self.embed(condition)
        mask = probability = None
        if self.classify is not None:
            described = patch_descriptor(embedding if self.descriptor == "embedding" else condition, self.side)
            # S is one of the C'+3 channels averaged; at their sum's scale the MLP need not learn to amplify it first.
            logits = self.classify(described * condition.shape[1] if self.descriptor == "sum" else described)
            mask = gumbel_choice(logits, self.temperature, self.gumbel_on, generator).unsqueeze(1)
            probability = logits.float().softmax(dim=-1)[..., 0].unsqueeze(1)
        offsets = None if self.displace is None else self.max_offset * self.displace(embedding).tanh()
        channel_attention = self.channels(F.adaptive_avg_pool2d(embedding, 1)).sigmoid()
        return Prediction(mask, probability, offsets, channel_attention, self.positions(embedding).sigmoid())
