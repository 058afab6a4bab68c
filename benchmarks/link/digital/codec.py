"""One code block on the air: CRC, 5G LDPC and QAM through Sionna, on the CPU.

::

    bits (B, k) ──CRC──LDPC──QAM──> symbols (B, n) ──channel──> LLR (B, n m) ──LDPC──CRC──> bits (B, k), intact (B,)
                    └ at code rate 1 nothing, zeros fill the last symbol ┘       └ at code rate 1 the ratios' signs

Decoding is belief propagation, at most ``iterations`` of it. Now and then the check is read and the blocks that pass
leave; the decoder's state is carried over, so the others end where an uninterrupted run would. Nothing here draws random numbers, and a
block's result does not depend on its batch mates.
"""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.link.digital.propagation import decoder_class
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.sionna_import import import_sionna

Crc = Literal["CRC24A", "CRC6"]

_CRC_BITS: dict[Crc, int] = {"CRC24A": 24, "CRC6": 6}
_DEVICE = "cpu"
# Iterations between two looks at the check. Each look lets a wrong block pass with probability 2^-24 or 2^-6.
_STRIDE: dict[Crc, int] = {"CRC24A": 2, "CRC6": 10}
# The order in which 5G sends redundancy versions (3GPP TS 38.214, 5.1.2.1).
_VERSIONS = (0, 2, 3, 1)
# Larger batches spill out of the cache and decode more slowly.
_BATCH_BLOCKS = 100
_BATCH_BITS = 90_000


class BlockCode:
    """The code of all blocks with ``bits`` payload bits under one scheme.

    Args:
        bits: payload bits, check apart.
        scheme: modulation and code rate; at code rate 1 the bits go uncoded.
        iterations: of belief propagation, at most.
        crc: the block's check.
        combines: whether several redundancy versions are combined (HARQ with incremental redundancy); the decoder then works on
            the whole mother code and is slower.
    """

    def __init__(self, bits: int, scheme: Scheme, iterations: int, crc: Crc, combines: bool) -> None:
        import_sionna()
        from sionna.phy.fec.crc import CRCDecoder, CRCEncoder
        from sionna.phy.fec.ldpc import LDPC5GEncoder
        from sionna.phy.mapping import Demapper, Mapper

        protected = bits + _CRC_BITS[crc]
        self.bits = bits
        self._stride = _STRIDE[crc]
        self.symbols, self._repetitions = scheme.symbols(protected), scheme.repetitions
        self.iterations = iterations
        self.combines = combines
        order, coded = scheme.bits_per_symbol, scheme.coded_bits(protected)
        self._crc: Any = CRCEncoder(crc, device=_DEVICE)
        self._check: Any = CRCDecoder(self._crc, device=_DEVICE)
        self._protected, self._filling = protected, 0 if scheme.coded else coded - protected
        self._encoder: Any = None
        if scheme.coded:
            self._encoder = LDPC5GEncoder(protected, coded, num_bits_per_symbol=order, device=_DEVICE, check_input=False)
            self._decoder: Any = decoder_class()(self._encoder, num_iter=iterations, return_state=True, harq_mode=combines, device=_DEVICE)
        self._mapper: Any = Mapper("qam", order, device=_DEVICE)
        self._demapper: Any = Demapper("app", "qam", order, device=_DEVICE)
        self.batch = max(1, min(_BATCH_BLOCKS, _BATCH_BITS // coded))

    @torch.no_grad()
    def modulate(self, bits: Tensor, transmission: int = 0) -> Tensor:
        """Return the complex (B, symbols) transmission number ``transmission`` of (B, bits) blocks; unit power on average."""
        protected = self._crc(bits)
        if self._encoder is None:
            return self._mapper(F.pad(protected, (0, self._filling)))
        coded = self._encoder(protected, rv=self._versions(transmission + 1)[-1:])[:, 0] if self.combines else self._encoder(protected)
        return self._mapper(coded).repeat(1, self._repetitions)

    @torch.no_grad()
    def demodulate(self, symbols: Tensor, noise_variance: Tensor) -> Tensor:
        """Return the (B, coded bits) log-likelihood ratios of zero-forced (B, symbols) with their noise variances, repetitions added up."""
        ratios = self._demapper(symbols, noise_variance)
        return ratios.reshape(len(ratios), self._repetitions, -1).sum(dim=1) if self._repetitions > 1 else ratios

    @torch.no_grad()
    def decode(self, ratios: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Decode B blocks from the (B, coded bits) ratios of one or more transmissions.

        Returns:
            bits (B, bits) and the check's verdict (B,).
        """
        if self._encoder is None:
            decided, passed = self._check((torch.stack(list(ratios)).sum(dim=0) > 0).float()[:, : self._protected])
            return decided, passed.reshape(-1).bool()
        stacked = torch.stack(list(ratios), dim=1)
        parts = [self._decode(part) for part in stacked.split(self.batch)]
        return torch.cat([bits for bits, _ in parts]), torch.cat([intact for _, intact in parts])

    def _decode(self, ratios: Tensor) -> tuple[Tensor, Tensor]:
        versions = self._versions(ratios.shape[1])
        bits = torch.zeros(len(ratios), self.bits)
        intact = torch.zeros(len(ratios), dtype=torch.bool)
        rows, state = torch.arange(len(ratios)), None
        for done in range(0, self.iterations, self._stride):
            steps = min(self._stride, self.iterations - done)
            kind = {"rv": versions} if self.combines else {}
            decided, state = self._decoder(ratios if self.combines else ratios[:, 0], num_iter=steps, msg_v2c=state, **kind)
            payload, passed = self._check(decided.reshape(len(rows), -1))
            passed = passed.reshape(-1).bool()
            bits[rows], intact[rows] = payload, passed
            open_rows = ~passed
            rows, ratios, state = rows[open_rows], ratios[open_rows], state[open_rows]
            if not len(rows):
                break
        return bits, intact

    @staticmethod
    def _versions(transmissions: int) -> list[int]:
        return [_VERSIONS[number % len(_VERSIONS)] for number in range(transmissions)]


@functools.lru_cache(maxsize=256)
def block_code(bits: int, scheme: Scheme, iterations: int, crc: Crc = "CRC24A", combines: bool = False) -> BlockCode:
    """Return the code of blocks with ``bits`` payload bits, built once (about 1.5 MB for a caption, more for longer blocks)."""
    return BlockCode(bits, scheme, iterations, crc, combines)
