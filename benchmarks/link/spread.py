"""Analog streams on the air: one fade or several, a resource grid of their own or one that all streams of a signal share.

::

    (B, k) symbols ──every L-th to one of L transmissions──> each in its own fade, at its place of the grid ──> (B, k) in their order

Only slow fading with HARQ has L > 1: there a message meets up to L fades, and analog symbols meet as many, at no symbol more.
"""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.link.channels import GRID_STREAM, Channel, GridChannel, Observation, Place
from benchmarks.link.draws import Draws, part_of


def lengths(symbols: int, transmissions: int) -> list[int]:
    """Return how many of a row's symbols each transmission carries: every L-th one.

    Example:
        >>> lengths(10, 4)
        [3, 3, 2, 2]
    """
    return [len(range(first, symbols, transmissions)) for first in range(transmissions)]


def transmit(
    air: Channel,
    symbols: Tensor,
    snr_db: float,
    draws: Draws,
    stream: str,
    transmissions: int = 1,
    places: Sequence[Sequence[Place]] | None = None,
) -> Observation:
    """Send unit-power (B, k) symbols in ``transmissions`` parts, each of which meets a fade of its own.

    Args:
        air, symbols, snr_db, draws, stream: as of a channel.
        transmissions: parts.
        places: of each part, that of each row on the grid it shares with other streams; ``None`` for grids of its own.
    """
    if transmissions == 1:
        return _part(air, symbols, snr_db, draws, stream, places[0] if places else None)
    rows, length = symbols.shape
    order = torch.cat([torch.arange(first, length, transmissions) for first in range(transmissions)]).to(symbols.device)
    heard = []
    for number in range(min(transmissions, length)):
        drawn = part_of(draws, range(rows), number)
        heard.append(_part(air, symbols[:, number::transmissions], snr_db, drawn, stream, places[number] if places else None))
    back = torch.argsort(order)
    counts = [seen.symbols.shape[1] for seen in heard]
    power = torch.stack([seen.noise_power * count for seen, count in zip(heard, counts, strict=True)]).sum(dim=0) / length
    arrived, variance = (torch.cat([getattr(seen, name) for seen in heard], dim=1)[:, back] for name in ("symbols", "noise_variance"))
    return Observation(arrived, variance, power, sum(seen.pilots for seen in heard))


def _part(air: Channel, symbols: Tensor, snr_db: float, draws: Draws, stream: str, places: Sequence[Place] | None) -> Observation:
    if places is None or not isinstance(air, GridChannel):
        return air.transmit(symbols, snr_db, draws, stream)
    # Images whose other streams are of other lengths have grids of other sizes.
    groups: dict[Place, list[int]] = defaultdict(list)
    for row, place in enumerate(places):
        groups[place].append(row)
    seen = {place: air.transmit(symbols[rows], snr_db, part_of(draws, rows), GRID_STREAM, place) for place, rows in groups.items()}
    back = torch.argsort(torch.tensor([row for rows in groups.values() for row in rows])).to(symbols.device)
    arrived, variance, power = (
        torch.cat([getattr(each, name) for each in seen.values()])[back] for name in ("symbols", "noise_variance", "noise_power")
    )
    return Observation(arrived, variance, power, max(each.pilots for each in seen.values()))
