"""Ray Tune over real trainings of a very small network, on a Ray of this machine."""

# The classes below travel to Ray's workers by value, where names that only annotations use are not there.
from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from benchmarks.datasets.base import Framing
from benchmarks.link.link import LinkSettings
from methods.deepjscc import DeepJSCC
from suite.config.methods import ConfiguredMethod
from suite.config.training import TrainingSettings
from suite.errors import TrainingError
from suite.ray_env import connect, prepare_environment
from suite.train import curves
from suite.train.checkpoint import find
from suite.train.jobs import TrainingJob, train_job
from suite.train.protocols import TrainingBatch, TrainingData
from suite.train.sources import ImageSource
from suite.train.tune import TrainingsFailedError, train_missing


@pytest.fixture(scope="module")
def ray_local() -> Iterator[None]:
    import ray

    owner = not ray.is_initialized()
    # Two, so that the processes of a distributed training take every core.
    connect(None, cpus=2, object_store=128 * 2**20)
    yield
    if owner:
        ray.shutdown()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    numbers = np.random.Generator(np.random.Philox(3))
    for index in range(8):
        Image.fromarray(numbers.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((40, 36)).save(folder / f"{index}.png")
    return folder


def make_job(data: Any, cr: Fraction = Fraction(1, 12), search: int = 0, **training: object) -> TrainingJob:
    base = {
        "steps": 8,
        "batch": 4,
        "crop": 16,
        "warmup": 2,
        "log_every": 4,
        "validate_every": 4,
        "checkpoint_every": 2,
        "validation_pictures": 2,
    }
    settings = DeepJSCC.Settings.model_validate({"widths": (4, 4, 4, 4), "kernel": 3})
    who = ConfiguredMethod("deepjscc", "default", "compact", settings, TrainingSettings.model_validate({**base, **training}))
    return TrainingJob(who, cr, (cr,), data, LinkSettings(), search)


@dataclass(frozen=True)
class DyingOnce:
    """Images whose process is killed at one step, the first time that step is reached."""

    source: ImageSource
    marker: Path
    step: int
    name: str = "dying"

    def open(self, crop: int, seed: int, held_out: int, images: Framing) -> TrainingData:
        opened, marker, fatal = self.source.open(crop, seed, held_out, images), self.marker, self.step

        class Dying:
            def batch(self, step: int, size: int) -> TrainingBatch:
                if step == fatal and not marker.exists():
                    marker.write_text(str(os.getpid()))
                    os._exit(9)
                return opened.batch(step, size)

            def validation(self) -> TrainingBatch:
                return opened.validation()

            def fingerprint(self) -> str:
                return opened.fingerprint()

        return Dying()


@dataclass(frozen=True)
class Raising:
    """Images that cannot be drawn, for a reason that nobody foresaw."""

    source: ImageSource
    name: str = "raising"

    def open(self, crop: int, seed: int, held_out: int, images: Framing) -> TrainingData:
        opened = self.source.open(crop, seed + 100, held_out, images)

        class WorkerFailure:
            def batch(self, step: int, size: int) -> TrainingBatch:
                raise RuntimeError("the disk is on fire")

            def validation(self) -> TrainingBatch:
                return opened.validation()

            def fingerprint(self) -> str:
                return "raising"

        return WorkerFailure()


def outside() -> list[str]:
    """Return what this process listens on outside the loopback device."""
    listening = [each.laddr.ip for each in psutil.Process().net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    return [ip for ip in listening if not ip.startswith(("127.", "::1", "::ffff:127."))]


@dataclass(frozen=True)
class Listening:
    """Images whose process writes down, at one step, what it listens on outside the loopback device."""

    source: ImageSource
    folder: Path
    name: str = "listening"

    def open(self, crop: int, seed: int, held_out: int, images: Framing) -> TrainingData:
        opened, folder = self.source.open(crop, seed, held_out, images), self.folder

        class Telling:
            def batch(self, step: int, size: int) -> TrainingBatch:
                (folder / str(os.getpid())).write_text(f"{outside()} {'GLOO_SOCKET_IFNAME' in os.environ}")
                return opened.batch(step, size)

            def validation(self) -> TrainingBatch:
                return opened.validation()

            def fingerprint(self) -> str:
                return opened.fingerprint()

        return Telling()


@pytest.fixture(scope="module", autouse=True)
def importable_by_value() -> Iterator[None]:
    """Let Ray carry this module's classes to its workers, which cannot import test modules."""
    import sys

    # Ray reads where to listen when it is imported.
    prepare_environment()
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_missing_networks_are_trained_once_and_failures_are_named(ray_local: None, images: Path, tmp_path: Path) -> None:
    source = ImageSource("folder", images)
    good = [make_job(source), make_job(source, Fraction(1, 6))]
    twin, elsewhere = make_job(replace(source)), make_job(source, validation_pictures=1, threads=2)
    dying = make_job(DyingOnce(source, tmp_path / "died", step=6), seed=5)
    diverging = make_job(source, learning_rate=1e30, warmup=0)
    raising = make_job(Raising(source))
    seen: list[tuple[TrainingJob, float]] = []
    lock = threading.Lock()

    def progress(job: TrainingJob, values: Mapping[str, float]) -> None:
        with lock:  # A lock cannot be pickled, as a progress bar cannot.
            seen.append((job, values["step"]))

    with pytest.raises(TrainingsFailedError) as caught:
        train_missing([*good, twin, elsewhere, dying, diverging, raising], [], tmp_path, retries=1, progress=progress)
    failures, done = caught.value.failures, caught.value.checkpoints
    assert set(failures) == {diverging, raising}
    assert "lower training.learning_rate" in failures[diverging]
    assert "died 2 times" in failures[raising] and "the disk is on fire" in failures[raising]
    assert "deepjscc/default 1/12" in str(caught.value)
    assert set(done) == {*good, twin, elsewhere, dying} and done[twin] == done[elsewhere] == done[good[0]]
    assert [step for job, step in seen if job.identity == good[0].identity] == [4, 8]

    # The same trainings outside Ray, never killed, give the same weights.
    for job, plain in ((good[0], good[0]), (dying, make_job(source, seed=5))):
        expected = train_job(plain, tmp_path / "plain")
        assert expected is not None and expected.card.sha256 == done[job].card.sha256, job.label
    assert (tmp_path / "died").exists()

    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    again = train_missing(good, [], tmp_path, progress=lambda job, values: pytest.fail("trained again"))
    other = train_missing(good, [tmp_path], tmp_path / "new", progress=lambda job, values: pytest.fail("trained again"))
    assert again == other == {job: done[job] for job in good}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")} == before


@pytest.mark.parametrize("training", [{"processes": 2}, pytest.param({"nodes": 2}, marks=pytest.mark.slow)])
def test_processes_of_a_trial_and_nodes_train_as_one(ray_local: None, images: Path, tmp_path: Path, training: dict[str, object]) -> None:
    source, steps = ImageSource("folder", images), []
    reference = train_job(make_job(source), tmp_path / "plain")
    assert reference is not None
    job = make_job(source, **training)
    trained = train_missing([job], [], tmp_path / "out", progress=lambda job, values: steps.append(values["step"]))
    card = trained[job].card
    assert card.hardware["processes"] == 2 and card.steps == 8 and 8 in steps
    assert card.validation["psnr"] == pytest.approx(reference.card.validation["psnr"], abs=0.01)
    for name, value in load_file(trained[job].path).items():
        torch.testing.assert_close(value, load_file(reference.path)[name], rtol=1e-3, atol=1e-4)
    one, two = (
        {row[:2]: row[2] for row in curves.read(path / "curves.csv")}
        for path in (tmp_path / "plain" / job.name, tmp_path / "out" / job.name)
    )
    assert one.keys() == two.keys() and len(one) > 12
    for row, value in one.items():
        assert two[row] == pytest.approx(value, rel=1e-3), row


@pytest.mark.parametrize("training", [{"processes": 2}, pytest.param({"nodes": 2}, marks=pytest.mark.slow)])
def test_an_error_in_one_of_several_processes_is_told(ray_local: None, images: Path, tmp_path: Path, training: dict[str, int]) -> None:
    job = make_job(ImageSource("folder", images), **training, learning_rate=1e30, warmup=0)
    with pytest.raises(TrainingsFailedError, match=r"lower training.learning_rate"):
        train_missing([job], [], tmp_path)


def test_processes_of_one_machine_listen_on_the_loopback_device_alone(ray_local: None, images: Path, tmp_path: Path) -> None:
    import ray

    told = tmp_path / "told"
    told.mkdir()
    train_missing([make_job(Listening(ImageSource("folder", images), told), processes=2)], [], tmp_path / "out")
    # Where a test imported Ray before its environment was prepared, Ray's own port of each worker is open; no other may be.
    of_ray = ray.get(ray.remote(outside).remote())
    assert [file.read_text() for file in told.iterdir()] == [f"{of_ray} True"] * 2


def test_a_search_chooses_for_every_ratio_and_the_card_tells(ray_local: None, images: Path, tmp_path: Path) -> None:
    source = ImageSource("folder", images)
    job, later = make_job(source, search=2), make_job(source, Fraction(1, 6), search=2)
    first = train_missing([job], [], tmp_path)[job].card
    search = first.search
    assert search is not None and search["trials"] == 2 and len(search["tried"]) == 2
    assert set(search["choice"]) == set(DeepJSCC.search_space)
    # The settings as they were are one of the trials.
    assert {"training.learning_rate": 2e-3, "kernel": 3} in [trial["choice"] for trial in search["tried"]]
    assert search["psnr"] == max(trial["psnr"] for trial in search["tried"] if trial.get("step") == 8)
    # A ratio that comes later keeps the choice that was made.
    second = train_missing([later, job], [], tmp_path)[later].card
    assert second.search == search
    assert len(list((tmp_path / "search").glob("*.json"))) == 1
    for one, card in ((job, first), (later, second)):
        chosen = one.chosen(search["choice"])
        assert card.settings["kernel"] == search["choice"]["kernel"]
        assert card.training["learning_rate"] == search["choice"]["training.learning_rate"]
        assert card.identity == one.identity != chosen.identity
        # The final training is the chosen one from the start, not a trial's weights.
        plain = train_job(chosen, tmp_path / "plain")
        assert plain is not None and plain.card.sha256 == card.sha256


def test_a_job_that_can_never_start_is_refused(ray_local: None, images: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"needs 64 CPUs and Ray has \d+ here"):
        train_missing([make_job(ImageSource("folder", images), threads=64)], [], tmp_path)
    assert find(make_job(ImageSource("folder", images)).identity, [tmp_path]) is None
