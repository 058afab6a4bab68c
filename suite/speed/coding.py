"""The channel decoder beside the C++ belief propagation of the ``ldpc`` wheel (Roffe), on the same blocks with the same noise.

That wheel is built for quantum codes: it takes a parity-check matrix, the error probability of each bit and a syndrome, which is the same
question. It is not among the project's requirements: ``pip install ldpc`` brings the comparison.
"""

import time
from fractions import Fraction
from typing import Any

import numpy as np
import scipy.sparse
import torch

from benchmarks.link.digital.codec import BlockCode
from benchmarks.link.digital.scheme import Scheme

# Payload of a caption; block error rates of about 1e-2 and far below it.
BITS = 360
SNRS_DB = (7.0, 10.0)
ITERATIONS = 50
SCHEME = Scheme("16qam", Fraction(1, 2))
# Seconds of CPU that one block takes the slower of the two, about.
SECONDS_A_BLOCK = 0.01


def measure(seconds: float) -> dict[str, Any]:
    """Return CPU seconds a thousand blocks of both decoders, their ratio and block error rates, at two SNRs.

    Args:
        seconds: about how long it works.
    """
    blocks = max(50, round(seconds / SECONDS_A_BLOCK / len(SNRS_DB) / 2))
    code = BlockCode(BITS, SCHEME, ITERATIONS, "CRC24A", combines=False)
    other = MotherCode.of(code)
    return {"blocks": blocks, **{f"{snr_db:g} dB": _at(code, other, snr_db, blocks) for snr_db in SNRS_DB}}


def _at(code: BlockCode, other: "MotherCode | None", snr_db: float, blocks: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    bits = torch.randint(0, 2, (blocks, BITS), generator=generator).float()
    symbols = code.modulate(bits)
    variance = 10 ** (-snr_db / 10)
    heard = symbols + torch.randn(symbols.shape, dtype=symbols.dtype, generator=generator) * variance**0.5
    ratios = code.demodulate(heard, torch.full((blocks, 1), variance))
    code.decode([ratios[:2]])
    started = time.process_time()
    decoded, _ = code.decode([ratios])
    ours = time.process_time() - started
    found = {"s_a_thousand": 1000 * ours / blocks, "block_errors": float((decoded != bits).any(dim=1).float().mean())}
    if other is not None:
        started = time.process_time()
        received = other.decode(ratios.double().numpy())[:, :BITS]
        theirs = time.process_time() - started
        found |= {
            "cpp_s_a_thousand": 1000 * theirs / blocks,
            "cpp_block_errors": float((received != bits.numpy()).any(axis=1).mean()),
            "ours_over_cpp": ours / theirs,
        }
    return found


class MotherCode:
    """The same code as a parity-check matrix, without the parity bits that are never sent, decoded in C++.

    Args:
        matrix: checks by code bits.
        places: code bit of each sent bit.
        fillers: code bits that are zero and known.
    """

    def __init__(self, matrix: scipy.sparse.csr_matrix, places: np.ndarray, fillers: np.ndarray) -> None:
        from ldpc.bp_decoder import BpDecoder

        self._matrix, self._places, self._fillers = matrix, places, fillers
        self._decoder: Any = BpDecoder(matrix, error_rate=0.1, max_iter=ITERATIONS, bp_method="product_sum")

    @classmethod
    def of(cls, code: BlockCode) -> "MotherCode | None":
        """Return the decoder of a code's blocks, ``None`` where the wheel is not installed."""
        try:
            import ldpc.bp_decoder  # noqa: F401
        except ImportError:
            return None
        encoder = code._encoder
        matrix = scipy.sparse.csr_matrix(encoder.pcm)
        # 3GPP TS 38.212, 5.4.2: of the mother code the first 2 z bits and the fillers are not sent, and what fits of the others is.
        fillers = np.arange(encoder.k, encoder.k_ldpc)
        kept = np.setdiff1d(np.arange(2 * encoder.z, encoder.n_ldpc), fillers)[: encoder.n]
        last = int(kept.max()) + 1
        # A parity bit that is not sent stands in one check alone, which then says nothing.
        checks = np.flatnonzero(np.asarray(matrix[:, last:].sum(axis=1)).ravel() == 0)
        places = kept if encoder.out_int is None else kept[np.asarray(encoder.out_int)]
        return cls(scipy.sparse.csr_matrix(matrix[checks][:, :last]), places, fillers)

    def decode(self, ratios: np.ndarray) -> np.ndarray:
        """Return the (B, code bits) decisions from (B, sent bits) log-likelihood ratios log p(1)/p(0)."""
        decided = np.empty((len(ratios), self._matrix.shape[1]), dtype=np.uint8)
        for row, sent in enumerate(ratios):
            every = np.zeros(self._matrix.shape[1])
            every[self._places] = sent
            every[self._fillers] = -50.0
            guess = (every > 0).astype(np.uint8)
            self._decoder.update_channel_probs(1.0 / (1.0 + np.exp(np.minimum(np.abs(every), 50.0))))
            error = self._decoder.decode((self._matrix @ guess % 2).astype(np.uint8))
            decided[row] = guess ^ error
        return decided
