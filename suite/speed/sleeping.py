"""A method that sleeps instead of working, so that a plan can be tried on more workers than this machine has."""

import time

import torch
from torch import Tensor

from methods.base import Method, MethodSettings, OperatingPoint, Received, Signal
from methods.registry import METHODS

NAME = "sleeping"


class SleepingSettings(MethodSettings):
    """What its stages cost.

    Attributes:
        encode_s, decode_s: seconds an image.
    """

    encode_s: float = 0.0
    decode_s: float = 0.0


@METHODS.register(NAME)
class Sleeping(Method[SleepingSettings]):
    """Sends one symbol and returns a grey image, after the time that the stage of a real method takes."""

    Settings = SleepingSettings

    def encode(self, images: Tensor, point: OperatingPoint, descriptions: object) -> Signal:
        time.sleep(self.settings.encode_s * len(images))
        return Signal(analog=torch.ones(len(images), 1, dtype=torch.complex64))

    def decode(self, received: Received, point: OperatingPoint) -> Tensor:
        symbols = received.symbols()
        time.sleep(self.settings.decode_s * len(symbols))
        return torch.full((len(symbols), 3, self.geometry.height, self.geometry.width), 0.5)
