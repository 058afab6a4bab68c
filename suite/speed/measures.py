"""The table of measurements: a module of this package each, whose ``measure(seconds)`` answers the question."""

import importlib
from typing import Any

MEASURES = {
    "engine": "the engine with two workers against a bare loop over the same cells",
    "sharing": "encoding and reading once against the order of the field's scripts",
    "network": "SwinJSCC's forward pass against the limits of this machine",
    "training": "the training loop against its own steps on a batch that is already there",
    "literal": "SwinJSCC's forward pass against the same network as the papers write it",
    "coding": "the channel decoder against a C++ belief propagation on the same blocks",
    "refining": "a unit's pictures in one call of the editor against a call for each",
    "startup": "seconds before the first useful thing",
    "workers": "1, 2, 4, 8 workers with a method that sleeps",
    "growth": "ten times the images, ten times the cells",
}


def measure(name: str, seconds: float) -> dict[str, Any]:
    """Return what the measurement called ``name`` finds in this process.

    Args:
        name: a name in :data:`MEASURES`.
        seconds: about how long the engine works where that can be scaled.
    """
    # Late: a help page needs none of it.
    import torch

    torch.set_num_threads(1)
    found: dict[str, Any] = importlib.import_module(f"suite.speed.{name}").measure(seconds)
    return found
