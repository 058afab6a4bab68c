"""Data-loading processes where the settings leave their number open: as cores would stand idle, and never more."""

from dataclasses import dataclass, replace
from fractions import Fraction

import pytest

from benchmarks.datasets.base import Framing
from methods.deepjscc import DeepJSCC
from suite.config.methods import ConfiguredMethod
from suite.config.training import TrainingSettings
from suite.train.jobs import TrainingJob
from suite.train.protocols import TrainingData
from suite.train.sources import ImageSource
from suite.train.trials import LEAST_STEPS, MOST_LOADERS, with_loaders


@dataclass(frozen=True)
class OwnSource:
    name: str = "own"

    def open(self, crop: int, seed: int, held_out: int, images: Framing) -> TrainingData:
        return ImageSource("scenes").open(crop, seed, held_out, images)


def job_of(**training: object) -> TrainingJob:
    settings = TrainingSettings.model_validate({"steps": LEAST_STEPS, "crop": 64, **training})
    who = ConfiguredMethod("deepjscc", "default", "compact", DeepJSCC.Settings(), settings)
    return TrainingJob(who, Fraction(1, 12), (Fraction(1, 12),), ImageSource("scenes"))


@pytest.mark.parametrize(
    ("training", "count", "cores", "gpus", "most", "loaders"),
    [
        ({}, 1, 1, 0, None, 0),
        ({}, 1, 2, 0, None, 1),
        ({}, 1, 64, 0, None, MOST_LOADERS),
        # Two trainings take both cores, one after the other leave one idle.
        ({}, 2, 2, 0, None, 0),
        ({}, 2, 2, 0, 1, 1),
        ({}, 3, 8, 0, None, 1),
        ({"threads": 2}, 1, 2, 0, None, 0),
        ({"processes": 2}, 1, 4, 0, None, 1),
        ({"processes": 2}, 1, 2, 0, None, 0),
        # Of many trainings as many run as there are GPUs; before those are there, nobody knows their cores.
        ({"gpus": 1}, 14, 16, 4, None, MOST_LOADERS),
        ({"gpus": 1}, 14, 8, 4, None, 1),
        ({"gpus": 1}, 14, 8, 0, None, None),
        ({"workers": 0}, 1, 64, 0, None, 0),
        ({"workers": 5}, 1, 2, 0, None, 5),
        ({"steps": LEAST_STEPS - 1, "warmup": 0}, 1, 64, 0, None, None),
    ],
)
def test_loaders_take_cores_that_nobody_else_takes(
    training: dict[str, object], count: int, cores: int, gpus: int, most: int | None, loaders: int | None
) -> None:
    jobs = [job_of(seed=number, **training) for number in range(count)]
    given = with_loaders(jobs, cores, gpus, most)
    assert [job.settings.workers or 0 for job in given] == [loaders or 0] * count
    # The same networks: what their weights are called, and where they are found, stays.
    assert given == jobs and [job.name for job in given] == [job.name for job in jobs]


def test_images_that_come_from_elsewhere_stay_in_the_training_process() -> None:
    job = replace(job_of(), data=OwnSource())
    assert with_loaders([job], 64, 0)[0].settings.workers is None
    assert with_loaders([], 64, 0) == []
