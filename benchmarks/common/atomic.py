"""Files that appear whole or not at all: written beside their place and renamed into it; those that are read back are sealed."""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.common.storage import RemotePath, StoragePath

# What a killed process leaves of a file that had not yet its name.
PARTIAL = re.compile(r"\..+\.\d+-[0-9a-f]{8}\.partial")
_SEAL, _DIGITS, _CHECKSUM = b"\nsha256:", 64, "checksum"
# File systems bear 255 bytes a name; a temporary name beside it takes some of them.
LONGEST_NAME = 180
# Not a name's own on some file system; and where a slash that became two underscores would not be told from underscores.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]|__|_/|/_|^[./]|[. ]$|//|/\.+(/|$)')


def file_name(id: str) -> str:
    """Return a name for a file or folder of an image: the id with ``__`` for ``/``.

    Different ids have different names: one that is too long, or that could be taken for another's, ends with its hash.
    """
    plain = id.replace("/", "__")
    if not _UNSAFE.search(id) and len(plain.encode()) <= LONGEST_NAME:
        return plain
    digest = hashlib.blake2b(id.encode(), digest_size=6).hexdigest()
    start = _UNSAFE.sub("_", id).replace("/", "_").encode()[: LONGEST_NAME - len(digest) - 1].decode(errors="ignore")
    return f"{start}-{digest}"


def write_atomic(path: StoragePath, write: Callable[[IO[bytes]], object]) -> None:
    """Let ``write`` fill a file that then replaces ``path`` in one step, safe for several writers at once.

    Raises:
        OSError, StorageError: the file cannot be written; what was at ``path`` before is untouched.
    """
    if isinstance(path, RemotePath):
        _upload(path, write)
        return
    with _beside(path, write) as partial:
        partial.replace(path)


def create_atomic(path: StoragePath, write: Callable[[IO[bytes]], object]) -> bool:
    """Let ``write`` fill a file that stands at ``path`` from then on, unless one is there; return whether it is this one.

    A bucket offers no "only if absent" through pyarrow: of several who write there at the same moment each may be told that it was first,
    and the last one's file stands.

    Raises:
        OSError, StorageError: the file cannot be written; nothing of it is there then.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [create_atomic(Path(folder) / "claim", lambda file: file.write(who)) for who in (b"first", b"second")]
        [True, False]
    """
    if isinstance(path, RemotePath):
        if path.is_file():
            return False
        _upload(path, write)
        return True
    with _beside(path, write) as partial:
        try:
            os.link(partial, path)
        except FileExistsError:
            return False
        except OSError:
            # A file system without hard links.
            if path.exists():
                return False
            partial.replace(path)
    return True


def _upload(path: RemotePath, write: Callable[[IO[bytes]], object]) -> None:
    buffer = BytesIO()
    write(buffer)
    path.write_bytes(buffer.getvalue())


@contextmanager
def _beside(path: Path, write: Callable[[IO[bytes]], object]) -> Iterator[Path]:
    """Yield a complete file beside ``path``, which is gone after the block unless it was moved."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = temporary_name(path)
    try:
        with partial.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        yield partial
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        # A full disk is noticed where bytes are written, and there the system names no file.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """Return a name beside ``path`` that nobody else has, and that :data:`PARTIAL` knows should it be left behind."""
    return path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.partial")


def write_json(path: StoragePath, content: Any) -> None:
    """Write ``content`` as readable JSON, atomically."""
    write_text(path, _readable(content))


def create_json(path: StoragePath, content: Any) -> bool:
    """Write ``content`` as :func:`write_json` does, unless a file is there; return whether it is this one: :func:`create_atomic`."""
    return create_atomic(path, lambda file: file.write(_readable(content).encode()))


def _readable(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def sealed(content: bytes) -> bytes:
    """Return ``content`` with its checksum behind it."""
    return content + _SEAL + hashlib.sha256(content).hexdigest().encode()


def unsealed(content: bytes) -> bytes:
    """Return what :func:`sealed` was given; content of before there were seals is returned as it is.

    Raises:
        ValueError: it is damaged.
    """
    end = len(content) - _DIGITS
    start = end - len(_SEAL)
    if start < 0 or content[start:end] != _SEAL:
        return content
    if hashlib.sha256(content[:start]).hexdigest().encode() != content[end:]:
        raise ValueError("its checksum is not that of its content")
    return content[:start]


def write_sealed_json(path: StoragePath, content: Mapping[str, Any]) -> None:
    """Write ``content`` as readable JSON with a checksum of what it says, atomically."""
    write_json(path, {**content, _CHECKSUM: _checksum(content)})


def read_sealed_json(path: StoragePath) -> dict[str, Any]:
    """Return what :func:`write_sealed_json` wrote; a file without a checksum, of before there were any, is read as it is.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged.
        StorageError: its bucket cannot be reached.
    """
    content = json.loads(path.read_bytes().decode("utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"it holds {type(content).__name__}, not names and values")
    if _CHECKSUM in content and content.pop(_CHECKSUM) != _checksum(content):
        raise ValueError("its checksum is not that of its content")
    return content


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_text(path: StoragePath, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    write_atomic(path, lambda file: file.write(text.encode()))


def write_png(path: StoragePath, pixels: np.ndarray) -> None:
    """Write uint8 (H, W, 3) or grey (H, W) pixels as PNG, atomically."""
    from PIL import Image

    write_atomic(path, lambda file: Image.fromarray(pixels).save(file, format="PNG"))
