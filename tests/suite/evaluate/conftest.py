"""What tests of the evaluation share: a grid whose models are behind a server on loopback."""

from fractions import Fraction

import pytest
from rich.console import Console

from benchmarks.datasets import open_dataset
from helpers.generative_runs import METHODS, TRAINING
from helpers.openai_double import Double
from suite.config.methods import resolve
from suite.config.reading import build_grid
from suite.evaluate.plan import Trained, make_units
from suite.train.jobs import TrainingJob, load_card_settings, train_job
from suite.train.sources import ImageSource


@pytest.fixture
def server():
    double = Double(key=None)
    yield double
    double.close()


@pytest.fixture
def console():
    return Console(quiet=True)


@pytest.fixture
def grid(make_grid, server):
    """Return a factory of grids whose models are behind the server."""

    def make(concurrency: int = 4, generative=(), **changes):
        access = {"base_url": server.url, "timeout": 60, "retries": 0, "concurrency": 64}
        painter = {"model": "openai:painter-1", "options": {"size": "16x16"}, "access": access}
        section = {"captioner": {"model": "openai:seer-1", "access": access}, "generator": painter, "editor": painter}
        section |= {"concurrency": concurrency, **dict(generative)}
        keys = {"methods": METHODS, "cr": ["1/12"], "channels": ["awgn"], "limit": 2, "generative": section}
        return make_grid(**{**keys, **changes})

    return make


@pytest.fixture(scope="session")
def weights(images, tmp_path_factory):
    """GenED-SC after one step of training."""
    keys = {"name": "tiny", "methods": [METHODS[2]], "datasets": ["folder"], "snr_db": [1], "cr": ["1/12"], "channels": ["awgn"]}
    (configured,) = resolve(build_grid(keys | {"training": TRAINING}))
    job = TrainingJob(configured, Fraction(1, 12), (Fraction(1, 12),), ImageSource("folder", images))
    return train_job(job, tmp_path_factory.mktemp("weights"))


@pytest.fixture
def plan(weights, images):
    """Return a factory of work units."""

    def make(grid, metrics=("psnr",)):
        dataset = open_dataset("folder", images, grid.image_size, "test", grid.fit)
        there = {who.label: load_card_settings(weights, who) for who in resolve(grid) if who.method == "gened_sc"}
        trained = {(label, cr): Trained(who, weights.path, weights.card.sha256) for label, who in there.items() for cr in grid.cr}
        return make_units("run", grid, resolve(grid), {"folder": (dataset, images)}, trained, metrics, {})

    return make
