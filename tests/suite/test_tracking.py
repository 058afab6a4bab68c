"""Tracking: off by default, told where its packages lack, and written to a real MLflow database where they are here."""

import importlib.util
import logging
from dataclasses import replace
from fractions import Fraction

import pandas as pd
import pytest

from methods.deepjscc import DeepJSCC
from suite import tracking
from suite.config.methods import ConfiguredMethod
from suite.config.training import TrainingSettings
from suite.errors import SettingsError
from suite.train.jobs import TrainingJob
from suite.train.sources import ImageSource
from suite.train.tune import TrainingsFailedError

HERE = all(importlib.util.find_spec(name) for name in tracking.PACKAGES)
needs_mlflow = pytest.mark.skipif(not HERE, reason="mlflow, sqlalchemy and alembic are not installed (the extra 'tracking')")


@pytest.fixture
def job() -> TrainingJob:
    settings = DeepJSCC.Settings.model_validate({"widths": (4, 4, 4, 4), "kernel": 3})
    training = TrainingSettings.model_validate({"steps": 6, "batch": 4, "crop": 16, "warmup": 2, "snr_db": [1]})
    who = ConfiguredMethod("deepjscc", "default", "compact", settings, training)
    return TrainingJob(who, Fraction(1, 12), (Fraction(1, 12),), ImageSource("scenes", None))


@pytest.fixture
def database(tmp_path, monkeypatch) -> str:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return f"sqlite:///{tmp_path / tracking.DATABASE}"


def read(database: str, experiment: str) -> list:
    from mlflow import MlflowClient

    client = MlflowClient(database)
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def test_packages_that_lack_are_named_with_the_way_to_them(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None if name == "mlflow" else object())
    assert type(tracking.tracker_of(None, tmp_path / "run", "run")) is tracking.Tracker
    with pytest.raises(SettingsError, match=r"tracking: mlflow needs mlflow, which .* pip install 'semcom-suite\[tracking\]'"):
        tracking.tracker_of("mlflow", tmp_path / "run", "run")


def test_reports_reach_both_the_screen_and_the_tracker_and_each_training_ends_as_it_went(job):
    told, other = [], replace(job, cr=Fraction(1, 6))

    class Written(tracking.Tracker):
        def training(self, job, values):
            told.append((job.label, values["step"]))

        def trained(self, job, state):
            told.append((job.label, state))

    shown = []
    with pytest.raises(TrainingsFailedError), tracking.followed(lambda job, values: shown.append(values["step"]), Written()) as progress:
        progress(job, {"step": 2.0})
        progress(other, {"step": 3.0})
        raise TrainingsFailedError({other: "the loss became nan"}, {})
    with pytest.raises(KeyboardInterrupt), tracking.followed(lambda job, values: None, Written()) as progress:
        progress(job, {"step": 4.0})
        raise KeyboardInterrupt
    first, second = job.label, other.label
    assert shown == [2.0, 3.0]
    assert told == [(first, 2.0), (second, 3.0), (first, "FINISHED"), (second, "FAILED"), (first, 4.0), (first, "KILLED")]


@needs_mlflow
def test_a_training_has_its_settings_and_its_curve_in_one_run_although_it_was_interrupted(job, tmp_path, database):
    tracker = tracking.tracker_of("mlflow", tmp_path / "kodak", "kodak")
    tracker.training(job, {"step": 2.0, "seconds": 1.0, "loss/total": 0.5, "psnr": float("nan")})
    tracker.trained(job, "KILLED")
    later = tracking.tracker_of("mlflow", tmp_path / "kodak", "kodak")
    faster = replace(job, configured=replace(job.configured, training=job.settings.model_copy(update={"threads": 2})))
    later.training(faster, {"step": 4.0, "seconds": 2.0, "loss/total": 0.25, "psnr": 17.5})
    later.trained(faster, "FINISHED")
    (run,) = read(database, "kodak")
    assert (run.info.run_name, run.info.status) == (job.label, "FINISHED")
    assert run.data.params["settings.widths"] == "[4, 4, 4, 4]" and run.data.params["training.snr_db"] == "[1.0]"
    assert run.data.metrics == {"seconds": 2.0, "loss/total": 0.25, "psnr": 17.5}
    from mlflow import MlflowClient

    assert [(each.step, each.value) for each in MlflowClient(database).get_metric_history(run.info.run_id, "loss/total")] == [
        (2, 0.5),
        (4, 0.25),
    ]


@needs_mlflow
def test_a_run_has_its_grid_and_the_mean_of_each_point(tmp_path, database):
    rows = {
        "dataset": "kodak",
        "channel": "awgn",
        "metric": "psnr",
        "method": ["deepjscc", "nam24"],
        "variant": "default",
        "cr": [1 / 24, float("nan")],
        "snr_db": 4.0,
        "mean": [20.5, 11.25],
    }
    points, grid = pd.DataFrame(rows), {"seed": 1, "link": {"equaliser": "mmse"}, "cr": ["1/24"]}
    for _ in range(2):
        tracking.tracker_of("mlflow", tmp_path / "kodak", "kodak").evaluated(grid, points)
    (run,) = read(database, "kodak")
    assert run.data.params == {"seed": "1", "link.equaliser": "mmse", "cr": '["1/24"]'}
    assert sorted(run.data.metrics.values()) == [11.25, 20.5]
    assert {name.rsplit("/", 2)[1:][0] for name in run.data.metrics} == {"1:24", "fixed"}
    assert all(name.startswith("psnr/kodak/awgn/") and name.endswith("/4 dB") for name in run.data.metrics)


@needs_mlflow
def test_a_tracker_that_fails_is_told_once_and_the_work_goes_on(job, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://at-all")
    tracker = tracking.tracker_of("mlflow", tmp_path / "kodak", "kodak")
    with caplog.at_level(logging.WARNING, logger="suite.tracking"):
        for step in (1.0, 2.0):
            tracker.training(job, {"step": step})
        tracker.trained(job, "FINISHED")
    assert len(caplog.records) == 1 and "nowhere://at-all" in caplog.text and "goes on without it" in caplog.text
