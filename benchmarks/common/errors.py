"""The one root of everything foreseen, and the errors that all packages share; each message names the bad value and the way out."""

from typing import ClassVar


class SemcomError(Exception):
    """Base class of everything that a user can mend, in every package of the project.

    Class attributes:
        headline: the word that a command puts before the message.
        exit_code: the exit status of a command that ends with it.
    """

    headline: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2


def printable(text: str) -> str:
    r"""Return ``text`` as it can be shown and stored as UTF-8: bytes of a file name that are none are spelled ``\xe9``."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()


def sentence_of(error: BaseException) -> str:
    """Return ``Name: message`` of an exception as it can be shown and stored, whatever its own code does when it is asked for it."""
    try:
        message = f"{error}"
    # It is foreign code that speaks here, and may raise anything.
    except BaseException:  # noqa: BLE001, RUF100
        message = "its message cannot be read"
    return printable(f"{type(error).__name__}: {message}")


class BenchmarkError(SemcomError):
    """Base class of everything that goes wrong inside ``benchmarks``."""

    def __str__(self) -> str:
        # Messages name files, and go into records.
        return printable(super().__str__())


class UnknownNameError(BenchmarkError, KeyError):
    """A name that stands for nothing; the message suggests the nearest one that does."""

    def __str__(self) -> str:
        return str(self.args[0])


class DuplicateNameError(BenchmarkError):
    """Two definitions claim one name."""


class UnreadableSourceError(BenchmarkError):
    """A source file in a folder of registered modules that is no valid Python."""


class StorageError(BenchmarkError):
    """A bucket that is missing, denied or out of reach."""


class BudgetError(BenchmarkError):
    """A signal with more symbols than its budget allows."""


class SignalError(BenchmarkError):
    """A signal that cannot be put on the air: not finite, silent, or of the wrong shape."""


class LinkError(BenchmarkError):
    """A link that cannot do what was asked of it, such as a message that is too long."""


class DatasetError(BenchmarkError):
    """A data set that is missing, empty or laid out otherwise than its format says."""


class ImageError(BenchmarkError):
    """One image that cannot be read; the data set it is in stays usable."""


class PixelsError(BenchmarkError):
    """Pixels that cannot be stored or scored: not finite, out of range, or of the wrong type or shape."""


class MetricUnavailableError(BenchmarkError):
    """A metric whose weights or package are not here; the message says where to get them."""


class WeightsFileError(BenchmarkError):
    """A file that holds no weights, or more than weights; the message names the file and the cause."""
