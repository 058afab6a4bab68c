"""Metrics against the values that their authors' code gives on pairs of TID2013, and CLIPScore against its own example.

::

    DIR/ResultsCalibra/ref_dir/I03.*, dist_dir/I03.* ...             as in the repository of IQA-PyTorch
    DIR/clipscore/example/images/*, good_captions.json, bad_captions.json   as in the repository of clipscore
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.errors import BenchmarkError
from benchmarks.datasets.images import read_rgb
from benchmarks.metrics import MetricSettings, Scorer, check
from suite.calibration.comparison import Comparison, published

PAIRS, EXAMPLE = "ResultsCalibra", Path("clipscore", "example")
# pyiqa's own values differ from the authors' by so much of each metric's values on these pairs, I19 apart.
SHARE, LEAST = 0.02, 0.01
CLIP, PREFIX, WEIGHT = "clip_score_vit_b_32", "A photo depicts ", 2.5
_NOT_METRICS = frozenset({"source", "what", "images"})


def calibration_pairs(data_dir: Path | None) -> Iterator[Comparison]:
    """Yield each metric's published and our value of each pair, where images and weights are here."""
    there = published()["image_quality"]
    folder = None if data_dir is None else data_dir / PAIRS
    for name in [name for name in there if name not in _NOT_METRICS]:
        why = _missing(name, folder)
        if why or folder is None:
            yield Comparison(f"{name} of TID2013 pairs", there["source"], math.nan, None, remark=why)
            continue
        scorer = Scorer([name])
        for image, value in zip(there["images"], there[name], strict=True):
            reference, distorted = (read_rgb(_file(folder / part, image), None) for part in ("ref_dir", "dist_dir"))
            ours = scorer.score(scorer.reference(image, reference), distorted)[name]
            tolerance = max(LEAST, SHARE * abs(value))
            # The no-reference metrics' own implementations differ on the last pair.
            strict = image != there["images"][-1] or name not in ("niqe", "brisque_live")
            remark = "" if strict else "implementations differ on this pair"
            yield Comparison(f"{name} of {image}", there["source"], value, ours, tolerance if strict else None, remark, 4)


def clip_score_example(data_dir: Path | None) -> Iterator[Comparison]:
    """Yield CLIPScore of the example's good and of its bad captions."""
    there = published()["clip_score"]
    folder = None if data_dir is None else data_dir / EXAMPLE
    why = check([CLIP], MetricSettings())[CLIP] or (
        f"the folder {EXAMPLE} of jmhessel/clipscore is not in the data folder" if _absent(folder) else ""
    )
    for which in ("good_captions", "bad_captions"):
        ours = None if why or folder is None else _mean_clip_score(folder, which)
        yield Comparison(f"CLIPScore, {which.replace('_', ' ')}", there["source"], there[which], ours, 0.002, why, 4)


def _mean_clip_score(folder: Path, which: str) -> float:
    captions: dict[str, Any] = json.loads((folder / f"{which}.json").read_text(encoding="utf-8"))
    scorer, found = Scorer([CLIP]), []
    for path in sorted((folder / "images").iterdir()):
        if path.stem in captions:
            pixels = read_rgb(path, None)
            reference = scorer.reference(path.stem, pixels, PREFIX + str(captions[path.stem]))
            found.append(WEIGHT * scorer.score(reference, pixels)[CLIP] / 100.0)
    return float(np.mean(found)) if found else math.nan


def _missing(name: str, folder: Path | None) -> str:
    """Return what a metric lacks to be compared, "" where nothing is."""
    if why := check([name], MetricSettings())[name]:
        return why
    return f"the folder {PAIRS} of IQA-PyTorch is not in the data folder" if _absent(folder) else ""


def _absent(folder: Path | None) -> bool:
    return folder is None or not folder.is_dir()


def _file(folder: Path, stem: str) -> Path:
    """Return the image of a name, whatever its suffix.

    Raises:
        BenchmarkError: there is none.
    """
    found = sorted(path for path in folder.iterdir() if path.stem.lower() == stem.lower()) if folder.is_dir() else []
    if not found:
        raise BenchmarkError(f"{folder} holds no image {stem}; take the whole folder {PAIRS}")
    return found[0]
