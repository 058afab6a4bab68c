"""Stored outputs of the authors' code: of each case the whole set's files where that is at hand, else the committed ones.

::

    $SEMCOM_GOLDEN, or ../shared/golden   the whole set
    tests/golden                          the subset that comes with the project; its README says what lies there
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from helpers.places import ROOT, SHARED

VARIABLE = "SEMCOM_GOLDEN"
COMMITTED = ROOT / "tests" / "golden"


def whole() -> Path:
    """Return the folder of the whole set, there or not.

    Raises:
        FileNotFoundError: the variable names no folder.
    """
    named = os.environ.get(VARIABLE)
    if named and not Path(named).is_dir():
        raise FileNotFoundError(f"{VARIABLE}={named} is no folder; name the one that holds swinjscc/ and sgdjscc/, or unset {VARIABLE}")
    return Path(named) if named else SHARED / "golden"


def find(name: str) -> Path:
    """Return a file or a case's folder, ``sgdjscc/schedule``; the test is skipped where it is in neither place."""
    for folder in (whole(), COMMITTED):
        if (folder / name).exists():
            return folder / name
    pytest.skip(f"{name} is not among the committed outputs of the authors' code; {VARIABLE} may name a folder that has it")


def card(name: str) -> dict[str, Any]:
    """Return what a case says of itself: the authors' constructor keywords, the operating point, how it was made."""
    found: dict[str, Any] = json.loads((find(name) / "case.json").read_text(encoding="utf-8"))
    return found


def tensors(name: str, part: str = "tensors") -> dict[str, Tensor]:
    """Return ``tensors``, ``taps`` or ``state_dict`` of a case; empty if the case has no such part."""
    stored = find(name) / f"{part}.safetensors"
    if stored.is_file():
        return load_file(stored)
    packed = stored.with_suffix(".npz")
    if not packed.is_file():
        return {}
    with np.load(packed) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}
