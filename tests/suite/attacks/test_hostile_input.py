"""Hostile and huge input: each attack ends in one sentence that names the value, before anything runs, or costs its own cell alone."""

import errno
import os
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

import methods.registry
from benchmarks.common.atomic import write_atomic
from benchmarks.common.errors import SemcomError
from benchmarks.common.validation import Settings
from suite.config.compose import compose
from suite.config.reading import build_grid, read_grid
from suite.config.training import TrainingSettings
from suite.options import GridOptions
from suite.prepare import prepare
from suite.session import Session
from suite.train import tune
from suite.train.trials import FAILURE

HUGE = [
    "repetitions=1000000000",
    "repetitions=1e9",
    "evaluation.batch=1000000000",
    "evaluation.unit=1000000000",
    "evaluation.workers=1000000000",
    "evaluation.gpus=.inf",
    "evaluation.score.gpus=.nan",
    "sheet.snr_db=.nan",
    "sheet.snr_db=-.inf",
    "snr_db=[5000]",
    "snr_db=[.nan]",
    "training.snr_db=[1e300]",
    "training.batch=1000000000000",
    "training.workers=1000000000",
    "link.rician_k=.inf",
    "link.ofdm.speed=.inf",
    "link.ofdm.subcarriers=1000000000000",
    "link.digital.iterations=1000000000000",
    "generative.prices={m: {call: .inf}}",
]


@pytest.mark.parametrize("assignment", HUGE)
def test_a_number_without_bounds_is_refused_in_one_sentence(assignment):
    with pytest.raises(SemcomError) as error:
        compose("quick", None, None, 1, [assignment])
    message = str(error.value)
    assert assignment.split("=")[0].split("[")[0] in message and "\n" not in message


def _settings(cls: type[BaseModel] = Settings) -> Iterator[type[BaseModel]]:
    for each in cls.__subclasses__():
        yield each
        yield from _settings(each)


def test_no_settings_take_a_number_that_is_not_finite():
    for name in methods.registry.METHODS.names():
        methods.registry.METHODS.get(name)
    # Those of tests' own methods are found too, and are built on the same base.
    found = [each for each in _settings() if each.__module__.split(".")[0] in ("suite", "methods", "benchmarks")]
    assert len(found) > 20
    assert [each.__name__ for each in found if each.model_config.get("allow_inf_nan") is not False] == []


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/stdin"])
def test_a_table_that_never_ends_is_not_read(device):
    grid = compose("quick", "nam24", None, 1, ["link.digital.mode=adaptive", f"link.digital.mcs_table={device}"])
    with pytest.raises(SemcomError, match=f"there is no MCS table at {device}"):
        prepare(grid)


def test_a_nul_character_is_told_wherever_it_stands(tmp_path):
    with pytest.raises(SemcomError, match="NUL"):
        build_grid({**read_grid("quick"), "link": {"digital": {"mcs_table": "a\0b"}}})
    with pytest.raises(SemcomError, match="NUL"):
        build_grid({**read_grid("quick"), "metric_settings": {"clip_models": {"mine": "a\0b"}}})
    grid = tmp_path / "nul.yaml"
    grid.write_text('name: "a\\0b"\nmethods: [deepjscc]\ndatasets: [scenes]\nsnr_db: [1]\ncr: [1/24]\nchannels: [awgn]\n')
    with pytest.raises(SemcomError, match="NUL"):
        compose(str(grid), None, None, None, [])
    for field in ("grid", "methods", "datasets", "out", "data_dir", "train_data", "address"):
        with pytest.raises(SemcomError, match=f"{field}.*NUL"):
            Session(GridOptions(**{"grid": "quick", field: "a\0b"}))


def test_a_full_disk_is_called_full_and_names_the_file(tmp_path):
    def fill(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=r"No space left on device: '.*resume\.pt'"):
        write_atomic(tmp_path / "resume.pt", fill)
    assert list(tmp_path.iterdir()) == []


def test_a_training_on_a_full_disk_ends_at_once_with_the_systems_words(monkeypatch):
    from ray import tune as ray_tune

    reports: list[dict[str, str]] = []
    monkeypatch.setattr(ray_tune, "report", reports.append)

    def work(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/resume.pt")

    tune._trial({"job": 0}, [work], [TrainingSettings()], "")
    assert reports[0][FAILURE].startswith("[Errno 28] No space left on device: 'out/resume.pt'; what was trained so far is kept")
