"""The official client against a real server on loopback that means harm: other hosts, endless answers, images that explode."""

import base64
import gzip
import io
import itertools
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.openai_double import Double, Fault, captioner, editor, images, png
from methods.generative import ModelClient
from methods.generative.backends import openai_client
from methods.generative.response_cache import ResponseCache
from methods.generative.responses import GenerativeError, ModelUnavailableError, UnusableResponseError

torch.set_num_threads(1)
SOON = {"retry-after-ms": "1"}
MIB = 2**20


@pytest.fixture
def other() -> Iterator[Any]:
    """A server that nobody named."""
    double = Double(key=None)
    double.files["/cat.png"] = png(np.zeros((64, 64, 3), np.uint8))
    yield double
    double.close()


def edited(server: Any, options: dict[str, Any] | None = None, **more: Any) -> torch.Tensor:
    return ModelClient().edit(editor(server, options, **more), images(1), ["a cat"]).images


def encoded(content: bytes) -> dict[str, Any]:
    return {"created": 1, "data": [{"b64_json": base64.b64encode(content).decode()}]}


def blank(side: int) -> bytes:
    """A PNG of ``side`` squared, far smaller than its pixels."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + 3 * side)) for _ in range(side)) + packer.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def peak_of(work: Any) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_image_at_another_server_is_not_fetched(server, other):
    for address in (
        f"{other.host}/cat.png",
        other.host.replace("http://", "//") + "/cat.png",
        "http://[",
        "http://a:b/",
        "ftp://127.0.0.1/x",
    ):
        server.as_url = address
        with pytest.raises(UnusableResponseError, match="cannot be fetched") as caught:
            edited(server)
        assert "\n" not in str(caught.value)
    assert not other.asked
    server.as_url = f"{other.host}/cat.png"
    with pytest.raises(GenerativeError, match=r"only 127\.0\.0\.1:\d+ is contacted; set access\.response_format: b64_json"):
        edited(server)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_follows_a_redirect_to_another_server(server, other, status):
    server.faults = [Fault(status, {}, {"Location": f"{other.url}/images/edits"})]
    with pytest.raises(ModelUnavailableError, match=r"redirects to another server, 127\.0\.0\.1:\d+, to which nothing is sent"):
        edited(server)
    server.faults = [Fault(status, {}, {"Location": f"{other.url}/chat/completions"})]
    with pytest.raises(ModelUnavailableError, match="redirects to another server"):
        ModelClient().caption(captioner(server), images(1))
    assert len(server.asked) == 2 and not other.asked


def test_a_redirect_on_the_same_server_is_followed_and_a_circle_is_not(server):
    server.faults = [Fault(307, {}, {"Location": "/v2/chat/completions"})]
    assert ModelClient().caption(captioner(server), images(1))[0].startswith("an image of mean")
    assert [each.path for each in server.asked] == ["/v1/chat/completions", "/v2/chat/completions"]
    assert np.array_equal(server.asked[0].images[0], server.asked[1].images[0])
    server.faults = [Fault(307, {}, {"Location": "/v1/chat/completions"})] * 99
    with pytest.raises(GenerativeError):
        ModelClient().caption(captioner(server, retries=0), images(1))
    assert len(server.asked) < 20


@pytest.mark.parametrize("status", [200, 302, 400])
def test_an_endless_answer_is_not_read_to_its_end(server, status):
    def ask() -> None:
        with pytest.raises(UnusableResponseError, match=r"longer than 4 MiB"):
            ModelClient().caption(captioner(server, retries=0), images(1))

    server.faults = [Fault(status, itertools.repeat(bytes(MIB), 400))]
    assert peak_of(ask) < 32 * MIB
    assert server.sent < 64 * MIB


@pytest.mark.parametrize("times", [1, 2])
def test_a_compressed_answer_is_bounded_by_what_it_unpacks_to(server, times):
    body = bytes(150 * MIB)
    for _ in range(times):
        body = gzip.compress(body, 1)
    server.faults = [Fault(200, body, {"Content-Encoding": ", ".join(["gzip"] * times)})]

    def ask() -> None:
        with pytest.raises(UnusableResponseError, match=r"longer than 22\.3 MiB"):
            edited(server, retries=0)

    assert peak_of(ask) < 100 * MIB


def test_an_honest_answer_may_be_compressed(server):
    server.faults = [Fault(200, gzip.compress(b'{"choices": [{"message": {"content": "a cat"}}]}'), {"Content-Encoding": "gzip"})]
    assert ModelClient().caption(captioner(server), images(1)) == ["a cat"]


def test_an_answer_nested_without_end_is_told(server):
    server.faults = [Fault(200, b"[" * 100_000), Fault(400, b'{"error":' * 900 + b"1" + b"}" * 900)]
    with pytest.raises(UnusableResponseError, match="malformed"):
        ModelClient().caption(captioner(server), images(1))
    with pytest.raises(GenerativeError, match="status 400"):
        ModelClient().caption(captioner(server), images(1))


def test_a_small_file_of_many_pixels_is_not_decoded(server, tmp_path):
    server.files["/v1/files/large.png"] = content = blank(13_000)
    assert len(content) < MIB
    server.faults = [Fault(200, encoded(content)), Fault(200, {"data": [{"url": "files/large.png"}]})]
    for _ in range(2):

        def ask() -> None:
            with pytest.raises(UnusableResponseError, match="of 13000x13000, which is too large to be read where 64x64 was asked for"):
                ModelClient(ResponseCache(tmp_path)).edit(editor(server), images(1), ["a cat"])

        assert peak_of(ask) < 32 * MIB
    assert not list(tmp_path.rglob("*.png"))


def test_what_is_asked_for_may_be_answered_in_the_next_size_of_the_server(server):
    server.image_size_of = (1024, 1024)
    assert edited(server).shape == (1, 3, 16, 16)
    server.image_size_of = (2100, 2100)
    with pytest.raises(UnusableResponseError, match="2100x2100, which is too large"):
        edited(server)
    assert edited(server, options={"size": "1100x1100"}).shape == (1, 3, 16, 16)


@pytest.mark.parametrize("name", ["EPS", "TIFF", "BMP", "GIF", "PPM"])
def test_other_formats_are_not_opened(server, name):
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, name)
    server.faults = [Fault(200, encoded(buffer.getvalue()))]
    with pytest.raises(UnusableResponseError, match="cannot be read as PNG or JPEG or WEBP where 64x64"):
        edited(server)


def test_an_answer_that_drips_is_given_up_as_often_as_one_that_never_comes(server):
    def drips() -> Iterator[bytes]:
        for _ in range(200):
            time.sleep(0.05)
            yield b" "

    server.faults = [Fault(200, drips(), SOON), Fault(500, drips(), SOON)]
    with pytest.raises(GenerativeError, match=r"no answer within 0\.3 s, after 2 tries"):
        ModelClient().caption(captioner(server, timeout=0.3, retries=1), images(1))
    assert len(server.asked) == 2 and server.sent < 100


def test_waits_that_a_server_asks_for_end_with_the_call(server, monkeypatch):
    monkeypatch.setattr(openai_client, "_CLIENT_WAITS_UP_TO", 0.0)
    server.faults = [Fault(503, {}, {"retry-after-ms": "100"})] * 99
    with pytest.raises(GenerativeError, match=r"put off its answer for 1\.1 s in all"):
        ModelClient().caption(captioner(server, timeout=0.01, retries=99, patience=0.1), images(1))
    assert len(server.asked) < 20
