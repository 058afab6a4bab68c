"""Where a run's files lie: a folder of this machine, or a bucket that every machine of a cluster reaches.

::

    place("results/kodak")      ──> pathlib.Path      shared by the nodes of a cluster, or of this machine alone
    place("s3://bucket/kodak")  ──> RemotePath        pyarrow's file systems: s3://, gs://, abfs://, with options behind a '?'

A :class:`RemotePath` has the methods of ``Path`` that the suite needs, so that code below ``--out`` does not ask which it has.
An object appears in a bucket when its upload is complete, or not at all; an upload that is cut off leaves nothing to be read.
"""

import fnmatch
import functools
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias, TypeVar

from benchmarks.common.errors import StorageError

T = TypeVar("T")
# A bucket answers in tens of milliseconds, whatever the number of those who ask.
READERS = 32
# A password before the bucket, and the values of options that are secret.
_SECRETS = re.compile(r"(?<=:)[^/@:?&'\s]+(?=@)|(?<=secret=)[^&'\s]+")


@dataclass(frozen=True, order=True)
class RemotePath:
    """A file or folder in a bucket; picklable, and equal in every process.

    Attributes:
        scheme: "s3" or another one that pyarrow knows.
        path: bucket and key, ``bucket/run/records``; credentials may stand before the bucket, ``key:secret@bucket/run``.
        options: what stands behind the ``?``, such as ``endpoint_override=localhost:9000&scheme=http``.

    Written out, as messages do it, a path shows no secret.
    """

    scheme: str
    path: PurePosixPath
    options: str = ""

    def __str__(self) -> str:
        return _without_secrets(f"{self.scheme}://{self.path}" + (f"?{self.options}" if self.options else ""))

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __truediv__(self, name: str | Path) -> "RemotePath":
        return self._at(self.path / name)

    @property
    def name(self) -> str:
        """The last part."""
        return self.path.name

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return self.path.stem

    @property
    def parent(self) -> "RemotePath":
        """The folder it lies in."""
        return self._at(self.path.parent)

    def with_name(self, name: str) -> "RemotePath":
        """Return the path with another last part."""
        return self._at(self.path.with_name(name))

    def with_suffix(self, suffix: str) -> "RemotePath":
        """Return the path with another suffix."""
        return self._at(self.path.with_suffix(suffix))

    def relative_to(self, folder: "RemotePath") -> Path:
        """Return the part below ``folder``."""
        return Path(self.path.relative_to(folder.path))

    def exists(self) -> bool:
        """Return whether there is such a file or folder."""
        return self._type() != "NotFound"

    def is_file(self) -> bool:
        """Return whether there is such a file."""
        return self._type() == "File"

    def is_dir(self) -> bool:
        """Return whether anything lies below."""
        return self._type() == "Directory"

    def read_bytes(self) -> bytes:
        """Return the file's content.

        Raises:
            FileNotFoundError: there is no such file.
            StorageError: it cannot be reached.
        """
        with self._told("read"), self._files.open_input_stream(self._key) as file:
            return bytes(file.read())

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the file's text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> int:
        """Upload ``content``; the file holds all of it or stays what it was.

        Raises:
            StorageError: it cannot be written.
        """
        with self._told("write"):
            # In one write: closing a stream after an error, or only dropping it, completes the upload with what had arrived.
            stream = self._files.open_output_stream(self._key)
            stream.write(content)
            stream.close()
        return len(content)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the file."""
        if missing_ok and not self.is_file():
            return
        with self._told("delete"):
            self._files.delete_file(self._key)

    def replace(self, target: "RemotePath") -> None:
        """Move the file to ``target``: copied first, then deleted, so that it is never in neither place."""
        with self._told("move"):
            self._files.move(self._key, target._key)

    def rglob(self, pattern: str) -> Iterator["RemotePath"]:
        """Yield the files at any depth below whose name matches ``pattern``."""
        return self._matching(pattern, recursive=True)

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        """Yield the files right below whose name matches ``pattern``."""
        return self._matching(pattern, recursive=False)

    def iterdir(self) -> Iterator["RemotePath"]:
        """Yield the files and folders right below."""
        from pyarrow.fs import FileSelector

        with self._told("list"):
            found = self._files.get_file_info(FileSelector(self._key, allow_not_found=True))
        return (self._keyed(each.path) for each in found)

    def mkdir(self, parents: bool = True, exist_ok: bool = True) -> None:
        """Do nothing: a bucket's folders are there as soon as something lies in them."""

    def check(self) -> None:
        """Make sure that the bucket is there and can be asked.

        Raises:
            StorageError: it is not.
        """
        bucket = self._bucket
        with self._told("reach"):
            found = self._files.get_file_info(bucket)
        if found.type.name == "NotFound":
            raise StorageError(f"there is no bucket '{bucket}', which {self} lies in; create it or correct the name")

    @property
    def _files(self) -> Any:
        return _file_system(self.scheme, self.path.parts[0], self.options)[0]

    @property
    def _bucket(self) -> str:
        return _file_system(self.scheme, self.path.parts[0], self.options)[1]

    @property
    def _key(self) -> str:
        """The path within the file system, which knows no credentials."""
        return str(PurePosixPath(self._bucket, *self.path.parts[1:]))

    def _keyed(self, key: str) -> "RemotePath":
        return self._at(PurePosixPath(self.path.parts[0], PurePosixPath(key).relative_to(self._bucket)))

    def _at(self, path: PurePosixPath) -> "RemotePath":
        return RemotePath(self.scheme, path, self.options)

    def _type(self) -> str:
        with self._told("look up"):
            return str(self._files.get_file_info(self._key).type.name)

    def _matching(self, pattern: str, recursive: bool) -> Iterator["RemotePath"]:
        from pyarrow.fs import FileSelector

        with self._told("list"):
            found = self._files.get_file_info(FileSelector(self._key, recursive=recursive, allow_not_found=True))
        for each in found:
            if each.is_file and fnmatch.fnmatchcase(each.base_name, pattern):
                yield self._keyed(each.path)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError(_sentence(self, what, _without_secrets(str(error)))) from error


