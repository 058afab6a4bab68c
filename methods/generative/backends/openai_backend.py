"""Models behind an OpenAI-compatible server: chat with images, images/generations and images/edits.

::

    caption:  image ──chat/completions──────> text
    generate: prompt ──images/generations─────> image   (as base64, or at an address on the same server)
    edit:     image, prompt ──images/edits──> image

OpenAI itself, and whatever speaks its interface at another ``base_url``: vLLM for captions, vLLM-Omni and SGLang for images,
LiteLLM for other providers.
"""

import base64
import re
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import Field, field_validator

from methods.generative.backends.base import Captioner, Concurrent, Editor, Generator, Options, Outcome, read_options
from methods.generative.backends.openai_client import Access, Connection
from methods.generative.backends.openai_replies import ChatReply, ImageReply, decoded, most_bytes, reply_as
from methods.generative.responses import GenerativeError, RefusalError, Request, Response, UnusableResponseError
from methods.generative.settings import CaptionerSettings, EditorSettings, GeneratorSettings, ModelSettings

if TYPE_CHECKING:
    import openai

Choice = TypeVar("Choice", bound=Options)
_PIXELS = re.compile(r"([1-9]\d{1,4})x([1-9]\d{1,4})")
# A caption is a paragraph; thinking and what servers add to it come to much less than this.
_CHAT_BYTES = 2**22


class ChatOptions(Options):
    """How a caption is asked for; ``None`` leaves a field out of the request.

    Attributes:
        detail: resolution at which the model looks at the image.
        max_output_tokens: limit of what the model writes, its thinking included; ``max_completion_tokens`` of the interface.
        temperature: of the model's choice of words; some models accept none.
        extra: further fields of the request, such as ``{reasoning_effort: low}``.
    """

    detail: Literal["low", "high", "auto"] | None = "high"
    max_output_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0)
    extra: dict[str, Any] = {}


class ImageOptions(Options):
    """How an image is asked for; ``None`` leaves a field out of the request.

    Attributes:
        size: ``<width>x<height>``, or ``image`` for the size that the method works in, which OpenAI's own models do not offer.
        quality: as the model names it; what it costs depends on it.
        send_seed: send the request's own seed; servers that run open models take it, OpenAI does not.
        extra: further fields of the request, such as ``{num_inference_steps: 20}``.
    """

    size: str = "1024x1024"
    quality: str | None = "medium"
    send_seed: bool = False
    extra: dict[str, Any] = {}

    @field_validator("size")
    @classmethod
    def _pixels(cls, value: str) -> str:
        if value != "image" and not _PIXELS.fullmatch(value):
            raise ValueError("must be <width>x<height> in pixels, such as 1024x1024, or 'image'")
        return value


class Served(Concurrent, Generic[Choice]):
    """What models behind a server have in common.

    Args:
        kind: class of the options.
        settings: its name, options and access.
        connection: how the server is reached; from the settings if not given.
    """

    remote: ClassVar[bool] = True

    def __init__(self, kind: type[Choice], settings: ModelSettings, connection: Connection | None = None) -> None:
        self.identity = settings.model
        self.name = settings.name
        self.options = read_options(kind, settings.options, f"options of {settings.model}")
        self.settings = self.options.model_dump(mode="json")
        self.connection = connection or Connection(_access(settings))

    def start(self, request: Request) -> "Future[Outcome]":
        """Send a request and return at once."""
        try:
            return self.connection.start(_outcome(self._work(request)))
        except GenerativeError as error:
            unsent: Future[Outcome] = Future()
            unsent.set_result(error)
            return unsent

    @abstractmethod
    def _work(self, request: Request) -> Coroutine[Any, Any, Response]:
        """Return what is to be done for a request; its image is encoded here, on the caller's thread."""

    def _answers(self, requests: Sequence[Request]) -> list[Outcome]:
        started = [self.start(request) for request in requests]
        try:
            return [future.result() for future in started]
        finally:
            for future in started:
                future.cancel()


