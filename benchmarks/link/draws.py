"""Random numbers of the link: counter-based, keyed by what is being measured, never by who measures it.

::

    (run seed, image id, channel, SNR, repetition, stream) ──blake2b──> 128-bit key ──Philox──> CN(0, 1) draws

A longer draw begins with the shorter one, so two methods that send different numbers of symbols over the same cell
meet the same noise as far as their lengths allow. Drawn on the CPU in any case: a GPU run sees the same noise.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Draws(Protocol):
    """A source of complex normal numbers for a batch of transmissions."""

    def complex_normal(self, stream: str, rows: int, length: int, device: torch.device | str = "cpu") -> Tensor:
        """Return (rows, length) complex64 draws of CN(0, 1): unit total variance, half per real dimension."""
        ...


class KeyedDraws:
    """Draws for an evaluation cell, one key an image.

    Args:
        seed: the run's seed.
        images: the batch's image ids, one a row.
        channel, snr_db, repetition: the cell.

    Example:
        >>> noise = KeyedDraws(1, ["kodim01"], "awgn", 4.0, 0).complex_normal("noise", 1, 512)
        >>> again = KeyedDraws(1, ["kodim07", "kodim01"], "awgn", 4.0, 0).complex_normal("noise", 2, 768)
        >>> torch.equal(noise[0], again[1, :512])
        True
    """

    def __init__(self, seed: int, images: Sequence[str], channel: str, snr_db: float, repetition: int) -> None:
        self.seed = seed
        self.images = list(images)
        self.cell = (channel, float(snr_db), repetition)

    def complex_normal(self, stream: str, rows: int, length: int, device: torch.device | str = "cpu") -> Tensor:
        """Return one keyed draw a row; ``stream`` separates noise from fading and the analog from the digital part."""
        drawn = np.stack([self._row(image, stream, length) for image in self._first(rows)])
        return torch.from_numpy(drawn).to(device)

    def later(self, what: str) -> "KeyedDraws":
        """Return the draws of what is sent later in the same cell, by name: it meets noise and fading of its own."""
        channel, snr_db, repetition = self.cell
        return KeyedDraws(self.seed, [f"{image}/{what}" for image in self.images], channel, snr_db, repetition)

    def part(self, rows: Sequence[int], transmission: int = 0) -> "KeyedDraws":
        """Return the draws of some images of the batch; those of a later transmission, from 1, meet noise and fading of their own."""
        channel, snr_db, repetition = self.cell
        kept = KeyedDraws(self.seed, [self.images[row] for row in rows], channel, snr_db, repetition)
        return kept.later(f"transmission {transmission + 1}") if transmission else kept

    def _first(self, rows: int) -> list[str]:
        if rows != len(self.images):
            raise ValueError(f"{rows} rows were asked of draws keyed for {len(self.images)} images")
        return self.images

    def _key(self, image: str, stream: str) -> bytes:
        identity = json.dumps([self.seed, image, *self.cell, stream], separators=(",", ":"))
        return hashlib.blake2b(identity.encode(), digest_size=16).digest()

    def _row(self, image: str, stream: str, length: int) -> np.ndarray:
        philox = np.random.Philox(key=int.from_bytes(self._key(image, stream), "big"))
        reals = np.random.Generator(philox).standard_normal(2 * length, dtype=np.float64)
        return (reals * math.sqrt(0.5)).view(np.complex128).astype(np.complex64)


def part_of(draws: Draws, rows: Sequence[int], transmission: int = 0) -> Draws:
    """Return the draws of some rows as :meth:`KeyedDraws.part`; those that are not keyed are new each time and serve as they are."""
    return draws.part(rows, transmission) if isinstance(draws, KeyedDraws) else draws


class TrainingDraws:
    """Draws for training, from one seeded torch generator on the training device."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def complex_normal(self, stream: str, rows: int, length: int, device: torch.device | str = "cpu") -> Tensor:
        """Return fresh draws; ``stream`` is not needed, training never repeats a cell."""
        return torch.randn(rows, length, dtype=torch.complex64, generator=self.generator, device=device)
