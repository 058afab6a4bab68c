"""The score map S from CLIP's embeddings (27)-(30), and the head that predicts it without CLIP.

::

    CLIP image ──> g (B, C), e_v (B, C, h, w) ──[g; e_v]── (B, 1 + hw, C) ──┐                       (27)
    CLIP text T ─> e_t (B, C) ──────────query──> transformer decoder <──────┘ = Delta e_t           (28)
                    └── + gamma Delta e_t = e~_t                                                    (29)
                         S = e~_t . e_v / tau                    (B, 1, h, w)                       (30)

    v (B, C', H', W') ── conv, two strided conv, dilated conv, image's mean ── S^ (B, 1, H', W')   no CLIP

The paper does not say how T is known at inference, though (12) needs S there. The head follows S in training and stands in
for it at the sender. As in DenseCLIP (Rao et al., CVPR 2022), from which (27)-(30) descend, gamma starts at 1e-4 and
embeddings are unit vectors (setting ``score_similarity``); tau starts at CLIP's 0.07.
"""

from typing import Literal

import torch
from timm.layers import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F

INITIAL_GAMMA = 1e-4
INITIAL_TEMPERATURE = 0.07


class ScoreMap(nn.Module):
    """(27)-(30) on the frozen embeddings of CLIP.

    Args:
        width: C.
        layers, heads: of the transformer decoder D_ctx.
        similarity: ``cosine`` makes e_t, g and e_v unit vectors first, ``dot`` takes them as they are.
    """

    def __init__(self, width: int, layers: int, heads: int, similarity: Literal["cosine", "dot"] = "cosine") -> None:
        super().__init__()
        self.similarity = similarity
        layer = nn.TransformerDecoderLayer(width, heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.decoder = nn.TransformerDecoder(layer, layers)
        self.gamma = nn.Parameter(torch.tensor(INITIAL_GAMMA))
        self.log_temperature = nn.Parameter(torch.tensor(INITIAL_TEMPERATURE).log())

    def forward(self, text: Tensor, pooled: Tensor, dense: Tensor) -> Tensor:
        """Score each position.

        Args:
            text: (B, C) e_t.
            pooled: (B, C) g.
            dense: (B, C, h, w) e_v.

        Returns:
            (B, 1, h, w) logits.
        """
        if self.similarity == "cosine":
            text, pooled, dense = F.normalize(text, dim=1), F.normalize(pooled, dim=1), F.normalize(dense, dim=1)
        context = torch.cat((pooled.unsqueeze(1), dense.flatten(2).transpose(1, 2)), dim=1)
        refined = text + self.gamma * self.decoder(text.unsqueeze(1), context).squeeze(1)
        return torch.einsum("bc,bchw->bhw", refined, dense).unsqueeze(1) / self.log_temperature.exp()


class ScoreHead(nn.Module):
    """Predicts S^ from v.

    A position's importance hangs on what surrounds it, so the head looks at a quarter of v's resolution through dilated
    convolutions, and at the mean over the image.

    Args:
        features: C'.
        width: its own channels.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            *(nn.Conv2d(features, width, 1), LayerNorm2d(width), nn.GELU()),
            *(nn.Conv2d(width, width, 3, 2, 1), nn.GELU(), nn.Conv2d(width, width, 3, 2, 1), LayerNorm2d(width)),
        )
        self.context = nn.ModuleList([nn.Conv2d(width, width, 3, padding=step, dilation=step) for step in (1, 2, 4)])
        self.score = nn.Sequential(nn.Conv2d(2 * width, width, 1), nn.GELU(), nn.Conv2d(width, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C', H', W') features to (B, 1, H', W') logits."""
        x = self.reduce(features)
        for conv in self.context:
            x = x + F.gelu(conv(x))
        whole = x.mean(dim=(2, 3), keepdim=True).expand_as(x)
        return F.interpolate(self.score(torch.cat((x, whole), dim=1)), features.shape[-2:], mode="bilinear", align_corners=False)
