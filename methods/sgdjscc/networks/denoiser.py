"""The denoiser: a masked-diffusion transformer that predicts the clean latent.

::

    x (B, z, h, w) ─patch─(+ position)─┬─ in blocks ──┬─ out blocks ─(+ position)─ decode blocks ── final ──> x_0 (B, z, h, w)
                                       │     └─ skip, last in first out ─┘              │
                                       └────────────── skip to every decode block ──────┘
    sigma (B, 1) ─ sinusoids ─ MLP ─ LN ──> scale, shift and gate of every block (adaLN)
    text (B, E) ── linear ── LN ──> one token, cross-attention in every block

Source: MDTv2 (Gao et al., arXiv 2303.14389) as SGD-JSCC uses it (arXiv 2501.01138; MauroZMJ/SGDJSCC at commit 2188acc):
12 blocks of width 512 on the 16 x 16 latent of a 128 x 128 tile. Attention is PyTorch's fused one, so it cannot be
skipped for want of a package.
"""

import math

import torch
from timm.layers import Mlp
from torch import Tensor, nn
from torch.nn import functional as F

from methods.errors import RateError


class TanhGELU(nn.GELU):
    """GELU by its tanh approximation."""

    def __init__(self) -> None:
        super().__init__(approximate="tanh")


class Attention(nn.Module):
    """Self-attention over a token grid with a learned bias by relative position.

    Args:
        width: token width.
        heads: attention heads.
        side: largest grid side; smaller grids use the part of the bias table that they need.
    """

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.side = side
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        # Three rows more than relative positions exist, as in the released tables; they are never read.
        self.bias = nn.Parameter(torch.empty((2 * side - 1) ** 2 + 3, heads))
        nn.init.trunc_normal_(self.bias, std=0.02)

    def forward(self, x: Tensor, grid: tuple[int, int], kept: Tensor | None = None) -> Tensor:
        """Attend among (B, N, D) tokens of a (height, width) grid; ``kept`` (B, N) are their places when some are left out."""
        rows, tokens, width = x.shape
        query, key, value = self.qkv(x).view(rows, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=self._bias(grid, kept).to(query.dtype))
        return self.proj(mixed.transpose(1, 2).reshape(rows, tokens, width))

    def _bias(self, grid: tuple[int, int], kept: Tensor | None) -> Tensor:
        height, width = grid
        place = torch.arange(height * width, device=self.bias.device)
        if kept is None:
            kept = place[None]
        row, column = kept // width, kept % width
        down = row[:, :, None] - row[:, None, :] + self.side - 1
        right = column[:, :, None] - column[:, None, :] + self.side - 1
        return self.bias[down * (2 * self.side - 1) + right].permute(0, 3, 1, 2)


class Block(nn.Module):
    """One transformer block: modulated self-attention, text, modulated MLP.

    With a single text token the softmax of cross-attention runs over one key, so its output is the token's value
    whatever the query and key are: only the value projection is kept here.

    Args:
        width, heads: token width and attention heads.
        side: largest grid side.
        mlp_ratio: hidden width of the MLP over the token width.
        skip: whether the block takes a skip connection.
    """

    def __init__(self, width: int, heads: int, side: int, mlp_ratio: float, skip: bool = False) -> None:
        super().__init__()
        self.attention = Attention(width, heads, side)
        self.mlp = Mlp(width, int(width * mlp_ratio), act_layer=TanhGELU)
        self.modulation = nn.Linear(width, 6 * width)
        self.text_value = nn.Linear(width, width, bias=False)
        self.skip = nn.Linear(2 * width, width) if skip else None
        # Zero gates: every block starts as the identity (adaLN-Zero, Peebles and Xie, arXiv 2212.09748).
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        nn.init.zeros_(self.text_value.weight)

    def forward(
        self, x: Tensor, noise: Tensor, text: Tensor, grid: tuple[int, int], skip: Tensor | None = None, kept: Tensor | None = None
    ) -> Tensor:
        """Map (B, N, D) tokens, given noise level and text tokens of shape (B, 1, D)."""
        if self.skip is not None and skip is not None:
            x = self.skip(torch.cat((x, skip), dim=-1))
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(F.silu(noise)).chunk(6, dim=-1)
        x = x + gate1 * self.attention(modulated(x, shift1, scale1), grid, kept)
        x = x + self.text_value(text)
        return x + gate2 * self.mlp(modulated(x, shift2, scale2))


