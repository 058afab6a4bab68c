"""``python -m benchmarks.speed`` and ``benchmarks.faults``: their command lines; what they measure is the suite's."""

import json
import subprocess
import sys

import pytest

from benchmarks.speed import __main__ as speed


def test_measurements_are_printed_and_written(monkeypatch, tmp_path, capsys):
    found = {"startup": {"list_s": 0.25}, "growth": {"growth": {"work_s": 9.5}}}
    monkeypatch.setattr(speed, "run", lambda name, seconds: found[name] | {"seconds": seconds})
    monkeypatch.setattr(sys, "argv", ["speed", "--only", "startup,growth", "--seconds", "3", "--json", str(tmp_path / "speed.json")])
    assert speed.main() == 0
    written = json.loads((tmp_path / "speed.json").read_text())
    assert written["measures"] == {name: values | {"seconds": 3.0} for name, values in found.items()}
    assert written["machine"]["cores"] and written["machine"]["load"] >= 0
    out = capsys.readouterr().out
    assert "list_s" in out and "0.25" in out and "work_s" in out and "9.5" in out and "load" in out


def test_a_measurement_that_fails_is_shown_and_others_go_on(monkeypatch, capsys):
    monkeypatch.setattr(speed, "run", lambda name, seconds: None if name == "startup" else {"x": 1})
    monkeypatch.setattr(sys, "argv", ["speed", "--only", "startup,growth"])
    assert speed.main() == 1
    assert "failed" in capsys.readouterr().out


def test_an_unknown_measurement_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["speed", "--only", "spead"])
    with pytest.raises(SystemExit):
        speed.main()
    assert "there is no measurement 'spead'" in capsys.readouterr().err


def test_neither_command_imports_the_suite_or_ray():
    code = (
        "import sys, benchmarks.speed.__main__, benchmarks.faults.__main__; "
        "bad = {'suite', 'ray', 'methods', 'torch'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
