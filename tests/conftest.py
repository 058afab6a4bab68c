"""Fixtures for every test of the project."""

import runpy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

_TINY = Path(__file__).parent / "tiny_models"


@cache
def _builders() -> dict[str, Any]:
    files = ("stable_diffusion", "diffusion_transformers", "captioners")
    return {name: build for file in files for name, build in runpy.run_path(str(_TINY / f"tiny_{file}.py"))["BUILDERS"].items()}


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Returns ``folder(name, seed=0)``: a tiny random generative model as it is saved on disk; ``tests/tiny_models/`` names them."""
    made: dict[tuple[str, int], Path] = {}

    def folder(name: str, seed: int = 0) -> Path:
        if (name, seed) not in made:
            made[name, seed] = tmp_path_factory.mktemp("models") / f"{name}-{seed}"
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                _builders()[name](made[name, seed])
        return made[name, seed]

    return folder
