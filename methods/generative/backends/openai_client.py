"""The connection to an OpenAI-compatible server: the official client in the one event loop of this process.

::

    callers ──start──> the event loop ──at most `concurrency`──> AsyncOpenAI ──> server
        they wait         the client repeats faults and waits as Retry-After says, up to two minutes;
        for futures       a longer Retry-After is waited for here, as long as `patience` lasts

Every call is a task of the loop, whoever asks and however many at once: only there can a call be given up at its limit of time, or
with the one who waits for it, whatever the server does.

The key is read from the environment, goes into the client and nowhere else: what a server says is searched for it.
"""

import asyncio
import json
import logging
import math
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urljoin, urlsplit

from pydantic import Field, field_validator

from methods.generative.backends.base import Options
from methods.generative.backends.openai_replies import REFUSALS, short, told_error
from methods.generative.responses import GenerativeError, ModelUnavailableError, RefusalError, UnusableResponseError

if TYPE_CHECKING:
    import openai

OPENAI = "https://api.openai.com/v1"
_CLIENT_WAITS_UP_TO = 120.0
_FOR_GOOD = {401: "the key is not accepted", 403: "access is denied", 404: "there is no such model or address"}
_log = logging.getLogger(__name__)
T = TypeVar("T")


class Access(Options):
    """How a server is reached.

    Attributes:
        base_url: address that ends where ``/chat/completions`` begins.
        api_key_env: environment variable that holds the key; by default OPENAI_API_KEY for OpenAI itself and no key for others.
        concurrency: calls under way at a time, of each model and process.
        timeout: seconds until a call whose answer has not arrived in full is given up and repeated.
        retries: repetitions after faults of the server or the network.
        patience: seconds in all that one call waits where the server asks for more than two minutes.
        response_format: how images are to be sent; left out of the request by default, because OpenAI's own models accept none.
    """

    base_url: str = OPENAI
    api_key_env: str | None = None
    concurrency: int = Field(default=16, ge=1)
    timeout: float = Field(default=300.0, gt=0)
    retries: int = Field(default=5, ge=0, le=100)
    patience: float = Field(default=3600.0, ge=0)
    response_format: Literal["b64_json", "url"] | None = None

    @field_validator("base_url")
    @classmethod
    def _plain(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise ValueError("must be an address such as http://localhost:8000/v1")
        if parts.username or parts.password or parts.query:
            raise ValueError("must hold no user name, password or query; put a key into the environment and name it in api_key_env")
        return value.rstrip("/")

    @property
    def key_variable(self) -> str | None:
        """The environment variable that must hold a key, ``None`` where none is sent."""
        return self.api_key_env or ("OPENAI_API_KEY" if self.base_url == OPENAI else None)

    @property
    def seconds_in_all(self) -> float:
        """How long one call may take with all its tries and the waits between them."""
        return self.timeout * (self.retries + 1) + _CLIENT_WAITS_UP_TO * self.retries + self.patience

    def key(self) -> str:
        """Return the key, "" where none is sent.

        Raises:
            ModelUnavailableError: the environment holds none, or one that no header can carry.
        """
        if self.key_variable is None:
            return ""
        value = os.environ.get(self.key_variable, "").strip()
        if not value:
            raise ModelUnavailableError(f"the environment variable {self.key_variable} holds no key for {self.base_url}; set it")
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise ModelUnavailableError(f"the key in {self.key_variable} has a space or a character that no key has; copy it again")
        return value


class Connection:
    """A client in the event loop of this process; its calls are awaited there, in works that any thread may start.

    Args:
        access: address, key variable and limits.
        sleep: waits for a number of seconds, where a server asks for more than two minutes.
    """

    def __init__(self, access: Access, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.access = access
        self._sleep = sleep
        self._client: openai.AsyncOpenAI | None = None
        self._slots = asyncio.Semaphore(access.concurrency)
        self._key = ""
        self._refused: str | None = None

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begin ``work`` in the event loop and return at once; cancelling the future stops it."""
        return asyncio.run_coroutine_threadsafe(work, _loop(os.getpid()))

    async def call(self, ask: "Callable[[openai.AsyncOpenAI], Awaitable[Any]]", most_bytes: int) -> tuple[Any, dict[str, Any]]:
        """Return the JSON body that ``ask`` gets through the client's raw interface, and what its headers tell.

        Raises:
            RefusalError: the server's content policy.
            ModelUnavailableError: no key, a wrong one, no such model, no server, no quota left.
            UnusableResponseError: the answer is longer than ``most_bytes``, or not JSON.
            GenerativeError: any other failure, after the repetitions.
        """
        return await self._guarded(lambda client: self._json(client, ask), most_bytes)

    async def fetch(self, url: str, most_bytes: int) -> bytes:
        """Return what lies at ``url``, which may be relative, on the server itself: no other is contacted.

        Raises:
            GenerativeError: it lies elsewhere, cannot be fetched, or is longer than ``most_bytes``.
        """
        return await self._guarded(lambda client: self._content(client, url), most_bytes, of_model=False)

    async def _guarded(self, work: "Callable[[openai.AsyncOpenAI], Awaitable[T]]", most_bytes: int, of_model: bool = True) -> T:
        import httpx2
        import openai

        # Late: it loads the official client, which options are checked without.
        from methods.generative.backends.openai_transport import allowed_bytes

        async with self._slots:
            if self._refused is not None:
                raise ModelUnavailableError(self._refused)
            client = self._connected()
            allowed_bytes.set(most_bytes)
            try:
                async with asyncio.timeout(self.access.seconds_in_all):
                    return await self._patiently(client, work)
            except TimeoutError:
                failure = GenerativeError(
                    f"{urlsplit(self.access.base_url).netloc} put off its answer for {self.access.seconds_in_all:g} s in all; ask later"
                )
            except openai.APIError as error:
                failure = self._failure(error, of_model)
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                failure = GenerativeError(f"the image's address cannot be fetched ({type(error).__name__})")
            # Out of the handler, so that no traceback leads to the client's own error and what the server wrote there.
            raise failure

    def _connected(self) -> "openai.AsyncOpenAI":
        import httpx2
        import openai

        # Late: it loads the official client, which options are checked without.
        from methods.generative.backends.openai_transport import Bounded

        if self._client is None:
            access = self.access
            self._key = access.key()
            limits = httpx2.Timeout(access.timeout, connect=min(access.timeout, 10.0))
            self._client = openai.AsyncOpenAI(
                api_key=self._key or "none",
                base_url=access.base_url,
                timeout=limits,
                max_retries=access.retries,
                http_client=Bounded(access.base_url, access.timeout, timeout=limits),
            )
        return self._client

    async def _patiently(self, client: "openai.AsyncOpenAI", work: "Callable[[openai.AsyncOpenAI], Awaitable[T]]") -> T:
        import openai

        waited = 0.0
        while True:
            try:
                return await work(client)
            except openai.APIStatusError as error:
                delay = _long_wait(error)
                if delay is None or waited + delay > self.access.patience:
                    raise
            _log.warning("%s asks to wait %.0f s before the next call", urlsplit(self.access.base_url).hostname, delay)
            waited += delay
            await self._sleep(delay)

    async def _json(
        self, client: "openai.AsyncOpenAI", ask: "Callable[[openai.AsyncOpenAI], Awaitable[Any]]"
    ) -> tuple[Any, dict[str, Any]]:
        response = await ask(client)
        told = {"request_id": response.headers.get("x-request-id"), "retries": response.retries_taken}
        try:
            payload = self._without_key(json.loads(response.content))
        except ValueError:
            raise UnusableResponseError("the server's answer is malformed: it is not JSON") from None
        except RecursionError:
            raise UnusableResponseError("the server's answer is malformed: it is nested without end") from None
        return payload, self._without_key({name: value for name, value in told.items() if value is not None})

    async def _content(self, client: "openai.AsyncOpenAI", url: str) -> bytes:
        import httpx2

        # Late: it loads the official client, which options are checked without.
        from methods.generative.backends.openai_transport import same_server

        try:
            target = urljoin(f"{self.access.base_url}/", url)
        except ValueError:
            raise UnusableResponseError("the server's address of an image is no address, so it cannot be fetched") from None
        if not same_server(target, self.access.base_url):
            raise UnusableResponseError(
                f"the server names an image at {short(urlsplit(target).netloc) or 'no server'}, which cannot be fetched: only "
                f"{urlsplit(self.access.base_url).netloc} is contacted; set access.response_format: b64_json to get images in the answer"
            )
        return (await client.get(target, cast_to=httpx2.Response)).content

    def _failure(self, error: "openai.APIError", of_model: bool) -> GenerativeError:
        import httpx2
        import openai

        host = urlsplit(self.access.base_url).netloc
        tries = f"after {self.access.retries + 1} tries"
        if isinstance(error, openai.APITimeoutError):
            return GenerativeError(f"{host} gave no answer within {self.access.timeout:g} s, {tries}; raise access.timeout or ask later")
        if isinstance(error, openai.APIConnectionError):
            if isinstance(error.__cause__, httpx2.ConnectError):
                return ModelUnavailableError(f"{host} cannot be reached, {tries}; start the server or correct access.base_url")
            return GenerativeError(f"{host} broke off the connection, {tries}; ask again")
        code, message = told_error(error.body)
        words = self._without_key(message or short(error.message))
        if not isinstance(error, openai.APIStatusError):
            return GenerativeError(f"{host}: {words}")
        if code in REFUSALS:
            return RefusalError(f"{host} declines by its content policy: {words}")
        status = error.status_code
        if of_model and (status in _FOR_GOOD or code == "insufficient_quota"):
            what = _FOR_GOOD.get(status, "the quota is used up")
            # Asking on would give the same answer as often as there are images.
            self._refused = f"{host}: {what} ({status}): {words}; set this right and run again"
            return ModelUnavailableError(self._refused)
        return GenerativeError(f"{host} answered with status {status}: {words}")

    def _without_key(self, value: Any) -> Any:
        if not self._key:
            return value
        if isinstance(value, str):
            return value.replace(self._key, "***")
        if isinstance(value, list):
            return [self._without_key(each) for each in value]
        if isinstance(value, dict):
            return {self._without_key(name): self._without_key(each) for name, each in value.items()}
        return value


def _long_wait(error: "openai.APIStatusError") -> float | None:
    """Return the seconds that a server asks to wait where the client gives up, ``None`` where it does not."""
    headers = error.response.headers
    if (error.status_code not in {408, 409, 429} and error.status_code < 500) or headers.get("x-should-retry") == "false":
        return None
    text = headers.get("retry-after", "")
    try:
        delay = float(text)
    except ValueError:
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        delay = (until - datetime.now(UTC)).total_seconds()
    return delay if math.isfinite(delay) and delay > _CLIENT_WAITS_UP_TO else None


_loops: dict[int, asyncio.AbstractEventLoop] = {}
_loops_lock = threading.Lock()


def _loop(process: int) -> asyncio.AbstractEventLoop:
    """Return the running loop of the process; a forked child has none of its parent's threads, so it gets its own."""
    with _loops_lock:
        if process not in _loops:
            _loops[process] = asyncio.new_event_loop()
            threading.Thread(target=_loops[process].run_forever, name=f"generative-{process}", daemon=True).start()
        return _loops[process]
