"""The images that the page carries: scaled, each once, whole images left out where they do not fit, with what is known of each."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers import synthetic_run
from suite.report.page.data import Places
from suite.report.page.explorer import explorer_data
from suite.report.results import load_results
from suite.runs.layout import RunLayout


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run whose first two images were kept of two methods in one cell; the second method made the same as the first."""
    folder = synthetic_run.make_run(tmp_path, ("awgn",), ("psnr",))
    layout, rng = RunLayout(folder), np.random.default_rng(0)
    for image in ("set/00", "set/01"):
        made = rng.integers(0, 256, (64, 48, 3), np.uint8)
        for method, variant in ((None, ""), ("beta", "sa"), ("beta", "base"), ("fixed", "default")):
            cr = float("nan") if method == "fixed" else 1 / 24
            record = {"dataset": "kodak", "image": image, "method": method, "variant": variant, "cr": cr, "channel": "awgn", "snr_db": 4.0}
            path = layout.sample(record) if method else layout.original("kodak", image)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(made if method in ("beta", None) and variant else 255 - made).save(path)
    return folder


def explored(run_dir: Path, **settings: Any) -> dict[str, Any]:
    document = json.loads((run_dir / "run.json").read_text())
    (run_dir / "run.json").write_text(json.dumps(document | {"grid": {"sheet": {"explorer": settings}}}))
    results = load_results(run_dir)
    return explorer_data(results, RunLayout(run_dir), Places(results))


def decoded(source: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/webp;base64,")))))


def test_images_are_scaled_down_and_stand_there_once(run_dir: Path) -> None:
    found = explored(run_dir, pixels=32, quality=100)
    assert [image["id"] for image in found["images"]] == ["set/00", "set/01"] and len(found["samples"]) == 6
    # Original and fixed rate are the same picture, and so are both variants of beta.
    assert len(found["pictures"]) == 4 and {decoded(each).shape for each in found["pictures"]} == {(32, 24, 3)}
    whole = explored(run_dir, quality=100)
    stored = np.asarray(Image.open(RunLayout(run_dir).original("kodak", "set/00")))
    assert np.array_equal(decoded(whole["pictures"][whole["images"][0]["src"]]), stored), "100 is without loss"
    assert len(str(explored(run_dir, quality=10)["pictures"])) < 0.5 * len(str(whole["pictures"]))


def test_values_and_symbols_are_those_of_the_records(run_dir: Path) -> None:
    found = explored(run_dir)
    records = load_results(run_dir).records
    for sample in found["samples"]:
        assert sample["channel"] == 0 and sample["snr"] == 1
    fixed = next(each for each in found["samples"] if each["symbols"][0] == 0)
    row = records.query("method == 'fixed' and image == 'set/00' and snr_db == 4 and repetition == 0").iloc[0]
    assert fixed["values"] == [pytest.approx(row["psnr"], rel=1e-5)] and fixed["symbols"] == [0, 426, 0, 426] and "text_ok" not in fixed


def test_whole_images_are_left_out_where_they_do_not_fit_or_are_not_asked_for(run_dir: Path) -> None:
    one = explored(run_dir, quality=100, megabytes=0.04)
    assert [image["id"] for image in one["images"]] == ["set/00"] and one["left_out"] == 1
    none = explored(run_dir, images=0)
    assert none["images"] == none["pictures"] == [] and none["left_out"] == 2
