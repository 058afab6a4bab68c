"""Frame of a message on the air: a header of its own, then equal code blocks.

::

    | header: length, MCS index in "adaptive" | CRC6 | ──QPSK 1/5, repeated──┐
    | block 1 | CRC24A | ──the message's scheme──────────────────────────────┼──> one row of symbols
    | block 2 | CRC24A | ... the last one filled with zero bytes ────────────┘

The 5G code takes 8448 bits at most, and 3840 at rates up to 1/3, which its second base graph alone reaches (3GPP TS 38.212,
5.2.2); so longer payloads are cut into equal blocks, each with its own check.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from benchmarks.link.digital.scheme import Scheme

CRC_BITS = 24
HEADER_CRC_BITS = 6
HEADER_SCHEME = Scheme("qpsk", Fraction(1, 5))
MCS_BITS = 4
MAX_BLOCK_BYTES = (8448 - CRC_BITS) // 8
MAX_LOW_RATE_BLOCK_BYTES = (3824 - CRC_BITS) // 8
_LOW_RATE = Fraction(1, 3)


def block_limit(scheme: Scheme) -> int:
    """Return the most bytes that a code block holds under ``scheme``."""
    return MAX_LOW_RATE_BLOCK_BYTES if scheme.code_rate <= _LOW_RATE else MAX_BLOCK_BYTES


def layout(length: int, scheme: Scheme) -> tuple[int, int]:
    """Return the number of code blocks of a payload of ``length`` bytes under ``scheme`` and the bytes in each."""
    blocks = math.ceil(length / block_limit(scheme))
    return blocks, math.ceil(length / blocks) if blocks else 0


def payload_symbols(length: int, scheme: Scheme) -> int:
    """Return the symbols of a payload of ``length`` bytes, checks included, header apart."""
    blocks, size = layout(length, scheme)
    return blocks * scheme.symbols(8 * size + CRC_BITS) if blocks else 0


def header_symbols(fields: int, repetitions: int) -> int:
    """Return the symbols of a header with ``fields`` bits of content."""
    return repetitions * HEADER_SCHEME.symbols(fields + HEADER_CRC_BITS)


def blocks_of(payload: bytes, scheme: Scheme) -> Tensor:
    """Cut a payload into (blocks, bits) float bits, the last block filled with zeros."""
    blocks, size = layout(len(payload), scheme)
    padded = np.frombuffer(payload.ljust(blocks * size, b"\0"), dtype=np.uint8).reshape(blocks, size)
    return torch.from_numpy(np.unpackbits(padded, axis=1).astype(np.float32))


def payload_of(blocks: Tensor, length: int) -> bytes:
    """Put (blocks, bits) decoded bits together again."""
    return np.packbits(blocks.numpy().astype(np.uint8), axis=1).tobytes()[:length]


def header_bits(values: Sequence[tuple[int, int]]) -> Tensor:
    """Write (value, width) fields one after the other, most significant bit first."""
    written = "".join(format(value, f"0{width}b") for value, width in values)
    return torch.tensor([float(bit) for bit in written])
