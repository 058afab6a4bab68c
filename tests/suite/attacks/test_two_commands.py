"""One writer a run folder: the second is refused, and who is gone holds nothing up."""

import json
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from suite.errors import RunFolderError
from suite.evaluate import runner
from suite.evaluate.executors.inline import inline
from suite.report.results import load_results
from suite.report.rewrite import rewrite
from suite.run import app
from suite.runs import lock
from suite.runs.layout import RunLayout
from suite.runs.lock import at_work


def held(folder: Path, **changes: object) -> Path:
    """Write the lock of somebody on another machine."""
    now = datetime.now(UTC).isoformat()
    who = {"host": "elsewhere", "process": 7, "started": "1", "since": now, "seen": now, "token": "theirs"}
    folder.mkdir(exist_ok=True)
    RunLayout(folder).lock.write_text(json.dumps(who | changes))
    return RunLayout(folder).lock


def test_the_second_is_told_who_is_at_work(tmp_path):
    said: list[str] = []
    with at_work(tmp_path, said.append):
        here = json.loads(RunLayout(tmp_path).lock.read_text())
        assert (here["host"], here["process"]) == (socket.gethostname(), os.getpid())
        with (
            pytest.raises(RunFolderError, match=f"is in use by process {os.getpid()} on .* at work there since 20") as refused,
            at_work(tmp_path, said.append),
        ):
            pass
        assert "\n" not in str(refused.value) and "choose another --out" in str(refused.value)
        assert json.loads(RunLayout(tmp_path).lock.read_text()) == here
    assert list(tmp_path.iterdir()) == [] and said == []
    with at_work(tmp_path, said.append):
        pass


def test_an_error_inside_lets_go(tmp_path):
    with pytest.raises(ZeroDivisionError), at_work(tmp_path, print):
        raise ZeroDivisionError
    assert not RunLayout(tmp_path).lock.exists()


def test_a_process_of_this_machine_that_is_gone_is_told_and_taken_over(tmp_path):
    code = f"import os, suite.runs.lock as l; from pathlib import Path; l._take(Path({str(tmp_path)!r}), print); os._exit(9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    assert RunLayout(tmp_path).lock.is_file()
    said: list[str] = []
    with at_work(tmp_path, said.append):
        pass
    assert len(said) == 1 and "taking over" in said[0] and "is gone" in said[0]
    # Another process has its number since.
    held(tmp_path, host=socket.gethostname(), process=os.getpid(), started="another time")
    with at_work(tmp_path, said.append):
        pass
    assert len(said) == 2


@pytest.mark.parametrize(("silent", "free"), [(lock.GONE_AFTER_S + 5, True), (lock.GONE_AFTER_S - 60, False)])
def test_another_machine_is_gone_once_it_is_silent_for_long(silent, free, tmp_path):
    held(tmp_path, seen=(datetime.now(UTC) - timedelta(seconds=silent)).isoformat())
    said: list[str] = []
    if free:
        with at_work(tmp_path, said.append):
            pass
        assert "gave no sign of life for" in said[0]
    else:
        with pytest.raises(RunFolderError, match="process 7 on elsewhere"), at_work(tmp_path, said.append):
            pass


@pytest.mark.parametrize("text", ["", "null", "{}", '{"host": 3}'])
def test_a_damaged_lock_holds_nobody_up(text, tmp_path):
    RunLayout(tmp_path).lock.write_text(text)
    with at_work(tmp_path, print):
        pass
    assert list(tmp_path.iterdir()) == []


def test_signs_of_life_are_given_until_somebody_else_has_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "SIGN_OF_LIFE_S", 0.01)
    waited = threading.Event()
    with at_work(tmp_path, print):
        first = lock._read(RunLayout(tmp_path).lock)
        while lock._read(RunLayout(tmp_path).lock).seen == first.seen:
            waited.wait(0.01)
        for thread in threading.enumerate():
            if thread.name == "signs-of-life":
                # A sign that was on its way may still come after the first.
                for _ in range(10):
                    path = held(tmp_path)
                    theirs = path.read_bytes()
                    thread.join(1)
                assert not thread.is_alive()
    assert path.read_bytes() == theirs


def test_who_takes_over_at_the_same_moment_does_not_take_twice(tmp_path):
    found = lock.Holder.model_validate_json(held(tmp_path).read_bytes())
    quicker = held(tmp_path, token="of the quicker one").read_bytes()
    lock._put_away(RunLayout(tmp_path).lock, found)
    assert RunLayout(tmp_path).lock.read_bytes() == quicker


def test_two_commands_on_one_folder(images, tmp_path, monkeypatch, draft_figures):
    """The first is in the middle of its evaluation when the second, of another cut, and the tables come."""
    out, seen = tmp_path / "run", []
    arguments = ["--methods", "blocks_for_tests", "--datasets", "folder", "--data-dir", str(images), "--out", str(out)]
    for assignment in ("image_size=32", "metrics=[psnr]", "cr=[1/12]", "snr_db=[10]", "channels=[awgn]"):
        arguments += ["--set", assignment]

    def first(units, run_dir, settings, address=None):
        for number, done in enumerate(inline(units, run_dir, settings)):
            yield done
            if number == 0 and not seen:
                seen.append(CliRunner().invoke(app, [*arguments, "--set", "evaluation.unit=1"]))
                rewrite(load_results(out))

    monkeypatch.setattr(runner, "processes", first)
    result = CliRunner().invoke(app, [*arguments, "--set", "evaluation.unit=2"])
    assert result.exit_code == 0, result.output
    (second,) = seen
    assert second.exit_code == 2 and second.stderr.count("\n") == 1 and "is in use by process" in second.stderr
    assert not RunLayout(out).lock.exists() and json.loads((out / "run.json").read_text())["records"] == 5
    assert CliRunner().invoke(app, [*arguments, "--set", "evaluation.unit=1"]).exit_code == 0
