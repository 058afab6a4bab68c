"""A frozen network beside a module: not among its parameters, not in its state dict, not copied with it."""

from typing import Self

import torch
from torch import nn


class FrozenNetwork:
    """Holder of a network that only gives features.

    A plain object, so that the module which holds it neither registers, saves nor averages the network; copies of the module
    share it.

    Args:
        network: frozen and set to evaluation here.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval().requires_grad_(False)

    def on(self, device: torch.device) -> nn.Module:
        """Return the network on ``device``."""
        return self._network.to(device)

    def __deepcopy__(self, memo: object) -> Self:
        return self
