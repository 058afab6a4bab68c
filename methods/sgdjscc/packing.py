"""Tiles of an image and their channel symbols.

::

    latents of the tiles, each (B, z, h, w) ── channel c with channel c + z/2 ──> (B, k), tile after tile

A complex symbol joins two channels of one position, as in the release, so fading hits both alike.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from methods.base import Geometry
from methods.errors import RateError
from methods.layers.symbols import from_symbols, to_symbols
from methods.sgdjscc.networks.autoencoder import DOWNSAMPLING
from methods.sgdjscc.tiles import Layout, Tile, by_size, cut

UNIT = 2.0**0.5
"""A symbol of unit power holds two reals of power 1/2; the latent's reals have power one."""


class Packing:
    """How images of one size become tiles, latents and symbols.

    Args:
        geometry: image size and budget.
        side, layout: tile side in pixels and how tiles are laid.

    Attributes:
        tiles: the tiles, row by row.
        channels: latent channels z, the largest even number that the budget holds (16 at CR 1/24).

    Raises:
        RateError: sides that are not multiples of 8, a budget below two channels, or tiles that cost more than it.
    """

    def __init__(self, geometry: Geometry, side: int, layout: Layout) -> None:
        if geometry.height % DOWNSAMPLING or geometry.width % DOWNSAMPLING:
            raise RateError(f"SGD-JSCC needs sides that are multiples of {DOWNSAMPLING}, got {geometry.height} x {geometry.width}")
        self.height, self.width = geometry.height, geometry.width
        self.tiles = cut(geometry.height, geometry.width, side, layout)
        self.groups = by_size(self.tiles)
        image = geometry.height * geometry.width // DOWNSAMPLING**2
        self.channels = 2 * (geometry.symbols() // image)
        if self.channels < 2:
            raise RateError(f"CR {geometry.cr} leaves {geometry.symbols()} symbols for {image} latent positions; the smallest CR is 1/192")
        self.symbols = [self._positions(tile) * self.channels // 2 for tile in self.tiles]
        if sum(self.symbols) > geometry.symbols():
            raise RateError(
                f"the released layout cuts {geometry.height} x {geometry.width} into {len(self.tiles)} overlapping tiles that need "
                f"{sum(self.symbols)} symbols of {geometry.symbols()}; use layout: partition"
            )

    def map(self, images: Tensor, function: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Apply ``function`` to every tile of (B, C, H, W) images, tiles of one size together; one (B, ...) a tile."""
        results: dict[int, Tensor] = {}
        for numbers in self.groups.values():
            mapped = function(torch.cat([self.tiles[number].of(images) for number in numbers]))
            results |= dict(zip(numbers, mapped.chunk(len(numbers)), strict=True))
        return [results[number] for number in range(len(self.tiles))]

    def pack(self, latents: Sequence[Tensor]) -> Tensor:
        """Return (B, k) complex symbols of the tiles' latents."""
        return torch.cat([to_symbols(latent, budget) for latent, budget in zip(latents, self.symbols, strict=True)], dim=1)

    def unpack(self, symbols: Tensor) -> list[Tensor]:
        """Return the tiles' (B, z, h, w) latents, of unit power a real where the symbols have unit power."""
        return [
            UNIT * from_symbols(part, (len(part), self.channels, tile.height // DOWNSAMPLING, tile.width // DOWNSAMPLING))
            for part, tile in zip(symbols.split(self.symbols, dim=1), self.tiles, strict=True)
        ]

    def per_tile(self, values: Tensor) -> list[Tensor]:
        """Cut (B, k) values of the symbols into one (B, k_tile) a tile."""
        return list(values.split(self.symbols, dim=1))

    @staticmethod
    def _positions(tile: Tile) -> int:
        return tile.height * tile.width // DOWNSAMPLING**2
