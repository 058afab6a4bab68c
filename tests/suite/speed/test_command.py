"""``python -m suite.speed``: its command line and its table; what is measured is not repeated here."""

import importlib
import inspect
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from helpers.places import ROOT
from suite.errors import SettingsError
from suite.speed import __main__ as speed
from suite.speed.history import entries
from suite.speed.measures import MEASURES

ASK = CliRunner()


def test_measurements_are_printed_and_written(monkeypatch, tmp_path):
    found = {"startup": {"list_s": 0.25}, "growth": {"growth": {"work_s": 9.5}}}
    monkeypatch.setattr(speed, "apart", lambda name, seconds: found[name] | {"seconds": seconds})
    result = ASK.invoke(speed.app, ["--only", "startup,growth", "--seconds", "3", "--json", str(tmp_path / "speed.json")])
    assert result.exit_code == 0
    written = json.loads((tmp_path / "speed.json").read_text())
    assert written["measures"] == {name: values | {"seconds": 3.0} for name, values in found.items()}
    assert written["machine"]["cores"] and written["machine"]["load"] >= 0
    for word in ("list_s", "0.25", "work_s", "9.5", "load"):
        assert word in result.output


def test_a_measurement_that_fails_is_shown_and_others_go_on(monkeypatch):
    monkeypatch.setattr(speed, "apart", lambda name, seconds: None if name == "startup" else {"x": 1})
    result = ASK.invoke(speed.app, ["--only", "startup,growth"])
    assert result.exit_code == 1
    assert "failed" in result.output and "growth" in result.output


def test_an_unknown_measurement_is_refused():
    result = ASK.invoke(speed.app, ["--only", "startupp"])
    assert result.exit_code == 2
    assert "unknown measurement 'startupp'. Did you mean 'startup'?" in result.stderr


@pytest.mark.parametrize("name", MEASURES)
def test_every_measurement_of_the_table_has_its_module(name):
    assert list(inspect.signature(importlib.import_module(f"suite.speed.{name}").measure).parameters) == ["seconds"]


def test_a_process_of_its_own_prints_its_result_alone(monkeypatch):
    """The inner call that every measurement makes, with the one whose work is smallest replaced by nothing."""
    code = (
        "import sys, suite.speed.startup as startup; startup.measure = lambda seconds: {'seconds': seconds}\n"
        "from suite.speed.__main__ import app; sys.argv = ['speed', '--here', '--only', 'startup', '--seconds', '2']; app()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout) == {"seconds": 2.0}


def test_ratios_are_kept_and_compared_and_seconds_are_not(monkeypatch, tmp_path):
    paces = iter([2.0, 2.2])
    monkeypatch.setattr(speed, "apart", lambda name, seconds: {"batch 1": {"s": 9.0, "times_as_fast": next(paces)}})
    history = str(tmp_path / "kept" / "history.jsonl")
    first = ASK.invoke(speed.app, ["--only", "literal", "--history", history, "--keep"])
    assert "literal/batch 1/times_as_fast: 2, not measured before" in first.output
    second = ASK.invoke(speed.app, ["--only", "literal", "--history", history])
    assert second.exit_code == 0 and "literal/batch 1/times_as_fast: 2.2, was 2 (+10%) at" in second.output
    (line,) = (tmp_path / "kept" / "history.jsonl").read_text().splitlines()
    assert json.loads(line)["ratios"] == {"literal/batch 1/times_as_fast": 2.0}


def test_a_history_that_is_none_and_a_missing_file_are_told(tmp_path):
    (tmp_path / "h.jsonl").write_text('{"ratios": 3}\n')
    with pytest.raises(SettingsError, match="line 1 of .* is no measurement"):
        entries(tmp_path / "h.jsonl")
    assert ASK.invoke(speed.app, ["--keep", "--only", "startup"]).exit_code == 2


def test_the_shipped_history_can_be_read():
    assert all(entry["ratios"] and entry["machine"] for entry in entries(ROOT / "results" / "reference" / "speed" / "history.jsonl"))
