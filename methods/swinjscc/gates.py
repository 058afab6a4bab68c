"""SwinJSCC's two modulators and the choice of channels.

::

    x (B, L, C) ──detach── T0 ──(x g0)── T1 ──(x g1)── ... T6 ──(x g6)── T7 ──sigmoid──> gate (B, L, C) ──(x)──> x gate
                                 │          │              │               s: SNR in dB ("Channel ModNet")
              s ── MLP ─> g0   MLP ─> g1 ...  MLP ─> g6                       or channel count ("Rate ModNet")

Nothing non-linear stands between the T_i; the g_i are the same for every token. The gate's input is detached, so the
backbone learns through the gated features alone (as in the authors' code, github.com/semcomm/SwinJSCC, a6d0e6d).
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

TieBreak = Literal["index", "bitonic"]

_STEPS = 7
_BITONIC_SLOTS = (32, 128, 1024, 2048)


class Gate(nn.Module):
    """Scales (B, L, channels) features by a gate computed from them and from one number.

    Args:
        channels: feature width; the hidden layers are 1.5 times as wide.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = int(1.5 * channels)
        widths = [channels, *[hidden] * _STEPS, channels]
        self.token_layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(widths)])
        self.conditions = nn.ModuleList([_condition(hidden) for _ in range(_STEPS)])

    def forward(self, x: Tensor, number: float) -> tuple[Tensor, Tensor]:
        """Return the gated features and the gate in (0, 1), both (B, L, channels).

        Args:
            x: features.
            number: SNR in dB or number of channels kept, unscaled.
        """
        told = x.new_full((1, 1), float(number))
        hidden = x.detach()
        for layer, condition in zip(self.token_layers, self.conditions, strict=False):
            hidden = layer(hidden) * condition(told)
        gate = self.token_layers[-1](hidden).sigmoid()
        return x * gate, gate


def _condition(hidden: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Linear(1, hidden), nn.ReLU()),
        *(nn.Linear(hidden, hidden), nn.ReLU()),
        *(nn.Linear(hidden, hidden), nn.Sigmoid()),
    )


def channel_mask(scores: Tensor, rate: int, tie_break: TieBreak) -> Tensor:
    """Mark each image's ``rate`` channels of highest score.

    Args:
        scores: (B, C), the rate gate summed over the tokens.
        rate: channels to keep, 1 to C.
        tie_break: which of equal scores come first. "index": the lower channel; use it for weights trained here.
            "bitonic": the order of PyTorch's CUDA sort up to 1.12 (see :func:`bitonic_order`).

    Returns:
        (B, C) zeros and ones of the scores' type, ``rate`` ones a row.
    """
    order = bitonic_order(scores) if tie_break == "bitonic" else scores.sort(dim=1, descending=True, stable=True).indices
    return torch.zeros_like(scores).scatter_(1, order[:, :rate], 1.0)


def bitonic_order(scores: Tensor) -> Tensor:
    """Return the descending order that PyTorch's CUDA sort gave before version 1.13.

    The authors' rate-adaptive weights were trained and tested there. A saturated gate makes many scores exactly equal;
    the cut then falls among ties, and that sort, a bitonic network, was not stable. PyTorch 1.13 replaced it
    (pull request 79628), after which the weights choose other channels and lose several dB (issues 13 and 14 of
    semcomm/SwinJSCC). This repeats the network compare by compare, following aten/src/ATen/native/cuda/SortUtils.cuh:
    rows are padded to the kernel's size class with entries that sort last, and equal scores are exchanged. That the
    ties are the whole cause is an inference from the reported losses; it was not checked on such a GPU.

    Args:
        scores: (B, C) of at most 2048 finite scores a row.

    Returns:
        (B, C) channel indices.
    """
    rows, count = scores.shape
    if count == 1:
        return torch.zeros_like(scores, dtype=torch.long)
    slots = next(size for size in _BITONIC_SLOTS if size >= count)
    # An entry is its score and its channel; padding scores minus infinity, and no score is lower than that.
    keys = torch.nn.functional.pad(scores.detach().double().cpu(), (0, slots - count), value=-torch.inf)
    values = torch.arange(slots).repeat(rows, 1)
    thread = torch.arange(slots // 2)
    size = 2
    while size <= slots:
        ascending = (thread & (size // 2)) != 0 if size < slots else torch.zeros_like(thread, dtype=torch.bool)
        stride = size // 2
        while stride:
            _compare_exchange(keys, values, 2 * thread - (thread & (stride - 1)), stride, ascending)
            stride //= 2
        size *= 2
    return values[:, :count].to(scores.device)


def _compare_exchange(keys: Tensor, values: Tensor, first: Tensor, stride: int, ascending: Tensor) -> None:
    """Exchange, in place, each pair (first, first + stride) that the kernel would exchange."""
    second = first + stride
    a, b = keys[:, first], keys[:, second]
    before = (a > b) | torch.isinf(b)
    exchange = before == ascending
    keys[:, first], keys[:, second] = torch.where(exchange, b, a), torch.where(exchange, a, b)
    a, b = values[:, first], values[:, second]
    values[:, first], values[:, second] = torch.where(exchange, b, a), torch.where(exchange, a, b)
