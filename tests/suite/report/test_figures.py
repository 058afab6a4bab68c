"""Figures from records alone: which there are, what they show, and that writing them again changes no byte."""

import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from helpers import synthetic_run
from suite.errors import RecordError
from suite.report import figures, qualitative
from suite.report.captions import caption_of, figure_captions
from suite.report.figures import curve_tasks, series_styles
from suite.report.points import Points
from suite.report.processes import Task, begin
from suite.report.qualitative import write_sheets
from suite.report.results import RunResults, load_results
from suite.runs.info import RunInfo
from suite.runs.layout import RunLayout
from suite.runs.records import load


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (90, 60, 30)).save(buffer, format="PNG")
    return buffer.getvalue()


_PIXELS = _png()


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_run.make_run(tmp_path_factory.mktemp("run"), ("awgn",), ("psnr",))


@pytest.fixture(scope="module")
def results(run_dir: Path) -> RunResults:
    return load_results(run_dir)


@pytest.fixture(scope="module")
def points(results: RunResults) -> Points:
    return results.comparison


@pytest.fixture(scope="module")
def written(results: RunResults, run_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths_of(curve_tasks(results, RunLayout(run_dir)))}


def paths_of(tasks: list[Task]) -> list[Path]:
    return [path for paths in begin(tasks).results() for path in paths]


def test_each_figure_comes_as_png_pdf_svg_and_points(written: dict[str, bytes]) -> None:
    stems = ("snr_kodak_awgn_psnr", "symbols_kodak_awgn_psnr")
    assert set(written) == {f"{stem}.{kind}" for stem in stems for kind in ("png", "pdf", "svg", "csv")}
    assert all(content.startswith(b"\x89PNG") for name, content in written.items() if name.endswith(".png"))
    assert all(content.startswith(b"%PDF") for name, content in written.items() if name.endswith(".pdf"))
    for stem in stems:
        root = ElementTree.fromstring(written[f"{stem}.svg"])
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("width") == f"{72 * figures.PAGE_WIDTH:.2f}pt"
        assert not list(root.iter("{http://www.w3.org/2000/svg}image")), "lines, not pixels"


def test_points_beside_a_figure_are_those_of_the_table(run_dir: Path, written: dict[str, bytes], points: Points) -> None:
    read = pd.read_csv(run_dir / "figures" / "snr_kodak_awgn_psnr.csv")
    assert read["mean"].to_numpy() == pytest.approx(points.points["mean"].to_numpy(), nan_ok=True)


def test_writing_again_changes_no_byte(run_dir: Path, written: dict[str, bytes]) -> None:
    assert {path.name: path.read_bytes() for path in paths_of(curve_tasks(load_results(run_dir), RunLayout(run_dir)))} == written
    for content in written.values():
        assert b"CreationDate" not in content and b"tEXtSoftware" not in content and b"dc:date" not in content


def test_snr_figure_draws_each_method_in_each_ratio(points: Points) -> None:
    with figures.drawing():
        figure = figures._snr_figure(points.points, series_styles(points.points), "kodak", "PSNR (dB) ↑")
    assert [axes.get_title() for axes in figure.axes] == ["kodak, CR = 1/48", "kodak, CR = 1/24"]
    assert figure.axes[0].get_ylabel() == "PSNR (dB) ↑"
    assert figure.get_figwidth() == figures.PAGE_WIDTH
    for axes, cr in zip(figure.axes, (1 / 48, 1 / 24), strict=True):
        lines = {line.get_label(): line for line in axes.lines}
        assert set(lines) == {"alpha", "beta/base", "beta/sa", "Digital, envelope", "JPEG", "WebP", "fixed (fixed rate)"}
        alpha = points.points[points.points["method"].eq("alpha") & points.points["cr"].eq(cr)].sort_values("snr_db")
        assert lines["alpha"].get_ydata().tolist() == pytest.approx(alpha["mean"].tolist())
        assert lines["alpha"].get_xdata().tolist() == [1.0, 4.0, 7.0, 10.0]


