"""The network that finds the objects of a procedural scene: which kinds are to be seen, where, and in which colour.

::

    image (B, 3, H, W) ── convolutions ──> (B, c, H/4, W/4) ─┬──> heat (B, kinds, H/4, W/4): is the middle of one here?
                            └─ H/8, further ones ── x 2 ──┘  └──> hues (B, colours, H/4, W/4): and in which colour?

A scene has at most one object of a kind, so that the highest place of a kind's map says whether there is one, and the colour there is its
colour. Training is in ``suite.scene_models.objects``.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.common.atomic import write_json
from benchmarks.common.errors import WeightsFileError
from benchmarks.common.weights_files import mismatch, state_dict

CONFIG, WEIGHTS = "config.json", "model.safetensors"
STRIDE = 4


class ObjectDetector(nn.Module):
    """Maps of objects.

    Args:
        kinds, colours: names, in the order of the maps.
        widths: channels at a half, a quarter and an eighth of the image's sides.
        blocks: residual blocks at a quarter and at an eighth.
    """

    def __init__(self, kinds: Sequence[str], colours: Sequence[str], widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.kinds, self.colours, self.widths, self.blocks = tuple(kinds), tuple(colours), tuple(widths), tuple(blocks)
        half, quarter, eighth = widths
        self.stem = nn.Sequential(_convolution(3, half, 2), _convolution(half, quarter, 2), *(_Block(quarter) for _ in range(blocks[0])))
        self.deep = nn.Sequential(_convolution(quarter, eighth, 2), *(_Block(eighth) for _ in range(blocks[1])))
        self.join = nn.Sequential(nn.Conv2d(quarter + eighth, quarter, 1), nn.ReLU(), _Block(quarter))
        self.heat = nn.Conv2d(quarter, len(kinds), 1)
        self.hues = nn.Conv2d(quarter, len(colours), 1)
        # Hardly any place has the middle of an object: begin there, or the first steps teach nothing else.
        bias: Any = self.heat.bias
        nn.init.constant_(bias, -4.0)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return heat (B, kinds, h, w) and hues (B, colours, h, w), both logits, of (B, 3, H, W) images in [0, 1]."""
        near = self.stem(images * 2.0 - 1.0)
        far = F.interpolate(self.deep(near), near.shape[-2:], mode="nearest")
        features = self.join(torch.cat((near, far), dim=1))
        return self.heat(features), self.hues(features)

    def found(self, images: Tensor) -> list[dict[str, str]]:
        """Return kind -> colour of what is found in each of (B, 3, H, W) images: a kind whose probability somewhere exceeds one half."""
        heat, hues = (maps.flatten(2) for maps in self(images))
        values, places = heat.max(dim=2)
        # (B, kinds): the colour at the place of each kind.
        colours = hues.argmax(dim=1).gather(1, places)
        return [
            {kind: self.colours[int(colour)] for kind, value, colour in zip(self.kinds, row, own, strict=True) if value > 0.0}
            for row, own in zip(values, colours, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """Write configuration and weights, the latter in half precision."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.half().contiguous() for name, value in self.state_dict().items()}, folder / WEIGHTS)
        fields: Mapping[str, Any] = {name: list(getattr(self, name)) for name in ("kinds", "colours", "widths", "blocks")}
        write_json(folder / CONFIG, dict(fields))


def load_detector(folder: Path, device: str = "cpu") -> ObjectDetector:
    """Return the network that lies in a folder, frozen.

    Raises:
        WeightsFileError: the folder has no such network.
    """
    try:
        network = ObjectDetector(**json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        network.load_state_dict({name: value.float() for name, value in state_dict(folder / WEIGHTS).items()})
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise WeightsFileError(f"{folder} holds no detector of scene objects: {mismatch(error) or error}") from error
    return network.eval().requires_grad_(False).to(device)


def _convolution(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.GroupNorm(8, after), nn.ReLU())


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(width, width, 1), nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.GroupNorm(8, width))

    def forward(self, features: Tensor) -> Tensor:
        """Return relu(x + body(x)), of the same shape."""
        return F.relu(features + self.body(features))
