"""Channel choice and gates of SwinJSCC."""

import pytest
import torch
from torch import Tensor

from methods.swinjscc.gates import Gate, bitonic_order, channel_mask


def bitonic_by_threads(scores: list[float]) -> list[int]:
    """Sort one row as the old CUDA kernel does, one thread after the other, with explicit validity flags."""
    slots = 32 if len(scores) <= 32 else 128 if len(scores) <= 128 else 1024
    padding = slots - len(scores)
    cells = [(score, index, True) for index, score in enumerate(scores)] + [(0.0, -1, False)] * padding

    def exchange(first: int, second: int, direction: bool) -> None:
        (key_a, _, valid_a), (key_b, _, valid_b) = cells[first], cells[second]
        if ((key_a > key_b and valid_a) or not valid_b) == direction:
            cells[first], cells[second] = cells[second], cells[first]

    def merge(stride: int, direction_bit: int) -> None:
        while stride:
            for thread in range(slots // 2):
                position = 2 * thread - (thread & (stride - 1))
                exchange(position, position + stride, bool(thread & direction_bit))
            stride //= 2

    size = 2
    while size < slots:
        merge(size // 2, size // 2)
        size *= 2
    merge(slots // 2, 0)
    return [index for _, index, valid in cells if valid]


def scores_with_ties(rows: int, count: int, tied: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(rows, count, generator=generator)
    for row in scores:
        row[torch.randperm(count, generator=generator)[:tied]] = 1.0
    return scores


@pytest.mark.parametrize(("count", "tied"), [(2, 2), (24, 0), (24, 15), (32, 32), (96, 60), (128, 3), (320, 0), (320, 200), (320, 320)])
def test_bitonic_order_equals_the_kernel_thread_by_thread(count: int, tied: int) -> None:
    scores = scores_with_ties(2, count, tied, seed=count + tied)
    order = bitonic_order(scores)
    for row, row_order in zip(scores, order, strict=True):
        assert row_order.tolist() == bitonic_by_threads(row.tolist())
        assert torch.equal(row[row_order], row.sort(descending=True).values)


def test_bitonic_and_stable_order_choose_other_channels_only_among_ties() -> None:
    scores = scores_with_ties(4, 320, 200, seed=5)
    chosen = {rate: [channel_mask(scores, rate, order) for order in ("index", "bitonic")] for rate in (32, 96, 200, 256)}
    assert not torch.equal(*chosen[32]) and not torch.equal(*chosen[96])
    assert torch.equal(*chosen[200]) and torch.equal(*chosen[256])


def test_single_channel_needs_no_network() -> None:
    assert bitonic_order(torch.tensor([[0.3], [0.1]])).tolist() == [[0], [0]]


@pytest.mark.parametrize("tie_break", ["index", "bitonic"])
def test_mask_does_not_depend_on_batch_mates(tie_break: str) -> None:
    scores = scores_with_ties(5, 48, 20, seed=6)
    together = channel_mask(scores, 10, tie_break)
    assert torch.equal(together.sum(dim=1), torch.full((5,), 10.0))
    assert torch.equal(together, torch.cat([channel_mask(row, 10, tie_break) for row in scores.split(1)]))


def test_ties_are_broken_by_index() -> None:
    scores = scores_with_ties(6, 96, 50, seed=7)
    for rate in (1, 20, 50, 70, 96):
        mask = channel_mask(scores, rate, "index")
        for row, kept in zip(scores.tolist(), mask, strict=True):
            expected = sorted(sorted(range(96), key=lambda channel: (-row[channel], channel))[:rate])
            assert kept.nonzero().flatten().tolist() == expected


def test_gate_takes_no_gradient_to_its_input() -> None:
    torch.manual_seed(8)
    gate = Gate(6)
    x = torch.randn(2, 5, 6, requires_grad=True)
    gated, weights = gate(x, 7.0)
    assert ((weights > 0) & (weights < 1)).all()
    gated.sum().backward()
    assert torch.equal(x.grad, weights.detach())
    assert all(parameter.grad is not None for parameter in gate.parameters())
    assert not torch.allclose(gate(x, 1.0)[1], weights)
