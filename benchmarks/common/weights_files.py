"""Weights as others hand them over, read without running anything that a file says.

::

    file ── empty, a web page, a Git LFS pointer, cut, damaged, more than weights? ──> WeightsFileError, one sentence
      ├─ safetensors ─────> names and tensors
      ├─ TorchScript ─────> torch.jit.load, the state dict of the module
      └─ zip or pickle ───> torch.load(weights_only=True): an unpickler that builds tensors and containers and calls nothing else
                              └─unwrapped──> {name: tensor}, out of ``state_dict``, ``model`` and the like, without ``module.``

On the device "meta" the same checks run and the tensors have shapes alone: that is how a plan looks at a file.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import threading
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from benchmarks.common.errors import WeightsFileError
from benchmarks.common.fetching import forbidden

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "params_ema", "params", "weights")
PREFIXES = ("module.", "_orig_mod.")
MOST_NAMES = 3
_HEAD = 512
_MODEL = re.compile(r"(diffusion_)?(pytorch_)?model.*\.(safetensors|bin)")
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
# What OpenAI's archives hold beside the parameters.
_NO_PARAMETERS = frozenset({"input_resolution", "context_length", "vocab_size"})
_MISMATCHES = {
    "lacks": re.compile(r"Missing key\(s\) in state_dict: (.*)"),
    "has besides": re.compile(r"Unexpected key\(s\) in state_dict: (.*)"),
    "has in another shape": re.compile(r"size mismatch for ([^:]+):"),
}
_OPEN_CLIP = threading.RLock()


def few(names: Iterable[str]) -> str:
    """Return the first names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - MOST_NAMES} more" if len(listed) > MOST_NAMES else ""
    return f"{', '.join(listed[:MOST_NAMES])}{more}"


def mismatch(error: Exception) -> str:
    """Return what ``load_state_dict`` found wrong, each kind of name cut to three; "" for an error of another kind."""
    text = str(error)
    if "loading state_dict" not in text:
        return ""
    found: list[str] = []
    for kind, pattern in _MISMATCHES.items():
        # The kinds of one line are quoted names; sizes have a line each.
        names = [name.strip().strip('".') for line in pattern.findall(text) for name in line.split(", ")]
        if names:
            found.append(f"{kind} {few(names)}")
    return "; ".join(found) or " ".join(text.split())[:300]


def content(path: str | Path, device: str = "cpu", file: BinaryIO | None = None) -> Any:
    """Return what a file holds: tensors in containers.

    Args:
        path: of the file; for messages alone where ``file`` is given.
        device: where tensors go; "meta" checks the file and gives shapes alone.
        file: the opened file.

    Raises:
        WeightsFileError: the file is not there, holds no weights, or holds more than weights.
    """
    import torch

    try:
        with contextlib.ExitStack() as stack:
            opened = file if file is not None else stack.enter_context(Path(path).expanduser().open("rb"))
            # The caller may build a network on no device; weights are read on the one that is named.
            stack.enter_context(torch.device("cpu"))
            return _read(opened, str(path), device)
    except OSError as error:
        raise WeightsFileError(f"the weights '{path}' cannot be read ({error.strerror or error}); name a file that is there") from error


def state_dict(path: str | Path, device: str = "cpu") -> dict[str, Tensor]:
    """Return the tensors of a file by name; arguments and errors as in :func:`content`."""
    return unwrapped(content(path, device), path)


def unwrapped(found: Any, path: str | Path) -> dict[str, Tensor]:
    """Return the state dict in what a file holds, out of its wrappers and without the prefixes of parallel and compiled modules.

    Raises:
        WeightsFileError: there is no tensor in it.
    """
    import torch

    outer = found
    while isinstance(found, Mapping):
        inner = next((found[name] for name in WRAPPERS if isinstance(found.get(name), Mapping)), None)
        if inner is None:
            break
        found = inner
    tensors = {str(name): each for name, each in found.items() if isinstance(each, torch.Tensor)} if isinstance(found, Mapping) else {}
    if not tensors:
        entries = f" with {few(map(str, outer))}" if isinstance(outer, Mapping) and outer else ""
        raise WeightsFileError(f"'{path}' holds a {type(outer).__name__}{entries} and no state dict; save module.state_dict() alone")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): each for name, each in tensors.items()}
    return tensors


def check_folder(folder: Path) -> None:
    """Check the weights of a folder in the layout of transformers or diffusers, without reading their values.

    Raises:
        WeightsFileError: a part of the model has no weights, a file that its index names is missing, or one holds no weights.
    """
    for config in sorted((*folder.glob("config.json"), *folder.glob("*/config.json"))):
        part = config.parent
        for index in part.glob("*.index.json"):
            absent = sorted(set(_shards(index)) - {path.name for path in part.iterdir()})
            if absent:
                raise WeightsFileError(f"'{part}' lacks {few(absent)}, which {index.name} names; fetch the model again")
        files = [path for path in sorted(part.iterdir()) if _MODEL.fullmatch(path.name)]
        # The libraries take safetensors where there are such, and pickles where there are none.
        chosen = [path for path in files if path.suffix == ".safetensors"] or files
        # A pipeline may go without its safety checker, and says so itself where it may not.
        if not chosen and part.name != "safety_checker":
            raise WeightsFileError(f"'{part}' holds no weights, such as model.safetensors; fetch the model again")
        for path in chosen:
            content(path, "meta")


