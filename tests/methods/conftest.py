"""What the tests of generative methods share: a model client whose models answer at once and remember what they were asked."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmarks.link.draws import KeyedDraws
from benchmarks.link.link import Link
from methods.base import Method, OperatingPoint, Received, Signal
from methods.generative import CaptionerSettings, EditorSettings, GeneratorSettings, ModelClient, Request, Response, UsesModels
from methods.generative.backends.base import Captioner, Editor, Generator
from suite.link.adapter import send

CAPTIONS: Mapping[str, str] = {
    "empty": "",
    "emoji": "a 🐕‍🦺 beside two 👩🏽‍🚀 under a 🌈",
    "arabic": "كلب بنّي يقفز فوق سياج خشبي",
    "control": "a red\tboat\x00 on\x1b[31m a blue\r\nsea",
    "long": "".join(f"a boat numbered {number} lies left of it, " for number in range(400))[:10_000],
}


class Asked(Captioner, Generator, Editor):
    """A model for every task; an image is noise that the request alone decides, so equal questions have equal answers."""

    identity = "asked"
    settings: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def caption(self, requests: Sequence[Request]) -> list[Any]:
        self.requests += requests
        return [Response(text=f"an image of mean {request.pixels.mean():.3f}") for request in requests]

    def generate(self, requests: Sequence[Request]) -> list[Any]:
        self.requests += requests
        return [self.paint(request) for request in requests]

    edit = generate

    def paint(self, request: Request) -> Response:
        coarse = np.random.default_rng(request.draw).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        height, width = request.size
        return Response(pixels=np.kron(coarse, np.ones((height // 4, width // 4, 1), dtype=np.uint8)), cost=0.25)


@pytest.fixture
def asked(monkeypatch) -> Asked:
    """A model behind every name, captioner, generator and editor."""
    model = Asked()
    monkeypatch.setattr("methods.generative.client.open_backend", lambda settings: model)
    monkeypatch.setattr(UsesModels, "model_client", ModelClient())
    return model


@pytest.fixture
def models(asked) -> dict[str, Any]:
    """Settings that name it."""
    return {
        "captioner": CaptionerSettings(model="openai:words", max_bytes=20_000),
        "generator": GeneratorSettings(model="openai:pictures"),
        "editor": EditorSettings(model="openai:edits"),
    }


class LinkProvider:
    """The suite's real link, for one cell."""

    def __init__(self, channel: str = "awgn", snr_db: float = 10.0, cr: Fraction | None = None) -> None:
        self.link = Link()
        payload = partial(self.link.payload_bytes, channel=channel, snr_db=snr_db)
        self.point = OperatingPoint(cr, snr_db, channel, payload)

    def send(self, signal: Signal, images: Sequence[str]) -> tuple[Received, Any]:
        """Return what arrives and the ledger's entries."""
        return send(self.link, signal, self.point, KeyedDraws(3, images, self.point.channel, self.point.snr_db, 0))

    def through(self, method: Method, images: Any, captions: Sequence[str]) -> tuple[Signal, Received, Any]:
        """Encode captioned images and send them."""
        signal = method.encode(images, self.point.blind(), captions)
        return signal, *self.send(signal, [f"image{row}" for row in range(len(captions))])


@pytest.fixture
def link_provider() -> type[LinkProvider]:
    return LinkProvider


@pytest.fixture(params=CAPTIONS.values(), ids=CAPTIONS.keys())
def awkward(request) -> str:
    """A caption that is hard to carry."""
    return request.param
