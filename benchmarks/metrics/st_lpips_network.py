"""The networks of ST-LPIPS (Ghildyal and Liu, ECCV 2022), layer by layer under the names of the authors' weights."""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Shift and scale of LPIPS's inputs on [-1, 1]: ImageNet's mean and deviation there.
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class BlurPool(nn.Module):
    """Down-sampling by two after a blur with the binomial weights 1, 2, 1 (Zhang, ICML 2019), on an image reflected two pixels outwards."""

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, (H + 3) // 2, (W + 3) // 2) of (B, C, H, W)."""
        line = features.new_tensor([0.25, 0.5, 0.25])
        kernel = (line[:, None] * line).expand(features.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(features, (2, 2, 2, 2), mode="reflect"), kernel, stride=2, groups=features.shape[1])


class SlidingMaximum(nn.Module):
    """``nn.MaxPool2d(size, stride=1)``, the same floats, one direction after the other: on a CPU a tenth of its time.

    Args:
        size: side of the window.

    Example:
        >>> x = torch.rand(1, 2, 9, 9)
        >>> torch.equal(SlidingMaximum(3)(x), F.max_pool2d(x, 3, stride=1))
        True
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H - size + 1, W - size + 1) of (B, C, H, W)."""
        for direction in (-1, -2):
            length = features.shape[direction] - self.size + 1
            parts = [features.narrow(direction, start, length) for start in range(self.size)]
            features = reduce(torch.maximum, parts)
        return features


class StLpipsNetwork(nn.Module):
    """Trunk and linear heads.

    Args:
        trunk: "alex" or "vgg".
    """

    def __init__(self, trunk: str) -> None:
        super().__init__()
        layers, cuts = (_alexnet(), (0, 3, 7, 11, 13, 15)) if trunk == "alex" else (_vgg16(), (0, 4, 10, 18, 26, 34))
        # A slice ends in a layer that is compared; its modules keep their number in the whole.
        self.net = nn.ModuleDict()
        for number, (start, end) in enumerate(pairwise(cuts), start=1):
            slice_ = nn.Sequential()
            for place in range(start, end):
                slice_.add_module(str(place), layers[place])
            self.net[f"slice{number}"] = slice_
        widths = (64, 192, 384, 256, 256) if trunk == "alex" else (64, 128, 256, 512, 512)
        self.heads = [nn.Conv2d(width, 1, 1, bias=False) for width in widths]
        for number, head in enumerate(self.heads):
            # A dropout of the training was the first of the two.
            self.add_module(f"lin{number}", nn.ModuleDict({"model": nn.ModuleDict({"1": head})}))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the five compared layers, of unit length at each position, of (B, 3, H, W) images in [0, 1]."""
        shift, scale = (images.new_tensor(values).view(1, 3, 1, 1) for values in (SHIFT, SCALE))
        features, found = (2 * images - 1 - shift) / scale, []
        for slice_ in self.net.values():
            features = slice_(features)
            found.append(features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10))
        return found

    def distance(self, ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
        """Return the distance (B,) of two images from their layers."""
        triples = zip(self.heads, ours, theirs, strict=True)
        means = [head((one - other).square()).mean(dim=(1, 2, 3)) for head, one, other in triples]
        return torch.stack(means).sum(dim=0)


def _alexnet() -> list[nn.Module]:
    def pool() -> list[nn.Module]:
        return [SlidingMaximum(3), BlurPool()]

    return [
        *(nn.Conv2d(3, 64, 11, stride=1, padding=2), BlurPool(), nn.ReLU()),
        *(*pool(), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU()),
        *(*pool(), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    ]


def _vgg16() -> list[nn.Module]:
    layers: list[nn.Module] = []
    before = 3
    for number, block in enumerate(_VGG16):
        layers += [SlidingMaximum(2), BlurPool()] if number else []
        for width in block:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
    return layers
