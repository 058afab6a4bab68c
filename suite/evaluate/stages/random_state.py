"""The global random generators, which a method must leave alone."""

import random
from typing import Any

import numpy as np
import torch


def random_states() -> dict[str, Any]:
    """Return the state of each global generator by the name of its library; equal states compare equal."""
    kind, keys, *rest = np.random.get_state()
    return {"torch": torch.get_rng_state().tolist(), "random": random.getstate(), "numpy": (kind, list(keys), rest)}
