"""How commands end before their work is done: one sentence, an exit code that says why, and nothing left running."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import typer
from typer.testing import CliRunner

from benchmarks.common.errors import DatasetError
from suite import endings, ray_env
from suite.cli import guarded
from suite.endings import active
from suite.errors import ClusterError
from suite.faults.rounds import processes_below
from suite.ray_env import PROJECT
from suite.ray_lines import leave_out_own_kills

PATIENCE_S = 400
# Far more cells than a test waits for.
LONG = (
    *(
        "--methods",
        "digital/webp",
        "--datasets",
        "folder",
        "--set",
        "image_size=64",
        "--set",
        "metrics=[psnr]",
        "--set",
        "repetitions=2000",
    ),
    *("--set", "evaluation.unit=1", "--set", "sheet.images=0"),
)

# Few enough cells to do without Ray.
SMALL = tuple("repetitions=5" if each == "repetitions=2000" else each for each in LONG)

# As on a busy machine: the thread that drives the stream outlasts Ray's patience with it, and lets references go one by one.
SLOW_STREAM = """
import runpy, time
from suite.ray_env import prepare_environment
prepare_environment()
import ray
from ray.data._internal.execution.streaming_executor import StreamingExecutor
step = StreamingExecutor._scheduling_loop_step
references = []
def slow_step(executor, topology):
    references[:] = references or [ray.put(number) for number in range(100)]
    goes_on = step(executor, topology)
    while executor._shutdown and references:
        references.pop()
        time.sleep(0.05)
    return goes_on
StreamingExecutor._scheduling_loop_step = slow_step
runpy.run_module("suite.run", run_name="__main__")
"""


def ended(work):
    """How a command ends that does ``work``."""
    app = typer.Typer(pretty_exceptions_show_locals=False)
    app.command()(guarded(work))
    return CliRunner().invoke(app, [])


def test_sigterm_ends_like_ctrl_c_with_a_code_of_its_own():
    before = signal.getsignal(signal.SIGTERM)

    def terminated() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    result = ended(terminated)
    assert result.exit_code == 143 and result.stderr.startswith("terminated; what was already written is kept")
    assert result.stderr.count("\n") == 1 and signal.getsignal(signal.SIGTERM) == before


@pytest.fixture
def interruptible():
    """Python's own answer to SIGINT, which a process that was started in the background does without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_as_before(interruptible):
    result = ended(lambda: signal.raise_signal(signal.SIGINT))
    assert result.exit_code == 130 and result.stderr.startswith("interrupted; ") and result.stderr.count("\n") == 1


def test_a_second_sigterm_does_not_disturb_what_ends_in_order():
    done: list[str] = []

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.1)
            done.append("published")

    assert ended(work).exit_code == 143 and done == ["published"]


def test_any_thread_can_end_a_command_and_what_follows_from_it_hides_nothing():
    def work() -> None:
        ending = active()
        assert ending is not None
        threading.Thread(target=ending.end, args=("error: the ground is gone", 2)).start()
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            raise RuntimeError("of what was torn down") from None

    result = ended(work)
    assert (result.exit_code, result.stderr) == (2, "error: the ground is gone\n")


@pytest.mark.parametrize("answers", [True, False])
def test_a_control_process_is_dead_only_where_nobody_answers(answers, monkeypatch):
    monkeypatch.setattr(endings, "PROBE_S", 0.05)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if answers:
            listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"

        def work() -> None:
            endings.watch(address, 0.1, active())
            time.sleep(1 if answers else 60)

        result = ended(work)
    assert result.exit_code == (0 if answers else 2) and result.stderr.startswith(
        "" if answers else f"error: Ray's control process at {address}"
    )


def test_a_crash_has_a_code_of_its_own_and_keeps_its_traceback():
    def work() -> None:
        raise ZeroDivisionError("nobody foresaw this")

    result = ended(work)
    assert result.exit_code == 70 and 'raise ZeroDivisionError("nobody foresaw this")' in result.stderr
    assert result.stderr.splitlines()[-1].startswith("crashed: ZeroDivisionError: nobody foresaw this; ")


@pytest.mark.parametrize("code", [0, 1])
def test_a_commands_own_exit_code_stays(code):
    def work() -> None:
        raise typer.Exit(code)

    assert ended(work).exit_code == code


def test_a_users_error_is_a_sentence():
    def work() -> None:
        raise DatasetError("there is no folder x")

    result = ended(work)
    assert (result.exit_code, result.stderr) == (2, "error: there is no folder x\n")


@pytest.fixture
def command(images, tmp_path):
    """Start a long run of the command; its output goes to ``log``."""
    started: list[psutil.Popen] = []

    def start(*program: str, arguments: tuple[str, ...] = LONG) -> psutil.Popen:
        whole = [sys.executable, *(program or ("-m", "suite.run")), *arguments, "--data-dir", str(images), "--out", str(tmp_path / "run")]
        with (tmp_path / "log").open("wb") as log:
            started.append(psutil.Popen(whole, cwd=PROJECT, stdout=log, stderr=log, start_new_session=True))
        return started[0]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(condition, process: psutil.Popen, log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def server(process: psutil.Popen) -> list[int]:
    """The control process of a command's Ray, once it is there."""
    found = []
    for child in family(process):
        with suppress(psutil.NoSuchProcess):
            found += [child.pid] if child.name() == "gcs_server" else []
    return found


def works(process: psutil.Popen) -> bool:
    return any(title.startswith("ray::") and "Actor" in title for title in processes_below(process.pid).values())


def family(process: psutil.Popen) -> list[psutil.Process]:
    found = []
    for pid in processes_below(process.pid):
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=60)
    return not alive


