"""Sizes of the SwinJSCC network and the images that fit them.

::

    image H x W ──patch p──> stage 0: H/p x W/p ──merge──> stage 1: H/2p x W/2p ──merge──> ... stage S-1
                               every grid must split into windows of w x w tokens
"""

import math
from dataclasses import dataclass

from torch import nn

from methods.errors import MethodError
from methods.layers.swin import fitted_window, swin_blocks


@dataclass(frozen=True)
class Layout:
    """Sizes of one side, from the image's end to the channel's; the decoder mirrors the encoder.

    Attributes:
        height, width: image size the windows are fitted to.
        dims, depths, heads: token width, blocks and attention heads of each stage.
        window: window side in tokens.
        patch: side of the patches of the first stage, pixels.
        mlp_ratio: hidden width of the MLPs over the token width.
        qkv_bias: bias in the query, key and value projections.
    """

    height: int
    width: int
    dims: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int
    patch: int = 2
    mlp_ratio: float = 4.0
    qkv_bias: bool = True

    @property
    def stride(self) -> int:
        """Pixels a side of one token at the channel's end."""
        return self.patch * 2 ** (len(self.dims) - 1)

    @property
    def multiple(self) -> int:
        """What image sides must be multiples of for every stage to split into its windows."""
        return math.lcm(*(self.patch * 2**stage * fitted_window(*self.grid(stage), self.window)[0] for stage in range(len(self.dims))))

    def grid(self, stage: int) -> tuple[int, int]:
        """Return the token grid (rows, columns) of a stage for images of the layout's size."""
        side = self.patch * 2**stage
        return self.height // side, self.width // side

    def check(self, height: int, width: int) -> None:
        """Raise :class:`MethodError` unless images of height x width fit."""
        if min(height, width) < self.stride:
            raise MethodError(f"a {height} x {width} image has no token left after {self.stride}-fold downsampling; use larger images")
        if height % self.multiple or width % self.multiple:
            raise MethodError(
                f"a {height} x {width} image does not split into windows of {self.window} tokens at every stage; "
                f"its sides must be multiples of {self.multiple}"
            )

    def blocks(self, stage: int) -> nn.ModuleList:
        """Return the Swin blocks of a stage."""
        return swin_blocks(
            *(self.dims[stage], self.depths[stage], self.heads[stage], self.grid(stage), self.window),
            mlp_ratio=self.mlp_ratio,
            qkv_bias=self.qkv_bias,
        )
