"""Answers kept by what was asked: one file a request, found again by its digest, on a disk or in a bucket.

::

    request ──digest──> ab/abcd....json   a caption or a refusal, with the request in words
                        ab/abcd....png    an image; the same JSON in its text chunk "answer"

A file appears whole or not at all. The first answer to a request stands: of two writers the second gets the first's.
"""

import hashlib
import json
import math
import os
import re
import uuid
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.image_files import opened
from methods.errors import MethodError
from methods.generative.responses import RefusalError, Request, Response

Kept = Response | RefusalError
_CHUNK, _CHECKSUM = "answer", "checksum"


class CacheError(MethodError):
    """A response cache that cannot be read or written, or that holds a damaged file."""


class ResponseCache:
    """A content-addressed store of answers, safe for any number of threads, processes and machines.

    Args:
        root: a folder, made when the first answer comes, or ``s3://bucket/folder``, with pyarrow's options behind a ``?``.

    Raises:
        CacheError: ``root`` names a file system that pyarrow does not know or that cannot be used.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root)
        self._files: Any = None
        self._base = ""
        if "://" in self.root:
            self._files, self._base = _remote(self.root)
        else:
            self._folder = Path(root).resolve()

    def __reduce__(self) -> tuple[type["ResponseCache"], tuple[str]]:
        # A file system handle belongs to its process.
        return ResponseCache, (self.root if self._files is not None else str(self._folder),)

    def __contains__(self, request: Request) -> bool:
        return any(self._exists(name) for name in _names(request))

    def get(self, request: Request) -> Kept | None:
        """Return the answer or refusal that stands for ``request``, ``None`` if there is neither.

        Raises:
            CacheError: the file is damaged or the store cannot be read.
        """
        for name in _names(request):
            content = self._read(name)
            if content is not None:
                try:
                    return _unpacked(name, content)
                # In a damaged file without a checksum Pillow meets whatever the bits then mean.
                except Exception as error:
                    raise CacheError(f"{self._place(name)} is damaged ({error}); delete it and its request is asked again") from error
        return None

    def put(self, request: Request, kept: Kept) -> Kept:
        """Keep an answer or refusal, and return what stands for ``request``: the answer of another writer who came first.

        Raises:
            CacheError: it cannot be written.
        """
        name, content = _packed(request, kept)
        if not self._write(name, content):
            standing = self.get(request)
            return kept if standing is None else standing
        return kept

    def _place(self, name: str) -> str:
        return f"{_shown(self.root)}/{name}"

    def _exists(self, name: str) -> bool:
        if self._files is None:
            return (self._folder / name).is_file()
        try:
            return bool(self._files.get_file_info(f"{self._base}/{name}").is_file)
        except OSError as error:
            raise CacheError(f"{self._place(name)} cannot be looked up: {' '.join(str(error).split())}") from error

    def _read(self, name: str) -> bytes | None:
        try:
            if self._files is None:
                return (self._folder / name).read_bytes()
            with self._files.open_input_stream(f"{self._base}/{name}") as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CacheError(f"{self._place(name)} cannot be read: {' '.join(str(error).split())}") from error

    def _write(self, name: str, content: bytes) -> bool:
        """Write a file that is not there yet, in one step; return whether it is this one that stands now."""
        try:
            if self._files is None:
                return _write_first(self._folder / name, content)
            # A bucket offers no "only if absent" through pyarrow; between this look and the write another writer may slip in.
            if self._exists(name):
                return False
            with self._files.open_output_stream(f"{self._base}/{name}") as stream:
                stream.write(content)
            return True
        except OSError as error:
            raise CacheError(f"{self._place(name)} cannot be written: {' '.join(str(error).split())}; mend this and run again") from error


def _remote(root: str) -> tuple[Any, str]:
    from pyarrow.fs import FileSystem

    location, _, options = root.partition("?")
    try:
        files, base = FileSystem.from_uri(location.rstrip("/") + (f"?{options}" if options else ""))
    except (OSError, ValueError) as error:
        raise CacheError(
            f"'{_shown(root)}' cannot be used as a response cache ({' '.join(str(error).split())}); write a folder or s3://BUCKET/FOLDER"
        ) from error
    return files, base.rstrip("/")


def _shown(root: str) -> str:
    # An address may carry credentials, before the bucket or among the options.
    return re.sub(r"//[^/]*@", "//", root.partition("?")[0]).rstrip("/")


def _write_first(path: Path, content: bytes) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.partial")
    try:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, path)
        except FileExistsError:
            return False
        except OSError:
            # A file system without hard links: the last writer of equal requests stands.
            partial.replace(path)
        return True
    finally:
        partial.unlink(missing_ok=True)


def _names(request: Request) -> tuple[str, ...]:
    digest = request.digest
    stem = f"{digest[:2]}/{digest}"
    return (f"{stem}.json",) if request.task == "caption" else (f"{stem}.png", f"{stem}.json")


def _packed(request: Request, kept: Kept) -> tuple[str, bytes]:
    digest = request.digest
    stem = f"{digest[:2]}/{digest}"
    words: dict[str, Any] = {
        "request": {
            "task": request.task,
            "model": request.model,
            "prompt": request.prompt,
            "size": request.size,
            "settings": dict(request.settings),
            "seed": request.seed,
            "variation": request.variation,
        }
    }
    if isinstance(kept, RefusalError):
        return f"{stem}.json", json.dumps(_sealed(words | {"refusal": str(kept)}), indent=1).encode()
    words |= {"cut": kept.cut, "cost": kept.cost, "metadata": dict(kept.metadata)}
    if kept.pixels is None:
        return f"{stem}.json", json.dumps(_sealed(words | {"text": kept.text}), indent=1).encode()
    return f"{stem}.png", _png(kept.pixels, words)


def _sealed(words: Mapping[str, Any], pixels: np.ndarray | None = None) -> dict[str, Any]:
    return {**words, _CHECKSUM: _checksum(words, pixels)}


def _checked(words: Mapping[str, Any], pixels: np.ndarray | None = None) -> Mapping[str, Any]:
    """Return ``words`` as they are; :class:`ValueError` if they or the pixels are not those that were kept."""
    if _CHECKSUM in words:
        said = {name: value for name, value in words.items() if name != _CHECKSUM}
        if words[_CHECKSUM] != _checksum(said, pixels):
            raise ValueError("its checksum is not that of its content")
    return words


def _checksum(words: Mapping[str, Any], pixels: np.ndarray | None) -> str:
    # As they are read back: JSON has lists alone, and strings alone for names.
    found = hashlib.sha256(json.dumps(json.loads(json.dumps(words)), sort_keys=True).encode())
    if pixels is not None:
        found.update(f"{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes())
    return found.hexdigest()


def _png(pixels: np.ndarray, words: Mapping[str, Any]) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    image = Image.fromarray(pixels)
    info = PngInfo()
    info.add_text(_CHUNK, json.dumps(_sealed(words, np.asarray(image.convert("RGB")))))
    buffer = BytesIO()
    image.save(buffer, format="PNG", pnginfo=info)
    return buffer.getvalue()


def _unpacked(name: str, content: bytes) -> Kept:
    if name.endswith(".json"):
        words = _checked(json.loads(content))
        if "refusal" in words:
            return RefusalError(words["refusal"])
        return Response(text=words["text"], cut=words["cut"], cost=_cost(words), metadata=words["metadata"])
    image = opened(content, ("PNG",))
    words = json.loads(image.info[_CHUNK])
    pixels = np.asarray(image.convert("RGB"))
    _checked(words, pixels)
    return Response(pixels=pixels, cut=words["cut"], cost=_cost(words), metadata=words["metadata"])


def _cost(words: Mapping[str, Any]) -> float:
    cost = float(words["cost"])
    if not 0 <= cost < math.inf:
        raise ValueError(f"a cost of {cost}")
    return cost
