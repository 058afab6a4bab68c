"""Weights on this machine: where a model's files are, and what they are.

::

    name ── a folder? ──────────────────────────> ModelFiles(folder, "folder:<hash of the content>")
      └──── in the Hugging Face Hub's cache? ───> ModelFiles(snapshot, "<name>@<commit>")
                └── no: one sentence with the way out; it is fetched only where ``download`` says so
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.errors import WeightsFileError
from benchmarks.common.fetching import may_fetch
from benchmarks.common.project import not_shipped, shipped
from benchmarks.common.weights_files import check_folder
from methods.generative.responses import ModelUnavailableError

_HUB_NAME = re.compile(r"\w+([.-]\w+)*/\w+([.-]\w+)*")
_WHOLE = 32 * 2**20
_SAMPLES = 128
_SAMPLE = 64 * 2**10


@dataclass(frozen=True)
class ModelFiles:
    """The files of one model.

    Attributes:
        name: as the settings name it.
        folder: where the files are.
        commit: revision of a model of the Hub, "" for a plain folder.
    """

    name: str
    folder: Path
    commit: str = ""

    @property
    def identity(self) -> str:
        """Name and commit of a model of the Hub; for a folder the hash of its content, wherever the folder lies."""
        return f"{self.name}@{self.commit}" if self.commit else f"folder:{content_hash(self.folder)}"

    @property
    def size(self) -> int:
        """Bytes of the files that enter :func:`content_hash`."""
        return sum(path.stat().st_size for path in _content(self.folder))

    def read_json(self, name: str) -> dict[str, Any]:
        """Return the content of a JSON file of the model.

        Raises:
            ModelUnavailableError: it is missing or is no JSON object.
        """
        path = self.folder / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise ModelUnavailableError(
                f"{self.name}: there is no {name} in {self.folder}; fetch the model again or name another folder"
            ) from None
        except ValueError as error:
            raise ModelUnavailableError(f"{self.name}: {path} is no JSON ({error}); fetch the model again") from None
        if not isinstance(content, dict):
            raise ModelUnavailableError(f"{self.name}: {path} holds no JSON object; fetch the model again")
        return content

    def check_weights(self) -> None:
        """Raise a :class:`ModelUnavailableError` if weights are missing, or are none; their values are not read."""
        try:
            check_folder(self.folder)
        except WeightsFileError as error:
            raise ModelUnavailableError(f"{self.name} cannot be used: {error}") from error


def find_model(name: str, marker: str, revision: str | None = None, download: bool = False) -> ModelFiles:
    """Find the files of a model.

    Args:
        name: a folder, or ``owner/name`` of a model of the Hugging Face Hub that is in its cache.
        marker: file that stands at the top of every such model.
        revision: branch, tag or commit of a model of the Hub.
        download: fetch a model of the Hub that is not in the cache.

    Raises:
        ModelUnavailableError: there is no such folder, it lacks ``marker``, or the cache lacks the model and fetching is not
            allowed or fails.
    """
    folder = shipped(Path(name).expanduser())
    if folder.is_dir():
        if not (folder / marker).is_file():
            raise ModelUnavailableError(
                f"the folder {folder} holds no {marker}, so it is no saved model; name the folder that save_pretrained wrote"
            )
        return ModelFiles(name, folder)
    if not _HUB_NAME.fullmatch(name):
        way_out = not_shipped(folder) or "name an existing folder, or a model of the Hugging Face Hub as owner/name"
        raise ModelUnavailableError(f"there is no folder {folder}; {way_out}")
    return _from_hub(name, marker, revision, download)


def _from_hub(name: str, marker: str, revision: str | None, download: bool) -> ModelFiles:
    from huggingface_hub import snapshot_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if download and may_fetch(name, "the Hugging Face Hub"):
        try:
            snapshot = Path(snapshot_download(name, revision=revision))
        except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ModelUnavailableError(
                f"{name} is no folder, and could not be fetched from the Hugging Face Hub: {reason} Fetch it where there is a connection "
                f"with 'hf download {name}' and copy it here, or name a folder"
            ) from None
        return ModelFiles(name, snapshot, snapshot.name)
    found = try_to_load_from_cache(name, marker, revision=revision)
    if not isinstance(found, str):
        wanted = f" at revision {revision}" if revision else ""
        if download:
            raise ModelUnavailableError(
                f"{name}{wanted} is not in the cache of the Hugging Face Hub yet, and a plan fetches nothing; a run fetches it first"
            )
        raise ModelUnavailableError(
            f"{name}{wanted} is neither a folder nor in the cache of the Hugging Face Hub on this machine; "
            f"fetch it with 'hf download {name}', set access: {{download: true}}, or name a folder"
        )
    snapshot = Path(found).parent
    return ModelFiles(name, snapshot, snapshot.name)


def content_hash(folder: Path) -> str:
    """Return a hash of the files below a folder that depends on nothing but their names relative to it and their content.

    A file of up to 32 MiB is read in full; of a larger one its size and 128 pieces of 64 KiB, evenly spread from the first to the
    last byte. So 60 GB in twenty files cost 160 MB of reading. Two trainings differ in nearly every piece; a change that falls between
    two pieces and leaves the size as it is goes unseen. Hidden files, hidden folders and Markdown pages are left out.
    """
    digest = hashlib.sha256()
    for path in _content(folder):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= _WHOLE:
                digest.update(file.read())
                continue
            for piece in range(_SAMPLES):
                file.seek((size - _SAMPLE) * piece // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE))
    return digest.hexdigest()[:32]


def _content(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*"), key=lambda each: each.relative_to(folder).as_posix()):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.suffix.lower() != ".md":
            yield path
