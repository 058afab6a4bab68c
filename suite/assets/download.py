"""One file over HTTP: a part that is there goes on where it was cut off, the digest decides, and what is whole appears in one step."""

import errno
import json
import logging
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from benchmarks.common.atomic import write_text
from suite.errors import AssetError

TRIES = 5
TIMEOUT_S = 60.0
_CHUNK = 1 << 16
_PART, _FACTS = ".part", ".part.json"
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
# Bytes so far and bytes in all, 0 where these are not known.
Watch = Callable[[int, int], None]


class Resuming:
    """Downloads a file for pooch, keeping what has come beside its place until all has.

    Args:
        part: where what has come is kept; it goes on there when it is called again.
        watch: hears of what has come.
    """

    def __init__(self, part: Path, watch: Watch) -> None:
        self._part, self._facts = part.with_name(part.name + _PART), part.with_name(part.name + _FACTS)
        self._watch = watch
        self._answered = False

    def __call__(self, url: str, output_file: str | IO[bytes], pooch: Any) -> None:
        """Write the file at ``url`` to ``output_file``.

        Raises:
            AssetError: the server answers with an error, or breaks off again and again.
            OSError: the disk is full, or the place cannot be written.
        """
        for attempt in range(TRIES):
            if self._went_on(url):
                break
            if attempt == TRIES - 1:
                raise AssetError(f"{url} broke off {TRIES} times; what has come is kept, run the same command again to go on")
        self._facts.unlink(missing_ok=True)
        if isinstance(output_file, str | Path):
            # Beside it, so nothing is copied.
            shutil.move(self._part, output_file)
            return
        with self._part.open("rb") as whole:
            shutil.copyfileobj(whole, output_file)
        self._part.unlink()

    def forget(self) -> None:
        """Throw away what has come."""
        self._part.unlink(missing_ok=True)
        self._facts.unlink(missing_ok=True)

    def _went_on(self, url: str) -> bool:
        """Fetch what is lacking; return whether the file is whole now."""
        import requests

        have = self._part.stat().st_size if self._part.is_file() else 0
        known = self._known(url) if have else {}
        if have and not known:
            have = 0
        headers = {"Range": f"bytes={have}-", "If-Range": known["tag"]} if have else {}
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
                if answer.status_code == 416 and have and have == known.get("size"):
                    return True
                if answer.status_code not in (200, 206):
                    raise AssetError(
                        f"{url} answers {answer.status_code} {answer.reason}; look at its page, or name a --mirror that has the file"
                    )
                return self._kept(url, answer, have if answer.status_code == 206 else 0)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            if not self._answered:
                raise AssetError(
                    f"{url} cannot be reached ({_cause(error)}); check the network, or name a --mirror that has the file"
                ) from error
            return False

    def _kept(self, url: str, answer: Any, have: int) -> bool:
        self._answered = True
        span = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status_code == 206 and (span is None or int(span[1]) != have):
            # Another stretch than was asked for.
            self.forget()
            return False
        length = answer.headers.get("Content-Length", "")
        size = have + int(length) if length.isdecimal() and not answer.headers.get("Content-Encoding") else 0
        _check_room(self._part.parent, max(0, size - have), url)
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        # A weak tag names no bytes.
        if tag and not tag.startswith("W/") and size:
            write_text(self._facts, json.dumps({"url": url, "tag": tag, "size": size}))
        with self._part.open("ab" if have else "wb") as file:
            self._watch(have, size)
            for block in answer.iter_content(_CHUNK):
                file.write(block)
                have += len(block)
                self._watch(have, size)
        return not size or have == size

    def _known(self, url: str) -> Mapping[str, Any]:
        try:
            facts = json.loads(self._facts.read_text())
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) and facts.get("url") == url and facts.get("tag") else {}


def fetch(url: str, name: str, folder: Path, digest: str, watch: Watch) -> tuple[Path, str]:
    """Return a file below ``folder`` and its SHA-256, downloading it if it is not there.

    Args:
        url: where it is.
        name: what it is called.
        folder: for downloads; made if it is not there.
        digest: as in :class:`suite.assets.catalog.RemoteFile`; "" to accept whatever comes.
        watch: hears of what has come.

    Raises:
        AssetError: it cannot be had, or is another file.
        OSError: the disk is full, or the folder cannot be written.
    """
    import pooch

    # It tells of each step on the terminal, and so do we.
    logging.getLogger("pooch").setLevel(logging.ERROR)
    pooch.get_logger().setLevel(logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    resuming = Resuming(folder / name, watch)
    known = digest if digest.startswith(("sha256:", "md5:")) else None
    try:
        path = Path(pooch.retrieve(url, known, fname=name, path=folder, downloader=resuming))
    except ValueError as error:
        resuming.forget()
        raise AssetError(_another(url, digest, str(error))) from error
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise AssetError(
            f"the disk of {folder} is full; free space or name another folder, and run the same command again to go on"
        ) from error
    found = pooch.file_hash(str(path), alg="sha256")
    if digest.startswith("sha256-begins:") and not found.startswith(digest.partition(":")[2]):
        path.unlink()
        raise AssetError(_another(url, digest, f"its SHA-256 is {found}"))
    return path, str(found)


def published_digest(url: str) -> str:
    """Return the digest that the server itself states of a file before it sends it, "" where it states none.

    The Hugging Face hub does so of its large files, in ``X-Linked-Etag``.
    """
    import requests

    if not url.startswith("https://huggingface.co/"):
        return ""
    try:
        stated = requests.head(url, allow_redirects=False, timeout=TIMEOUT_S).headers.get("X-Linked-Etag", "").strip('"')
    except requests.RequestException:
        # The download itself says what is wrong.
        return ""
    return f"sha256:{stated}" if re.fullmatch(r"[0-9a-f]{64}", stated) else ""


def _check_room(folder: Path, needed: int, url: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise AssetError(
            f"{url} takes {needed / 1e6:,.0f} MB more and {folder} has {free / 1e6:,.0f} MB free; free space or name another folder"
        )


def _another(url: str, digest: str, found: str) -> str:
    kind, _, digits = digest.partition(":")
    told = " ".join(found.split())[:200]
    meant = f"the one whose {kind.replace('-', ' ')} {digits}"
    return f"{url} sent another file than {meant} ({told}); it was thrown away, try again or name a --mirror"


def _cause(error: BaseException) -> str:
    lines = str(error.args[0] if error.args else error).splitlines()
    return (lines[0] if lines else type(error).__name__)[:160]
