"""Fusion (20) and the image decoder (10).

::

    v^_fg ──(+)── F_out (B, C', H', W') ── residual blocks ── LayerNorm, linear, pixel shuffle, + 1/2 ──> I_r (B, 3, H, W)
    v^_bg ───┘
"""

from timm.models.vision_transformer import init_weights_vit_timm
from torch import Tensor, nn

from methods.gened_sc.image_encoder import residual_block
from methods.layers.swin import PatchExpanding

MID_GREY = 0.5
"""Added to the network's output, so that training starts from grey images and not from black ones."""


class ImageDecoder(nn.Module):
    """f_fusion of (10): the sum of (20), then features to pixels.

    Args:
        features: C'.
        patch: side in pixels of one position of v.
        blocks: residual blocks.
    """

    def __init__(self, features: int, patch: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(residual_block(features) for _ in range(blocks)))
        self.expand = PatchExpanding(features, 3, patch)
        self.expand.apply(init_weights_vit_timm)

    def forward(self, foreground: Tensor, background: Tensor | None) -> Tensor:
        """Return (B, 3, H, W) images, not clamped, of (B, C', H', W') features; one branch has no background."""
        features = self.blocks(foreground if background is None else foreground + background)
        images: Tensor = self.expand(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return images + MID_GREY
