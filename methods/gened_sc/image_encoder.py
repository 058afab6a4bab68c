"""f_img (1): image to features v.

::

    I_o (B, 3, H, W) ── conv p x p, stride p ── ConvNeXt block ── LayerNorm over channels ──> v (B, C', H/p, W/p)

The last normalisation bounds the unscaled scores of (17): at a position v v^T is about C'.
"""

from timm.layers import LayerNorm2d
from timm.models.convnext import ConvNeXtBlock
from torch import Tensor, nn


def residual_block(channels: int) -> nn.Module:
    """Return a ConvNeXt block (Liu et al., CVPR 2022) without layer scale: 7 x 7 depthwise, LayerNorm, MLP of twice the width."""
    return ConvNeXtBlock(channels, mlp_ratio=2, conv_mlp=True, norm_layer=LayerNorm2d, ls_init_value=None)


class ImageEncoder(nn.Module):
    """f_img of (1).

    Args:
        features: C'.
        patch: p.
    """

    def __init__(self, features: int, patch: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, features, patch, patch)
        self.block = residual_block(features)
        self.norm = LayerNorm2d(features)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) images in [0, 1] to (B, C', H/p, W/p) features."""
        features: Tensor = self.norm(self.block(self.embed(images)))
        return features
