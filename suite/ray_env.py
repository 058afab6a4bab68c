"""Ray, set up the same way for training and for evaluation.

::

    connect(None)      a Ray of its own on this machine, gone with the process: it listens on the loopback device alone, and asks
                       whoever connects for a random token that its own processes inherit
    connect(ADDRESS)   joins a running cluster ("auto" on one of its nodes, "ray://HOST:10001" from outside) and
                       ships the project's code with it, as suite/shipping.py packs it
"""

import atexit
import logging
import os
import secrets
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir, mkdtemp
from typing import Any

from benchmarks.common.cores import available_cores
from benchmarks.common.project import PROJECT
from methods.files import files
from suite.endings import GRACE_S, LOST, Ending, active, watch
from suite.errors import ClusterError
from suite.keys import kept_back
from suite.ray_lines import leave_out_own_kills, without_stray_lines
from suite.shipping import package

CLIENT = "ray://"
LOCAL = (None, "local")
# A socket's path has 107 characters at most, of which Ray takes some sixty below the folder.
LONGEST_FOLDER = 40
# Seconds until nobody is taken to answer at a cluster's address.
CONNECT_S = 60.0
# Seconds without an answer after which the control process is dead: on this machine nobody starts it again, on a cluster its owner may,
# and at 60 s Ray ends this process without a word.
GONE_S, RESTART_S = 3.0, 45.0
# Seconds for the threads of broken-off streams: half of what a command has for its end, the rest is for Ray's own.
STREAM_END_S = GRACE_S / 2

# Read by Ray when it is imported or when its processes start.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    # A driver that `uv run` started would have its environment built again for each worker.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # Ray Train hands over at most one report an interval; the default of 2 s would bound the step rate of short trainings.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # A worker that asked for no GPU must not see any.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    # Trainings write their own curves; Tune's copies and its Ctrl-C handler would only be in the way.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    # The core's own messages are in Ray's log folder; on the terminal they hide the suite's.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


def prepare_environment(address: str | None = None) -> None:
    """Set Ray's environment variables that are not set yet; call it before ``ray`` is imported for the first time.

    Args:
        address: the cluster to join. Without one Ray listens on the loopback device only and asks for a token, unless
            ``RAY_AUTH_MODE`` says otherwise; a cluster's authentication is left as its owner set it.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if address not in LOCAL:
        return
    # Ray's own switch for machines that never form a cluster: its node is 127.0.0.1, which every process then binds to.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    on_loopback()
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return
    # In the environment, which no other user can read, and not in Ray's file, which everybody can. Children inherit it.
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # A Ray that is loaded has read its mode; ``ray.init`` turns the token on by itself then.
    if "ray" not in sys.modules:
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def ray_runs() -> bool:
    """Return whether this process is connected to Ray, such as by a training before."""
    if "ray" not in sys.modules:
        return False
    import ray

    return bool(ray.is_initialized())


def on_loopback() -> None:
    """Let the processes of a group on this machine, Gloo's and NCCL's, listen on the loopback device, unless told otherwise."""
    device = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), None)
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME") if device else ():
        os.environ.setdefault(name, str(device))


def connect(
    address: str | None = None,
    *,
    cpus: int | None = None,
    gpus: int | None = None,
    object_store: int | None = None,
    keys: Iterable[str] = (),
    extra: Sequence[Path] = (),
) -> None:
    """Start Ray on this machine or join a cluster; does nothing where this process is connected already.

    Args:
        address: the cluster, ``None`` or "local" for this machine alone (a cluster named by ``RAY_ADDRESS`` is not joined).
        cpus: CPUs that Ray may use of this machine; by default all there are. Ignored when joining a cluster, as is ``gpus``.
        gpus: GPUs likewise.
        object_store: size of the local object store in bytes; by default Ray's choice.
        keys: environment variables that Ray's processes must not inherit, besides the usual keys of models.
        extra: files that a cluster gets besides the project's own.

    Raises:
        ClusterError: Ray does not start here, or nobody answers at the address within :data:`CONNECT_S`.
    """
    prepare_environment(address)
    ending = active()
    if ending is not None:
        # Before Ray's own, so that it runs after them.
        atexit.register(ending.leave)
    import ray

    if ray.is_initialized():
        return
    # Its advice when it is interrupted is not this suite's way to go on.
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    here = address in LOCAL
    leave_out_own_kills()
    # After Ray's own, so that it runs before it.
    atexit.register(let_streams_end, ending)
    try:
        with without_stray_lines():
            if here:
                with kept_back(keys):
                    _start(cpus, gpus, object_store)
            else:
                _join(str(address), [*extra, *files()])
    except SystemExit:
        # Ray's own answer to SIGTERM while it starts.
        if ending is None:
            raise
        ending.terminated()
        raise KeyboardInterrupt from None
    if ending is not None:
        ending.install()
        if not str(address).startswith(CLIENT):
            watch(ray.get_runtime_context().gcs_address, GONE_S if here else RESTART_S, ending)


def let_streams_end(ending: Ending | None = None) -> None:
    """Wait, :data:`STREAM_END_S` at most, until the threads that drive Ray Data's streams have ended; end the processes of a dead Ray.

    Of a stream that is broken off Ray waits 2 s for its thread. On a busy machine that takes longer, and a thread that lets a reference
    go when Ray has been shut down ends the process on the spot, with exit code 1 whatever the command's was.
    """
    if ending is not None and ending.code == LOST:
        ending.end_processes()
        return
    end = time.monotonic() + STREAM_END_S
    for thread in threading.enumerate():
        if thread.name.startswith("StreamingExecutor"):
            thread.join(max(0.0, end - time.monotonic()))


def _start(cpus: int | None, gpus: int | None, object_store: int | None) -> None:
    import ray

    try:
        ray.init(
            address="local",
            num_cpus=cpus or available_cores(),
            num_gpus=gpus,
            include_dashboard=False,
            object_store_memory=object_store,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": {"PYTHONPATH": _search_path()}},
            _temp_dir=_short_folder(),
        )
    except Exception as error:
        raise ClusterError(f"Ray does not start on this machine ({last_line(error)}); free memory and cores, and try again") from error


def _short_folder() -> str | None:
    """Return a folder for Ray's sockets where the usual one has too long a name for them, ``None`` where it will do."""
    if "RAY_TMPDIR" in os.environ or len(os.fsencode(gettempdir())) <= LONGEST_FOLDER:
        return None
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        if os.access(folder, os.W_OK | os.X_OK):
            # Of this user alone, and gone with the process.
            own = mkdtemp(prefix="ray-", dir=folder)
            atexit.register(_take_away, own)
            return own
    raise ClusterError(f"the temporary folder {gettempdir()} has too long a name for Ray's sockets; set TMPDIR to a shorter one")


