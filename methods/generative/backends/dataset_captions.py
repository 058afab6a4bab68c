"""Captions that came with the data set, in the place of a model; they cost nothing and are kept where they are."""

from collections.abc import Sequence
from typing import Any, ClassVar

from methods.generative.backends.base import Captioner, Options, Outcome, read_options
from methods.generative.responses import GenerativeError, Request, Response
from methods.generative.settings import CaptionerSettings, ModelSettings


class DatasetCaptioner(Captioner):
    """Answers with the caption of the data set, which is the request's prompt; an image without one fails."""

    kept: ClassVar[bool] = False
    identity = "dataset"

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}

    def caption(self, requests: Sequence[Request]) -> list[Outcome]:
        """Return the captions."""
        missing = "the data set has no caption for this image; name a model as the captioner, such as openai:NAME"
        return [Response(text=request.prompt) if request.prompt else GenerativeError(missing) for request in requests]


def captioner(settings: CaptionerSettings) -> DatasetCaptioner:
    """Return the captioner; it has no options."""
    read_options(Options, settings.options, "options of the captioner 'dataset'")
    read_options(Options, settings.access, "access to the captioner 'dataset'")
    return DatasetCaptioner()


def ready(settings: ModelSettings) -> None:
    """Return at once: whether an image has a caption shows when it is read."""
