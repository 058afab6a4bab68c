"""Answers kept by what was asked: one file a request, found again by its digest, on a disk or in a bucket.

::

    request ──digest──> ab/abcd....json   a caption or a refusal, with the request in words
                        ab/abcd....png    an image; the same JSON in its text chunk "answer"

A file appears whole or not at all. The first answer to a request stands: of two writers the second gets the first's. A damaged file
is told and counts as none: its request is asked again, and the new answer takes its place.
"""

import hashlib
import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np

from benchmarks.common.atomic import create_atomic, write_atomic
from benchmarks.common.errors import StorageError
from benchmarks.common.image_files import opened
from benchmarks.common.storage import StoragePath, open_path
from methods.errors import MethodError
from methods.generative.responses import RefusalError, Request, Response

Kept = Response | RefusalError
_CHUNK, _CHECKSUM = "answer", "checksum"
_log = logging.getLogger(__name__)


class CacheError(MethodError):
    """A response cache that cannot be read or written."""


class ResponseCache:
    """A content-addressed store of answers, safe for any number of threads, processes and machines.

    Args:
        root: a folder, made when the first answer comes, or ``s3://bucket/folder``, with pyarrow's options behind a ``?``.

    Raises:
        CacheError: ``root`` names a file system that pyarrow does not know or that cannot be used.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cache, question = ResponseCache(folder), Request("caption", "openai:seer-1", "What is this?")
        ...     cache.put(question, Response(text="a cat")) == cache.get(question)
        True
    """

    def __init__(self, root: str | StoragePath) -> None:
        with _told("use", root):
            self.root = open_path(root)

    def __contains__(self, request: Request) -> bool:
        with _told("read", self.root):
            return any((self.root / name).is_file() for name in _names(request))

    def get(self, request: Request) -> Kept | None:
        """Return the answer or refusal that stands for ``request``, ``None`` if there is neither, or none that can be believed.

        Raises:
            CacheError: the store cannot be read.
        """
        for name in _names(request):
            path = self.root / name
            with _told("read", path):
                try:
                    content = path.read_bytes()
                except FileNotFoundError:
                    continue
            try:
                return _unpacked(name, content)
            # In a damaged file without a checksum Pillow meets whatever the bits then mean.
            except Exception as error:
                _log.warning("%s is damaged (%s); its request is asked again", path, error)
        return None

    def put(self, request: Request, kept: Kept) -> Kept:
        """Keep an answer or refusal, and return what stands for ``request``: the answer of another writer who came first.

        Raises:
            CacheError: it cannot be written.
        """
        name, content = _packed(request, kept)
        path = self.root / name
        with _told("write", path):
            if create_atomic(path, lambda file: file.write(content)):
                return kept
            if (standing := self.get(request)) is not None:
                return standing
            # What stands there is damaged.
            write_atomic(path, lambda file: file.write(content))
            return kept


@contextmanager
def _told(what: str, path: str | StoragePath) -> Iterator[None]:
    """Tell a store that fails as a :class:`CacheError`."""
    try:
        yield
    except StorageError as error:
        raise CacheError(f"the response cache fails: {error}") from error
    except OSError as error:
        raise CacheError(f"the response cache fails: cannot {what} {path}: {error.strerror or error}; mend this and run again") from error


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
