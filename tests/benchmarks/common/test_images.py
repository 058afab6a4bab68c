"""Pixels to numbers and back: the one pair of functions gives, bit for bit, what each of its users computed by itself."""

import numpy as np
import pytest
import torch

from benchmarks.common.images import WHITE, image_tensor, pixel_array, quantise, to_float, to_levels, to_uint8

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 16, 24, 3), dtype=np.uint8)
# All the values at which rounding turns, and some out of range.
EDGES = torch.cat([torch.arange(-8, 2 * WHITE + 9) / (2 * WHITE), torch.rand(989, generator=torch.Generator().manual_seed(1))])
IMAGES = EDGES[:1512].reshape(1, 3, 21, 24).clone()


@pytest.mark.parametrize(
    "former",
    [
        lambda pixels: torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(255),
        lambda pixels: torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255,
        lambda pixels: torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255.0,
        lambda pixels: torch.stack([torch.from_numpy(each.transpose(2, 0, 1).copy()).float().div(255) for each in pixels]),
        lambda pixels: torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255).contiguous(),
    ],
)
def test_tensors_are_those_of_every_former_way(former):
    assert torch.equal(image_tensor(PIXELS), former(PIXELS))


def test_tensors_lie_in_memory_as_the_pixels_do():
    """Kernels may round differently for another order in memory."""
    assert image_tensor(PIXELS).stride() == torch.from_numpy(PIXELS).permute(0, 3, 1, 2).float().stride()
    assert image_tensor(PIXELS[0]).stride() == torch.from_numpy(PIXELS[0]).permute(2, 0, 1).float().stride()


def test_pixels_that_may_not_be_written_are_read():
    frozen = PIXELS.copy()
    frozen.flags.writeable = False
    tensor = image_tensor(frozen)
    tensor.zero_()
    assert np.array_equal(frozen, PIXELS)


def test_levels_of_an_array_are_those_of_a_tensor():
    assert np.array_equal(to_float(PIXELS), np.asarray(PIXELS, dtype=np.float32) / 255.0)
    assert np.array_equal(to_float(PIXELS), to_float(torch.from_numpy(PIXELS)).numpy())
    assert np.array_equal(to_uint8(EDGES.numpy()), to_uint8(EDGES).numpy())


@pytest.mark.parametrize(
    "former",
    [
        lambda images: (images.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy(),
        lambda images: images.float().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).numpy(),
        lambda images: np.rint(np.clip(images.permute(0, 2, 3, 1).numpy(), 0, 1) * 255).astype(np.uint8),
        lambda images: np.rint(np.clip(images.permute(0, 2, 3, 1).numpy(), 0.0, 1.0) * 255.0).astype(np.uint8),
    ],
)
def test_pixels_are_those_of_every_former_way(former):
    found = pixel_array(IMAGES)
    assert np.array_equal(found, former(IMAGES))
    assert found.flags.c_contiguous and found.dtype == np.uint8


def test_levels_are_whole_numbers_that_keep_their_type():
    double = EDGES.double()
    assert to_levels(double).dtype == torch.float64
    assert torch.equal(to_levels(EDGES), EDGES.clamp(0.0, 1.0).mul(255.0).round())


def test_the_strict_form_equals_the_clipping_one_where_it_accepts():
    inside = IMAGES.clamp(0, 1)
    assert np.array_equal(quantise(inside), inside.float().mul(255).round().byte().permute(0, 2, 3, 1).numpy())
    assert np.array_equal(quantise(inside), pixel_array(inside))
    assert np.array_equal(quantise(image_tensor(PIXELS)), PIXELS)
