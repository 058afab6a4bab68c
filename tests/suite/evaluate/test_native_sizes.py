"""Images that keep their size: mirrored to what a network needs, sent with the symbols of that, cut before they are scored."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

import suite
from benchmarks.common.errors import PixelsError
from benchmarks.common.images import image_tensor, padded
from benchmarks.datasets import open_dataset
from suite.config.compose import compose
from suite.config.methods import resolve
from suite.prepare import prepare

# Of shapes that the small editor can be asked for, in steps of 16 pixels around an area of 64 x 64.
SIZES = {"a": (32, 64), "b": (128, 64), "c": (61, 57), "d": (32, 64)}
METHODS = "deepjscc,swinjscc/base,gened_sc/full,sgdjscc/default,nam24,hosonuma25,digital/webp"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Four images in three sizes, odd ones among them, with captions."""
    folder = tmp_path_factory.mktemp("native")
    scenes = open_dataset("scenes", image_size=128)
    for (name, (height, width)), id in zip(SIZES.items(), scenes.items(), strict=False):
        sample = scenes.load(id)
        Image.fromarray(sample.image[:height, :width]).save(folder / f"{name}.png")
    (folder / "captions.jsonl").write_text("".join(f'{{"file": "{name}.png", "caption": "a red ball on grass"}}\n' for name in SIZES))
    return folder


@pytest.fixture(scope="module")
def results(photographs, tmp_path_factory):
    """Every method on all of them in one run."""
    settings = {"fit": "native", "snr_db": [10], "cr": ["1/24"], "channels": ["awgn"], "metrics": ["psnr"], "sheet.images": 0}
    settings |= {"datasets": ["folder"], "generative.editor.options.steps": 1, "generative.generator.options.steps": 1}
    out = tmp_path_factory.mktemp("native-run") / "run"
    return suite.evaluate("quick", methods=METHODS, data_dir=photographs, out=out, settings=settings, executor="inline", quiet=True)


@pytest.mark.parametrize(("own", "wanted"), [((5, 7), (5, 7)), ((5, 7), (8, 8)), ((3, 4), (11, 16)), ((1, 2), (4, 2))])
def test_padding_is_what_numpy_calls_reflect(own, wanted):
    pixels = np.random.default_rng(0).integers(0, 256, (*own, 3), dtype=np.uint8)
    after = [(0, big - small) for small, big in zip(own, wanted, strict=True)]
    mirrored = np.pad(pixels, [*after, (0, 0)], mode="reflect")
    assert torch.equal(padded(image_tensor(pixels), *wanted), image_tensor(mirrored))


def test_padding_to_less_is_refused():
    with pytest.raises(PixelsError, match="9 x 4 cannot be padded to 8 x 8"):
        padded(torch.zeros(1, 3, 9, 4), 8, 8)


def test_a_data_set_at_its_own_size_tells_it_before_it_is_read(photographs):
    dataset = open_dataset("folder", photographs, fit="native")
    assert [dataset.size(id) for id in dataset.items()] == list(SIZES.values())
    assert [dataset.load(id).image.shape[:2] for id in dataset.items()] == list(SIZES.values())
    assert (
        dataset.fingerprint()
        == open_dataset("folder", photographs, 64, fit="native").fingerprint()
        != open_dataset("folder", photographs).fingerprint()
    )


def test_every_method_sends_every_size(results):
    records = results.records
    assert records["status"].eq("ok").all(), records["error"].unique()
    assert set(records["image"]) == set(SIZES)
    assert records.groupby(["method", "variant"])["image"].nunique().eq(len(SIZES)).all()


@pytest.mark.parametrize(
    ("method", "multiple"), [("deepjscc", 4), ("swinjscc", 32), ("sgdjscc", 8)], ids=["DeepJSCC", "SwinJSCC", "SGD-JSCC"]
)
def test_symbols_are_those_of_the_padded_size(results, method, multiple):
    symbols = results.records[results.records["method"].eq(method)].set_index("image")["symbols_analog"]
    for name, (height, width) in SIZES.items():
        sides = [-(-side // multiple) * multiple for side in (height, width)]
        assert symbols[name] == pytest.approx(sides[0] * sides[1] * 3 / 24, abs=1), (name, method)


def test_a_codec_pads_nothing_and_keeps_to_the_images_own_budget(results):
    symbols = results.records[results.records["method"].eq("digital")].set_index("image")["symbols_total"]
    for name, (height, width) in SIZES.items():
        assert symbols[name] <= height * width * 3 / 24


def test_what_comes_of_an_image_does_not_depend_on_the_others(results, photographs, tmp_path):
    """The odd one alone, in a folder of its own, under the same name."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "c.png").write_bytes((photographs / "c.png").read_bytes())
    settings = {"fit": "native", "snr_db": [10], "cr": ["1/24"], "channels": ["awgn"], "metrics": ["psnr"], "datasets": ["folder"]}
    alone = suite.evaluate(
        "quick", methods="deepjscc", data_dir=tmp_path / "one", out=tmp_path / "run", settings=settings, executor="inline", quiet=True
    ).records
    among = results.records[results.records["method"].eq("deepjscc") & results.records["image"].eq("c")]
    assert alone["psnr"].tolist() == among["psnr"].tolist()


def test_the_run_says_in_which_sizes_images_were_sent(results):
    notes = " ".join(results.info.notes)
    assert "Images keep their size (64 x 128, 57 x 61, 64 x 32 pixels)" in notes
    assert "57 x 61 as 60 x 64, deepjscc/default" in notes
    assert results.info.datasets["folder"].sizes["c"] == SIZES["c"]
    assert results.info.grid.image_size is None


def test_sizes_that_a_method_is_built_for_hold_the_image_and_are_the_least(photographs):
    settings = ["fit=native", "snr_db=[10]", "cr=[1/24]", "metrics=[psnr]"]
    grid = compose("quick", METHODS, "folder", None, settings)
    for configured in resolve(grid):
        height, width = configured.padded(65, 67)
        assert height >= 65 and width >= 67
        assert configured.padded(height, width) == (height, width)
        configured.build(height, width, Fraction(1, 24))


def test_units_hold_images_of_one_size(photographs):
    grid = compose("quick", "digital/webp", "folder", None, ["fit=native", "snr_db=[10]", "cr=[1/24]", "metrics=[psnr]"])
    units = prepare(grid, photographs).units("run", {})
    assert sorted((unit.images.size, unit.images.ids) for unit in units) == sorted(
        [(SIZES["a"], ("a", "d")), (SIZES["b"], ("b",)), (SIZES["c"], ("c",))]
    )
