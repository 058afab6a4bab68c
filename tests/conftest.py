"""Fixtures for every test of the project."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from helpers.tiny_models import BUILDERS


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Returns ``folder(name, seed=0)``: a tiny random generative model as it is saved on disk; ``helpers.tiny_models`` names them."""
    made: dict[tuple[str, int], Path] = {}

    def folder(name: str, seed: int = 0) -> Path:
        if (name, seed) not in made:
            made[name, seed] = tmp_path_factory.mktemp("models") / f"{name}-{seed}"
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                BUILDERS[name](made[name, seed])
        return made[name, seed]

    return folder
