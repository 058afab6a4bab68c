"""Foreground-background split attention (15)-(20).

::

    v ─┬─ * M ─── v_fg ─┬─ Q ─────────────────────┐
       │                ├─ K = v_fg + W(v_fg, Dp) ├─ attention inside each selected w x w patch (17) ─ by M (18) ─> F_fg
       │                └─ V = v_fg * A_SA ───────┘
       └─ * (1 - M) ── v_bg ── * A_CA ── phi_bg (19) ─────────────────────────────────────────────────────────────> F_bg

All maps are (B, C', H', W'). (20), F_fg + F_bg, is formed at the receiver from what the two branches deliver, or here
where one branch sends both.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.gened_sc.sipm import Prediction


def spread(mask: Tensor, side: int) -> Tensor:
    """Return a (B, 1, h, w) patch mask on the positions of v, (B, 1, h * side, w * side)."""
    return mask.repeat_interleave(side, dim=2).repeat_interleave(side, dim=3)


def warp(features: Tensor, offsets: Tensor) -> Tensor:
    """Return W(features, offsets) of (15): at each position the features bilinearly read at position + offset.

    Args:
        features: (B, C, H', W').
        offsets: (B, 2, H', W'), x then y, in positions; reading beyond the border gives the border.
    """
    height, width = features.shape[-2:]
    rows = torch.arange(height, device=features.device, dtype=torch.float32)
    columns = torch.arange(width, device=features.device, dtype=torch.float32)
    x, y = offsets.float().unbind(1)
    x, y = x + columns, y + rows[:, None]
    grid = torch.stack((2.0 * x / max(width - 1, 1) - 1.0, 2.0 * y / max(height - 1, 1) - 1.0), dim=-1)
    return F.grid_sample(features.float(), grid, mode="bilinear", padding_mode="border", align_corners=True).to(features.dtype)


def to_patches(features: Tensor, side: int) -> Tensor:
    """Return (B, h, w, side^2, C) positions of each patch, row by row, of (B, C, h * side, w * side) features."""
    patches = features.unflatten(3, (-1, side)).unflatten(2, (-1, side))
    return patches.permute(0, 2, 4, 3, 5, 1).flatten(3, 4)


def from_patches(patches: Tensor, side: int) -> Tensor:
    """Return (B, C, H', W') features; the inverse of :func:`to_patches`."""
    return patches.unflatten(3, (side, side)).permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


class SplitAttention(nn.Module):
    """(15)-(19).

    Args:
        features: C'.
        side: w.
        scale: ``none`` as (17) is written, ``sqrt`` divides the scores by the root of C'.
        residual: add v_fg to what attention gives.
    """

    def __init__(self, features: int, side: int, scale: Literal["none", "sqrt"] = "none", residual: bool = False) -> None:
        super().__init__()
        self.side = side
        self.residual = residual
        self.divisor = features**0.5 if scale == "sqrt" else 1.0
        depthwise = nn.Conv2d(features, features, 3, padding=1, groups=features)
        self.background = nn.Sequential(depthwise, nn.GELU(), nn.Conv2d(features, features, 1))

    def forward(self, features: Tensor, foreground: Tensor, background: Tensor, prediction: Prediction) -> tuple[Tensor, Tensor]:
        """Split v.

        Args:
            features: (B, C', H', W') v.
            foreground: (B, 1, H'/w, W'/w) M.
            background: 1 - M, or another choice of what the background gets.
            prediction: offsets and attention maps.

        Returns:
            F_fg and F_bg, each (B, C', H', W').
        """
        return self.attend(features, foreground, prediction), self.reduce(features, background, prediction)

    def attend(self, features: Tensor, mask: Tensor, prediction: Prediction) -> Tensor:
        """Return F_fg of (18), zero outside the selected patches.

        Without gradients only selected patches are computed; with them all are, and M lets the selected ones through.
        """
        query = features * spread(mask, self.side).to(features.dtype)
        moved = query if prediction.offsets is None else warp(query, prediction.offsets)
        value = query * prediction.spatial_attention
        triplet = [to_patches(map_, self.side) for map_ in (query, query + moved, value)]
        if torch.is_grad_enabled():
            attended = self._softmax_attention(*triplet) * mask.movedim(1, -1).unsqueeze(-1)
        else:
            chosen = mask.squeeze(1) > 0
            attended = torch.zeros_like(triplet[2])
            attended[chosen] = self._softmax_attention(*(patches[chosen] for patches in triplet)).to(attended.dtype)
        routed = from_patches(attended, self.side).to(features.dtype)
        return routed + query if self.residual else routed

    def reduce(self, features: Tensor, mask: Tensor, prediction: Prediction) -> Tensor:
        """Return F_bg of (19)."""
        kept = features * spread(mask, self.side).to(features.dtype)
        output: Tensor = self.background(kept * prediction.channel_attention)
        return output

    def _softmax_attention(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        # Unscaled scores reach the size of C', too coarse for half precision.
        scores = query.float() @ key.float().transpose(-1, -2) / self.divisor
        return scores.softmax(dim=-1) @ value.float()
