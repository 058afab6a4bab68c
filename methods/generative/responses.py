"""What is asked of a generative model, what it answers, and what can go wrong."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from methods.errors import MethodError

Task = Literal["caption", "generate", "edit"]


class GenerativeError(MethodError):
    """A generative model that gave no usable answer; asking again may help."""


class RefusalError(GenerativeError):
    """A model that declines a request by its content policy; asking again does not help, so the refusal is kept in the response cache."""


class ModelUnavailableError(GenerativeError):
    """A model that cannot be reached or loaded: missing weights, package or key, a wrong address."""


class UnusableResponseError(GenerativeError):
    """A model that answered, and counts the call as answered, with nothing that can be used."""


class SpendingLimitError(MethodError):
    """The next call would pass the run's limit of calls or of cost; everything answered so far is in the response cache."""

    headline = "stopped"
    exit_code = 3


class CacheWriteError(SpendingLimitError):
    """An answer that was paid for could not be kept, so further calls would be paid for again and again."""


@dataclass(frozen=True)
class Request:
    """One question to a model; equal requests have equal answers, so they are asked once.

    Attributes:
        task: what is asked for.
        model: identity of the model: its name, with the content of its files where they are local.
        prompt: complete text that the model reads, instruction and description.
        pixels: uint8 (H, W, 3) input image, or ``None``.
        size: height and width of the wanted image, or ``None`` for a caption.
        settings: what else shapes the answer, plain JSON data.
        seed: of the model's draws.
        variation: number of the candidate, where several answers to one question are wanted.
    """

    task: Task
    model: str
    prompt: str
    pixels: np.ndarray | None = None
    size: tuple[int, int] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1
    variation: int = 0

    @property
    def digest(self) -> str:
        """Hash of all that determines the answer; the name of the answer in the response cache."""
        text = json.dumps(
            [self.task, self.model, self.prompt, self.size, dict(self.settings), self.seed, self.variation],
            sort_keys=True,
            ensure_ascii=True,
        )
        content = hashlib.sha256(text.encode())
        if self.pixels is not None:
            content.update(json.dumps(self.pixels.shape).encode())
            content.update(np.ascontiguousarray(self.pixels).tobytes())
        return content.hexdigest()

    @property
    def draw(self) -> int:
        """Seed of this request alone, below 2**31, so that an answer never depends on what is asked beside it."""
        return int(self.digest[:8], 16) >> 1


@dataclass(frozen=True)
class Response:
    """What a model answered to one request.

    Attributes:
        text: a caption, or ``None``.
        pixels: uint8 (H, W, 3) image in the size the model gave, or ``None``.
        cut: the end of the prompt that the model did not read, "" where it read all.
        cost: price of the call in US dollars, 0 where the call was free.
        metadata: what the model's server or library says of the call, plain JSON data, free of credentials.
    """

    text: str | None = None
    pixels: np.ndarray | None = None
    cut: str = ""
    cost: float = 0.0
    metadata: Mapping[str, Any] = field(default_factory=dict)
