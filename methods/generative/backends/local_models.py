"""What all models that run in this process share: device, number format, what happens without files or memory, prompts kept harmless."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar
from weakref import WeakSet

import torch
from pydantic import Field

from methods.generative.backends.base import Options
from methods.generative.responses import ModelUnavailableError

T = TypeVar("T")
Precision = Literal["float32", "bfloat16", "float16"]


class LocalAccess(Options):
    """Where a local model comes from and where it runs; leaves its answers as they are, up to rounding between kinds of device.

    Attributes:
        device: "cpu", "cuda", "cuda:1", "mps"; the first GPU, else the CPU, where none is named.
        offload: "model" keeps one component of the model on the GPU at a time, "sequential" one layer (slow); "balanced" spreads
            the components over all visible GPUs.
        revision: branch, tag or commit of a model of the Hugging Face Hub.
        download: fetch a model of the Hub that is not in the cache.
    """

    device: str | None = Field(default=None, min_length=1)
    offload: Literal["none", "model", "sequential", "balanced"] = "none"
    revision: str | None = None
    download: bool = False


def torch_dtype(precision: Precision) -> torch.dtype:
    """Return the number format by its name."""
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]


def pick_device(access: LocalAccess) -> torch.device:
    """Return the device that a model is to run on.

    Raises:
        ModelUnavailableError: the named device is not there, or the offloading asked for needs a GPU or a package that is missing.
    """
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = access.device or next(kind for kind, there in usable.items() if there)
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ModelUnavailableError(f"there is no device '{name}'; name cpu, cuda, cuda:0 or mps") from None
    missing = not usable.get(device.type, True) or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count())
    if missing:
        raise ModelUnavailableError(f"this machine has no device '{name}'; leave access.device out, or run where there is one")
    if access.offload != "none":
        if device.type == "cpu":
            raise ModelUnavailableError(
                f"offload: {access.offload} moves a model between GPU and memory, and there is no GPU; leave it out"
            )
        if find_spec("accelerate") is None:
            raise ModelUnavailableError(f"offload: {access.offload} needs the package accelerate; pip install accelerate")
    return device


@contextmanager
def loading(name: str, library: str) -> Iterator[None]:
    """Turn what a library raises over missing, damaged or foreign files into one sentence.

    Raises:
        ModelUnavailableError: the block raised such an error.
    """
    from safetensors import SafetensorError

    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0]
        raise ModelUnavailableError(f"{name} could not be loaded by {library}: {reason}; fetch the model again, or name another") from error


def load_whole(kind: Any, folder: Path, name: str, **arguments: Any) -> Any:
    """Return a model of the transformers library, which by itself would draw missing weights at random and go on.

    Args:
        kind: class of the library.
        folder: of the model.
        name: for the message.
        arguments: of ``from_pretrained``.

    Raises:
        ModelUnavailableError: the files lack weights, or have them in other shapes.
    """
    model, told = kind.from_pretrained(folder, output_loading_info=True, local_files_only=True, **arguments)
    lacking = sorted(str(key) for key in (*told["missing_keys"], *told["mismatched_keys"]))
    if lacking:
        raise ModelUnavailableError(
            f"{name}: {folder} does not hold {len(lacking)} of the weights of a {kind.__name__}, such as {lacking[0]}; "
            "fetch the model again, or use the version of transformers that it was made for"
        )
    return model.eval()


class Resident:
    """A model that keeps its weights in memory between questions and can give them up; base of the local backends.

    ::

        work() ── out of memory, others of this process loaded? ── they unload ──> work()
    """

    _all: ClassVar["WeakSet[Resident]"] = WeakSet()

    def __init__(self) -> None:
        self.weights: Any = None
        self._all.add(self)

    def with_room(self, work: Callable[[], T]) -> T:
        """Return ``work()``; where the GPU has no room for it beside other models of this process, they are unloaded first.

        Raises:
            torch.OutOfMemoryError: there is no room for this model alone.
        """
        others = []
        try:
            return _apart(work)
        except torch.OutOfMemoryError:
            others = [model for model in list(self._all) if model is not self and model.weights is not None]
            if not others:
                raise
        # Outside of the clause above, whose exception holds on to what the failed call had allocated.
        for model in others:
            model.weights = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return _apart(work)


def _apart(work: Callable[[], T]) -> T:
    # Weights and caches that arise within a caller's inference mode could not be used outside of it later.
    with torch.inference_mode(False), torch.no_grad():
        return work()


@contextmanager
def memory_guard(name: str, way_out: str) -> Iterator[None]:
    """Turn running out of memory into one sentence.

    Raises:
        ModelUnavailableError: the block ran out of memory.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "DefaultCPUAllocator" not in str(error):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise ModelUnavailableError(f"{name} ran out of memory ({reason}); {way_out}") from None


def versions(*packages: str) -> dict[str, Any]:
    """Return the installed versions of packages, for the metadata of an answer."""
    from importlib.metadata import version

    return {package: version(package) for package in packages}


def plain(prompt: str) -> str:
    """Return a prompt without anything that is a command to a tokenizer.

    A caption arrives over a noisy link and may hold anything: control words of chat models, such as ``<|im_end|>``, are broken by a
    space and lone surrogates replaced.
    """
    return prompt.encode("utf-8", "replace").decode("utf-8").replace("<|", "< |")
