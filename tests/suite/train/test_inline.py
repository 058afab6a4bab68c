"""A short training of one network without Ray: the same weights, failures and attempts as in a trial."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks.datasets.base import Framing
from methods.deepjscc import DeepJSCC
from suite.config.methods import ConfiguredMethod
from suite.config.training import TrainingSettings
from suite.train import inline, tune
from suite.train.jobs import TrainingJob, train_job
from suite.train.loop import RESUME
from suite.train.protocols import TrainingBatch, TrainingData
from suite.train.sources import ImageSource
from suite.train.tune import TrainingsFailedError, train_missing

CR = Fraction(1, 12)


def job_of(data: object = None, **training: object) -> TrainingJob:
    base = {"steps": 8, "batch": 2, "crop": 16, "warmup": 2, "log_every": 4, "checkpoint_every": 2, "validation_pictures": 1}
    settings = DeepJSCC.Settings.model_validate({"widths": (4, 4, 4, 4), "kernel": 3})
    who = ConfiguredMethod("deepjscc", "default", "compact", settings, TrainingSettings.model_validate({**base, **training}))
    return TrainingJob(who, CR, (CR,), data or ImageSource("photos"))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Breaking:
    """Images whose reading fails at one step, as often as ``times`` says."""

    error: type[BaseException]
    notes: Path
    times: int = 1
    step: int = 6
    name: str = "breaking"

    def open(self, crop: int, seed: int, held_out: int, images: Framing) -> TrainingData:
        opened, own = ImageSource("photos").open(crop, seed, held_out, images), self

        class Images:
            def batch(self, step: int, size: int) -> TrainingBatch:
                met = own.notes.read_text().splitlines() if own.notes.exists() else []
                own.notes.write_text("\n".join([*met, f"{step} {'OPENAI_API_KEY' in os.environ}"]))
                if step == own.step and sum(note.startswith(f"{step} ") for note in met) < own.times:
                    raise own.error("the disk fell out")
                return opened.batch(step, size)

            def validation(self) -> TrainingBatch:
                return opened.validation()

            def fingerprint(self) -> str:
                return opened.fingerprint()

        return Images()


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr(tune, "connect", refuse)
    # Another test of this process may have started one.
    monkeypatch.setattr(inline, "ray_runs", lambda: False)


def test_the_weights_are_those_of_the_training_itself_and_reports_come_as_from_a_trial(tmp_path: Path) -> None:
    told: list[tuple[TrainingJob, Mapping[str, float]]] = []
    job = job_of()
    found = train_missing([job], [], tmp_path / "inline", progress=lambda job, values: told.append((job, values)))
    plain = train_job(job, tmp_path / "plain")
    assert plain is not None and found[job].card.sha256 == plain.card.sha256 and found[job].card.identity == job.identity
    assert [(job, values["step"]) for job, values in told] == [(job, 4), (job, 8)] and not list(tmp_path.rglob(RESUME))


def test_an_error_that_nobody_foresaw_is_tried_again_from_the_last_state_and_keys_stay_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    notes = tmp_path / "notes"
    job = job_of(Breaking(RuntimeError, notes))
    found = train_missing([job], [], tmp_path / "out")[job]
    assert notes.read_text().split("\n") == [f"{step} False" for step in (1, 2, 3, 4, 5, 6, 5, 6, 7, 8)]
    assert os.environ["OPENAI_API_KEY"] == "secret"
    plain = train_job(job_of(), tmp_path / "plain")
    assert plain is not None and plain.card.sha256 == found.card.sha256


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_what_fails_every_time_fails_the_training_and_not_the_command(tmp_path: Path, error: type[BaseException]) -> None:
    job = job_of(Breaking(error, tmp_path / "notes", times=9))
    with pytest.raises(TrainingsFailedError, match="the training died 2 times, the last time of .*the disk fell out") as failed:
        train_missing([job], [], tmp_path / "out", retries=1)
    assert set(failed.value.failures) == {job} and failed.value.checkpoints == {}


def test_an_error_that_would_come_again_is_told_at_once(tmp_path: Path) -> None:
    job = job_of(learning_rate=1e30, clip=0.0)
    with pytest.raises(TrainingsFailedError, match=r"became (nan|inf) at step \d of 8"):
        train_missing([job], [], tmp_path / "out")


def test_ctrl_c_ends_the_command(tmp_path: Path) -> None:
    job = job_of(Breaking(KeyboardInterrupt, tmp_path / "notes"))
    with pytest.raises(KeyboardInterrupt):
        train_missing([job], [], tmp_path / "out")


def test_what_is_long_or_asks_for_more_is_left_to_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline, "available_cores", lambda: 2)
    assert inline.suits([job_of()]) and inline.suits([job_of(threads=2)])
    others = (
        [job_of(steps=inline.SHORT_STEPS + 1)],
        [job_of(), job_of(seed=1)],
        [job_of(threads=3)],
        [job_of(workers=2)],
        [job_of(gpus=1)],
        [job_of(processes=2)],
        [replace(job_of(), search=3)],
    )
    assert not any(map(inline.suits, others))
    monkeypatch.setattr(inline, "ray_runs", lambda: True)
    assert not inline.suits([job_of()])
