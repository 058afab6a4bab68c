"""Sionna's LDPC decoder with fewer passes over its messages; every message is the same float as Sionna's.

::

    Sionna, an iteration:   edges ─sort─pad─> checks ─pick─place─sort─> edges ─pad─> bits ─pick─place─> edges
    here:                   edges ─────pad──> checks ───────────────pad────────────> bits ───pick────> edges

The orders are composed once, when the decoder is built, and ``exp`` is taken once instead of twice. Additions keep Sionna's
order.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from benchmarks.link.sionna_import import import_sionna

# Where phi of a float32 is finite and above 0; Sionna's values.
_PHI_LEAST, _PHI_MOST = 8.5e-8, 16.635532


@cache
def decoder_class() -> Callable[..., Any]:
    """Return the decoder's class; it is made on the first call, since Sionna is slow to import."""
    import_sionna()
    from sionna.phy.fec.ldpc import LDPC5GDecoder

    class Decoder(LDPC5GDecoder):
        """:class:`sionna.phy.fec.ldpc.LDPC5GDecoder` for flooding, on the CPU in float32, without callbacks."""

        def __init__(self, encoder: Any, **settings: Any) -> None:
            super().__init__(encoder, cn_update=_boxplus_phi, **settings)
            order, inverse = self._v2c_perm.long(), self._v2c_perm_inv.long()
            self._to_checks = order[self._cn_gather_idx.long()].reshape(-1)
            from_checks = self._cn_valid_positions.long()[inverse]
            self._to_bits = from_checks[self._vn_gather_idx.long()].reshape(-1)
            self._to_edges = self._vn_valid_positions.long()

        def _bp_iter(self, msg_v2c: Tensor, msg_c2v: Tensor, llr_ch: Tensor, x_hat: Tensor, it: int) -> tuple[Tensor, Tensor, Tensor]:
            batch = len(msg_v2c)
            at_checks = msg_v2c.index_select(1, self._to_checks).view(batch, *self._cn_mask.shape).mul_(self._cn_mask)
            answers = self._cn_update(at_checks, self._cn_mask, self._llr_max)
            at_bits = answers.view(batch, -1).index_select(1, self._to_bits).view(batch, *self._vn_mask.shape).mul_(self._vn_mask)
            told, x_hat = self._vn_update(at_bits, self._vn_mask, llr_ch, self._llr_max)
            # The messages from checks are made anew in each iteration, so nobody reads them.
            return told.view(batch, -1).index_select(1, self._to_edges), msg_c2v, x_hat

    return Decoder


def _boxplus_phi(msg_v2c: Tensor, mask: Tensor, llr_clipping: float | None = None) -> Tensor:
    """Return what the checks answer to (B, checks, degree) messages: Sionna's ``cn_update_phi`` (Ryan and Lin, "Channel Codes", 5.4)."""
    negative = msg_v2c < 0
    flipped = negative.logical_xor(negative.sum(dim=2, keepdim=True).remainder(2).bool())
    own = _phi(msg_v2c.abs()).mul_(mask)
    answers = _phi(own.sum(dim=2, keepdim=True) - own).mul_(mask)
    answers = torch.where(flipped, -answers, answers)
    return answers if llr_clipping is None else answers.clamp_(-llr_clipping, llr_clipping)


def _phi(x: Tensor) -> Tensor:
    grown = x.clamp_(_PHI_LEAST, _PHI_MOST).exp_()
    below = (grown - 1).log_()
    return grown.add_(1).log_().sub_(below)
