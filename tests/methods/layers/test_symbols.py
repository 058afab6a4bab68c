"""The mapping between real features and complex symbols."""

import pytest
import torch

from methods.errors import RateError
from methods.layers.symbols import from_symbols, to_symbols


def test_first_half_is_real_and_second_half_imaginary() -> None:
    features = torch.arange(24.0).reshape(2, 3, 4)
    symbols = to_symbols(features, 6)
    assert symbols.dtype == torch.complex64
    assert torch.equal(symbols.real, torch.tensor([[0.0, 1, 2, 3, 4, 5], [12, 13, 14, 15, 16, 17]]))
    assert torch.equal(symbols.imag, torch.tensor([[6.0, 7, 8, 9, 10, 11], [18, 19, 20, 21, 22, 23]]))
    assert torch.equal(from_symbols(symbols, (2, 3, 4)), features)


def test_what_exceeds_the_budget_is_not_sent_and_reads_as_zero() -> None:
    features = torch.arange(1.0, 11.0).reshape(1, 10)
    symbols = to_symbols(features, 3)
    assert torch.equal(symbols, torch.tensor([[1 + 4j, 2 + 5j, 3 + 6j]]))
    assert torch.equal(from_symbols(symbols, (1, 10)), torch.tensor([[1.0, 2, 3, 4, 5, 6, 0, 0, 0, 0]]))


def test_odd_counts_are_padded_with_one_zero() -> None:
    symbols = to_symbols(torch.tensor([[1.0, 2.0, 3.0]]), 9)
    assert torch.equal(symbols, torch.tensor([[1 + 3j, 2 + 0j]]))
    assert torch.equal(from_symbols(symbols, (1, 3)), torch.tensor([[1.0, 2.0, 3.0]]))


@pytest.mark.parametrize(("shape", "k"), [((2, 8), 4), ((3, 4, 5), 7), ((1, 7), 4), ((2, 3, 3, 3), 100)])
def test_gradients_reach_exactly_what_was_sent(shape: tuple[int, ...], k: int) -> None:
    features = torch.randn(shape, generator=torch.Generator().manual_seed(1), requires_grad=True)
    back = from_symbols(to_symbols(features, k), shape)
    back.sum().backward()
    sent = (torch.arange(features[0].numel()) < 2 * k).float().expand(shape[0], -1).reshape(shape)
    assert torch.equal(features.grad, sent)
    assert torch.equal(back, features * sent)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(RateError, match="0 channel symbols"):
        to_symbols(torch.zeros(1, 4), 0)
    with pytest.raises(RateError, match="at most 2 do"):
        from_symbols(torch.zeros(1, 3, dtype=torch.complex64), (1, 4))
