"""Cutting an image into tiles and putting it together again.

::

    image (B, 3, H, W) ──cut──> tiles of at most 128 x 128 ──merge (mean where they overlap)──> image

``partition`` never sends a pixel twice: the last tile of a row or column is narrower where 128 does not divide the
side. ``released`` is the authors' layout: equal tiles whose stride depends on the remainder, with duplicates kept; on
sides that are multiples of 128 (or at most 128) both are the same, elsewhere it costs a multiple of the symbols
(16 tiles instead of 6 at 200 x 300, 75 instead of 12 at 320 x 480).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Layout = Literal["partition", "released"]


@dataclass(frozen=True)
class Tile:
    """A rectangle of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, images: Tensor) -> Tensor:
        """Return this part of (B, C, H, W) images."""
        return images[..., self.top : self.top + self.height, self.left : self.left + self.width]


def cut(height: int, width: int, side: int = 128, layout: Layout = "partition") -> list[Tile]:
    """Return the tiles of an image, row by row."""
    spans = _spans if layout == "partition" else _released_spans
    return [Tile(top, left, tall, wide) for top, tall in spans(height, side) for left, wide in spans(width, side)]


def merge(parts: Iterable[tuple[Tile, Tensor]], height: int, width: int) -> Tensor:
    """Return (B, C, height, width) from tiles with their (B, C, h, w) contents; the mean where tiles overlap."""
    total = count = None
    for tile, part in parts:
        if total is None or count is None:
            total = part.new_zeros(*part.shape[:-2], height, width)
            count = part.new_zeros(height, width)
        tile.of(total).add_(part)
        count[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
    if total is None or count is None:
        raise ValueError("no tiles to merge")
    return total / count


def by_size(tiles: Sequence[Tile]) -> dict[tuple[int, int], list[int]]:
    """Group tile numbers by (height, width), so that tiles of one size go through a network together."""
    groups: dict[tuple[int, int], list[int]] = {}
    for number, tile in enumerate(tiles):
        groups.setdefault((tile.height, tile.width), []).append(number)
    return groups


def pad_to(images: Tensor, side: int) -> Tensor:
    """Extend (B, C, h, w) images with zeros on the right and at the bottom to ``side`` x ``side``."""
    height, width = images.shape[-2:]
    return torch.nn.functional.pad(images, (0, side - width, 0, side - height))


def _spans(length: int, side: int) -> list[tuple[int, int]]:
    return [(start, min(side, length - start)) for start in range(0, length, side)]


def _released_spans(length: int, side: int) -> list[tuple[int, int]]:
    stride = max(side - length % side, 1) if length > side else length
    size = min(side, length)
    return [(min(index * stride, length - size), size) for index in range((length - 1) // stride + 1)]
