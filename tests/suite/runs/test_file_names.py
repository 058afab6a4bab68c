"""Images of any name: a run keeps a folder of its own for each, and none ends it."""

import os

import pytest
from PIL import Image

from benchmarks.common.atomic import file_name, write_text
from benchmarks.datasets import open_dataset
from suite.config.methods import resolve
from suite.evaluate.executors.inline import inline
from suite.evaluate.plan import make_units
from suite.runs.columns import WHOLE_CELL
from suite.runs.layout import RunLayout
from suite.runs.records import load


def test_a_run_bears_images_of_any_name(make_grid, tmp_path):
    folder = tmp_path / "images"
    long = f"{'f' * 120}/{'n' * 140}.png"
    for value, name in enumerate((os.fsdecode(b"caf\xe9.png"), long, "x/y.png", "x__y.png", "*.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (20 * value, 9, 9)).save(folder / name)
    (folder / os.fsdecode(b"br\xfcch.png")).write_bytes(b"no image")
    grid = make_grid(cr=["1/12"], sheet={"images": 10, "channel": "awgn", "snr_db": 10})
    dataset = open_dataset("folder", folder, grid.image_size, "test", grid.fit)
    units = make_units("run", grid, resolve(grid), {"folder": (dataset, folder)}, {}, ("psnr",), {})
    assert list(inline(units, tmp_path / "out"))
    records = load(tmp_path / "out")
    failed = records["status"].eq("failed")
    assert set(records[failed]["image"]) == {"br\\xfcch"} and records[failed]["error"].str.contains(r"br\xfcch.png", regex=False).all()
    sound = sorted(records[~failed]["image"].unique())
    assert len(sound) == 5 and WHOLE_CELL not in sound
    kept = [RunLayout(tmp_path / "out").original("folder", image) for image in sound]
    assert len({path.read_bytes() for path in kept}) == 5


@pytest.mark.parametrize(
    "ids",
    [
        ("scenes/2000000", "x/y", "x__y", "x_/y", "x/_y", "x/__y", "x_/_y", "x/y/z", "x/y__z"),
        ("a", "..", ".", ".a", "a.", "a ", "a\\b", "a:b", "a*b", "a\nb", "*"),
        (f"{'f' * 120}/{'n' * 140}", f"{'f' * 120}/{'n' * 139}m", "é" * 130, "é" * 131),
    ],
    ids=["slashes", "characters", "lengths"],
)
def test_an_id_becomes_a_name_of_its_own(tmp_path, ids):
    names = [file_name(id) for id in ids]
    assert len({name.casefold() for name in names}) == len(ids)
    for name in names:
        assert "/" not in name and "\n" not in name
        write_text(tmp_path / name / "original.png", "fits")
    assert file_name("scenes/2000000") == "scenes__2000000"
    assert file_name("photos/chelsea-0") == "photos__chelsea-0"
