"""The sheets of images: the original and every method's reconstruction side by side, and the worst cases of a method.

::

    samples/<dataset>/<image>/original.png                                    figures/qualitative_<dataset>.{png,pdf}
    samples/<dataset>/<image>/<method>__<variant>__<cr>__<channel>__<snr>.png ──> one line an image, CR and channel state
    samples/<dataset>/<image>/<method>__<variant>__<cr>__map-<name>.png ────────> what the senders saw, beside it or below, where they tell
    records ──PSNR of that image in that cell────────────────────────────────^
    records ──rank by a metric──> figures/failures_<dataset>_<method>_<variant>: a line an image, the worst first

A sheet is a page of a paper; what does not fit stands on further ones, ``qualitative_<dataset>_2`` and so on.
"""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.common.image_files import opened
from benchmarks.common.storage import StoragePath
from suite.errors import RecordError
from suite.report.figures import drawing, save
from suite.report.results import RunResults
from suite.runs.columns import WHOLE_CELL
from suite.runs.labels import STAGE_ONE, cr_fraction, cr_label, file_stem, series_label
from suite.runs.layout import RunLayout
from suite.runs.records import metric_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches: what stands between the margins of a page, a panel's side, a label beside a line, the title above one.
PAGE_WIDTH, PAGE_HEIGHT = 7.16, 9.4
PANEL_INCHES = (0.67, 1.6)
LABEL_INCHES, TITLE_INCHES = 0.4, 0.31
TITLE_POINTS = 5.5
LABEL_CHARACTERS = 28
MAX_COLUMNS = 10
# Of a data set, from the first; all that were kept lie in the folder of samples.
MAX_IMAGES = 6
_PSNR = "psnr"
QUALITATIVE, FAILURES = "qualitative", "failures"


Panel = tuple[str, Path]


@dataclass(frozen=True)
class Line:
    """One line of a sheet: what stands beside it, and its captioned images."""

    label: str
    panels: Sequence[Panel]


def _maps(layout: RunLayout[Path], row: Mapping[str, Any]) -> list[Panel]:
    """Return the captioned maps that were kept of a record's sender and image."""
    series = series_label(row["method"], row["variant"], legend=True)
    return [(f"{series}\n{name}", path) for name, path in layout.maps(row)]


def _distinct(panels: list[Panel]) -> list[Panel]:
    """Return the panels without those whose image an earlier one shows: stages of one method share their network."""
    first: dict[bytes, Panel] = {}
    for caption, path in panels:
        first.setdefault(path.read_bytes(), (caption, path))
    return list(first.values())


def kept_samples(layout: RunLayout[Path], records: pd.DataFrame) -> pd.DataFrame:
    """Return the records of first repetitions whose reconstruction was kept, with its path."""
    images = records.loc[records["image"].ne(WHOLE_CELL), ["dataset", "image"]].drop_duplicates()
    present = [(dataset, image) for dataset, image in images.itertuples(index=False) if layout.original(dataset, image).is_file()]
    keys = pd.MultiIndex.from_tuples(present, names=["dataset", "image"]) if present else []
    inside = records.set_index(["dataset", "image"]).index.isin(keys) if present else np.zeros(len(records), bool)
    rows = records[inside & records["repetition"].eq(records["repetition"].min())]
    paths = [layout.sample(row) for row in rows.to_dict("records")]
    return rows.assign(path=paths)[np.array([path.is_file() for path in paths], dtype=bool)]


def read_sample(path: StoragePath) -> np.ndarray:
    """Return a kept image as uint8 (H, W, 3).

    Raises:
        RecordError: it is no PNG that can be read.
    """
    try:
        return np.asarray(opened(path.read_bytes(), ("PNG",)).convert("RGB"))
    except (OSError, ValueError) as error:
        raise RecordError(f"the kept image {path} cannot be read ({error}); restore it, or move it away and do without") from error


def _title(row: Mapping[str, Any]) -> str:
    rate = " (fixed)" if np.isnan(row["cr"]) else ""
    return f"{series_label(row['method'], row['variant'], legend=True)}{rate}"


