"""What a method prints while it is checked: counted, and told in one line instead of flooding the terminal."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

SHOWN = 80


class Printed(io.TextIOBase):
    """Takes text in the place of standard output.

    Attributes:
        lines: how many were printed.
        first: the first one, cut.
    """

    def __init__(self) -> None:
        self.lines = 0
        self.first = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.lines += text.count("\n")
        if not self.first:
            self.first = text.strip().partition("\n")[0][:SHOWN]
        return len(text)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take what is printed within a block."""
        with redirect_stdout(self):
            yield

    def __str__(self) -> str:
        if not self.first:
            return ""
        return f"note: its code prints, {max(1, self.lines):,} lines here, the first '{self.first}'; a run would print them for every cell"