StoragePath: TypeAlias = Path | RemotePath


def _sentence(path: RemotePath, what: str, error: str) -> str:
    if "NO_SUCH_BUCKET" in error:
        return f"cannot {what} {path}: there is no bucket '{path._bucket}'; create it or correct the name"
    if "ACCESS_DENIED" in error or "403" in error:
        return f"cannot {what} {path}: access is denied; give these credentials the right to list, read, write and delete there"
    return f"cannot {what} {path}: {' '.join(error.split())}; mend this and run the same command again"


@functools.cache
def _file_system(scheme: str, authority: str, options: str) -> tuple[Any, str]:
    """Return the file system of an address, and what the address's bucket is called in it."""
    from pyarrow.fs import FileSystem

    files, bucket = FileSystem.from_uri(f"{scheme}://{authority}" + (f"?{options}" if options else ""))
    return files, bucket


def _without_secrets(text: str) -> str:
    return _SECRETS.sub("***", text)


def open_path(name: str | Path | RemotePath) -> StoragePath:
    """Return what ``name`` names: ``open_path("results/kodak")`` or ``open_path("s3://bucket/kodak")``.

    Raises:
        StorageError: pyarrow has no such file system, or the bucket is missing.
    """
    if isinstance(name, RemotePath):
        return name
    scheme, separator, rest = str(name).partition("://")
    if not separator:
        # Workers of a cluster have working directories of their own.
        return Path(name).resolve()
    location, _, options = rest.partition("?")
    path = RemotePath(scheme, PurePosixPath(location), options)
    if not path.path.parts:
        raise StorageError(f"'{name}' names no bucket; write s3://BUCKET/FOLDER")
    try:
        _file_system(scheme, path.path.parts[0], options)
    except (OSError, ValueError) as error:
        shown, why = _without_secrets(str(name)), _without_secrets(" ".join(str(error).split()))
        raise StorageError(f"'{shown}' cannot be used ({why}); write a folder or s3://BUCKET/FOLDER") from None
    return path


def read_many(paths: Iterable[StoragePath], read: Callable[[StoragePath], T]) -> list[T]:
    """Return ``read`` of every path, in their order; those in a bucket are read side by side."""
    paths = list(paths)
    if not any(isinstance(path, RemotePath) for path in paths):
        return [read(path) for path in paths]
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(read, paths))


@contextmanager
def local_copy(folder: RemotePath, without: Sequence[str]) -> Iterator[Path]:
    """Yield a temporary folder with the files of ``folder``, except those below the folders named ``without``."""
    with tempfile.TemporaryDirectory(prefix="semcom-") as name:
        copy = Path(name) / folder.name
        copy.mkdir()
        wanted = [path for path in folder.rglob("*") if path.relative_to(folder).parts[0] not in without]

        def fetch(path: StoragePath) -> None:
            target = copy / path.relative_to(folder)  # type: ignore[arg-type]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())

        read_many(wanted, fetch)
        yield copy


def upload(files: Iterable[Path], folder: Path, target: RemotePath) -> list[RemotePath]:
    """Write ``files``, which lie below ``folder``, to the same places below ``target``."""

    def put(path: Path) -> RemotePath:
        remote = target / path.relative_to(folder)
        remote.write_bytes(path.read_bytes())
        return remote

    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(put, files))
