"""Who reaches a run's Ray: a stranger on the machine is refused, nothing listens outside it, and neither token nor key is shown."""

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import yaml
from rich.console import Console

from helpers.openai_double import KEY, Double, Fault
from suite.errors import EvaluationError
from suite.evaluate.model_access import Access
from suite.keys import kept_back
from suite.options import GridOptions
from suite.ray_env import PROJECT
from suite.session import Session
from suite.train import tune

T = TypeVar("T")

SECRETS = (KEY, "sk-official-5d1f0c7b", "hf_5b0c9d2e77")
PATIENCE_S = 240
# What a stranger on the machine does: nothing of the run's environment is his.
ATTACK = """
import sys
import ray
KEYS = ("LOCAL_KEY", "OPENAI_API_KEY", "HF_TOKEN")
ray.init(address=sys.argv[1], logging_level="ERROR", log_to_driver=False)
print("inside", ray.get(ray.remote(num_cpus=0)(lambda: [name for name in KEYS if name in __import__("os").environ]).remote()))
"""
LOOPBACK = re.compile(r"^(::ffff:)?127\.0\.0\.1$|^::1$")


@dataclass
class Victim:
    """A run that waits for a model's answer, and the address of its Ray."""

    process: psutil.Popen
    address: str
    folder: Path

    def processes(self) -> list[psutil.Process]:
        return living(self.process)


def stranger() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


