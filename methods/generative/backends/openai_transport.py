"""The HTTP client below the official one: one server, and a bound of time and bytes for whatever it sends.

::

    AsyncOpenAI ──send──> Bounded ──> the server of base_url, and no other, wherever a redirect points
                             └─ the whole body within `timeout` seconds and `allowed_bytes`, counted after decompression
"""

import asyncio
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from methods.generative.responses import ModelUnavailableError, UnusableResponseError

# The official client makes the requests of a call itself and hands no such number on; each call is a task with a context of its own.
allowed_bytes: ContextVar[int] = ContextVar("allowed_bytes", default=2**22)
_MOST_REDIRECTS = 5
# The body is handed on decoded and whole, so these no longer describe it.
_OF_THE_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class Bounded(openai.DefaultAsyncHttpxClient):
    """A client that contacts one server alone and reads no more of its answers, and no longer, than it may.

    Args:
        home: address of the server.
        seconds: from a request to the last byte of its answer.
        more: as for ``httpx2.AsyncClient``.
    """

    def __init__(self, home: str, seconds: float, **more: Any) -> None:
        super().__init__(**more)
        self._home = home
        self._seconds = seconds

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Return the answer with its body read, whatever ``options`` say of streams and redirects.

        Raises:
            ModelUnavailableError: a redirect leads to another server.
            UnusableResponseError: the body is too long.
            httpx2.ReadTimeout: it did not end in time.
        """
        kept = {name: value for name, value in options.items() if name not in {"stream", "follow_redirects"}}
        try:
            async with asyncio.timeout(self._seconds):
                return await self._answer(request, kept)
        except TimeoutError:
            raise httpx2.ReadTimeout("the answer did not end in time", request=request) from None

    async def _answer(self, request: httpx2.Request, options: dict[str, Any]) -> httpx2.Response:
        for _ in range(_MOST_REDIRECTS):
            self._check(request)
            response = await super().send(request, stream=True, follow_redirects=False, **options)
            try:
                if response.next_request is None:
                    return await self._read(response)
            finally:
                await response.aclose()
            request = response.next_request
        raise httpx2.TooManyRedirects("the server redirects in a circle", request=request)

    def _check(self, request: httpx2.Request) -> None:
        if not same_server(str(request.url), self._home):
            raise ModelUnavailableError(
                f"{urlsplit(self._home).netloc} redirects to another server, {request.url.netloc.decode()}, to which nothing is sent; "
                "put that server's address into access.base_url if it is the one you mean"
            )

    async def _read(self, response: httpx2.Response) -> httpx2.Response:
        most, content = allowed_bytes.get(), bytearray()
        async with aclosing(response.aiter_bytes()) as pieces:
            async for piece in pieces:
                content += piece
                if len(content) > most:
                    raise UnusableResponseError(f"the server's answer is longer than {most / 2**20:.3g} MiB and is not read to its end")
        headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in _OF_THE_TRANSFER]
        return httpx2.Response(response.status_code, headers=headers, content=bytes(content), request=response.request)


def same_server(one: str, other: str) -> bool:
    """Return whether two addresses have the same scheme, host and port."""
    first, second = httpx2.URL(one), httpx2.URL(other)
    return (first.scheme, first.host, first.port) == (second.scheme, second.host, second.port)
