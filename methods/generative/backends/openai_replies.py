"""What an OpenAI-compatible server sends back, read as far as an answer needs it.

Servers differ in what they leave out and how they write it, so everything but the answer itself may be missing or of any type.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from benchmarks.common.image_files import opened
from methods.generative.responses import GenerativeError, RefusalError

# OpenAI's images, its older models, and Azure's gateway.
REFUSALS = frozenset({"moderation_blocked", "content_policy_violation", "content_filter"})
_LONGEST = 500
# Of what a server says beside its answer, which is kept with it.
_MOST_WORDS = 10_000
_MOST_COUNTED = 10**15
_TEXT_PARTS = ("text", "output_text")
# Where a chat template opens the thinking by itself, the answer holds its end alone; where the tokens end, its beginning alone.
_THINKING = re.compile(r"\A(?:\s*<think>.*?(?:</think>|\Z)|(?:(?!<think>).)*?</think>)\s*", re.DOTALL | re.IGNORECASE)
# Of the formats that OpenAI documents; others bring decoders, and even programs, that nobody asked for.
_FORMATS = ("PNG", "JPEG", "WEBP")
_LARGEST_UNASKED = 2048


def _words(value: Any) -> str | None:
    """Return what a server says beside its answer as text, whatever it wrote it as; ``None`` where it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value[:_MOST_WORDS] if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    """Return a count, a fraction of one as the next whole number; ``None`` where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MOST_COUNTED <= value <= _MOST_COUNTED:
        return None
    return math.ceil(value)


def _tokens(value: Any) -> int:
    """Return a count of tokens, 0 for ``null``; what is no count becomes one that cannot be, so that no cost is reckoned from it."""
    count = 0 if value is None else _count(value)
    return -1 if count is None else count


def _fields(value: Any) -> Any:
    return value if isinstance(value, Mapping) else None


def _first(value: Any) -> Any:
    # One answer is asked for, so what more there is need not be right.
    return value[:1] if isinstance(value, list) else value


def _written(content: Any) -> Any:
    """Return the text of a message whose content is a list of parts; thinking and whatever else is no text is left out."""
    if not isinstance(content, list):
        return content
    parts = [part for part in content if isinstance(part, Mapping) and part.get("type", "text") in _TEXT_PARTS]
    return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))


_Told = Annotated[str | None, BeforeValidator(_words)]
_Count = Annotated[int | None, BeforeValidator(_count)]
_Tokens = Annotated[int, BeforeValidator(_tokens)]


# The client's own classes do not serve: validated, they refuse what lenient servers send; constructed, they check nothing.
class _Message(BaseModel):
    content: Annotated[str | None, BeforeValidator(_written)] = None
    refusal: _Told = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: _Told = None


class _ChatUsage(BaseModel):
    prompt_tokens: _Tokens = 0
    completion_tokens: _Tokens = 0


class ChatReply(BaseModel):
    """Body of ``chat/completions``."""

    choices: Annotated[list[_Choice], BeforeValidator(_first)] = Field(min_length=1)
    usage: Annotated[_ChatUsage | None, BeforeValidator(_fields)] = None
    id: _Told = None
    model: _Told = None
    system_fingerprint: _Told = None

    def text(self) -> str:
        """Return the caption, without the thinking that some servers leave before it; it may be empty.

        Raises:
            RefusalError: the model or the server's filter declines.
            GenerativeError: the model spent its tokens before it wrote anything, or wrote down its thinking alone.
        """
        choice = self.choices[0]
        if choice.message.refusal:
            raise RefusalError(f"the model declines: {short(choice.message.refusal)}")
        if choice.finish_reason == "content_filter":
            raise RefusalError("the server's content filter withheld the answer")
        said = choice.message.content or ""
        text = _THINKING.sub("", said, count=1)
        if choice.finish_reason == "length" and not text.strip():
            raise GenerativeError("the model used up its tokens before it wrote a word; raise options.max_output_tokens or leave it out")
        if said.strip() and not text.strip():
            raise GenerativeError("the model wrote down its thinking and no answer; turn thinking off or raise options.max_output_tokens")
        return text

    def metadata(self) -> dict[str, Any]:
        """Return what the server says of the call; a chat does not tell the kinds of its input, so all of it counts as text."""
        told = {"id": self.id, "model": self.model, "system_fingerprint": self.system_fingerprint}
        told["finish_reason"] = self.choices[0].finish_reason
        tokens = {"input_text": self.usage.prompt_tokens, "output_text": self.usage.completion_tokens} if self.usage else None
        return _present(told | {"tokens": tokens})


class _Kinds(BaseModel):
    text_tokens: _Tokens = 0
    image_tokens: _Tokens = 0


class _ImageUsage(BaseModel):
    input_tokens: _Tokens = 0
    output_tokens: _Tokens = 0
    input_tokens_details: Annotated[_Kinds | None, BeforeValidator(_fields)] = None
    output_tokens_details: Annotated[_Kinds | None, BeforeValidator(_fields)] = None


class _Image(BaseModel):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: _Told = None


class ImageReply(BaseModel):
    """Body of ``images/generations`` and ``images/edits``."""

    data: Annotated[list[_Image], BeforeValidator(_first)] = Field(min_length=1)
    usage: Annotated[_ImageUsage | None, BeforeValidator(_fields)] = None
    created: _Count = None
    model: _Told = None
    quality: _Told = None
    size: _Told = None

    @property
    def source(self) -> tuple[bytes | None, str]:
        """The encoded image or, where there is none, the URL to fetch it from.

        Raises:
            GenerativeError: there is neither, or the encoding is broken.
        """
        image = self.data[0]
        encoded, url = image.b64_json, image.url or ""
        if not encoded and url.startswith("data:"):
            encoded = url.partition(",")[2]
        if encoded:
            try:
                content = encoded.partition(",")[2] if encoded.startswith("data:") else encoded
                # Some encoders break their lines, as in a mail.
                return base64.b64decode("".join(content.split()), validate=True), ""
            except (binascii.Error, ValueError):
                raise GenerativeError("the server's image is not valid base64") from None
        if not url:
            raise GenerativeError("the server answered with neither an image nor its address")
        return None, url

    def metadata(self) -> dict[str, Any]:
        """Return what the server says of the call; without details, all input counts as text and all output as image."""
        told = {"created": self.created, "model": self.model, "quality": self.quality, "size": self.size}
        tokens = None
        if self.usage is not None:
            used = self.usage
            read = used.input_tokens_details or _Kinds(text_tokens=used.input_tokens)
            written = used.output_tokens_details or _Kinds(image_tokens=used.output_tokens)
            tokens = {
                "input_text": read.text_tokens,
                "input_image": read.image_tokens,
                "output_text": written.text_tokens,
                "output_image": written.image_tokens,
            }
        return _present(told | {"revised_prompt": self.data[0].revised_prompt, "tokens": tokens})


def reply_as(model: type[ChatReply] | type[ImageReply], payload: Any) -> Any:
    """Return a JSON body as a ``model``.

    Raises:
        RefusalError, GenerativeError: the body tells an error, or is not what the interface promises.
    """
    if isinstance(payload, Mapping) and payload.get("error"):
        code, message = told_error(payload["error"])
        kind = RefusalError if code in REFUSALS else GenerativeError
        raise kind(f"the server answered with an error: {message}")
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        places = sorted({".".join(str(part) for part in problem["loc"]) or "the whole" for problem in error.errors(include_input=False)})
    raise GenerativeError(f"the server's answer is malformed: {', '.join(places)} is missing or of a wrong type")


def told_error(body: Any) -> tuple[str, str]:
    """Return the code ("" where there is none) and the words of an error body: OpenAI's, FastAPI's ``detail``, or plain text."""
    if isinstance(body, Mapping):
        inner = body.get("error")
        if isinstance(inner, Mapping):
            body, inner = inner, inner.get("error")
        words = body.get("message") or body.get("detail") or inner or ""
        if isinstance(words, list):
            # FastAPI repeats the whole input beside each of these; the place and the words are enough.
            words = "; ".join(_problem(each) for each in words)
        return _words(body.get("code")) or "", short(_shown(words))
    return "", short(_shown(body or ""))


def _shown(value: Any) -> str:
    try:
        return str(value)
    except RecursionError:
        return "an error nested without end"


def _problem(each: Any) -> str:
    if not isinstance(each, Mapping):
        return str(each)
    place = each.get("loc")
    where = ".".join(str(part) for part in place) if isinstance(place, list) else ""
    return f"{where}: {each.get('msg', '')}"


def short(text: str) -> str:
    """Return ``text`` on one line, without what goes beyond 500 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "..."


def most_bytes(asked: tuple[int, int] | None) -> int:
    """Return how long an answer may be whose image was asked for in a height and width: four bytes a pixel, in base64, and some words."""
    return _most_pixels(asked) * 4 * 4 // 3 + 2**20


def decoded(content: bytes, asked: tuple[int, int] | None) -> np.ndarray:
    """Return an encoded image, PNG, JPEG or WebP, as uint8 (H, W, 3).

    Raises:
        GenerativeError: it is none of these, damaged, or far larger than the height and width that were ``asked`` for.
    """
    try:
        return np.asarray(opened(content, _FORMATS, _most_pixels(asked)).convert("RGB"))
    except ValueError as error:
        wanted = f" where {asked[1]}x{asked[0]} was asked for" if asked else ""
        raise GenerativeError(f"the server sent {error}{wanted}") from None


def _most_pixels(asked: tuple[int, int] | None) -> int:
    # Servers that know few sizes answer in one of theirs, and others in the next that they can make.
    return max(_LARGEST_UNASKED**2, 4 * asked[0] * asked[1] if asked else 0)


def _present(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}
