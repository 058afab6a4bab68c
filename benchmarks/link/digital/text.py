"""Text of a message at the receiver: made readable, and compared with what was sent."""

import functools
import unicodedata
from typing import Any

from rapidfuzz.distance import Levenshtein


def readable(message: bytes) -> str:
    """Decode UTF-8 that may be damaged: U+FFFD for what is no character, a space for control characters, U+FFFD for unassigned ones."""
    return "".join(_printable(character) for character in message.decode("utf-8", errors="replace"))


def _printable(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if category in ("Cn", "Co", "Cs") else character


def char_error_rate(sent: str, received: str | None) -> float:
    """Return the Levenshtein distance over the number of characters sent; 1 where nothing was received.

    Insertions can take it above 1. An empty text received as it was sent has rate 0.
    """
    if received is None:
        return 1.0
    return Levenshtein.distance(sent, received) / max(len(sent), 1)


def chrf(sent: str, received: str) -> float:
    """Return how much of a text arrived, 0 to 100: chrF2 (Popović, WMT 2015), the F-score of its character n-grams up to six, by sacrebleu.

    The received text is the hypothesis, the sent one the reference. A rate of errors counts a lost word in the middle as it counts as many
    wrong letters anywhere; here the words that came through whole count.
    """
    return float(_chrf().sentence_score(received, [sent]).score)


@functools.cache
def _chrf() -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF()
