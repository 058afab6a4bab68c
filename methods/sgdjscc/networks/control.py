"""Edge control: trainable copies of the denoiser's in and out blocks, whose outputs are added to its tokens.

::

    tokens of x ──I0──(+)──I1──(+)──I2──(+)──I3──(+)──O0──(+)──O1──(+)──O2──(+)──O3──(+)── decode blocks ──> x_0
                   │   ↑d0     ↑d1      ↑d2      ↑d3      ↑        ↑        ↑        ↑
                   └─> C0 ───> C1 ────> C2 ────> C3 ────> Co0 ───> Co1 ───> Co2 ───> Co3        d_i = k after_proj_i(c_i)
    edge latent ──────>┘

k is the control strength, one number an image; k = 0 is the uncontrolled denoiser. Source: ControlNet (Zhang et al., ICCV
2023) for transformers as in SGD-JSCC (arXiv 2501.01138; MauroZMJ/SGDJSCC at commit 2188acc).
"""

import copy
from collections.abc import Iterator
from typing import cast

from torch import Tensor, nn

from methods.sgdjscc.networks.denoiser import Block, Denoiser


class ControlBlock(nn.Module):
    """A copy of a denoiser block between projections that start at zero.

    Args:
        block: the block to copy.
        width: token width.
        first: whether this is the block where the edge latent enters.
    """

    def __init__(self, block: Block, width: int, first: bool = False) -> None:
        super().__init__()
        self.block = copy.deepcopy(block)
        self.before = _zero_linear(width) if first else None
        self.after = _zero_linear(width)

    def enter(self, control: Tensor, tokens: Tensor) -> Tensor:
        """Return the input of the first copy: the denoiser's tokens plus the projected edge tokens."""
        return control if self.before is None else tokens + self.before(control)


class ControlledDenoiser(nn.Module):
    """The denoiser with its edge-control branch.

    Args:
        base: the denoiser; its in and out blocks are copied.
    """

    def __init__(self, base: Denoiser) -> None:
        super().__init__()
        width = base.position.shape[-1]
        self.base = base
        self.in_copies = nn.ModuleList(ControlBlock(block, width, first=index == 0) for index, block in enumerate(_blocks(base.in_blocks)))
        self.out_copies = nn.ModuleList(ControlBlock(block, width) for block in _blocks(base.out_blocks))

    def copy_base(self) -> None:
        """Copy the base's blocks again, once the base has its parameters."""
        for blocks, copies in ((self.base.in_blocks, self.in_copies), (self.base.out_blocks, self.out_copies)):
            for block, copied in zip(blocks, _control_blocks(copies), strict=True):
                copied.block.load_state_dict(block.state_dict())

    def forward(self, x: Tensor, sigma: Tensor, text: Tensor, control: Tensor | None = None, strength: Tensor | None = None) -> Tensor:
        """Predict x_0.

        Args:
            x: (B, z, h, w) noisy latent.
            sigma: (B, 1) noise amplitude.
            text: (B, E) text embedding.
            control: (B, z, h, w) edge latent; ``None`` runs the denoiser alone.
            strength: (B,) control strength k; ``None`` means one.
        """
        if control is None:
            return self.base(x, sigma, text)
        start, grid = self.base.tokens(x)
        hint, _ = self.base.tokens(control)
        noise, words = self.base.conditions(sigma, text)
        amount = hint.new_ones(len(x), 1, 1) if strength is None else strength.to(hint).view(-1, 1, 1)
        tokens, added = start, None
        skips: list[Tensor] = []
        hints: list[Tensor] = []
        for block, copied in zip(self.base.in_blocks, _control_blocks(self.in_copies), strict=True):
            tokens = block(tokens if added is None else tokens + added, noise, words, grid)
            skips.append(tokens)
            hint = copied.block(copied.enter(hint, tokens), noise, words, grid)
            hints.append(hint)
            added = amount * copied.after(hint)
        for block, copied in zip(self.base.out_blocks, _control_blocks(self.out_copies), strict=True):
            tokens = block(tokens if added is None else tokens + added, noise, words, grid, skips.pop())
            hint = copied.block(hint, noise, words, grid, hints.pop())
            added = amount * copied.after(hint)
        return self.base.finish(tokens if added is None else tokens + added, start, noise, words, grid)


def _blocks(modules: nn.ModuleList) -> Iterator[Block]:
    return (cast(Block, module) for module in modules)


def _control_blocks(modules: nn.ModuleList) -> Iterator[ControlBlock]:
    return (cast(ControlBlock, module) for module in modules)


def _zero_linear(width: int) -> nn.Linear:
    layer = nn.Linear(width, width)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
