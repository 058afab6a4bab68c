"""Images that belong together, from the data set to the tables; where there are none, nothing tells of them."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import suite
from benchmarks.datasets import open_dataset
from suite.report.groups import codes, of_images, of_index
from suite.report.run_differences import compare
from suite.report.tables import write_tables
from suite.runs.columns import GROUP
from suite.runs.layout import RunLayout
from suite.runs.records import metric_columns

GRID = """
name: grouped
image_size: 32
methods: [{blocks_for_tests: [default, inverted]}]
datasets: [folder]
snr_db: [4]
cr: [1/6]
channels: [awgn]
metrics: [psnr]
evaluation: {batch: 1, unit: 4, workers: 1}
sheet: {images: 0}
"""


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Four scenes of five frames that hardly differ, and a photograph by itself."""
    folder, rng = tmp_path_factory.mktemp("frames"), np.random.default_rng(2)
    for scene in ("boat", "dog", "goat", "train"):
        still = rng.integers(0, 200, (4, 4, 3))
        for frame in range(5):
            pixels = np.kron(still + frame, np.ones((8, 8, 1))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{scene}_{frame:05d}.png")
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(folder / "photo.png")
    return folder


@pytest.fixture
def evaluate(tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)

    def run(folder, out: str = "out"):
        options = {"data_dir": folder, "out": tmp_path / out, "executor": "inline", "quiet": True}
        return suite.evaluate(tmp_path / "grid.yaml", **options)

    return run


def test_frames_are_grouped_by_scene_and_regions_by_photograph(frames):
    folder = open_dataset("folder", frames, 32)
    assert {folder.group(id) for id in folder.items()} == {"boat", "dog", "goat", "train", "photo"}
    photos = open_dataset("photos")
    assert {photos.group(id) for id in photos.items()} == {"photos/chelsea", "photos/coffee", "photos/rocket"}
    train = open_dataset("photos", split="train")
    scenes = open_dataset("scenes", image_size=16)
    assert all(each.group(id) == id for each in (train, scenes) for id in each.items())


def test_groups_reach_intervals_tests_and_notes_and_no_record_file(frames, evaluate, tmp_path):
    results = evaluate(frames)
    assert set(results.records[GROUP]) == {"boat", "dog", "goat", "train", "photo"} and metric_columns(results.records) == ["psnr"]
    assert json.loads(RunLayout(tmp_path / "out").run_json.read_text())["datasets"]["folder"]["groups"]["dog_00003"] == "dog"
    point = results.points.query("variant == 'default'").iloc[0]
    own = results.records.query("variant == 'default'")
    naive = own["psnr"].std() / np.sqrt(21)
    assert point["n"] == 21 and point["high"] - point["low"] > 2.2 * 2 * 1.96 * naive / 2
    assert results.pairs["p"].iloc[0] == pytest.approx(2 / 2**5), "five groups, the least that their test can say"
    write_tables(results, RunLayout(tmp_path / "out"))
    written = (tmp_path / "out" / "tables" / "folder_awgn.md").read_text()
    assert "The 21 images of folder come in 5 groups" in written
    assert "over groups of them" in (tmp_path / "out" / "tables" / "summary.md").read_text()
    gain = results.summary.set_index("variant").loc["inverted"]
    assert (gain["high"] - gain["low"]) == pytest.approx(results.pairs["high"].iloc[0] - results.pairs["low"].iloc[0])
    differences = compare(results, evaluate(frames, "again"))
    assert differences["verdict"].eq("equal").all() and differences["n"].eq(21).all()


def test_without_groups_nothing_tells_of_them(frames, evaluate, tmp_path):
    apart = tmp_path / "apart"
    apart.mkdir()
    for index, path in enumerate(sorted(frames.glob("*.png"))):
        shutil.copy(path, apart / f"picture{index:02d}.png")
    results, described = evaluate(apart), json.loads(RunLayout(tmp_path / "out").run_json.read_text())
    assert GROUP not in results.records and "groups" not in described["datasets"]["folder"] and results.comparison.grouped == {}
    assert "belong together" not in " ".join(note for notes in results.notes.values() for note in notes)


def test_codes_number_groups_and_are_none_where_all_are_single():
    rows = pd.DataFrame({"image": ["a", "b", "c", "a"], GROUP: ["x", "y", "x", "x"]})
    assert of_images(rows, pd.Index(["a", "b", "c"])).tolist() == [0, 1, 0]
    assert of_images(rows.drop(columns=GROUP), pd.Index(["a", "b"])) is None and codes([]) is None
    index = pd.MultiIndex.from_tuples([("d", "a", "x"), ("e", "b", "x"), ("d", "c", "x")], names=["dataset", "image", GROUP])
    assert of_index(index).tolist() == [0, 1, 0] and of_index(index.droplevel(GROUP)) is None
