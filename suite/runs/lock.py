"""One writer a run folder: a file says who is at work there, and that he still is.

::

    lock.json   host, process, since when, last sign of life
        │ there already: its process is gone from this machine, or another machine has long been silent? ── yes ──> told and taken over
        └─ no ──> RunFolderError

A file with signs of life rather than a lock of the operating system: it works in a bucket and on shared file systems, and tells who.
"""

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from benchmarks.common.atomic import create_json, temporary_name, write_json
from benchmarks.common.errors import StorageError
from benchmarks.common.storage import RemotePath, StoragePath
from suite.errors import RunFolderError
from suite.runs.layout import RunLayout

SIGN_OF_LIFE_S = 15.0
# Who gave no sign for so long on another machine is gone.
GONE_AFTER_S = 180.0

Say = Callable[[str], None]


class Holder(BaseModel):
    """Who is at work.

    Attributes:
        host, process: machine and process id.
        started: what tells the process from a later one of the same id, "" where the system does not say.
        since, seen: when the work began, and the last sign of life.
        token: of this piece of work alone.
    """

    model_config = ConfigDict(frozen=True)

    host: str
    process: int
    started: str
    since: AwareDatetime
    seen: AwareDatetime
    token: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, at work there since {self.since.isoformat(sep=' ', timespec='seconds')}"

    @property
    def silent_s(self) -> float:
        """Seconds since the last sign of life."""
        return (datetime.now(UTC) - self.seen).total_seconds()

    @property
    def gone(self) -> str:
        """Why it counts as gone, "" where it does not."""
        if self.host == socket.gethostname():
            return "" if _state_of(self.process) == self.started else "is gone"
        return f"gave no sign of life for {self.silent_s:.0f} s" if self.silent_s > GONE_AFTER_S else ""


@contextmanager
def at_work(folder: StoragePath, say: Say) -> Iterator[None]:
    """Be the one who writes to ``folder`` for the duration of a block.

    Args:
        folder: the run folder; made where it is missing.
        say: called with a sentence where a lock was taken over.

    Raises:
        RunFolderError: somebody else is at work there, or the folder cannot be written.
    """
    path = RunLayout(folder).lock
    mine = _take(folder, say)
    over = threading.Event()
    life = threading.Thread(target=_give_signs, args=(path, mine, over), name="signs-of-life", daemon=True)
    life.start()
    try:
        yield
    finally:
        over.set()
        life.join()
        if _holds(path, mine):
            path.unlink(missing_ok=True)


def _take(folder: StoragePath, say: Say) -> Holder:
    path = RunLayout(folder).lock
    now, process = datetime.now(UTC), os.getpid()
    who = {"host": socket.gethostname(), "process": process, "started": _state_of(process) or ""}
    mine = Holder.model_validate({**who, "since": now, "seen": now, "token": uuid.uuid4().hex})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if _created(path, mine):
            return mine
        found = _read(path)
        if found is not None and not found.gone:
            raise RunFolderError(_sentence(folder, found))
        if found is not None:
            say(f"taking over {folder}: {found}, {found.gone}")
        _put_away(path, found)
        if _created(path, mine):
            return mine
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be written ({error.strerror}); free it or choose another --out") from error
    raise RunFolderError(_sentence(folder, _read(path)))


def _sentence(folder: StoragePath, found: Holder | None) -> str:
    silence = f", last sign of life {found.silent_s:.0f} s ago (gone after {GONE_AFTER_S:.0f} s)" if found is not None else ""
    return f"{folder} is in use by {found or 'another command'}{silence}; wait for it, or choose another --out"


def _created(path: StoragePath, mine: Holder) -> bool:
    """Write a lock that is not there yet; return whether it is this one that stands now."""
    # In a bucket the last of those who wrote at once has it.
    return create_json(path, mine.model_dump(mode="json")) and _holds(path, mine)


def _holds(path: StoragePath, mine: Holder) -> bool:
    return (standing := _read(path)) is not None and standing.token == mine.token


def _put_away(path: StoragePath, found: Holder | None) -> None:
    """Take away a lock that was found to be of no use, but not the one of somebody who was quicker."""
    if isinstance(path, RemotePath):
        if _read(path) == found:
            path.unlink(missing_ok=True)
        return
    aside = temporary_name(path)
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    if _read(aside) == found:
        aside.unlink()
    else:
        aside.rename(path)


def _give_signs(path: StoragePath, mine: Holder, over: threading.Event) -> None:
    while not over.wait(SIGN_OF_LIFE_S):
        try:
            if not _holds(path, mine):
                return
            write_json(path, mine.model_copy(update={"seen": datetime.now(UTC)}).model_dump(mode="json"))
        except (OSError, StorageError):
            # The next sign may get through; what the work itself writes tells of a full disk or a lost bucket.
            continue


def _read(path: StoragePath) -> Holder | None:
    """Return who holds a lock, ``None`` where there is none or nobody can tell."""
    try:
        return Holder.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _state_of(process: int) -> str | None:
    """Return when a process of this machine started, "" where the system does not say, ``None`` where there is no such process."""
    try:
        # The command's name, in brackets, may hold anything.
        state, *rest = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return None if state == "Z" else rest[18]
    except (OSError, ValueError, IndexError):
        pass
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except (PermissionError, OverflowError, ValueError):
        return ""
    return ""
