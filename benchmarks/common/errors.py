"""Errors the conditions can raise; each message names the bad value and the way out."""

import difflib
from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """Return `` Did you mean 'x'?`` for the known name closest to ``name``, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f" Did you mean '{close[0]}'?" if close else ""


def printable(text: str) -> str:
    r"""Return ``text`` as it can be shown and stored as UTF-8: bytes of a file name that are none are spelled ``\xe9``."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()


class BenchmarkError(Exception):
    """Base class of everything that goes wrong inside ``benchmarks``."""

    def __str__(self) -> str:
        # Messages name files, and go into records.
        return printable(super().__str__())


class BudgetError(BenchmarkError):
    """A signal with more symbols than its budget allows."""


class SignalError(BenchmarkError):
    """A signal that cannot be put on the air: not finite, silent, or of the wrong shape."""


class LinkError(BenchmarkError):
    """A link that cannot do what was asked of it: an unknown channel, a message that is too long."""


class DatasetError(BenchmarkError):
    """A data set that is missing, empty or laid out otherwise than its format says."""


class ImageError(BenchmarkError):
    """One image that cannot be read; the data set it is in stays usable."""


class MetricUnavailableError(BenchmarkError):
    """A metric whose weights or package are not here; the message says where to get them."""
