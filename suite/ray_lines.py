"""What Ray writes to the terminal beside the suite's own lines, left out where it says nothing to a user."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any

# What the core writes, whatever its log level, where that is set.
STRAY = b"Set ray log level from environment variable"
# What the core tells of actors that this process or Ray Data ended on purpose, as at Ctrl-C.
KILLED = "killed by `ray.kill`"


@contextmanager
def without_stray_lines() -> Iterator[None]:
    """Leave out of the standard error output of a block what Ray's core says of its own log level; the rest comes at the end of it."""
    with TemporaryFile() as kept:
        sys.stderr.flush()
        terminal = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            kept.seek(0)
            for line in kept:
                if STRAY not in line:
                    os.write(2, line)


def leave_out_own_kills() -> None:
    """Let Ray tell nothing of actors that were ended on purpose; it has no setting for that, and tells all else as before."""
    from ray._private import worker

    tell = getattr(worker, "print_to_stdstream", None)
    if tell is None or hasattr(tell, "told_by"):
        return

    def chosen(data: dict[str, Any], ignore_prefix: bool) -> None:
        if lines := [line for line in data["lines"] if KILLED not in line]:
            tell(data | {"lines": lines}, ignore_prefix)

    chosen.told_by = tell  # type: ignore[attr-defined]
    worker.print_to_stdstream = chosen
