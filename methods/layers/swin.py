"""Swin transformer stages on (B, H, W, C) tokens: blocks, merging down, expanding up.

::

    x ──LN──shift──windows──attention──unshift──(+)──LN──MLP──(+)── y          one block; every other one shifts

The parameters, the position index and the merging are timm's (Liu et al., "Swin Transformer", ICCV 2021). The block is
kept here because timm's recomputes the attention mask at every call and has one image size; this one takes any size
that its window divides, caches the masks by size and keeps large temporaries off the CPU's page-fault path.
"""

from functools import lru_cache
from typing import Any

import torch
from timm.layers import Mlp
from timm.models.swin_transformer import PatchMerging, window_partition, window_reverse
from timm.models.swin_transformer import WindowAttention as TimmWindowAttention
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PatchExpanding", "PatchMerging", "SwinBlock", "WindowAttention", "fitted_window", "swin_blocks"]

# Without gradients a block works through this many tokens at a time on a CPU: its widest temporaries then stay in the
# cache and below glibc's largest malloc threshold (32 MiB), above which each call pays fresh page faults.
_TOKENS_AT_ONCE = 2048


def fitted_window(height: int, width: int, window: int) -> tuple[int, bool]:
    """Return the window side for a token grid and whether blocks may shift.

    A grid no wider than the window on its shorter side is one window across, and nothing shifts.
    """
    shorter = min(height, width)
    return (shorter, False) if shorter <= window else (window, True)


@lru_cache(maxsize=64)
def shift_mask(height: int, width: int, window: int, shift: int, device: torch.device) -> Tensor:
    """Return the attention mask of a shifted grid, (windows, 1, window^2, window^2), -100 between unrelated tokens.

    After the cyclic shift, a window at the border holds tokens from opposite sides of the image; each side may
    attend only to itself.
    """

    def side(length: int) -> Tensor:
        position = torch.arange(length, device=device)
        return (position >= length - window).long() + (position >= length - shift).long()

    regions = (3 * side(height)[:, None] + side(width)[None, :]).view(1, height, width, 1)
    labels = window_partition(regions, (window, window)).flatten(1)
    return torch.where(labels[:, None, :] == labels[:, :, None], 0.0, -100.0).unsqueeze(1)


class WindowAttention(TimmWindowAttention):
    """Multi-head self-attention inside windows with a relative position bias.

    timm's layer with another forward pass: position bias and mask enter torch's fused attention as one broadcast term.
    """

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend inside each window.

        Args:
            x: (B * windows, N, C), windows of one image adjacent.
            mask: (windows, 1, N, N), added to the attention scores, or ``None``.
        """
        rows, tokens, channels = x.shape
        query, key, value = self.qkv(x).reshape(rows, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        bias = self._get_rel_pos_bias()
        if mask is not None:
            bias = bias + mask
            if rows != len(mask):
                bias = bias.repeat(rows // len(mask), 1, 1, 1)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return self.proj(mixed.transpose(1, 2).reshape(rows, tokens, channels))


class SwinBlock(nn.Module):
    """One pre-norm Swin block.

    Args:
        dim: token width C.
        heads: attention heads.
        window: window side in tokens.
        shift: cyclic shift in tokens, 0 for none.
        mlp_ratio: hidden width of the MLP over C.
        qkv_bias: bias in the query, key and value projection.
    """

    def __init__(self, dim: int, heads: int, window: int, shift: int, mlp_ratio: float = 4.0, qkv_bias: bool = True) -> None:
        super().__init__()
        self.window = window
        self.shift = shift
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, num_heads=heads, window_size=window, qkv_bias=qkv_bias)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) tokens to the same shape; the window must divide H and W."""
        x = x + self.attend(self.norm1(x))
        if torch.is_grad_enabled() or x.device.type != "cpu":
            return x + self.mlp(self.norm2(x))
        for piece in x.view(-1, x.shape[-1]).split(_TOKENS_AT_ONCE):
            piece += self.mlp(self.norm2(piece))
        return x

    def attend(self, x: Tensor) -> Tensor:
        """Apply shifted-window attention to normalised (B, H, W, C) tokens."""
        _, height, width, channels = x.shape
        mask = None
        if self.shift:
            mask = shift_mask(height, width, self.window, self.shift, x.device)
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        sides = (self.window, self.window)
        windows = self._attend_windows(window_partition(x, sides).flatten(1, 2), mask)
        x = window_reverse(windows.view(-1, *sides, channels), sides, height, width)
        return x.roll((self.shift, self.shift), dims=(1, 2)) if self.shift else x

    def _attend_windows(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        if torch.is_grad_enabled() or windows.device.type != "cpu":
            return self.attn(windows, mask)
        image = len(windows) if mask is None else len(mask)
        at_once = min(image, max(1, _TOKENS_AT_ONCE // windows.shape[1]))
        attended = torch.empty_like(windows)
        for start in range(0, len(windows), image):
            for first in range(0, image, at_once):
                rows = slice(start + first, start + min(first + at_once, image))
                attended[rows] = self.attn(windows[rows], None if mask is None else mask[first : first + at_once])
        return attended


class PatchExpanding(nn.Module):
    """LayerNorm, linear map and pixel shuffle: (B, H, W, dim) to (B, rH, rW, out_dim).

    Args:
        dim, out_dim: token widths.
        factor: enlargement r.
    """

    def __init__(self, dim: int, out_dim: int, factor: int = 2) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.increment = nn.Linear(dim, factor * factor * out_dim, bias=False)
        self.shuffle = nn.PixelShuffle(factor)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge (B, H, W, dim) tokens."""
        return self.shuffle(self.increment(self.norm(x)).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def swin_blocks(dim: int, depth: int, heads: int, grid: tuple[int, int], window: int, **block: Any) -> nn.ModuleList:
    """Return ``depth`` blocks for a (height, width) token grid, every second one shifted by half a window."""
    side, shifting = fitted_window(*grid, window)
    return nn.ModuleList([SwinBlock(dim, heads, side, side // 2 if shifting and index % 2 else 0, **block) for index in range(depth)])
