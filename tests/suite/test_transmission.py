"""One image through one method, against the record of the same cell, without Ray."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import suite
from benchmarks.common.errors import ImageError, UnknownNameError
from benchmarks.common.project import REFERENCE
from benchmarks.metrics import Scorer
from helpers.places import ROOT
from methods.base import OperatingPoint
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


CARDS = sorted((REFERENCE / "checkpoints").glob("deepjscc-default-1_24-*.json"))


def test_a_method_that_is_opened_by_its_card_sends_what_its_name_sends():
    loaded = suite.load_method(CARDS[0])
    assert (loaded.label, loaded.cr, loaded.size) == ("deepjscc/default", Fraction(1, 24), 64)
    image = np.linspace(0, 1, 64 * 64 * 3).reshape(64, 64, 3)
    opened = suite.transmit(loaded, image, snr_db=7)
    named = suite.transmit("deepjscc", image, cr="1/24", snr_db=7)
    assert np.array_equal(opened.reconstruction, named.reconstruction) and opened.symbols == 512
    network = loaded.network()
    signal = network.encode(torch.from_numpy(image).permute(2, 0, 1)[None].float(), OperatingPoint(loaded.cr), None)
    assert signal.analog.shape == (1, 512) and not network.training
    # Convolutions take any size.
    assert suite.transmit(suite.load_method(CARDS[0], size=96), image).original.shape == (96, 96, 3)


def test_what_cannot_be_opened_or_contradicts_the_card_is_told(tmp_path):
    loaded = suite.load_method(CARDS[0])
    image = np.zeros((64, 64, 3))
    with pytest.raises(EvaluationError, match="holds weights of CR 1/24, not of CR 1/48"):
        suite.transmit(loaded, image, cr="1/48")
    with pytest.raises(EvaluationError, match="leave variant and weights out"):
        suite.transmit(loaded, image, variant="default")
    with pytest.raises(EvaluationError, match="is no card of this suite"):
        suite.load_method(tmp_path / "nothing.json")
    for path in (CARDS[0], CARDS[0].with_suffix(".safetensors")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damaged = tmp_path / CARDS[0].with_suffix(".safetensors").name
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    with pytest.raises(EvaluationError, match="corrupt"):
        suite.load_method(tmp_path / CARDS[0].name)
