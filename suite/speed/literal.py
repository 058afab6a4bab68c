"""SwinJSCC against the same network written as its papers and their code write it: every step by itself, the whole batch at once.

::

    roll ─> windows ─> q k^T / sqrt(d) + bias + mask ─> softmax ─> v ─> unwindow ─> roll back ─> MLP        (Liu et al., ICCV 2021, eq. 4)

Both have the same parameters, one thread and the same images; the passes alternate, so that a busy machine slows both alike.
"""

import copy
import math
import time
from fractions import Fraction
from typing import Any

import torch
from timm.models.swin_transformer import window_partition, window_reverse
from torch import Tensor, nn

from methods.layers.swin import SwinBlock, shift_mask
from methods.swinjscc.network import SwinJSCCNetwork
from suite.config.compose import compose
from suite.config.methods import resolve

SIZE, CR = 256, Fraction(1, 24)
BATCHES = (1, 8)
# Seconds of a pass over one image with the paper's network on one core, about.
SECONDS_AN_IMAGE = 2.0


class LiteralBlock(nn.Module):
    """A Swin block with the parameters of another, without fused attention, pieces or cached sums.

    Args:
        block: whose parameters it takes.
    """

    def __init__(self, block: SwinBlock) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) tokens to the same shape."""
        block: Any = self.block
        _, height, width, channels = x.shape
        kept, sides, shift = x, (block.window, block.window), block.shift
        x = block.norm1(x)
        x = torch.roll(x, (-shift, -shift), dims=(1, 2)) if shift else x
        windows = window_partition(x, sides).view(-1, block.window**2, channels)
        mask = shift_mask(height, width, block.window, shift, x.device).squeeze(1) if shift else None
        x = window_reverse(self._attended(windows, mask).view(-1, *sides, channels), sides, height, width)
        x = kept + (torch.roll(x, (shift, shift), dims=(1, 2)) if shift else x)
        return x + block.mlp(block.norm2(x))

    def _attended(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        layer: Any = self.block.attn
        rows, tokens, channels = windows.shape
        heads = layer.num_heads
        query, key, value = layer.qkv(windows).reshape(rows, tokens, 3, heads, channels // heads).permute(2, 0, 3, 1, 4)
        scores = (query / math.sqrt(channels // heads)) @ key.transpose(-2, -1)
        table, index = layer.relative_position_bias_table, layer.relative_position_index
        scores = scores + table[index.view(-1)].view(tokens, tokens, heads).permute(2, 0, 1).contiguous().unsqueeze(0)
        if mask is not None:
            scores = (scores.view(-1, len(mask), heads, tokens, tokens) + mask.unsqueeze(1)).view(rows, heads, tokens, tokens)
        return layer.proj((scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(rows, tokens, channels))


def literal(network: SwinJSCCNetwork) -> SwinJSCCNetwork:
    """Return a copy of a network whose blocks are :class:`LiteralBlock`."""
    copied = copy.deepcopy(network)
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, SwinBlock):
                setattr(module, name, LiteralBlock(child))
    return copied


@torch.inference_mode()
def measure(seconds: float) -> dict[str, Any]:
    """Return how many times as fast SwinJSCC of the paper's size is as its literal form, and the largest difference, by batch.

    Args:
        seconds: about how long it works.
    """
    (configured,) = resolve(compose("quick", "swinjscc/sa", None, None, ["training.preset=paper"]))
    torch.manual_seed(0)
    ours = configured.build(SIZE, SIZE, CR).network.eval()  # type: ignore[attr-defined]
    return {f"batch {batch}": _pairs(ours, literal(ours), batch, seconds / len(BATCHES)) for batch in BATCHES}


def _pairs(ours: SwinJSCCNetwork, plain: SwinJSCCNetwork, batch: int, seconds: float) -> dict[str, float]:
    images = torch.rand(batch, 3, SIZE, SIZE)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(max(2, round(seconds / SECONDS_AN_IMAGE / batch / 2))):
        started = time.process_time()
        features, _ = ours.encode_features(images, 10.0, None)
        image = ours.decode_features(features, 10.0, (SIZE, SIZE))
        times[0].append(time.process_time() - started)
        started = time.process_time()
        # Past the loop over images, which is not in the papers.
        features, _ = plain.encoder(images, 10.0, None)
        expected = plain.decoder(features, 10.0, (SIZE, SIZE))
        times[1].append(time.process_time() - started)
    least, most = min(times[0]), min(times[1])
    return {"s": least, "literal_s": most, "times_as_fast": most / least, "largest_difference": float((image - expected).abs().max())}
