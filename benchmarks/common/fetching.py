"""Whether files may be fetched from elsewhere now: a plan looks and fetches nothing, a run fetches before it begins.

::

    with nothing_fetched() as wanted:      a dry run, the doctor
        may_fetch(name, source) ──> False, and the file is noted in ``wanted``
    may_fetch(name, source) ──> True       anywhere else
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from benchmarks.common.errors import WeightsFileError

_WANTED: ContextVar[list[str] | None] = ContextVar("wanted", default=None)


@contextmanager
def nothing_fetched(wanted: list[str] | None = None) -> Iterator[list[str]]:
    """Forbid fetching for the length of a block.

    Args:
        wanted: where it is said of each file what a run would fetch, and from where, each once; a new list if not given.

    Yields:
        That list.
    """
    wanted = [] if wanted is None else wanted
    before = _WANTED.set(wanted)
    try:
        yield wanted
    finally:
        _WANTED.reset(before)


def forbidden() -> bool:
    """Return whether nothing may be fetched now."""
    return _WANTED.get() is not None


def may_fetch(name: str, source: str) -> bool:
    """Return whether a file that is not here may be fetched now; where it may not, it is noted."""
    wanted = _WANTED.get()
    if wanted is None:
        return True
    if (line := f"{name} from {source}") not in wanted:
        wanted.append(line)
    return False


def torch_file(address: str) -> Path | None:
    """Return where a file that torchvision publishes lies in torch's cache, fetching it if that is allowed; ``None`` if it is not.

    Raises:
        WeightsFileError: the file could not be fetched.
    """
    import torch

    target = Path(torch.hub.get_dir()) / "checkpoints" / address.rsplit("/", 1)[1]
    if target.is_file():
        return target
    if not may_fetch(target.name, address):
        return None
    # torchvision's file names end in the first digits of their SHA-256.
    digits = target.stem.rsplit("-", 1)[1]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(target), hash_prefix=digits, progress=False)
    # URLError is an OSError; a bad hash is a RuntimeError.
    except (OSError, RuntimeError) as failure:
        raise WeightsFileError(f"{target.name} is not in torch's cache and could not be fetched from {address}: {failure}") from failure
    return target
