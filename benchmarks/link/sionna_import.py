"""The one import of Sionna: late, because it takes seconds, and without a mark on torch's global random state."""

import threading

import torch

_LOCK = threading.Lock()


def import_sionna() -> None:
    """Import ``sionna.phy`` and put torch's global generators back, which the import reseeds at random."""
    with _LOCK, torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        import sionna.phy  # noqa: F401
