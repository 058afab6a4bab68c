"""A grid of the generative methods, what is compared of its records, and what its models were asked."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from helpers.openai_double import Double
from suite.evaluate.executors.inline import inline
from suite.evaluate.plan import WorkUnit
from suite.runs.records import load

TINY = {
    **{"features": 8, "dims": [8, 16], "depths": [1, 1], "heads": [2, 4], "score_width": 4, "importance_patch": 2},
    **{"background_dims": [4, 8], "background_heads": [1, 2], "objective": "mse"},
}
TRAINING = {"steps": 1, "batch": 2, "crop": 32, "warmup": 0, "validation_pictures": 1}
VALUES = ["psnr", "symbols_analog", "symbols_digital", "symbols_total", "text_ok", "text_char_error_rate", "text_cut", "cost_usd", "error"]
METHODS = ["nam24", "hosonuma25", {"name": "gened_sc", "variants": ["full"], "settings": TINY}]


def evaluated(units: Sequence[WorkUnit], out: Path) -> pd.DataFrame:
    assert list(inline(units, out))
    return load(out)


def questions(server: Double) -> list[str]:
    """What the server was asked, each in full."""
    return [f"{each.path} {sorted(each.fields.items())} {[hash(pixels.tobytes()) for pixels in each.images]}" for each in server.posts()]