def _shards(index: Path) -> list[str]:
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return [str(name) for name in named.values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsFileError(f"'{index}' is no index of weights ({error}); fetch the model again") from error


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    """Set an attribute of a library module for the length of a block."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextlib.contextmanager
def through_open_clip(device: str = "cpu") -> Iterator[None]:
    """Let open_clip read weights through this module, whatever the file, for the length of a block.

    By itself it would unpickle OpenAI's archives without restriction. Code that a tokenizer's folder brings is refused at once, where
    transformers would ask at the terminal. Where nothing may be fetched, it looks into the caches alone.
    """
    from huggingface_hub import constants
    from open_clip import factory, pretrained
    from transformers import dynamic_module_utils

    def read(checkpoint_path: str, *_: object, **__: object) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in state_dict(checkpoint_path, device).items() if name not in _NO_PARAMETERS}

    def cached(url: str, cache_dir: str | None = None) -> str:
        path = Path(cache_dir or "~/.cache/clip").expanduser() / url.rsplit("/", 1)[1]
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there, and nothing is downloaded now")
        return str(path)

    with contextlib.ExitStack() as stack:
        stack.enter_context(_OPEN_CLIP)
        stack.enter_context(replaced(factory, "load_state_dict", read))
        stack.enter_context(replaced(dynamic_module_utils, "TIME_OUT_REMOTE_CODE", 0))
        if forbidden():
            stack.enter_context(replaced(constants, "HF_HUB_OFFLINE", True))
            stack.enter_context(replaced(pretrained, "download_pretrained_from_url", cached))
            # It logs as an error what is only asked for.
            stack.enter_context(_silent_root())
        yield


@contextlib.contextmanager
def _silent_root() -> Iterator[None]:
    root = logging.getLogger()
    before = root.disabled
    root.disabled = True
    try:
        yield
    finally:
        root.disabled = before


def _read(file: BinaryIO, path: str, device: str) -> Any:
    from safetensors import SafetensorError

    head = file.read(_HEAD)
    file.seek(0)
    if (what := _no_weights(head)) is not None:
        raise WeightsFileError(f"'{path}' is {what}, not weights; fetch the file itself again")
    try:
        if head[8:9] == b"{":
            return _safetensors(file, device)
        return _torchscript(file, device) if _is_torchscript(file, head) else _pickle(file, device)
    except (OSError, MemoryError):
        raise
    # Whatever an unpickler meets in damaged bytes: any error can come of it.
    except Exception as error:
        file.seek(0)
        raise WeightsFileError(f"'{path}' {_cause(error, isinstance(error, SafetensorError))}") from error


def _no_weights(head: bytes) -> str | None:
    start = head.lstrip().lower()
    if not start:
        return "an empty file" if not head else "a file of blanks"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer (git lfs pull fetches what it stands for)"
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "a web page" if b"html" in start else "an XML page"
    # Weights begin with a length, a version or a zip's mark, none of which a text has.
    return "a text file" if all(byte >= 32 or byte in b"\t\n\r" for byte in head) else None


def _safetensors(file: BinaryIO, device: str) -> dict[str, Tensor]:
    import torch
    from safetensors import safe_open
    from safetensors.torch import load

    name = getattr(file, "name", None)
    if not isinstance(name, str):
        return {key: tensor.to(device) for key, tensor in load(file.read()).items()}
    with safe_open(name, "pt", device="cpu") as opened:
        keys = opened.keys()
        if device == "meta":
            return {key: torch.empty(opened.get_slice(key).get_shape(), device="meta") for key in keys}
        return {key: opened.get_tensor(key).to(device) for key in keys}


def _is_torchscript(file: BinaryIO, head: bytes) -> bool:
    if not head.startswith(b"PK"):
        return False
    with zipfile.ZipFile(file) as archive:
        found = any(name.endswith("/constants.pkl") for name in archive.namelist())
    file.seek(0)
    return found


def _torchscript(file: BinaryIO, device: str) -> dict[str, Tensor]:
    import torch

    with warnings.catch_warnings():
        # There is no other reader of the archives that OpenAI published.
        warnings.simplefilter("ignore", FutureWarning)
        loaded: dict[str, Tensor] = torch.jit.load(BytesIO(file.read()), map_location=device).state_dict()
    return loaded


def _pickle(file: BinaryIO, device: str) -> Any:
    import torch

    with warnings.catch_warnings():
        # Of a pickle's protocol: a file that cannot be read is told of by its error.
        warnings.simplefilter("ignore", UserWarning)
        return torch.load(file, map_location=device, weights_only=True)


def _cause(error: Exception, damaged: bool) -> str:
    named = sorted(set(_GLOBAL.findall(str(error))))
    if named and not damaged:
        return (
            f"holds more than weights: reading it would call {few(named)}, which is not done (a module pickled whole, or a file that means "
            "harm); save module.state_dict() alone, or as .safetensors"
        )
    reason = " ".join(str(error).partition("\n")[0].split())[:120]
    shown = "" if "Weights only" in reason or not reason else f" ({reason})"
    return f"is no file of weights, or was cut short or damaged on its way{shown}; fetch it again"
