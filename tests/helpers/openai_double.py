"""A server on loopback that speaks the OpenAI interface, breaks as told, and remembers what it was asked; standard library only."""

import base64
import email.parser
import email.policy
import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import torch
from PIL import Image

from methods.generative.settings import CaptionerSettings, EditorSettings, GeneratorSettings

PATIENCE_S = 60
KEY = "sk-local-4f9a7c21e8"
USAGE = {"input_tokens": 320, "output_tokens": 1000, "input_tokens_details": {"text_tokens": 120, "image_tokens": 200}}


@dataclass
class Fault:
    """What the server does instead of answering.

    Attributes:
        status: of the response.
        body: JSON data, raw bytes, or an iterator of pieces that are sent as they come, without a length, until nobody reads on.
        headers: more headers.
        drop: close the connection without a word.
        wait: seconds before anything.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    wait: float = 0.0


@dataclass
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    fields: dict[str, Any]
    images: list[np.ndarray]
    at: float = field(default_factory=time.monotonic)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def error(message: str, code: str | None = None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def chat(content: str | None, finish: str = "stop", refusal: str | None = None) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": refusal}
    choices = [{"index": 0, "finish_reason": finish, "logprobs": None, "message": message}]
    usage = {"prompt_tokens": 900, "completion_tokens": 50, "total_tokens": 950}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "seer-1", "choices": choices, "usage": usage}


class Double:
    """The server: ``url`` is the base_url, ``asked`` the requests, ``faults`` what goes wrong next.

    No image is given before ``together`` requests have been under way at once.
    """

    def __init__(self, key: str | None = KEY) -> None:
        self.key = key
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.caption: Any = None
        self.usage: Any = None
        self.image_size_of: tuple[int, int] | None = None
        self.as_url: str | None = None
        self.files: dict[str, bytes] = {}
        self.delay = 0.0
        self.together = 1
        self.sent = 0
        self.under_way = self.peak = 0
        self.lock = threading.Lock()
        self.more = threading.Condition(self.lock)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"double": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.host = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{self.host}/v1"

    def posts(self) -> list[Asked]:
        return [each for each in self.asked if each.fields]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: Double

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.double.asked.append(Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, {}, []))
        content = self.double.files.get(self.path)
        self._send(200 if content else 404, content or b"not found", content_type="image/png")

    def do_POST(self) -> None:
        double = self.double
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fields, images = _parsed(self.headers.get("Content-Type", ""), body)
        with double.lock:
            double.asked.append(Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, fields, images))
            double.under_way += 1
            double.peak = max(double.peak, double.under_way)
            double.more.notify_all()
            if not self.path.endswith("/chat/completions"):
                double.more.wait_for(lambda: double.peak >= double.together, PATIENCE_S)
            fault = double.faults.pop(0) if double.faults else None
        try:
            time.sleep(double.delay + (fault.wait if fault else 0))
            self._answer(fault, fields, images)
        finally:
            with double.lock:
                double.under_way -= 1

    def _answer(self, fault: Fault | None, fields: dict[str, Any], images: list[np.ndarray]) -> None:
        double = self.double
        if fault and fault.drop:
            self.close_connection = True
            self.connection.shutdown(2)
        elif fault:
            self._send(fault.status, fault.body, fault.headers)
        elif double.key and self.headers.get("Authorization") != f"Bearer {double.key}":
            self._send(401, error(f"Incorrect API key provided: {self.headers.get('Authorization')}", "invalid_api_key"))
        elif self.path.endswith("/chat/completions"):
            caption = double.caption if double.caption is not None else f"an image of mean {images[0].mean():.3f}"
            told = chat(caption)
            self._send(200, told if double.usage is None else told | {"usage": double.usage}, {"x-request-id": "req-7"})
        else:
            self._send(200, self._painted(fields, images))

    def _painted(self, fields: dict[str, Any], images: list[np.ndarray]) -> dict[str, Any]:
        double = self.double
        width, height = double.image_size_of or tuple(int(side) for side in fields["size"].split("x"))
        seed = int(hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8], 16)
        small = images[0] if images else np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
        encoded = png(np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.NEAREST)))
        if double.as_url is None:
            return {"created": 1, "data": [{"b64_json": base64.b64encode(encoded).decode()}], "usage": USAGE}
        double.files["/v1/files/one.png"] = encoded
        return {"created": 1, "data": [{"url": double.as_url}], "usage": USAGE}

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None, content_type: str = "application/json") -> None:
        streamed = isinstance(body, Iterator)
        content = body if isinstance(body, bytes) or streamed else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if not streamed:
            self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = self.close_connection or streamed
        with suppress(ConnectionError):
            for piece in content if streamed else (content,):
                self.wfile.write(piece)
                self.double.sent += len(piece)


def _parsed(content_type: str, body: bytes) -> tuple[dict[str, Any], list[np.ndarray]]:
    if content_type.startswith("multipart/"):
        head = b"Content-Type: " + content_type.encode() + b"\r\nMIME-Version: 1.0\r\n\r\n"
        parts = list(email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body).iter_parts())
        fields = {}
        images = []
        for part in parts:
            content = part.get_payload(decode=True)
            if part.get_filename():
                images.append(np.asarray(Image.open(io.BytesIO(content))))
            else:
                fields[part["content-disposition"].params["name"]] = content.decode()
        return fields, images
    fields = json.loads(body)
    images = []
    for message in fields.get("messages", []):
        for part in message["content"]:
            if part["type"] == "image_url":
                encoded = part["image_url"]["url"].partition(",")[2]
                images.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded)))))
    return fields, images


def access(server: Any, **more: Any) -> dict[str, Any]:
    return {"base_url": server.url, "api_key_env": "LOCAL_KEY", "timeout": 20, "retries": 2} | more


def captioner(server: Any, options: dict[str, Any] | None = None, max_bytes: int = 512, **more: Any) -> CaptionerSettings:
    return CaptionerSettings(model="openai:seer-1", options=options or {}, max_bytes=max_bytes, access=access(server, **more))


def editor(server: Any, options: dict[str, Any] | None = None, **more: Any) -> EditorSettings:
    return EditorSettings(model="openai:painter-1", options={"size": "64x64"} | (options or {}), access=access(server, **more))


def generator(server: Any, options: dict[str, Any] | None = None, **more: Any) -> GeneratorSettings:
    return GeneratorSettings(model="openai:painter-1", options={"size": "64x64"} | (options or {}), access=access(server, **more))


def images(count: int, size: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def as_bytes(images: torch.Tensor) -> list[np.ndarray]:
    return [np.rint(image.numpy().transpose(1, 2, 0) * 255).astype(np.uint8) for image in images]
