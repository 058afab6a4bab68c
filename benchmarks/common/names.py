"""Names that people type: what a misspelt one may have meant, and the one sentence for a name that stands for nothing."""

import difflib
import re
from collections.abc import Iterable

from benchmarks.common.errors import UnknownNameError


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the known name closest to ``name``, or an empty string."""
    # Itself is no other one.
    close = difflib.get_close_matches(name, [each for each in known if each != name], n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""


def unknown(kind: str, name: str, known: Iterable[str], besides: str = "") -> UnknownNameError:
    """Return the error of a ``kind`` of thing ("method", "data set") that has none called ``name``, ``besides`` how else one is named."""
    names = list(known)
    more = f" {besides}" if besides else ""
    return UnknownNameError(f"unknown {kind} '{name}'.{suggestion(name, names)} Known: {', '.join(names)}.{more}")


def slug(name: str) -> str:
    """Return a name as file names hold it that people read.

    Example:
        >>> slug("16-QAM 1/2, Es/N0")
        '16-qam-1-2-es-n0'
    """
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()