def attack(address: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # Ray would look for a loopback address on the network device otherwise, and knock twenty times where it is refused; whoever has the
    # token comes in with as few tries.
    attacker = stranger() | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_NUM_REDIS_GET_RETRIES": "3", **environment}
    return subprocess.run([sys.executable, "-c", ATTACK, address], env=attacker, capture_output=True, text=True, timeout=PATIENCE_S)


def of_each(processes: Iterable[psutil.Process], read: Callable[[psutil.Process], T]) -> list[T]:
    """Return what ``read`` finds for each process, without those that end meanwhile: a run starts and ends some all the time."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            found.append(read(process))
    return found


def living(process: psutil.Popen) -> list[psutil.Process]:
    """Return what a process has started and what that has, without those that have ended and are not yet taken leave of."""
    alive = of_each(process.children(recursive=True), lambda child: (child, child.is_running() and child.status() != psutil.STATUS_ZOMBIE))
    return [child for child, lives in alive if lives]


def gcs_address(process: psutil.Popen) -> str:
    lines = of_each(living(process), lambda child: " ".join(child.cmdline()))
    return next(found[1] for line in lines if (found := re.search(r"--gcs-address=(\S+)", line)))


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    double = Double()
    yield double
    double.close()


@pytest.fixture(scope="module")
def victim(server, images, tmp_path_factory) -> Iterator[Victim]:
    """A run of the command whose second model lets it wait for its first answer."""
    folder = tmp_path_factory.mktemp("victim")
    access = {"base_url": server.url, "retries": 0, "timeout": 600, "api_key_env": "LOCAL_KEY"}
    models = {"captioner": {"model": "openai:seer-1", "access": access}, "generator": {"model": "openai:painter-1", "access": access}}
    keys = {"name": "victim", "image_size": 32, "methods": ["nam24"], "datasets": ["folder"], "snr_db": [1], "cr": ["1/2"]}
    keys |= {"channels": ["awgn"], "metrics": ["psnr"], "limit": 1, "generative": models}
    (folder / "grid.yaml").write_text(yaml.safe_dump(keys))
    server.faults = [None] + [Fault(wait=3600)] * 100
    command = ["-m", "suite.run", "--grid", str(folder / "grid.yaml"), "--data-dir", str(images), "--out", str(folder / "run")]
    with (folder / "log").open("wb") as log:
        environment = stranger() | dict(zip(("LOCAL_KEY", "OPENAI_API_KEY", "HF_TOKEN"), SECRETS, strict=True))
        process = psutil.Popen([sys.executable, *command], cwd=PROJECT, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        end = time.monotonic() + PATIENCE_S
        while not any(asked.path.endswith("/generations") for asked in server.posts()):
            assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.2)
        yield Victim(process, gcs_address(process), folder)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def token_of(victim: Victim) -> str:
    (token,) = {
        token
        for name, token in of_each(victim.processes(), lambda each: (each.name(), each.environ().get("RAY_AUTH_TOKEN")))
        if name == "raylet"
    }
    return token


@pytest.mark.parametrize("guess", [{}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}])
def test_a_stranger_without_the_token_runs_nothing_in_a_run(victim, guess):
    refused = attack(victim.address, **guess)
    assert refused.returncode != 0 and "inside" not in refused.stdout and "Failed to connect" in refused.stderr
    assert victim.process.poll() is None


def test_with_the_token_the_attack_is_one_and_finds_no_key(victim):
    assert attack(victim.address, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=token_of(victim)).stdout == "inside []\n"


def test_no_process_of_ray_bears_a_key_in_its_environment(victim):
    # The server answers nobody without its key, so the actor that asks has it.
    environments = dict(of_each(victim.processes(), lambda each: (each.pid, Path(f"/proc/{each.pid}/environ").read_bytes())))
    assert len(environments) > 5 and any(b"RAY_AUTH_TOKEN" in content for content in environments.values())
    assert [pid for pid, content in environments.items() if any(key.encode() in content for key in SECRETS)] == []


def test_nothing_of_a_run_listens_outside_the_loopback_device(victim):
    family = [victim.process, *victim.processes()]
    connections = of_each(family, lambda process: process.net_connections("tcp"))
    listening = [each.laddr for several in connections for each in several if each.status == psutil.CONN_LISTEN]
    assert len(listening) > 5
    assert [address for address in listening if not LOOPBACK.match(address.ip)] == []


def test_token_and_keys_are_in_no_command_line_log_record_or_report(victim):
    hidden = (token_of(victim), *SECRETS)
    assert len(hidden[0]) == 64
    lines = [" ".join(process.info["cmdline"]) for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"]]
    assert not any(secret in line for secret in hidden for line in lines)
    own = of_each(victim.processes(), lambda each: " ".join(each.cmdline()))
    (session,) = {found[1] for line in own if (found := re.search(r"--session-dir=(\S+)", line))}
    files = [path for folder in (Path(session), victim.folder) for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if any(secret.encode() in path.read_bytes() for secret in hidden)] == []


@pytest.mark.parametrize(
    ("own", "mode", "token"),
    [
        ({}, "token", True),
        ({"RAY_AUTH_MODE": "disabled"}, "disabled", False),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "/somewhere"}, "token", False),
        ({"RAY_AUTH_TOKEN": "mine"}, "token", True),
    ],
)
def test_a_users_own_choice_is_respected(own, mode, token):
    code = (
        "import os; from suite.ray_env import prepare_environment; prepare_environment(); prepare_environment();"
        "print(os.environ.get('RAY_AUTH_MODE'), os.environ.get('RAY_AUTH_TOKEN'))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=stranger() | own, capture_output=True, text=True, check=True)
    said, secret = run.stdout.split()
    assert said == mode and (secret != "None") == token and (secret == "mine") == ("RAY_AUTH_TOKEN" in own)


def test_a_clusters_authentication_is_left_to_its_owner():
    code = (
        "import os; from suite.ray_env import prepare_environment; prepare_environment('ray://HOST:10001');"
        "print([name for name in os.environ if 'AUTH' in name or name.endswith('CLUSTER')])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=stranger(), capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_keys_on_their_way_show_nothing_and_arrive(monkeypatch):
    from ray.data._internal.metadata_exporter import sanitize_for_struct

    monkeypatch.setenv("LOCAL_KEY", KEY)
    access = Access("bank", 1).with_keys(("LOCAL_KEY", "NOT_SET"))
    # As Ray Data writes down the arguments of its actors.
    shown = f"{access!r} {sanitize_for_struct((access, 'cpu'), 10_000)}"
    assert "LOCAL_KEY" in shown and KEY not in shown
    packed = pickle.dumps(access)
    monkeypatch.delenv("LOCAL_KEY")
    pickle.loads(packed).model_client()
    assert os.environ["LOCAL_KEY"] == KEY and "NOT_SET" not in os.environ


def test_the_ray_of_trainings_is_started_without_the_keys_that_the_grid_names(victim, images, tmp_path, monkeypatch):
    asked: list[str] = []

    def refuse(address, *, keys):
        asked.extend(keys)
        raise EvaluationError("no further")

    monkeypatch.setattr(tune, "connect", refuse)
    monkeypatch.setenv("LOCAL_KEY", KEY)
    # Two networks: one by itself would do without Ray.
    changes = ["cr=[1/12, 1/6]", "training.preset=compact"]
    options = GridOptions(
        str(victim.folder / "grid.yaml"), "nam24,deepjscc", data_dir=images, limit=1, out=str(tmp_path / "run"), set_=changes
    )
    with pytest.raises(EvaluationError, match="no further"):
        Session(options, console=Console(quiet=True)).train()
    assert asked == ["OPENAI_API_KEY", "LOCAL_KEY"]


def test_keys_are_back_once_others_are_started(monkeypatch):
    monkeypatch.setenv("LOCAL_KEY", KEY)
    monkeypatch.setenv("HF_TOKEN", SECRETS[2])
    with pytest.raises(ZeroDivisionError), kept_back(("LOCAL_KEY", "NOT_SET")):
        assert not {"LOCAL_KEY", "HF_TOKEN", "NOT_SET"} & set(os.environ)
        raise ZeroDivisionError
    assert os.environ["LOCAL_KEY"] == KEY and os.environ["HF_TOKEN"] == SECRETS[2] and "NOT_SET" not in os.environ


def test_a_temporary_folder_of_a_long_name_does_for_ray(tmp_path):
    long = tmp_path / ("t" * 90)
    long.mkdir()
    code = "from suite.ray_env import connect; connect(None, cpus=1); import ray; print(ray.get(ray.remote(lambda: 7).remote()), end='')"
    before = {path.name for path in Path("/tmp").glob("ray-*")}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(long)}, timeout=240
    )
    assert ran.stdout == "7", ran.stderr
    assert {path.name for path in Path("/tmp").glob("ray-*")} <= before