def test_symbols_figure_counts_all_symbols_and_shows_a_fixed_rate_as_a_point(points: Points) -> None:
    with figures.drawing():
        figure = figures._symbols_figure(points.points, series_styles(points.points), "kodak", "PSNR (dB) ↑")
    assert [axes.get_title() for axes in figure.axes] == [f"kodak, {snr} dB" for snr in (1, 4, 7, 10)]
    axes = figure.axes[1]
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["alpha"].get_xdata().tolist() == [4522.0, 8618.0]
    assert axes.containers[0].lines[0].get_xdata().tolist() == [426.0] and axes.containers[0].has_yerr
    assert axes.get_xscale() == "log"


def test_looks_are_unique_and_do_not_depend_on_the_figure(points: Points) -> None:
    style = series_styles(points.points)
    assert len({(style.colour, style.marker, style.line) for style in style.values()}) == len(style)
    assert series_styles(points.points[points.points["snr_db"].eq(1.0)]) == style
    many = pd.DataFrame({"method": [f"m{i:02d}" for i in range(24)], "variant": "default"})
    assert len({(style.colour, style.marker, style.line) for style in series_styles(many).values()}) == 24


def test_coarse_image_shares_the_colour_of_the_final_one() -> None:
    style = series_styles(pd.DataFrame({"method": ["g", "g", "h"], "variant": ["default", "default/stage-one", "default"]}))
    coarse, final = style["g", "default/stage-one"], style["g", "default"]
    assert coarse.colour == final.colour and coarse.line != final.line and not coarse.filled
    assert style["h", "default"].colour != final.colour


def test_global_style_is_left_alone() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    with figures.drawing():
        assert matplotlib.rcParams["pdf.fonttype"] == 42
    assert dict(matplotlib.rcParams) == before


def keep_samples(run_dir: Path) -> int:
    """Keep an original and its reconstructions at 4 dB, in which each method has a grey of its own; return how many."""
    kept = [row for row in synthetic_run.rows(("awgn",)) if row["image"] == "set/00" and row["snr_db"] == 4 and row["repetition"] == 0]
    layout = RunLayout(run_dir)
    for shade, path in enumerate([layout.original("kodak", "set/00"), *map(layout.sample, kept)]):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), 20 * shade, np.uint8)).save(path)
    return len(kept)


def test_sheet_shows_original_and_every_kept_reconstruction(results: RunResults, run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert write_sheets(results, RunLayout(run_dir)) == [], "nothing was kept yet"
    kept = keep_samples(run_dir)
    drawn = []
    monkeypatch.setattr(qualitative, "save", lambda figure, stem, svg: drawn.append((figure, stem)) or [stem])
    assert write_sheets(results, RunLayout(run_dir)) == [run_dir / "figures" / "qualitative_kodak"]
    figure = drawn[0][0]
    titles = [axes.get_title() for axes in figure.axes if axes.images]
    assert len(titles) == 2 + kept + 1, "an original a CR, every reconstruction, the fixed rate in both lines"
    value = load(run_dir).query("method == 'alpha' and image == 'set/00' and snr_db == 4 and repetition == 0").set_index("cr")["psnr"]
    assert titles[1] == f"alpha\n{value[1 / 48]:.2f} dB"
    assert "fixed (fixed)" in titles[6]
    shades = [int(np.asarray(axes.images[0].get_array()).flat[0]) for axes in figure.axes if axes.images]
    assert shades[0] == 0 and shades[7] == 0 and len(set(shades)) == kept + 1


def test_sheet_shows_the_first_images_and_each_map_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"dataset": "d", "cr": 1 / 24, "channel": "awgn", "snr_db": 4.0, "repetition": 0, "method": "m", "psnr": 20.0}
    layout = RunLayout(tmp_path)
    rows = [{**row, "image": f"{i}", "variant": variant} for i in range(8) for variant in ("full", "full/stage-one", "other")]
    grey, white = (np.full((8, 8, 3), shade, np.uint8) for shade in (9, 255))
    for kept in rows:
        seen = white if kept["variant"] == "other" else grey
        for path, pixels in ((layout.original("d", kept["image"]), grey), (layout.sample(kept), grey), (layout.map(kept, "M"), seen)):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    drawn = []
    monkeypatch.setattr(qualitative, "save", lambda figure, stem, svg: drawn.append(figure) or [stem])
    write_sheets(RunResults(layout, pd.DataFrame(rows), RunInfo()), layout)
    titles = [axes.get_title() for axes in drawn[0].axes if axes.images]
    assert titles.count("original\n") == 6
    assert titles.count("m/full\nM") == titles.count("m/other\nM") == 6 and "m/full/stage-one\nM" not in titles


