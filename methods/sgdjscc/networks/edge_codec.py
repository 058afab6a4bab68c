"""The edge codec: an edge map and its uncertainty as a few analog symbols.

::

    edges, uncertainty (B, 2, 128, 128) ─ patches ─ Swin stages 64, 32, 16, 8 ─ head ─ rate gate ─ first r of C channels ──> (B, 64, r)
    edges (B, 1, 128, 128) <─ sigmoid ─ final ─ Swin stages 8, 16, 32, 64 ─ head <─ zeros where nothing was sent <────────── (B, 64, r)

Every block is modulated (adaLN): by the rate r at the sender, by the rate and the SNR at the receiver. Source:
arXiv 2501.01138 and MauroZMJ/SGDJSCC at commit 2188acc: C = 256, r = 13, so 832 reals or 416 complex symbols a tile.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.layers.swin import PatchExpanding, PatchMerging, SwinBlock, fitted_window
from methods.sgdjscc.networks.denoiser import modulated

_FEATURES = 256


class NumberEmbedding(nn.Module):
    """Embeds a raw number (a rate, a linear SNR) by cosines and sines of falling speed and an MLP."""

    speeds: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        half = _FEATURES // 2
        self.register_buffer("speeds", torch.pow(10000.0, -torch.arange(half) / half), persistent=False)
        self.mlp = nn.Sequential(nn.Linear(_FEATURES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, value: Tensor) -> Tensor:
        """Embed (B, 1) numbers as (B, width)."""
        angle = value * self.speeds
        return self.mlp(torch.cat((angle.cos(), angle.sin()), dim=-1))


class ModulatedSwinBlock(SwinBlock):
    """A Swin block whose norms are scaled and shifted, and whose branches are gated, by a condition (B, C)."""

    def __init__(self, dim: int, heads: int, window: int, shift: int) -> None:
        super().__init__(dim, heads, window, shift)
        self.modulation = nn.Linear(dim, 6 * dim)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:  # type: ignore[override]
        """Map (B, H, W, C) tokens."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(F.silu(condition))[:, None, None].chunk(6, dim=-1)
        x = x + gate1 * self.attend(self.norm1(x) * (1.0 + scale1) + shift1)
        return x + gate2 * self.mlp(self.norm2(x) * (1.0 + scale2) + shift2)


class ModulatedHead(nn.Module):
    """LayerNorm, modulation by a condition and a linear map; without ``affine`` the norm has no gain and comes twice."""

    def __init__(self, inputs: int, outputs: int, affine: bool = True) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inputs) if affine else None
        self.modulation = nn.Linear(inputs, 2 * inputs)
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map (B, N, inputs) tokens to (B, N, outputs)."""
        shift, scale = self.modulation(F.silu(condition))[:, None].chunk(2, dim=-1)
        if self.norm is None:
            return self.linear(F.layer_norm(modulated(x, shift, scale), x.shape[-1:], eps=1e-6))
        return self.linear(self.norm(x) * (1.0 + scale) + shift)


class RateGate(nn.Module):
    """Scales each channel between 0 and 1 by the rate, as the rate gate of SwinJSCC (seven modulated linear layers).

    Args:
        width: channels C; the hidden width is 1.5 C.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = int(1.5 * width)
        sides = (width, *(hidden,) * 7, width)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sides))
        self.factors = nn.ModuleList(
            nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.Sigmoid())
            for _ in range(7)
        )

    def forward(self, x: Tensor, rate: Tensor) -> Tensor:
        """Gate (B, N, C) tokens, given the rate (B, 1)."""
        inner = x.detach()
        for layer, factor in zip(self.layers[:-1], self.factors, strict=True):
            inner = layer(inner) * factor(rate)[:, None]
        return x * torch.sigmoid(self.layers[-1](inner))


