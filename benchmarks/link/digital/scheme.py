"""A modulation and coding scheme (MCS): how many bits a symbol carries, and how many symbols a block takes."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from benchmarks.common.errors import LinkError
from benchmarks.link.digital.settings import Modulation

BITS_PER_SYMBOL: dict[Modulation, int] = {"qpsk": 2, "16qam": 4, "64qam": 6}
_LOWEST_RATE = Fraction(1, 5)


@dataclass(frozen=True)
class Scheme:
    """A square QAM with Gray labels and a 5G LDPC code.

    Attributes:
        modulation: "qpsk", "16qam" or "64qam"; "gaussian" for the reference at capacity alone, which has no code to ask for.
        code_rate: information bits, check included, over coded bits; 1 for no code at all. Below 1/5, where the 5G code ends, its
            1/(5n): each symbol of the block is sent n times and the receiver adds up what it hears.

    Raises:
        LinkError: a code rate below 1/5 that repeats no whole block.
    """

    modulation: Modulation | Literal["gaussian"]
    code_rate: Fraction

    def __post_init__(self) -> None:
        if 0 < self.code_rate < _LOWEST_RATE and (_LOWEST_RATE / self.code_rate).denominator > 1:
            raise LinkError(f"a code rate of {self.code_rate} repeats no whole block of rate 1/5; take 1/10, 1/15, 1/20 and so on")

    @classmethod
    def of(cls, modulation: Modulation, code_rate: float | str) -> "Scheme":
        """Return the scheme with the simple fraction next to ``code_rate`` (0.667 is not 2/3, 0.6666667 is)."""
        return cls(modulation, Fraction(code_rate).limit_denominator(1024))

    @property
    def coded(self) -> bool:
        """Whether there is a channel code."""
        return self.code_rate < 1

    @property
    def repetitions(self) -> int:
        """How often each symbol is sent."""
        return int(max(Fraction(1), _LOWEST_RATE / self.code_rate))

    @property
    def bits_per_symbol(self) -> int:
        """Coded bits a symbol."""
        if self.modulation == "gaussian":
            raise LinkError("Gaussian symbols carry no whole number of bits; a link sends qpsk, 16qam or 64qam")
        return BITS_PER_SYMBOL[self.modulation]

    @property
    def efficiency(self) -> Fraction:
        """Information bits a symbol."""
        return self.code_rate * self.bits_per_symbol

    def coded_bits(self, bits: int) -> int:
        """Return the coded bits of ``bits`` information bits, repetitions apart: whole symbols, and never below the code's lowest rate."""
        whole = math.ceil(bits / self.efficiency)
        return min(whole, math.floor(bits / (_LOWEST_RATE * self.bits_per_symbol))) * self.bits_per_symbol

    def symbols(self, bits: int) -> int:
        """Return the symbols of a block of ``bits`` information bits, check included."""
        return self.repetitions * (self.coded_bits(bits) // self.bits_per_symbol)

    def __str__(self) -> str:
        """Return a name such as ``16qam 1/2``."""
        if self.modulation == "gaussian":
            return "at capacity"
        return f"{self.modulation} {self.code_rate}"


AT_CAPACITY = Scheme("gaussian", Fraction(1))
"""What the reference of :mod:`benchmarks.link.digital.ideal` is sent with."""
