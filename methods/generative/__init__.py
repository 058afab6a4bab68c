"""Generative models at both ends of the link: captions at the sender, pictures from text at the receiver.

::

    picture ──Captioner──> text ──the link──> text ──Generator──> picture
                                               └───Editor (with the decoded picture) ──> picture
        every call goes through the Desk: the bank first, then the spending limit, then the model

A model is named in one line, ``openai:NAME``, ``diffusers:ID-or-folder``, ``transformers:ID-or-folder`` or ``dataset``, and
is the same for every method of a grid. README.md beside this file shows how to run each.
"""

from methods.generative.answers import (
    Answer,
    GenerativeError,
    ModelUnavailableError,
    RefusalError,
    Request,
    SpendingLimitError,
    UnkeptAnswerError,
    UnusableAnswerError,
)
from methods.generative.desk import Desk, DeskUser
from methods.generative.settings import CaptionerSettings, EditorSettings, GeneratorSettings, ModelSettings

__all__ = [
    "Answer",
    "CaptionerSettings",
    "Desk",
    "DeskUser",
    "EditorSettings",
    "GenerativeError",
    "GeneratorSettings",
    "ModelSettings",
    "ModelUnavailableError",
    "RefusalError",
    "Request",
    "SpendingLimitError",
    "UnkeptAnswerError",
    "UnusableAnswerError",
]
