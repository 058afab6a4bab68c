"""What a model must offer to be asked, and how it is found by the first word of its name.

::

    openai:NAME ────────> methods.generative.backends.openai_backend        captioner, generator, editor
    diffusers:ID ───────> methods.generative.backends.diffusers_backend                generator, editor
    transformers:ID ────> methods.generative.backends.transformers_backend  captioner
    dataset ────────────> methods.generative.backends.dataset_captions      captioner

A backend's module is imported when it is first asked for. To open a model is cheap: options are checked and the identity is
known then, weights are loaded and connections made at the first question.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from types import ModuleType
from typing import Any, ClassVar, TypeVar, cast

from pydantic import ConfigDict, ValidationError

from benchmarks.common.names import suggestion
from benchmarks.common.validation import Settings, sentences
from methods.errors import MethodError
from methods.generative.responses import GenerativeError, Request, Response
from methods.generative.settings import CaptionerSettings, EditorSettings, GeneratorSettings, ModelSettings

Outcome = Response | GenerativeError

_MODULES = {
    "openai": "openai_backend",
    "diffusers": "diffusers_backend",
    "transformers": "transformers_backend",
    "dataset": "dataset_captions",
}


class GenerativeOptionsError(MethodError):
    """A backend, task or option that does not exist."""


class Options(Settings):
    """Base of a backend's options and access settings; an unknown key is an error and no message repeats a value."""

    model_config = ConfigDict(hide_input_in_errors=True)


class Backend(ABC):
    """A model that can be asked.

    Attributes:
        identity: what the model is: its name or, for a local folder, the hash of its content; never where it is reached.
        settings: all that shapes its answers, the defaults filled in; plain JSON data.
        caption_first: a text encoder of it may read no further than the beginning of a prompt, where the caption has to stand then.
        batch: questions that it answers in one pass; it is asked so many at a time, so that a long answer is kept before the next begins.
        weights_bytes: size of the files that it is loaded from, 0 where it runs elsewhere.

    Class attributes:
        remote: its calls may cost money, so they are counted against the limits of a run.
        kept: its answers go to the response cache.
    """

    identity: str
    settings: Mapping[str, Any]
    caption_first: bool = False
    batch: int = 1
    weights_bytes: int = 0
    remote: ClassVar[bool] = False
    kept: ClassVar[bool] = True

    def request_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the size, height and width, in which an image of the given size is asked for."""
        return height, width


class Concurrent(Backend):
    """A model that any number of threads may ask at once, and that bounds by itself how many questions are under way."""

    @abstractmethod
    def start(self, request: Request) -> "Future[Outcome]":
        """Begin to answer a request and return at once; cancelling the future gives the question up."""


class Captioner(Backend):
    """A model that writes a caption of an image."""

    @abstractmethod
    def caption(self, requests: Sequence[Request]) -> list[Outcome]:
        """Answer each request with a text, or with what went wrong for it alone."""


class Generator(Backend):
    """A model that makes an image from a text."""

    @abstractmethod
    def generate(self, requests: Sequence[Request]) -> list[Outcome]:
        """Answer each request with an image, or with what went wrong for it alone."""


class Editor(Backend):
    """A model that changes an image as a text says."""

    @abstractmethod
    def edit(self, requests: Sequence[Request]) -> list[Outcome]:
        """Answer each request with an image, or with what went wrong for it alone."""


O = TypeVar("O", bound=Options)  # noqa: E741


def read_options(model: type[O], values: Mapping[str, Any], where: str) -> O:
    """Return ``values`` as a ``model``.

    Args:
        model: an options class.
        values: as they stand in the settings.
        where: what they belong to, for the message.

    Raises:
        GenerativeOptionsError: a key or value that is wrong, named without repeating the value, which may be a secret.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problems = sentences(error, model, show_values=False)
    raise GenerativeOptionsError(f"{where}: {'; '.join(problems)}")


def open_backend(settings: ModelSettings) -> Backend:
    """Return the model for the task that the type of the settings stands for.

    Raises:
        GenerativeOptionsError: there is no such backend, it does not do the task, or an option is wrong.
        ModelUnavailableError: what the backend needs to be asked is missing.
    """
    module, task = _module(settings), task_name(settings)
    opener = getattr(module, task, None)
    if opener is None:
        able = [name for name in ("captioner", "generator", "editor") if hasattr(module, name)]
        raise GenerativeOptionsError(f"{settings.model} cannot serve as {task}: the backend '{settings.backend}' offers {', '.join(able)}")
    return cast(Backend, opener(settings))


def check_ready(settings: ModelSettings) -> None:
    """Raise a :class:`MethodError` if the model cannot be asked, as far as that shows without loading or calling it."""
    open_backend(settings)
    _module(settings).ready(settings)


def task_name(settings: ModelSettings) -> str:
    """Return "captioner", "generator" or "editor"."""
    for kind, name in ((CaptionerSettings, "captioner"), (GeneratorSettings, "generator"), (EditorSettings, "editor")):
        if isinstance(settings, kind):
            return name
    raise GenerativeOptionsError(f"{type(settings).__name__} names no task; use CaptionerSettings, GeneratorSettings or EditorSettings")


def _module(settings: ModelSettings) -> ModuleType:
    name = _MODULES.get(settings.backend)
    if name is None:
        known = ", ".join(_MODULES)
        raise GenerativeOptionsError(f"unknown backend '{settings.backend}'.{suggestion(settings.backend, _MODULES)} Known: {known}")
    return importlib.import_module(f"methods.generative.backends.{name}")
