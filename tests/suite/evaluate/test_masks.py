"""Evaluation with saliency masks: metrics of each side of the mask, and a sender that is told it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from benchmarks.common.errors import MetricUnavailableError
from benchmarks.datasets import open_dataset
from suite.config.methods import resolve
from suite.evaluate.executors.inline import inline
from suite.evaluate.plan import make_units
from suite.evaluate.runner import evaluate
from suite.prepare import resolve_metrics
from suite.report import qualitative
from suite.report.qualitative import write_sheets
from suite.report.results import RunResults
from suite.runs.info import RunInfo
from suite.runs.layout import RunLayout
from suite.runs.records import load

TINY = {
    **{"features": 8, "dims": [8, 16], "depths": [1, 1], "heads": [2, 4], "score_width": 4, "importance_patch": 2},
    **{"background_dims": [4, 8], "background_heads": [1, 2]},
}
METRICS = ("psnr", "psnr_foreground", "psnr_background")


def duts(folder: Path) -> Path:
    """Three images in DUTS's layout."""
    generator = np.random.default_rng(3)
    for kind in ("Image", "Mask"):
        (folder / "DUTS-TE" / f"DUTS-TE-{kind}").mkdir(parents=True, exist_ok=True)
    for index in range(3):
        colours = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(colours).resize((32, 32), Image.Resampling.BICUBIC).save(folder / "DUTS-TE" / "DUTS-TE-Image" / f"p{index}.jpg")
        mask = np.zeros((32, 32), np.uint8)
        mask[8 * index : 8 * index + 8, 8:24] = 255
        Image.fromarray(mask).save(folder / "DUTS-TE" / "DUTS-TE-Mask" / f"p{index}.png")
    return folder


def evaluated(make_grid, folder: Path, out: Path, variant: str, **evaluation: int):
    entry = {"name": "gened_sc", "variants": [variant], "settings": TINY}
    grid = make_grid(methods=[entry], datasets=["duts"], channels=["awgn"], cr=["1/12"], evaluation={"workers": 1, **evaluation})
    dataset = open_dataset("duts", folder, 32, "test")
    units = make_units("run", grid, resolve(grid), {"duts": (dataset, folder)}, {}, METRICS, {})
    # Untrained networks: the constructor draws their weights.
    torch.manual_seed(0)
    assert list(inline(units, out))
    return load(out)


def test_each_image_is_scored_on_both_sides_of_its_mask(make_grid, tmp_path):
    records = evaluated(make_grid, duts(tmp_path), tmp_path / "run", "stage-one")
    assert records["status"].eq("ok").all() and len(records) == 6
    scores = records[list(METRICS)]
    assert np.isfinite(scores).all(axis=None)
    # The image's PSNR lies between those of its two sides.
    assert (scores.min(axis=1) <= records["psnr"]).all() and (records["psnr"] <= scores.max(axis=1)).all()
    assert (records["psnr_foreground"] != records["psnr_background"]).all()


def test_the_oracle_is_told_each_images_own_mask(make_grid, tmp_path):
    alone = evaluated(make_grid, duts(tmp_path), tmp_path / "a", "oracle-mask", batch=1, unit=1)
    together = evaluated(make_grid, duts(tmp_path), tmp_path / "b", "oracle-mask", batch=3, unit=3)
    assert alone["status"].eq("ok").all() and together["status"].eq("ok").all()
    assert (alone["psnr"] - together["psnr"]).abs().max() < 1e-3
    learned = evaluated(make_grid, duts(tmp_path), tmp_path / "c", "stage-one", batch=3, unit=3)
    assert (learned["psnr"] != together["psnr"]).all()
    assert (learned["symbols_total"] == together["symbols_total"]).all()


def test_the_sheet_shows_what_the_sender_saw(make_grid, tmp_path, monkeypatch):
    entry = {"name": "gened_sc", "variants": ["oracle-mask"], "settings": TINY}
    shown = {"methods": [entry, "blocks_for_tests"], "snr_db": [4], "sheet": {"images": 1}}
    grid = make_grid(datasets=["duts"], channels=["awgn"], cr=["1/12"], **shown)
    folder, out = duts(tmp_path), tmp_path / "run"
    units = make_units("run", grid, resolve(grid), {"duts": (open_dataset("duts", folder, 32, "test"), folder)}, {}, METRICS, {})
    assert list(inline(units, out))
    layout, records = RunLayout(out), load(out)
    own = records[records["method"].eq("gened_sc") & records["image"].eq("DUTS-TE/p0")].to_dict("records")[0]
    maps = {name: np.asarray(Image.open(path)) for name, path in layout.maps(own)}
    assert set(maps) == {"M", "S", "A_SA"}
    truth = np.zeros((32, 32), np.uint8)
    truth[:8, 8:24] = 255
    assert np.array_equal(maps["M"], truth)
    assert not layout.original("duts", "DUTS-TE/p1").parent.exists()
    drawn = []
    monkeypatch.setattr(qualitative, "save", lambda figure, stem, svg: drawn.append(figure) or [stem])
    write_sheets(RunResults(layout, records, RunInfo()), layout)
    titles = [axes.get_title() for axes in drawn[0].axes if axes.images]
    assert len(titles) == 3 + 3
    assert [title.split("\n")[-1] for title in titles[3:]] == ["A_SA", "M", "S"] and all("oracle" in title for title in titles[3:])


def test_metrics_of_a_mask_are_left_out_where_the_data_set_has_none(make_grid, images, tmp_path):
    folder, masked = open_dataset("folder", images, 32, "test"), open_dataset("duts", duts(tmp_path), 32, "test")
    optional = make_grid(metrics=["psnr", "psnr_foreground?"])
    assert resolve_metrics(optional, [masked]).names == ("psnr", "psnr_foreground")
    found = resolve_metrics(optional, [masked, folder])
    assert found.names == ("psnr",) and "has none" in found.left_out["psnr_foreground"]
    with pytest.raises(MetricUnavailableError, match="psnr_foreground is read inside a saliency mask"):
        resolve_metrics(make_grid(metrics=["psnr", "psnr_foreground"]), [folder])


def test_a_mask_that_marks_nothing_is_told_once(make_grid, tmp_path, without_ray):
    folder = duts(tmp_path)
    mask = next((folder / "DUTS-TE/DUTS-TE-Mask").iterdir())
    Image.new("L", (32, 32)).save(mask)
    grid = make_grid(datasets=["duts"], cr=["1/12", "1/6"])
    units = make_units("run", grid, resolve(grid), {"duts": (open_dataset("duts", folder, 32, "test"), folder)}, {}, ("psnr",), {})
    console = Console(record=True, width=400)
    evaluate(units, tmp_path / "out", grid.evaluation, console)
    assert console.export_text().count(f"the mask {mask} marks nothing") == 1