class Stage(nn.Module):
    """Modulated Swin blocks at one resolution, with an embedding of the numbers they are modulated by.

    Args:
        dim, depth, heads: size of the blocks.
        side, window: token grid side and window.
        snr: whether the blocks know the SNR besides the rate.
    """

    def __init__(self, dim: int, depth: int, heads: int, side: int, window: int, snr: bool) -> None:
        super().__init__()
        fitted, shifting = fitted_window(side, side, window)
        self.blocks = nn.ModuleList(
            ModulatedSwinBlock(dim, heads, fitted, fitted // 2 if shifting and index % 2 else 0) for index in range(depth)
        )
        self.rate = NumberEmbedding(dim)
        self.snr = NumberEmbedding(dim) if snr else None

    def condition(self, rate: Tensor, snr: Tensor | None = None) -> Tensor:
        """Return the condition (B, dim) of the stage."""
        embedded = self.rate(rate)
        return embedded if self.snr is None or snr is None else embedded + self.snr(snr)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map (B, H, W, dim) tokens."""
        for block in self.blocks:
            x = block(x, condition)
        return x


class EdgeCodec(nn.Module):
    """Encoder and decoder of an edge map.

    Args:
        side: pixels along each side of the map.
        channels: features C of each token of the last stage.
        patch, window: patch side in pixels, window side in tokens.
        dims, depths, heads: the stages, finest first.
    """

    def __init__(
        self,
        side: int = 128,
        channels: int = 256,
        patch: int = 2,
        window: int = 8,
        dims: Sequence[int] = (128, 192, 256, 320),
        depths: Sequence[int] = (2, 2, 6, 2),
        heads: Sequence[int] = (4, 6, 8, 10),
    ) -> None:
        super().__init__()
        self.side, self.channels, self.patch = side, channels, patch
        sides = [side // patch // 2**level for level in range(len(dims))]
        self.tokens = sides[-1] ** 2
        stages = list(zip(dims, depths, heads, sides, strict=True))
        self.embed_edges = nn.Conv2d(1, dims[0], patch, patch)
        self.embed_uncertainty = nn.Conv2d(1, dims[0], patch, patch)
        self.position = nn.Parameter(torch.zeros(1, sides[0] ** 2, dims[0]))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.input_norm = nn.LayerNorm(dims[0])
        self.encoder = nn.ModuleList(Stage(dim, depth, head, grid, window, snr=False) for dim, depth, head, grid in stages)
        self.merging = nn.ModuleList(PatchMerging(a, b) for a, b in pairwise(dims))
        self.output_norm = nn.LayerNorm(dims[-1])
        self.encoder_head = ModulatedHead(dims[-1], channels)
        self.gate = RateGate(channels)
        self.decoder_head = ModulatedHead(channels, dims[-1])
        self.head_rate, self.head_snr = NumberEmbedding(channels), NumberEmbedding(channels)
        self.decoder = nn.ModuleList(Stage(dim, depth, head, grid, window, snr=True) for dim, depth, head, grid in reversed(stages))
        self.expanding = nn.ModuleList(PatchExpanding(b, a) for a, b in reversed(list(pairwise(dims))))
        self.final = ModulatedHead(dims[0], patch * patch, affine=False)

    def encode(self, maps: Tensor, rate: int) -> Tensor:
        """Return (B, tokens, rate) features of (B, 2, side, side) edges and uncertainty."""
        value = maps.new_full((len(maps), 1), float(rate))
        x = self.embed_edges(maps[:, :1]) + self.embed_uncertainty(maps[:, 1:])
        x = x.permute(0, 2, 3, 1)
        x = self.input_norm(x + self.position.view(1, *x.shape[1:]))
        condition = x.new_zeros(())
        for index, stage in enumerate(self.encoder):
            condition = stage.condition(value)  # type: ignore[operator]
            x = stage(x if index == 0 else self.merging[index - 1](x), condition)
        x = self.encoder_head(self.output_norm(x).flatten(1, 2), condition)
        return self.gate(x, value)[..., :rate]

    def decode(self, features: Tensor, snr_db: Tensor) -> Tensor:
        """Return (B, 1, side, side) edges in (0, 1) from (B, tokens, rate) received features and the SNR (B, 1) in dB."""
        rate = features.new_full((len(features), 1), float(features.shape[-1]))
        snr = torch.pow(10.0, snr_db / 10.0)
        full = F.pad(features, (0, self.channels - features.shape[-1]))
        x = self.decoder_head(full, self.head_snr(snr) + self.head_rate(rate))
        side = round(self.tokens**0.5)
        x = x.view(len(x), side, side, -1)
        condition = x.new_zeros(())
        for index, stage in enumerate(self.decoder):
            condition = stage.condition(rate, snr)  # type: ignore[operator]
            x = stage(x, condition)
            if index < len(self.expanding):
                x = self.expanding[index](x)
        pixels = self.final(x.flatten(1, 2), condition)
        grid = self.side // self.patch
        maps = pixels.view(-1, grid, grid, self.patch, self.patch).permute(0, 1, 3, 2, 4)
        return torch.sigmoid(maps.reshape(-1, 1, self.side, self.side))


def normalised(features: Tensor, power: Tensor | None = None) -> Tensor:
    """Scale each row of (B, N, r) features to a mean square of one.

    Args:
        features: sent or received features.
        power: (B,) squared norm to divide by instead of the row's own; see :func:`released_power`.
    """
    size = features[0].numel()
    square = features.flatten(1).square().sum(dim=1) if power is None else power
    return features * (size / square.clamp(min=1e-24)).sqrt().view(-1, 1, 1)


def released_power(features: Tensor, positions: int, noise: Tensor) -> Tensor:
    """Return the squared norm that the release divides the received features by.

    The release adds noise to all ``positions`` features, those that are never sent included, and normalises by the
    norm of the lot: at 10 dB the useful part of 832 out of 16384 arrives at about 0.58 of its amplitude. Nothing is
    received for unsent features here, so their noise enters by its expectation.

    Args:
        features: (B, N, r) received features.
        positions: features a row in all, N x C.
        noise: (B,) noise variance of one real feature.
    """
    return features.flatten(1).square().sum(dim=1) + (positions - features[0].numel()) * noise
