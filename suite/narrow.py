"""Listings that can be read in a narrow terminal and in a log: columns without frames, the last of which wraps between words."""

import shutil
import textwrap
from collections.abc import Iterable, Sequence

# A terminal that is narrower, or a log without a width of its own.
LEAST, USUAL = 60, 80
GAP = 2


def columns(rows: Iterable[Sequence[object]], width: int | None = None) -> str:
    """Return rows as columns; all but the last stay on one line, and no word or address is broken inside.

    Args:
        rows: of equal length.
        width: in characters; the terminal's if not given.

    Example:
        >>> print(columns([("kodak", "24 photographs"), ("duts", "salient objects with masks")], width=60))
        kodak  24 photographs
        duts   salient objects with masks
    """
    texts = [[" ".join(str(value).split()) for value in row] for row in rows]
    if not texts:
        return ""
    wide = max(LEAST, width or shutil.get_terminal_size((USUAL, 24)).columns)
    spans = [max(len(row[column]) for row in texts) + GAP for column in range(len(texts[0]) - 1)]
    # A long name takes a line of its own rather than the room of the text.
    indent = min(sum(spans), wide // 2)
    lines = []
    for row in texts:
        head = "".join(value.ljust(span) for value, span in zip(row, spans, strict=False))
        body = textwrap.wrap(row[-1], wide - indent, break_long_words=False, break_on_hyphens=False) or [""]
        if len(head) > indent and head[indent - 1 :].strip():
            lines.append(head.rstrip())
            head = ""
        lines += [f"{(head if not number else '')[:indent].ljust(indent)}{part}".rstrip() for number, part in enumerate(body)]
    return "\n".join(lines)