def _take_away(folder: str) -> None:
    import ray

    # Its processes would write there once more.
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def _join(address: str, extra: Sequence[Path]) -> None:
    import ray

    reach(address)
    runtime: dict[str, Any] = {"env_vars": dict(QUIET)}
    with TemporaryDirectory(prefix="semcom-") as folder:
        # A driver that `ray job submit` started has its code there already.
        if "RAY_JOB_CONFIG_JSON_ENV_VAR" not in os.environ:
            runtime["working_dir"] = str(package(Path(folder) / "project.zip", extra))
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=runtime)
        except Exception as error:
            raise ClusterError(
                f"the cluster {address} cannot be joined ({last_line(error)}); check that it runs, that its Ray is this one's version "
                f"({ray.__version__}), and, where it asks for a token, RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH"
            ) from error


def reach(address: str) -> None:
    """Return once something answers at ``address`` as Ray would; Ray itself would try for minutes.

    Raises:
        ClusterError: it does not within :data:`CONNECT_S`, or the address is none.
    """
    import grpc
    from ray._private.services import canonicalize_bootstrap_address

    named = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
    # As Ray finds it: "auto" in a file, a loopback address as this machine's own.
    try:
        where = named.removeprefix(CLIENT).partition("?")[0] if named.startswith(CLIENT) else canonicalize_bootstrap_address(named)
    except ValueError:
        where = None
    except ConnectionError as error:
        raise ClusterError(f"no cluster is found from this machine ({last_line(error)}); start one here, or give its address") from error
    host, _, port = (where or "").rpartition(":")
    if where is None or not host or not port.isdecimal():
        raise ClusterError(f"{address!r} is no address of a cluster; give auto, HOST:PORT, or ray://HOST:10001 from outside it")
    end = time.monotonic() + CONNECT_S
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
        if os.environ.get("RAY_USE_TLS", "0").lower() in ("0", "false"):
            with grpc.insecure_channel(where, [("grpc.enable_http_proxy", 0)]) as channel:
                grpc.channel_ready_future(channel).result(timeout=max(0.1, end - time.monotonic()))
    except (OSError, OverflowError, grpc.FutureTimeoutError) as error:
        why = f" ({error})" if str(error) else ""
        raise ClusterError(
            f"no Ray answers at {where} within {CONNECT_S:g} s{why}; start the cluster, or correct --address {address}"
        ) from None


def last_line(error: BaseException) -> str:
    """Return the last line of an error's message, which in Ray's paragraphs says what happened, or its name."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__


def _search_path() -> str:
    """Return PYTHONPATH with the project in front, so that workers import it from any working directory."""
    return os.pathsep.join(part for part in (str(PROJECT), os.environ.get("PYTHONPATH", "")) if part)
