"""Both sides of GenED-SC's stage one, without the link.

::

    I_o ── f_img ── v ─┬─ score head ── S^ ─┬─ SIPM ── M, Delta p, A_CA, A_SA
                       │        or S (CLIP) ┘             │
                       └────────── split attention <──────┘
                                    ├─ F_fg ── E_fg ── x_fg (B, C_fg, h, w)  ═╗
                                    └─ F_bg ── E_bg ── x_bg (B, C_bg, h, w)  ═╬═ link
    I_r <── image decoder <── (+) <─┬─ v^_fg ── D_fg <── y_fg                ═╝
                                    └─ v^_bg ── D_bg <── y_bg

Both branches send whole maps, so the receiver does not need M. With one branch, F_fg + F_bg of (20) is formed before it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.errors import MethodError
from methods.gened_sc.branches import DECODERS, ENCODERS
from methods.gened_sc.fusion import ImageDecoder
from methods.gened_sc.image_encoder import ImageEncoder
from methods.gened_sc.masks import resized
from methods.gened_sc.score_map import ScoreHead
from methods.gened_sc.settings import GenEDSCSettings
from methods.gened_sc.sipm import ImportancePredictor, Prediction
from methods.gened_sc.split_attention import SplitAttention
from methods.swinjscc.layout import Layout

# Any fixed number: the pattern that a random mask has at inference.
_PATTERN_SEED = 20250901


@dataclass(frozen=True)
class Sent:
    """What the sender computes for B images.

    Attributes:
        foreground: (B, C_fg, h, w) x_fg, or all of x with one branch.
        background: (B, C_bg, h, w) x_bg, ``None`` with one branch.
        mask: (B, 1, H'/w, W'/w) M.
        scores: (B, 1, H', W') the score map that the router saw.
        prediction: Psi's outputs.
    """

    foreground: Tensor
    background: Tensor | None
    mask: Tensor
    scores: Tensor
    prediction: Prediction


class Sender(nn.Module):
    """Image to x_fg and x_bg.

    Args:
        settings: the method's.
        layouts: sizes of the foreground and the background branch.
        channels: C_fg and C_bg; one number with one branch.
    """

    def __init__(self, settings: GenEDSCSettings, layouts: tuple[Layout, Layout], channels: tuple[int, ...]) -> None:
        super().__init__()
        self.settings = settings
        width, side = settings.features, settings.importance_patch
        self.image_encoder = ImageEncoder(width, settings.patch)
        self.score_head = ScoreHead(width, settings.score_width) if settings.score_source == "predicted" else None
        self.importance = ImportancePredictor(
            *(width, side),
            with_mask=settings.importance == "learned",
            with_offsets=settings.deformable,
            max_offset=settings.max_offset,
            descriptor=settings.descriptor,
            gumbel_on=settings.gumbel_on,
            temperature=settings.gumbel_temperature,
        )
        self.attention = SplitAttention(width, side, settings.attention_scale, settings.attention_residual)
        architectures = (settings.foreground, settings.background)
        self.encoders = nn.ModuleList(
            [ENCODERS[name](width, *sizes) for name, *sizes in zip(architectures, layouts, channels, strict=False)]
        )

    def features(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return v (B, C', H', W') and S^ (B, 1, H', W'), the latter where a head predicts it."""
        features = self.image_encoder(images)
        return features, None if self.score_head is None else self.score_head(features)

    def forward(self, features: Tensor, scores: Tensor, saliency: Tensor | None = None, generator: torch.Generator | None = None) -> Sent:
        """Route and encode v.

        Args:
            features: (B, C', H', W') v.
            scores: (B, 1, H', W') the score map.
            saliency: (B, 1, H, W) mask, read with ``importance: oracle`` alone.
            generator: source of the Gumbel noise and of random masks in training; ``None`` at inference.
        """
        prediction = self.importance(features, scores, generator)
        mask = self._mask(prediction, features, saliency, generator)
        background = torch.ones_like(mask) if self.settings.importance == "shared" else 1.0 - mask
        split = self.attention(features, mask, background, prediction)
        if not self.settings.dual_branch:
            return Sent(self.encoders[0](split[0] + split[1]), None, mask, scores, prediction)
        return Sent(self.encoders[0](split[0]), self.encoders[1](split[1]), mask, scores, prediction)

    def _mask(self, prediction: Prediction, features: Tensor, saliency: Tensor | None, generator: torch.Generator | None) -> Tensor:
        if prediction.mask is not None:
            return prediction.mask
        side = self.settings.importance_patch
        batch, height, width = len(features), features.shape[-2] // side, features.shape[-1] // side
        if self.settings.importance in ("ones", "shared"):
            return torch.ones(batch, 1, height, width, device=features.device)
        if self.settings.importance == "random":
            # At inference every image gets the same pattern, so that a result is no matter of its batch mates.
            rows = 1 if generator is None else batch
            drawn = torch.rand(rows, 1, height, width, generator=generator or torch.Generator().manual_seed(_PATTERN_SEED))
            return (drawn < self.settings.random_share).float().to(features.device).expand(batch, -1, -1, -1)
        if saliency is None:
            raise MethodError(
                "importance: oracle routes by the saliency mask and there is none; transmit images with masks, through encode_with_masks, "
                "or choose another importance"
            )
        return resized(saliency, (height, width))


class Receiver(nn.Module):
    """y_fg and y_bg to image; arguments as for :class:`Sender`."""

    def __init__(self, settings: GenEDSCSettings, layouts: tuple[Layout, Layout], channels: tuple[int, ...]) -> None:
        super().__init__()
        architectures = (settings.foreground, settings.background)
        self.decoders = nn.ModuleList(
            [DECODERS[name](settings.features, *sizes) for name, *sizes in zip(architectures, layouts, channels, strict=False)]
        )
        self.image_decoder = ImageDecoder(settings.features, settings.patch, settings.fusion_blocks)

    def forward(self, foreground: Tensor, background: Tensor | None) -> Tensor:
        """Return (B, 3, H, W) images, not clamped."""
        restored = None if background is None else self.decoders[1](background)
        images: Tensor = self.image_decoder(self.decoders[0](foreground), restored)
        return images