class OpenAICaptioner(Served[ChatOptions], Captioner):
    """A chat model that looks at an image; arguments as for :class:`Served`."""

    def __init__(self, settings: ModelSettings, connection: Connection | None = None) -> None:
        super().__init__(ChatOptions, settings, connection)

    def caption(self, requests: Sequence[Request]) -> list[Outcome]:
        """Ask for the captions, as many at once as the access allows."""
        return self._answers(requests)

    def _work(self, request: Request) -> Coroutine[Any, Any, Response]:
        look: dict[str, Any] = {"url": f"data:image/png;base64,{base64.b64encode(_png(request)).decode()}"}
        if self.options.detail is not None:
            look["detail"] = self.options.detail
        parts = [{"type": "text", "text": request.prompt}, {"type": "image_url", "image_url": look}]
        fields: dict[str, Any] = {"model": self.name, "messages": [{"role": "user", "content": parts}]}
        if self.options.max_output_tokens is not None:
            fields["max_completion_tokens"] = self.options.max_output_tokens
        if self.options.temperature is not None:
            fields["temperature"] = self.options.temperature
        fields["extra_body"] = self.options.extra or None

        async def ask(client: "openai.AsyncOpenAI") -> Any:
            return await client.chat.completions.with_raw_response.create(**fields)

        async def answer() -> Response:
            payload, told = await self.connection.call(ask, _CHAT_BYTES)
            with _answered():
                reply = reply_as(ChatReply, payload)
                return Response(text=reply.text(), metadata=reply.metadata() | told)

        return answer()


class OpenAIPainter(Served[ImageOptions], Generator, Editor):
    """A model that makes images, from a text alone or from an image and a text; arguments as for :class:`Served`."""

    def __init__(self, settings: ModelSettings, connection: Connection | None = None) -> None:
        super().__init__(ImageOptions, settings, connection)

    def request_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of the options, or the image's own."""
        match = _PIXELS.fullmatch(self.options.size)
        return (int(match[2]), int(match[1])) if match else (height, width)

    def generate(self, requests: Sequence[Request]) -> list[Outcome]:
        """Ask for images, as many at once as the access allows."""
        return self._answers(requests)

    def edit(self, requests: Sequence[Request]) -> list[Outcome]:
        """Ask for edits, as many at once as the access allows."""
        return self._answers(requests)

    def _work(self, request: Request) -> Coroutine[Any, Any, Response]:
        edits = request.task == "edit"
        fields = self._fields(request) | ({"image": ("picture.png", _png(request), "image/png")} if edits else {})

        async def ask(client: "openai.AsyncOpenAI") -> Any:
            images = client.images.with_raw_response
            return await (images.edit(**fields) if edits else images.generate(**fields))

        return self._image(request, ask)

    def _fields(self, request: Request) -> dict[str, Any]:
        options = self.options
        fields: dict[str, Any] = {"model": self.name, "prompt": request.prompt}
        if request.size is not None:
            fields["size"] = f"{request.size[1]}x{request.size[0]}"
        if options.quality is not None:
            fields["quality"] = options.quality
        if self.connection.access.response_format is not None:
            fields["response_format"] = self.connection.access.response_format
        fields["extra_body"] = options.extra | ({"seed": request.draw} if options.send_seed else {}) or None
        return fields

    async def _image(self, request: Request, ask: "Callable[[openai.AsyncOpenAI], Awaitable[Any]]") -> Response:
        most = most_bytes(request.size)
        payload, told = await self.connection.call(ask, most)
        with _answered():
            reply = reply_as(ImageReply, payload)
            content, url = reply.source
            pixels = decoded(await self.connection.fetch(url, most) if content is None else content, request.size)
            return Response(pixels=pixels, metadata=reply.metadata() | told | {"received": [pixels.shape[1], pixels.shape[0]]})


def captioner(settings: CaptionerSettings) -> OpenAICaptioner:
    """Return a chat model; nothing is connected yet."""
    return OpenAICaptioner(settings)


def generator(settings: GeneratorSettings) -> OpenAIPainter:
    """Return a model of images/generations; nothing is connected yet."""
    return OpenAIPainter(settings)


def editor(settings: EditorSettings) -> OpenAIPainter:
    """Return a model of images/edits; nothing is connected yet."""
    return OpenAIPainter(settings)


def ready(settings: ModelSettings) -> None:
    """Raise :class:`ModelUnavailableError` if the key that the server needs is not in the environment."""
    _access(settings).key()


def _access(settings: ModelSettings) -> Access:
    return read_options(Access, settings.access, f"access to {settings.model}")


@contextmanager
def _answered() -> Iterator[None]:
    """Tell what fails after the server has answered, and has counted the call, from what fails before."""
    try:
        yield
    except RefusalError:
        raise
    except GenerativeError as error:
        sentence = str(error)
    else:
        return
    # Out of the handler, so that no traceback leads to the client's own error.
    raise UnusableResponseError(sentence)


async def _outcome(work: Coroutine[Any, Any, Response]) -> Outcome:
    try:
        return await work
    except GenerativeError as error:
        return error


def _png(request: Request) -> bytes:
    from PIL import Image

    if request.pixels is None:
        raise GenerativeError(f"{request.model} is asked to look at an image and there is none")
    buffer = BytesIO()
    Image.fromarray(request.pixels).save(buffer, format="PNG")
    return buffer.getvalue()
