"""Files that appear whole or not at all: written beside their place and renamed into it."""

import json
import os
import re
import uuid
from collections.abc import Callable
from io import BytesIO
from typing import IO, Any

import numpy as np

from suite.storage import Place, RemotePath

# What a killed process leaves of a file that had not yet its name.
PARTIAL = re.compile(r"\..+\.\d+-[0-9a-f]{8}\.partial")


def write_atomic(path: Place, write: Callable[[IO[bytes]], object]) -> None:
    """Let ``write`` fill a file that then replaces ``path`` in one step, safe for several writers at once.

    Raises:
        OSError, StorageError: the file cannot be written; what was at ``path`` before is untouched.
    """
    if isinstance(path, RemotePath):
        buffer = BytesIO()
        write(buffer)
        path.write_bytes(buffer.getvalue())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.partial")
    try:
        with partial.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Place, content: Any) -> None:
    """Write ``content`` as readable JSON, atomically."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Place, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    write_atomic(path, lambda file: file.write(text.encode()))


def write_png(path: Place, pixels: np.ndarray) -> None:
    """Write uint8 (H, W, 3) or grey (H, W) pixels as PNG, atomically."""
    from PIL import Image

    write_atomic(path, lambda file: Image.fromarray(pixels).save(file, format="PNG"))