def test_sigterm_while_ray_starts(command, tmp_path):
    process = command()
    until(lambda: server(process), process, tmp_path / "log")
    others = family(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 143
    said = (tmp_path / "log").read_text()
    assert said.splitlines()[-1].startswith("terminated; ") and "Traceback" not in said and gone(others)


@pytest.mark.parametrize(
    ("whom", "program", "code", "sentence"),
    [
        ("command", (), 143, "terminated; "),
        ("command", ("-c", SLOW_STREAM), 143, "terminated; "),
        ("ray", (), 2, "error: Ray's control process at "),
    ],
    ids=["terminated", "terminated on a busy machine", "ray dies"],
)
def test_while_units_run_the_command_is_terminated_or_ray_dies(whom, program, code, sentence, command, tmp_path):
    process = command(*program)
    until(lambda: works(process), process, tmp_path / "log")
    others = family(process)
    if whom == "ray":
        os.kill(server(process)[0], signal.SIGKILL)
    else:
        process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == code, (tmp_path / "log").read_text()
    said = (tmp_path / "log").read_text()
    assert said.splitlines()[-1].startswith(sentence), said
    assert "Traceback" not in said and "***" not in said and gone(others)


def test_a_small_run_without_ray_is_terminated_with_its_workers(command, tmp_path):
    def works() -> bool:
        titles = list(processes_below(process.pid).values())
        # Workers are forked from a server, whose title they keep, or started where there is one core alone.
        return sum("serve_forks(" in title for title in titles) > 1 or any("serve(" in title for title in titles)

    process = command(arguments=SMALL)
    until(works, process, tmp_path / "log")
    others = family(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 143, (tmp_path / "log").read_text()
    said = (tmp_path / "log").read_text()
    assert said.splitlines()[-1].startswith("terminated; ") and "Traceback" not in said and gone(others)


@pytest.fixture
def silent():
    """A port that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_an_address_where_nobody_listens_is_one_sentence_at_once(address, monkeypatch):
    monkeypatch.setattr(ray_env, "CONNECT_S", 30.0)
    with pytest.raises(ClusterError, match=r"no Ray answers at .*:1 within 30 s .*start the cluster, or correct --address"):
        ray_env.reach(address)


def test_an_address_that_says_nothing_is_given_up(silent, monkeypatch):
    monkeypatch.setattr(ray_env, "CONNECT_S", 0.5)
    with pytest.raises(ClusterError, match="no Ray answers at"):
        ray_env.reach(f"ray://127.0.0.1:{silent}")


@pytest.mark.parametrize("address", ["ray://", "nowhere", "ray://host:port"])
def test_what_is_no_address_is_told(address):
    with pytest.raises(ClusterError, match="is no address of a cluster; give auto, HOST:PORT, or ray://HOST:10001"):
        ray_env.reach(address)


def test_the_command_says_it_in_one_sentence(images, tmp_path):
    arguments = [sys.executable, "-m", "suite.run", *LONG, "--data-dir", str(images), "--out", str(tmp_path / "run")]
    run = subprocess.run([*arguments, "--address", "127.0.0.1:1"], cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert run.returncode == 2 and run.stderr.count("\n") == 1, run.stderr
    assert run.stderr.startswith("error: no Ray answers at ")


LEAVING = """
import atexit, os, sys, typer
from suite.cli import guarded
from suite.endings import active

early = sys.argv.pop(1) == "early"
# What takes the process down after the command has ended.
atexit.register(os.abort)

@guarded
def main():
    atexit.register(active().leave)
    print("said", flush=not early)
    if early:
        raise KeyboardInterrupt

typer.run(main)
"""


@pytest.mark.parametrize(("how", "code"), [("early", 130), ("whole", -signal.SIGABRT)])
def test_what_happens_while_python_takes_itself_down_leaves_the_code_of_an_early_end_alone(how, code):
    done = subprocess.run([sys.executable, "-c", LEAVING, how], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (code, "said\n") and ("interrupted; " in done.stderr) == (how == "early")


def test_ray_tells_nothing_of_actors_that_were_ended_on_purpose_and_all_else(monkeypatch, capsys):
    from ray._private import worker

    monkeypatch.setattr(worker, "print_to_stdstream", getattr(worker.print_to_stdstream, "told_by", worker.print_to_stdstream))
    for _ in range(2):
        leave_out_own_kills()
    for line in ("Task A failed. Error: The actor is dead because it was killed by `ray.kill`.", "Task B failed: out of memory"):
        worker.print_to_stdstream({"lines": [line], "pid": "raylet", "is_err": False}, ignore_prefix=False)
    told = capsys.readouterr().out
    assert "out of memory" in told and told.count("\n") == 1