class SigmaEmbedding(nn.Module):
    """Sinusoids of the noise amplitude at 1 to 1000 turns, then an MLP."""

    speeds: Tensor

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        speeds = 2.0 * math.pi * torch.exp(torch.linspace(0.0, math.log(1000.0), features // 2))
        self.register_buffer("speeds", speeds)
        self.mlp = Mlp(features, width, width)

    def forward(self, sigma: Tensor) -> Tensor:
        """Embed (B, 1) amplitudes as (B, D)."""
        angle = sigma * self.speeds
        return self.mlp(torch.cat((angle.sin(), angle.cos()), dim=-1))


class Denoiser(nn.Module):
    """Predicts the clean latent from a noisy one.

    Args:
        side: largest latent side, 16 for tiles of 128 pixels; smaller latents use the top left of the position tables.
        patch: latent positions a token covers along each side.
        channels: latent channels z.
        width, heads, mlp_ratio: size of the blocks.
        depth: blocks in all; ``decode`` of them follow the in and out blocks, which share the rest equally.
        text_width: length E of the text embedding.
        noise_features: sinusoids of the noise amplitude.
    """

    def __init__(
        self,
        side: int = 16,
        patch: int = 1,
        channels: int = 16,
        width: int = 512,
        heads: int = 8,
        mlp_ratio: float = 4.0,
        depth: int = 12,
        decode: int = 4,
        text_width: int = 768,
        noise_features: int = 256,
    ) -> None:
        super().__init__()
        self.side, self.patch, self.channels, self.text_width = side // patch, patch, channels, text_width
        half = (depth - decode) // 2
        sizes = (width, heads, self.side, mlp_ratio)
        self.embed = nn.Conv2d(channels, width, patch, patch)
        self.position = nn.Parameter(sinusoidal_positions(self.side, width))
        self.decode_position = nn.Parameter(sinusoidal_positions(self.side, width))
        self.sigma = SigmaEmbedding(noise_features, width)
        self.text = nn.Linear(text_width, width)
        self.noise_norm = nn.LayerNorm(width)
        self.text_norm = nn.LayerNorm(width)
        self.in_blocks = nn.ModuleList(Block(*sizes) for _ in range(half))
        self.out_blocks = nn.ModuleList(Block(*sizes, skip=True) for _ in range(half))
        self.decode_blocks = nn.ModuleList(Block(*sizes, skip=True) for _ in range(decode))
        self.side_block = Block(*sizes)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.final_modulation = nn.Linear(width, 2 * width)
        self.final = nn.Linear(width, patch * patch * channels)
        for layer in (self.final_modulation, self.final):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, sigma: Tensor, text: Tensor, visible: Tensor | None = None) -> Tensor:
        """Predict x_0.

        Args:
            x: (B, z, h, w) noisy latent, h and w at most ``side`` x ``patch``.
            sigma: (B, 1) noise amplitude sqrt(s).
            text: (B, E) text embedding; zeros mean no text.
            visible: (B, h, w) mask of the tokens to keep (masked training), equally many a row; ``None`` keeps all.
        """
        tokens, grid = self.tokens(x)
        noise, words = self.conditions(sigma, text)
        kept = None if visible is None else _kept(visible)
        inner = tokens if kept is None else _gather(tokens, kept)
        skips = []
        for block in self.in_blocks:
            inner = block(inner, noise, words, grid, kept=kept)
            skips.append(inner)
        for block in self.out_blocks:
            inner = block(inner, noise, words, grid, skips.pop(), kept)
        if kept is None:
            return self.finish(inner, tokens, noise, words, grid)
        return self._finish_masked(inner, tokens, noise, words, grid, kept)

    def tokens(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return (B, N, D) tokens with their position added, and the token grid."""
        maps = self.embed(x)
        grid = (maps.shape[-2], maps.shape[-1])
        if max(grid) > self.side:
            raise RateError(f"a latent of {grid[0]} x {grid[1]} tokens exceeds the denoiser's {self.side} x {self.side}; use smaller tiles")
        return maps.flatten(2).transpose(1, 2) + self._crop(self.position, grid), grid

    def conditions(self, sigma: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Return the noise level and the text as (B, 1, D) tokens."""
        return self.noise_norm(self.sigma(sigma))[:, None], self.text_norm(self.text(text))[:, None]

    def finish(self, inner: Tensor, tokens: Tensor, noise: Tensor, words: Tensor, grid: tuple[int, int]) -> Tensor:
        """Run the decode blocks and return the latent."""
        return self._decode(inner + self._crop(self.decode_position, grid), tokens, noise, words, grid)

    def _finish_masked(self, inner: Tensor, tokens: Tensor, noise: Tensor, words: Tensor, grid: tuple[int, int], kept: Tensor) -> Tensor:
        index = kept[:, :, None].expand(-1, -1, tokens.shape[-1])
        full = self.mask_token.expand_as(tokens).scatter(1, index, inner.to(tokens.dtype)) + self._crop(self.decode_position, grid)
        seen = torch.zeros_like(full[..., :1], dtype=torch.bool).scatter(1, kept[:, :, None], True)
        return self._decode(torch.where(seen, full, self.side_block(full, noise, words, grid)), tokens, noise, words, grid)

    def _decode(self, x: Tensor, tokens: Tensor, noise: Tensor, words: Tensor, grid: tuple[int, int]) -> Tensor:
        for block in self.decode_blocks:
            x = block(x, noise, words, grid, tokens)
        shift, scale = self.final_modulation(F.silu(noise)).chunk(2, dim=-1)
        x = self.final(modulated(x, shift, scale))
        return x.view(len(x), *grid, self.patch, self.patch, self.channels).permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)

    def _crop(self, table: Tensor, grid: tuple[int, int]) -> Tensor:
        return table.view(1, self.side, self.side, -1)[:, : grid[0], : grid[1]].flatten(1, 2)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Normalise (B, N, D) tokens without learned gain, then scale and shift them."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1.0 + scale) + shift


def sinusoidal_positions(side: int, width: int) -> Tensor:
    """Return (1, side^2, width) positions: half of the channels code the column, half the row; in each, sines then cosines."""
    quarter = width // 4
    speed = torch.pow(10000.0, -torch.arange(quarter) / quarter)
    angle = torch.arange(side)[:, None] * speed
    waves = torch.cat((angle.sin(), angle.cos()), dim=1)
    grid = torch.cat((waves[None].expand(side, -1, -1), waves[:, None].expand(-1, side, -1)), dim=-1)
    return grid.reshape(1, side * side, -1)


def _kept(visible: Tensor) -> Tensor:
    """Return the (B, K) places of the visible tokens, in order."""
    flat = visible.flatten(1).bool()
    number = flat.sum(dim=1)
    if (number != number[0]).any():
        raise RateError(f"a batch must keep equally many tokens in each row, got {number.tolist()}; draw the masks so")
    return flat.nonzero()[:, 1].view(len(flat), -1)


def _gather(tokens: Tensor, kept: Tensor) -> Tensor:
    return tokens.gather(1, kept[:, :, None].expand(-1, -1, tokens.shape[-1]))