def kept_run(folder: Path, methods: int, images: int, snrs: tuple[float, ...]) -> tuple[RunLayout[Path], pd.DataFrame]:
    """Return a run with every reconstruction kept, of which the later images and methods are worse."""
    layout = RunLayout(folder)
    cell = {"dataset": "d", "channel": "awgn", "repetition": 0}
    rows = [
        {**cell, "method": "m", "variant": f"v{method}{end}", "image": f"i{image}", "cr": cr, "snr_db": snr, "psnr": 30.0 - image - method}
        for method in range(methods)
        for end in ("", "/stage-one")
        for image in range(images)
        for cr in (1 / 24, 1 / 48)
        for snr in snrs
    ]
    for row in rows:
        for path in (layout.original("d", row["image"]), layout.sample(row)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_PIXELS)
    return layout, pd.DataFrame(rows)


def drawn_sheets(monkeypatch: pytest.MonkeyPatch, layout: RunLayout[Path], rows: pd.DataFrame, info: RunInfo) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(qualitative, "save", lambda figure, stem, svg: drawn.setdefault(stem.name, figure) and [stem])
    write_sheets(RunResults(layout, rows, info), layout)
    return drawn


@pytest.mark.parametrize(("methods", "images", "snrs"), [(1, 1, (1.0,)), (2, 4, (1.0, 10.0)), (7, 6, (1.0, 4.0, 10.0))])
def test_every_sheet_fits_a_page_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, methods, images, snrs) -> None:
    layout, rows = kept_run(tmp_path, methods, images, snrs)
    drawn = drawn_sheets(monkeypatch, layout, rows, RunInfo())
    assert list(drawn) == ["qualitative_d", *(f"qualitative_d_{page}" for page in range(2, len(drawn) + 1))]
    for figure in drawn.values():
        assert figure.get_figwidth() <= qualitative.PAGE_WIDTH + 1e-9 and figure.get_figheight() <= qualitative.PAGE_HEIGHT + 1e-9
    titles = [axes.get_title() for figure in drawn.values() for axes in figure.axes if axes.images]
    assert len(titles) == len(rows) + 2 * images * len(snrs)


def test_the_sheets_show_what_the_grid_chooses_of_what_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, rows = kept_run(tmp_path, 2, 5, (1.0, 4.0, 10.0))
    failures = {"method": "m/v1", "metric": "psnr", "snr_db": 2, "cr": "1/40", "images": 2}
    sheet = {"images": 2, "snr_db": [1, 10], "cr": ["1/24"], "failures": failures}
    grid = {"channels": ["awgn"], "snr_db": [1, 4, 10], "cr": ["1/24", "1/48"], "sheet": sheet}
    metrics = {"psnr": {"title": "PSNR (dB)", "better": "higher"}}
    info = RunInfo.of({"grid": grid, "metrics": metrics, "datasets": {"d": {"sheet": ["i0", "i1"]}}})
    drawn = drawn_sheets(monkeypatch, layout, rows, info)
    assert set(drawn) == {"qualitative_d", "failures_d_m_v1"}
    labels = [text.get_text() for axes in drawn["qualitative_d"].axes for text in axes.texts]
    assert labels == [f"{image}\nawgn, {snr} dB\nCR 1/24" for image in ("i0", "i1") for snr in (1, 10)]
    worst = drawn["failures_d_m_v1"]
    assert [text.get_text() for axes in worst.axes for text in axes.texts] == [f"{image}\nawgn, 1 dB\nCR 1/48" for image in ("i4", "i3")]
    titles = [axes.get_title() for axes in worst.axes if axes.images]
    assert titles[:3] == ["original\n", "m/v1/stage-one\nPSNR (dB) 25", "m/v1\nPSNR (dB) 25"] and len(titles) == 6
    captions = figure_captions(RunResults(layout, rows.assign(run="r", status="ok", error="", symbols_total=1.0), info))
    assert "worst images of m/v1 on d by PSNR" in captions["failures_d_m_v1"]
    assert caption_of(captions, "qualitative_d_2").endswith("Page 2.") and caption_of(captions, "other_7") == "other_7"


