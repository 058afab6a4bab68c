"""Refinement: a unit's pictures asked of the editor in one call, against a call for each, which fills a batch with one picture."""

import time
from typing import Any

import torch
from torch import Tensor

from methods.generative import ModelClient
from suite.config.compose import compose
from suite.errors import SettingsError

# Four images in the quick grid's two channels and four SNRs.
PICTURES = 32


def measure(seconds: float) -> dict[str, Any]:
    """Return seconds a picture of the quick grid's editor both ways, their ratio, and the largest difference of the pictures.

    Args:
        seconds: not used; the work is fixed.

    Raises:
        SettingsError: the quick grid names no editor.
    """
    grid = compose("quick", None, None, None, [])
    editor = grid.generative.editor
    if editor is None:
        raise SettingsError("the quick grid names no editor; name one under generative.editor")
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(PICTURES, 3, grid.image_size, grid.image_size, generator=generator)
    texts = [f"a picture of {number} balls" for number in range(PICTURES)]
    client = ModelClient()

    def edited(rows: slice) -> Tensor:
        return client.edit(editor, pictures[rows], texts[rows]).images

    # Loading is no part of it.
    edited(slice(0, 1))
    started = time.perf_counter()
    alone = torch.cat([edited(slice(row, row + 1)) for row in range(PICTURES)])
    between = time.perf_counter()
    together = edited(slice(0, PICTURES))
    ended = time.perf_counter()
    return {
        "one_by_one_s": (between - started) / PICTURES,
        "together_s": (ended - between) / PICTURES,
        "times_as_fast_together": (between - started) / (ended - between),
        "largest_difference": float((alone - together).abs().max()),
    }