def _caption(row: Mapping[str, Any]) -> str:
    value = row[_PSNR]
    return f"{_title(row)}\n" + (f"{value:.2f} dB" if np.isfinite(value) else "")


def _short(name: str) -> str:
    # A longer one beside its line would leave the panels no room.
    return name if len(name) <= LABEL_CHARACTERS else f"{name[: LABEL_CHARACTERS // 2]}…{name[-LABEL_CHARACTERS // 2 + 1 :]}"


def _label(image: str, channel: str, snr_db: float, cr: float) -> str:
    rate = "" if np.isnan(cr) else f"CR {cr_label(cr)}"
    return f"{_short(image.rsplit('/', 1)[-1])}\n{channel}, {snr_db:g} dB\n{rate}"


def _lines(layout: RunLayout[Path], dataset: str, image: str, rows: pd.DataFrame) -> Iterator[Line]:
    """Yield the lines of an image: for each CR one a channel state, fixed rates in each, and what the senders saw."""
    for cr in sorted(rows["cr"].dropna().unique()) or [float("nan")]:
        of_ratio = rows[rows["cr"].isna() | rows["cr"].eq(cr)].sort_values(["cr", "method", "variant"])
        seen = _distinct([panel for row in of_ratio.to_dict("records") for panel in _maps(layout, row)])
        for (channel, snr_db), cell in of_ratio.groupby(["channel", "snr_db"], sort=True):
            panels = [("original\n", layout.original(dataset, image)), *((_caption(row), row["path"]) for row in cell.to_dict("records"))]
            if len(panels) + len(seen) <= MAX_COLUMNS:
                # They depend on no channel, so they are shown once.
                panels, seen = [*panels, *seen], []
            yield from _wrapped(_label(image, channel, snr_db, cr), panels)
        yield from _wrapped("sender's maps", seen)


def _wrapped(label: str, panels: Sequence[Panel]) -> Iterator[Line]:
    for start in range(0, len(panels), MAX_COLUMNS):
        yield Line("" if start else label, panels[start : start + MAX_COLUMNS])


