"""DeepJSCC: the first image JSCC, five convolutions on each side of the link, and this suite's worked example.

::

    image (B, 3, H, W) ── conv 5x5 /2 ── conv 5x5 /2 ── conv 5x5 ── conv 5x5 ── conv 5x5 ──> (B, C, H/4, W/4) ──> k symbols
    image (B, 3, H, W) <─ sigmoid ─ deconv 5x5 x2 ─ deconv 5x5 x2 ─ deconv 5x5 ─ deconv 5x5 ─ deconv 5x5 <──────── k symbols

Source: E. Bourtsoulatze, D. Burth Kurka, D. Gunduz, "Deep Joint Source-Channel Coding for Wireless Image
Transmission", IEEE TCCN 2019. The paper's power is one a real value; here it is one a complex symbol, as for every
method of the suite, so at equal SNR in dB the noise a real value meets is the paper's.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.base import Geometry, MethodSettings, OperatingPoint, Received, Signal, Targets, TrainableMethod, TrainingLink, Traits
from methods.errors import RateError
from methods.layers.symbols import from_symbols, to_symbols
from methods.registry import METHODS

DOWNSAMPLING = 4


class DeepJSCCSettings(MethodSettings):
    """Sizes of the network.

    Attributes:
        widths: channels of the first four convolutions; the decoder mirrors them.
        kernel: side of every convolution.
    """

    widths: tuple[int, int, int, int] = (16, 32, 32, 32)
    kernel: Literal[3, 5, 7] = 5

    @property
    def multiple(self) -> int:
        """Two strides of 2."""
        return DOWNSAMPLING


@METHODS.register("deepjscc")
class DeepJSCC(TrainableMethod[DeepJSCCSettings]):
    """Five convolutions to channel symbols, five transposed ones back; see the module for the data flow."""

    Settings = DeepJSCCSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"compact": {"widths": (32, 48, 48, 48), "kernel": 3}, "paper": {}}
    paper = "Bourtsoulatze, Burth Kurka, Gunduz: Deep Joint Source-Channel Coding for Wireless Image Transmission, IEEE TCCN 2019"
    display_names: ClassVar[Mapping[str, str]] = {"": "DeepJSCC"}
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "training.learning_rate": ("loguniform", 3e-4, 3e-3),
        "kernel": [3, 5],
    }

    def __init__(self, settings: DeepJSCCSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        if geometry.height % DOWNSAMPLING or geometry.width % DOWNSAMPLING:
            raise RateError(
                f"DeepJSCC needs images whose sides are multiples of {DOWNSAMPLING}, got {geometry.height} x {geometry.width}; "
                "set image_size accordingly"
            )
        # From the ratio, not from the rounded budget, so that a network trained on crops fits any image size.
        geometry.symbols()
        self.channels = Geometry.channels(geometry.cr or Fraction(0), DOWNSAMPLING)
        a, b, c, d = settings.widths
        conv, up = _layers(settings.kernel)
        self.encoder = nn.Sequential(
            *(conv(3, a, 2), nn.PReLU(), conv(a, b, 2), nn.PReLU(), conv(b, c, 1), nn.PReLU()),
            *(conv(c, d, 1), nn.PReLU(), conv(d, self.channels, 1)),
        )
        self.decoder = nn.Sequential(
            *(up(self.channels, d, 1), nn.PReLU(), up(d, c, 1), nn.PReLU(), up(c, b, 1), nn.PReLU()),
            *(up(b, a, 2), nn.PReLU(), up(a, 3, 2)),
        )

    @classmethod
    def traits(cls, settings: DeepJSCCSettings) -> Traits:
        """One network a CR; the sender needs no channel knowledge."""
        return Traits(trainable=True)

    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        """Return exactly the budget's k symbols an image; what the last feature map has beyond them is not sent."""
        height, width = images.shape[-2:]
        return Signal(analog=to_symbols(self.encoder(images), Geometry(height, width, point.cr).symbols()))

    def decode(self, received: Received, point: OperatingPoint) -> Tensor:
        """Return (B, 3, H, W) images of the size the method was built for."""
        symbols = received.symbols()
        maps = (self.channels, self.geometry.height // DOWNSAMPLING, self.geometry.width // DOWNSAMPLING)
        return torch.sigmoid(self.decoder(from_symbols(symbols, (len(symbols), *maps))))

    def loss(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
        """Mean squared error on [0, 1]."""
        received = link(self.encode(images, point, None), point)
        error = F.mse_loss(self.decode(received, point), images)
        return {"total": error, "mse": error.detach()}


def _layers(kernel: int) -> tuple[Any, Any]:
    """Return factories of a convolution and of its mirror for a stride of 1 or 2."""

    def conv(inputs: int, outputs: int, stride: int) -> nn.Conv2d:
        return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)

    def up(inputs: int, outputs: int, stride: int) -> nn.ConvTranspose2d:
        return nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding=kernel // 2, output_padding=stride - 1)

    return conv, up
