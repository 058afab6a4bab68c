"""Swin blocks against timm's own block and a mask written out token by token."""

import pytest
import torch
from timm.models.swin_transformer import SwinTransformerBlock

from methods.layers.swin import PatchExpanding, PatchMerging, SwinBlock, fitted_window, shift_mask, swin_blocks


def timm_twin(block: SwinBlock, dim: int, heads: int) -> SwinTransformerBlock:
    twin = SwinTransformerBlock(
        dim, (64, 64), num_heads=heads, window_size=block.window, shift_size=block.shift, dynamic_mask=True, always_partition=True
    )
    twin.load_state_dict(block.state_dict())
    return twin.eval()


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("grid", [(8, 8), (4, 12), (48, 60)])
@pytest.mark.parametrize("grad", [True, False])
def test_block_equals_timms(shift: int, grid: tuple[int, int], grad: bool) -> None:
    torch.manual_seed(3)
    block = SwinBlock(12, 3, 4, shift)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, *grid, 12)
    before = x.clone()
    with torch.set_grad_enabled(grad):
        torch.testing.assert_close(block(x), timm_twin(block, 12, 3)(x), rtol=0.0, atol=2e-4)
    assert torch.equal(x, before)


def test_both_paths_agree_on_many_tokens() -> None:
    torch.manual_seed(4)
    block = SwinBlock(8, 2, 4, 2).eval()
    x = torch.randn(3, 64, 40, 8)
    with torch.no_grad():
        pieces = block(x)
    torch.testing.assert_close(pieces, block(x).detach(), rtol=0.0, atol=1e-5)


def test_mask_separates_what_the_shift_brought_together() -> None:
    height, width, window, shift = 8, 12, 4, 1
    mask = shift_mask(height, width, window, shift, torch.device("cpu"))

    def origin(row: int, column: int) -> tuple[int, int]:
        return (row + shift) % height, (column + shift) % width

    for index in range(len(mask)):
        top, left = divmod(index, width // window)
        tokens = [origin(top * window + r, left * window + c) for r in range(window) for c in range(window)]
        for i, (ya, xa) in enumerate(tokens):
            for j, (yb, xb) in enumerate(tokens):
                wrapped = abs(ya - yb) >= window or abs(xa - xb) >= window
                assert mask[index, 0, i, j] == (-100.0 if wrapped else 0.0)


@pytest.mark.parametrize(
    ("grid", "window", "expected"), [((8, 8), 4, (4, True)), ((4, 8), 4, (4, False)), ((2, 8), 4, (2, False)), ((16, 16), 8, (8, True))]
)
def test_small_grids_are_one_window_and_do_not_shift(grid: tuple[int, int], window: int, expected: tuple[int, bool]) -> None:
    assert fitted_window(*grid, window) == expected
    side, shifts = expected
    assert [(block.window, block.shift) for block in swin_blocks(8, 3, 2, grid, window)] == [
        (side, 0),
        (side, side // 2 * shifts),
        (side, 0),
    ]


def test_nothing_that_depends_on_the_size_is_stored() -> None:
    block = SwinBlock(8, 2, 4, 2)
    with torch.no_grad():
        block(torch.zeros(1, 8, 8, 8))
    assert not [key for key in block.state_dict() if "mask" in key or "index" in key]


def test_expanding_places_each_token_on_its_square() -> None:
    up = PatchExpanding(4, 2, factor=3)
    x = torch.randn(1, 2, 2, 4)
    base = up(x)
    assert base.shape == (1, 6, 6, 2)
    x[0, 1, 0] += torch.tensor([1.0, -2.0, 0.5, 0.0])
    changed = (up(x) != base).any(dim=3)[0]
    assert changed[3:, :3].all() and changed.sum() == 9


def test_merging_order_is_row_phase_first() -> None:
    merge = PatchMerging(1, 4)
    merge.norm = torch.nn.Identity()
    with torch.no_grad():
        merge.reduction.weight.copy_(torch.eye(4))
        merged = merge(torch.tensor([[0.0, 1.0], [2.0, 3.0]]).reshape(1, 2, 2, 1))
    assert merged.flatten().tolist() == [0.0, 2.0, 1.0, 3.0]