def _pages(blocks: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Return the lines of each page; those of an image stay together where a page holds them."""
    most = int(PAGE_HEIGHT / (PANEL_INCHES[0] + TITLE_INCHES))
    pages: list[list[Line]] = [[]]
    for block in blocks:
        for start in range(0, len(block), most):
            lines = block[start : start + most]
            if pages[-1] and len(pages[-1]) + len(lines) > most:
                pages.append([])
            pages[-1] += lines
    return pages


def _sheet(lines: Sequence[Line]) -> "Figure":
    """Return a page, its panels as large as it allows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = max(len(line.panels) for line in lines)
    room = min((PAGE_WIDTH - LABEL_INCHES) / columns, PAGE_HEIGHT / len(lines) - TITLE_INCHES)
    side = float(np.clip(room, *PANEL_INCHES))
    engine = ConstrainedLayoutEngine(w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)
    figure = Figure(figsize=(columns * side + LABEL_INCHES, len(lines) * (side + TITLE_INCHES)), layout=engine)
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(lines), columns, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    # A letter is about half as wide as it is high.
    wide = max(8, int(side * 72 / (0.52 * TITLE_POINTS)))
    for shown, line in zip(grid, lines, strict=True):
        for axes, (caption, path) in zip(shown, line.panels, strict=False):
            axes.imshow(read_sample(path), interpolation="none")
            axes.set_title("\n".join(_wrapped_text(caption, wide)), fontsize=TITLE_POINTS, pad=2, linespacing=1.0)
        place = {"rotation": 90, "ha": "right", "va": "center", "ma": "center", "transform": shown[0].transAxes}
        shown[0].text(-0.06, 0.5, line.label, fontsize=TITLE_POINTS, **place)
    return figure


def _wrapped_text(text: str, wide: int) -> Iterator[str]:
    for line in text.split("\n"):
        start, comma, end = line.rpartition(", ")
        # "GenED-SC, stage one" had better break behind its comma.
        halves = [f"{start},", end] if comma and len(line) > wide and max(len(start), len(end)) < wide else [line]
        yield from (part for half in halves for part in textwrap.wrap(half, wide, break_long_words=False) or [""])


def _on_sheet(results: RunResults, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the cells and images that the grid's sheet is of; kept ones of other choices lie there too."""
    info = results.info
    if info.grid.sheet is None or not info.grid.channels or not info.grid.snr_db:
        return rows
    cells = info.grid.sheet.cells(info.grid.channels, info.grid.snr_db)
    named = [cell in cells for cell in zip(rows["channel"], rows["snr_db"], strict=True)]
    ratios = [info.grid.sheet.shows(None if math.isnan(cr) else cr_fraction(cr)) for cr in rows["cr"]]
    rows = rows[np.array(named, dtype=bool) & np.array(ratios, dtype=bool)]
    for name, dataset in info.datasets.items():
        if dataset.sheet is not None:
            rows = rows[rows["dataset"].ne(name) | rows["image"].isin(dataset.sheet)]
    return rows


def _failures(results: RunResults, layout: RunLayout[Path], kept: pd.DataFrame) -> Iterator[tuple[str, list[list[Line]]]]:
    """Yield the name and the lines of the sheet of failures of each data set and method that the grid asks for."""
    grid = results.info.grid
    named = grid.sheet.failures if grid.sheet is not None else None
    if named is None or named.metric not in results.info.metrics or not grid.channels or not grid.snr_db:
        return
    channel, snr_db = named.cell(grid.channels, grid.snr_db)
    metric, at = results.info.metrics[named.metric], kept["channel"].eq(channel) & kept["snr_db"].eq(snr_db)
    for (dataset, method, variant, cr), rows in kept[at].groupby(["dataset", "method", "variant", "cr"], dropna=False):
        ratio = None if math.isnan(cr) else cr_fraction(cr)
        if not named.of(method, variant) or not named.at(ratio, grid.cr):
            continue
        # Each unit kept its own worst, so those of the whole are among them.
        order = rows.dropna(subset=[named.metric]).sort_values(
            [named.metric, "image"], ascending=[metric.better == "higher", True], kind="stable"
        )
        own = (variant, f"{variant}/{STAGE_ONE}", variant.removesuffix(f"/{STAGE_ONE}"))
        same = kept[at & kept["dataset"].eq(dataset) & kept["method"].eq(method) & kept["variant"].isin(own)]
        same = same[same["cr"].isna() if math.isnan(cr) else same["cr"].eq(cr)]
        blocks = []
        for image in order["image"].head(named.images):
            # As they come about: before the edit, after it.
            stages = (
                same[same["image"].eq(image)].sort_values("variant", key=lambda each: -each.str.len(), kind="stable").to_dict("records")
            )
            shown = [(f"{_title(row)}\n{metric.title} {row[named.metric]:.3g}", row["path"]) for row in stages]
            panels = [("original\n", layout.original(dataset, image)), *shown]
            blocks.append([Line(_label(image, channel, snr_db, cr), panels)])
        yield f"{FAILURES}_{file_stem(dataset, method, variant)}", blocks


def write_sheets(results: RunResults, layout: RunLayout[Path]) -> list[Path]:
    """Write ``figures/qualitative_<dataset>`` for each data set of which images were kept, and the sheets of failures; return the paths.

    Args:
        results: of the run.
        layout: where the kept images lie and the figures go.

    Raises:
        RecordError: a kept image cannot be read.
    """
    rows = kept_samples(layout, results.records)
    if _PSNR not in metric_columns(results.records):
        rows = rows.assign(**{_PSNR: np.nan})
    sheets: list[tuple[str, list[list[Line]]]] = []
    for dataset, group in _on_sheet(results, rows).groupby("dataset"):
        images = sorted(group["image"].unique())[:MAX_IMAGES]
        blocks = [list(_lines(layout, dataset, image, group[group["image"].eq(image)])) for image in images]
        sheets.append((f"{QUALITATIVE}_{file_stem(dataset)}", blocks))
    sheets += _failures(results, layout, rows)
    written = []
    with drawing():
        for name, blocks in sheets:
            for number, page in enumerate(_pages(blocks), start=1):
                written += save(_sheet(page), layout.figures / (name if number == 1 else f"{name}_{number}"), svg=False)
    return written
