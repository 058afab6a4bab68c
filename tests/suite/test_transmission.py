"""One image through one method, against the record of the same cell, without Ray."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.common.errors import ImageError, UnknownNameError
from benchmarks.metrics import Scorer
from helpers.places import ROOT
from suite.config.compose import compose
from suite.errors import EvaluationError
from suite.evaluate.executors.inline import inline
from suite.prepare import SHIPPED, prepare
from suite.runs.records import load
from suite.train.checkpoint import find
from suite.transmission import as_rgb, transmit


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    """An image that must be resized and stretched."""
    folder = tmp_path_factory.mktemp("folder")
    rows, columns = np.mgrid[0:90, 0:120]
    pixels = np.stack([rows * 2, columns * 2, (rows * columns) % 256], axis=2).astype(np.uint8)
    Image.fromarray(pixels).resize((150, 80), Image.Resampling.BICUBIC).save(folder / "photo.png")
    return folder / "photo.png"


def recorded(photo: Path, method: str, out: Path):
    """Evaluate the image on the quick grid with the weights that come with it."""
    grid = compose("quick", method, "folder", None, ["metrics=[psnr]", "cr=[1/24]", "channels=[rayleigh]", "snr_db=[7]", "sheet.images=0"])
    prepared = prepare(grid, photo.parent)
    checkpoints = {job: found for job in prepared.jobs.values() if (found := find(job.identity, [SHIPPED]))}
    assert list(inline(prepared.units("run", checkpoints), out))
    (record,) = load(out).to_dict("records")
    return record


@pytest.mark.parametrize("method", ["deepjscc", "swinjscc/base", "digital/jpeg"])
def test_it_is_what_an_evaluation_records_of_the_same_cell(method, photo, tmp_path):
    record = recorded(photo, method, tmp_path / "run")
    assert record["status"] == "ok"
    name, _, variant = method.partition("/")
    sent = transmit(name, photo, "1/24", 7.0, "rayleigh", variant=variant or None, name=record["image"])
    scorer = Scorer(["psnr"])
    psnr = scorer.score(scorer.reference("original", sent.original), sent.reconstruction)["psnr"]
    assert float(psnr) == record["psnr"]
    assert (sent.symbols, sent.measured_snr_db) == (record["symbols_total"], record["measured_snr_db"])
    assert sent.reconstruction.shape == (64, 64, 3) and sent.reconstruction.dtype == np.uint8
    assert sent.method == f"{record['method']}/{record['variant']}" and sent.text is None and sent.decoded is None


def test_a_checkpoint_of_ones_own_and_another_draw(photo):
    path = next(SHIPPED.glob("deepjscc-default-1_48-*.safetensors"))
    first = transmit("deepjscc", photo, "1/48", weights=path)
    assert np.array_equal(first.reconstruction, transmit("deepjscc", Image.open(photo), "1/48").reconstruction)
    again = transmit("deepjscc", photo, "1/48", repetition=1)
    assert first.symbols == again.symbols == 256 and not np.array_equal(first.reconstruction, again.reconstruction)
    with pytest.raises(EvaluationError, match=r"holds weights of deepjscc at CR 1/48, not of deepjscc at CR 1/24"):
        transmit("deepjscc", photo, weights=path)
    with pytest.raises(EvaluationError, match="digital/jpeg has no weights"):
        transmit("digital", photo, weights=path)
    with pytest.raises(EvaluationError, match="no weights for deepjscc/default 1/7"):
        transmit("deepjscc", photo, "1/7")
    with pytest.raises(EvaluationError, match="no readable card"):
        transmit("deepjscc", photo, weights=str(photo))
    with pytest.raises(UnknownNameError, match="unknown channel 'awgm'. Did you mean 'awgn'"):
        transmit("deepjscc", photo, channel="awgm")


def test_an_image_may_be_a_file_an_opened_one_or_an_array(photo):
    expected = as_rgb(photo, (64, 64))
    opened = Image.open(photo)
    assert np.array_equal(as_rgb(str(photo), (64, 64)), expected) and np.array_equal(as_rgb(opened, (64, 64)), expected)
    pixels = np.asarray(opened)
    assert np.array_equal(as_rgb(pixels, (64, 64)), expected)
    assert np.array_equal(as_rgb(pixels.astype(np.float32) / 255, (64, 64)), expected)
    assert np.array_equal(as_rgb(expected, (64, 64)), expected)
    for wrong in (pixels[..., 0], pixels.astype(np.int64), np.full((8, 8, 3), 2.0)):
        with pytest.raises(ImageError, match=r"is no image; give \(H, W, 3\)"):
            as_rgb(wrong, (64, 64))


def test_neither_it_nor_an_evaluation_in_this_process_imports_ray():
    code = "import sys, suite.transmission, suite.evaluate.executors.inline, suite.evaluate.runner; sys.exit('ray' in sys.modules)"
    assert subprocess.run((sys.executable, "-c", code), cwd=ROOT).returncode == 0
