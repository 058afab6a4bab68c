"""How the symbol budget is split (6): which symbols carry which branch.

::

    x = [ k_fg symbols of x_fg | k_bg symbols of x_bg ],  k_fg + k_bg = k at every size and CR
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from methods.errors import RateError
from methods.layers.symbols import from_symbols, to_symbols
from methods.messages import Geometry


@dataclass(frozen=True)
class Budget:
    """Channels and symbols of the branches at one CR.

    Attributes:
        cr: compression ratio.
        stride: pixels a side of one position of what is sent.
        shares: share of each branch, summing to 1.
    """

    cr: Fraction
    stride: int
    shares: tuple[Fraction, ...]

    @property
    def channels(self) -> tuple[int, ...]:
        """Real channels of each branch, enough for its share at any image size."""
        return tuple(Geometry.channels(self.cr, self.stride, share) for share in self.shares)

    def symbols(self, height: int, width: int) -> tuple[int, ...]:
        """Return the symbols of each branch for an image; they sum to the image's budget k.

        Raises:
            RateError: a branch would get none.
        """
        total = Geometry(height, width, self.cr).symbols()
        # What rounding leaves over goes where there is room; the branches together hold at least k.
        room = [math.ceil(channels * self._positions(height, width) / 2) for channels in self.channels]
        first = min(int(total * self.shares[0]), room[0])
        split = (total,) if len(room) == 1 else (total - min(total - first, room[1]), min(total - first, room[1]))
        if min(split) < 1:
            raise RateError(
                f"CR {self.cr} leaves branches {split} symbols of a {height} x {width} image; choose a larger CR or another split"
            )
        return split

    def pack(self, maps: tuple[Tensor, ...], height: int, width: int) -> Tensor:
        """Return (B, k) complex symbols of the branches' (B, C_x, h, w) maps, channel by channel."""
        return torch.cat([to_symbols(map_, count) for map_, count in zip(maps, self.symbols(height, width), strict=True)], dim=1)

    def unpack(self, symbols: Tensor, height: int, width: int) -> tuple[Tensor, ...]:
        """Return the branches' maps; the inverse of :meth:`pack`, zero where nothing was sent.

        Raises:
            RateError: there are not k symbols.
        """
        split = self.symbols(height, width)
        if symbols.shape[1] != sum(split):
            raise RateError(f"{symbols.shape[1]} symbols arrived and a {height} x {width} image at CR {self.cr} has {sum(split)}")
        grid = (height // self.stride, width // self.stride)
        pieces = zip(symbols.split(split, dim=1), self.channels, strict=True)
        return tuple(from_symbols(piece, (len(symbols), channels, *grid)) for piece, channels in pieces)

    def _positions(self, height: int, width: int) -> int:
        return (height // self.stride) * (width // self.stride)
