"""What every table of a run tells: what was lossless by decree, and channels that no training met."""

import pytest
from rich.console import Console

from suite.config.compose import compose
from suite.options import GridOptions
from suite.prepare import prepare
from suite.run_notes import run_notes
from suite.runs.info import read_info
from suite.session import Session

NETWORKS = "deepjscc/default, swinjscc/base"


def notes(*changes: str, methods: str | None = "deepjscc,swinjscc,digital/jpeg") -> list[str]:
    return run_notes(prepare(compose("quick", methods, None, 2, ["metrics=[psnr]", *changes])))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([], [f"Trained on awgn and tested on rayleigh without having met it in training: {NETWORKS}."]),
        (["channels=[awgn]"], []),
        (["training.channels=[awgn,rayleigh]"], []),
        (["training.channels=[rayleigh]"], [f"Trained on rayleigh and tested on awgn without having met it in training: {NETWORKS}."]),
    ],
)
def test_networks_that_are_tested_on_channels_that_they_were_not_trained_on_are_named(changes, told):
    assert notes(*changes) == told


def test_networks_of_other_trainings_are_named_apart_and_methods_without_weights_not_at_all():
    own = "methods=[{name: deepjscc, training: {channels: [awgn, rician]}}, swinjscc, digital]"
    assert notes(own, "channels=[rician,awgn]", methods=None) == [
        "Trained on awgn and tested on rician without having met it in training: swinjscc/base."
    ]
    assert notes(methods="digital/jpeg,nam24") == []


def test_what_is_told_stands_in_the_run_and_under_its_tables(tmp_path):
    options = GridOptions("quick", "deepjscc", limit=1, out=str(tmp_path / "run"), set_=["metrics=[psnr]", "cr=[1/24]"])
    session = Session(options, console=Console(quiet=True))
    session.evaluate("inline")
    told = "Trained on awgn and tested on rayleigh without having met it in training: deepjscc/default."
    info = read_info(session.folder.layout)
    assert info is not None and info.notes == (told,)
    assert all(told in table.notes for table in session.results.metric_tables.values())
