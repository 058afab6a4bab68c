"""Generative models at both ends of the link: captions at the sender, images from text at the receiver.

::

    image ──Captioner──> text ──the link──> text ──Generator──> image
                                               └───Editor (with the decoded image) ──> image
        every call goes through the ModelClient: the response cache first, then the spending limit, then the model

A model is named in one line, ``openai:NAME``, ``diffusers:ID-or-folder``, ``transformers:ID-or-folder`` or ``dataset``, and
is the same for every method of a grid. README.md beside this file shows how to run each.
"""

from typing import TYPE_CHECKING, Any

from benchmarks.common.lazy import lazy_attribute

if TYPE_CHECKING:
    from methods.generative.client import ModelClient, UsesModels
    from methods.generative.responses import (
        CacheWriteError,
        GenerativeError,
        ModelUnavailableError,
        RefusalError,
        Request,
        Response,
        SpendingLimitError,
        UnusableResponseError,
    )
    from methods.generative.settings import CaptionerSettings, EditorSettings, GeneratorSettings, ModelSettings

__all__ = [
    "CacheWriteError",
    "CaptionerSettings",
    "EditorSettings",
    "GenerativeError",
    "GeneratorSettings",
    "ModelClient",
    "ModelSettings",
    "ModelUnavailableError",
    "RefusalError",
    "Request",
    "Response",
    "SpendingLimitError",
    "UnusableResponseError",
    "UsesModels",
]


def __getattr__(name: str) -> Any:
    return lazy_attribute(__name__, name, __all__, ("responses", "settings", "client"))