def test_a_long_name_leaves_the_panels_their_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = {"dataset": "d", "cr": 1 / 24, "channel": "awgn", "snr_db": 4.0, "repetition": 0, "method": "m", "variant": "v", "psnr": 20.0}
    rows = [{**cell, "image": f"folder/{'n' * 140}{index}"} for index in range(2)]
    for kept in rows:
        layout = RunLayout(tmp_path)
        for path in (layout.original("d", kept["image"]), layout.sample(kept)):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    drawn = []
    monkeypatch.setattr(qualitative, "save", lambda figure, stem, svg: drawn.append(figure) or [stem])
    write_sheets(RunResults(RunLayout(tmp_path), pd.DataFrame(rows), RunInfo()), RunLayout(tmp_path))
    names = [text.get_text().split("\n")[0] for axes in drawn[0].axes for text in axes.texts]
    # What tells one image from another stands at either end of its name.
    assert len(set(names)) == 2 and all(len(name) <= 28 for name in names)


def test_unreadable_sample_is_named(results: RunResults, run_dir: Path) -> None:
    keep_samples(run_dir)
    broken = RunLayout(run_dir).original("kodak", "set/00")
    whole = broken.read_bytes()
    broken.write_bytes(b"no image")
    with pytest.raises(RecordError, match=r"original\.png cannot be read"):
        write_sheets(results, RunLayout(run_dir))
    broken.write_bytes(whole)


def test_run_without_values_draws_nothing(tmp_path: Path) -> None:
    from suite.runs.records import write_unit

    row = {"run": "r", "method": "m", "variant": "v", "dataset": "d", "image": "i", "cr": 0.1, "channel": "c", "snr_db": 1.0}
    row["repetition"] = 0
    write_unit(tmp_path / "records" / "u.parquet", [row | {"status": "failed", "error": "no weights"}], ["psnr"])
    (tmp_path / "run.json").write_text(json.dumps({"metrics": {"psnr": {"title": "PSNR", "better": "higher"}}}))
    assert paths_of(curve_tasks(load_results(tmp_path), RunLayout(tmp_path))) == []


def test_a_long_legend_leaves_the_panels_their_room() -> None:
    def panel_height(methods: int) -> float:
        rows = [
            ("kodak", "awgn", f"method{index:02d}", "default", 1 / 24, snr, 30.0 + snr) for index in range(methods) for snr in (1.0, 4.0)
        ]
        points = pd.DataFrame(rows, columns=["dataset", "channel", "method", "variant", "cr", "snr_db", "mean"])
        points = points.assign(low=points["mean"] - 1, high=points["mean"] + 1)
        with figures.drawing():
            figure = figures._snr_figure(points, series_styles(points), "kodak", "PSNR")
            figure.draw_without_rendering()
        return figure.axes[0].get_position().height * figure.get_figheight()

    assert panel_height(50) == pytest.approx(panel_height(12), rel=0.1)


@pytest.mark.parametrize("ratios", [1, 3])
def test_long_names_are_not_cut_off_at_the_edge_of_a_figure(ratios: int) -> None:
    rows = [
        ("kodak", "awgn", f"a method with a very long name {index}", "default", 1 / (24 + cr), snr, 30.0 + snr)
        for index in range(8)
        for cr in range(ratios)
        for snr in (1.0, 4.0)
    ]
    points = pd.DataFrame(rows, columns=["dataset", "channel", "method", "variant", "cr", "snr_db", "mean"])
    points = points.assign(low=points["mean"] - 1, high=points["mean"] + 1)
    with figures.drawing():
        figure = figures._snr_figure(points, series_styles(points), "kodak", "PSNR")
        figure.draw_without_rendering()
    place = figure.legends[0].get_window_extent()
    assert len(figure.legends) == 1 and figure.bbox.x0 <= place.x0 and place.x1 <= figure.bbox.x1


def test_a_coarse_image_looks_like_the_final_one_of_its_reading():
    variants = ["full/stage-one", "full [Eb/N0]", "full [lossless]", "full/stage-one [HARQ]", "full [HARQ]"]
    looks = series_styles(pd.DataFrame({"method": "gened_sc", "variant": variants}))
    colours = {variant: looks["gened_sc", variant].colour for variant in variants}
    assert colours["full/stage-one"] == colours["full [Eb/N0]"] != colours["full [lossless]"]
    assert colours["full/stage-one [HARQ]"] == colours["full [HARQ]"] and not looks["gened_sc", "full/stage-one [HARQ]"].filled
