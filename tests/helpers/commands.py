"""The command on the tiniest grid, over images in a folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from suite.run import app

TINY: Mapping[str, Any] = {
    **{"image_size": 32, "metrics": ["psnr"], "channels": ["awgn"], "cr": ["1/12"], "sheet.images": 0},
    **{"evaluation.unit": 1, "evaluation.workers": 1},
}


def call(method: str, out: Path, images: Path, **changes: Any) -> Result:
    """Run ``semcom`` with one method; what it printed, to which stream, and its exit code."""
    assignments = [part for key, value in {**TINY, **changes}.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    arguments = ["--methods", method, "--datasets", "folder", "--data-dir", str(images), "--out", str(out)]
    return CliRunner().invoke(app, [*arguments, *assignments])
