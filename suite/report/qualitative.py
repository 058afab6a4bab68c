"""The qualitative sheet: the original and every method's reconstruction side by side, with CR and PSNR of each.

::

    samples/<dataset>/<image>/original.png                                    figures/qualitative_<dataset>.{png,pdf}
    samples/<dataset>/<image>/<method>__<variant>__<cr>__<channel>__<snr>.png ──> one line an image, channel state and CR
    samples/<dataset>/<image>/<method>__<variant>__<cr>__map-<name>.png ────────> a line below it of what the senders saw, where they tell
    records ──PSNR of that image in that cell────────────────────────────────^
"""

from collections.abc import Mapping
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
from suite.runs.labels import cr_label, file_stem, series_label
from suite.runs.layout import RunLayout
from suite.runs.records import metric_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE_WIDTH = 7.16
PANEL_INCHES = (0.85, 1.6)
LABEL_INCHES = 0.35
LABEL_CHARACTERS = 28
MAX_COLUMNS = 10
# Of a data set, from the first; all that were kept lie in the folder of samples.
MAX_IMAGES = 6
_PSNR = "psnr"


def _maps(layout: RunLayout[Path], row: Mapping[str, Any]) -> list[tuple[str, Path]]:
    """Return the captioned maps that were kept of a record's sender and image."""
    series = series_label(row["method"], row["variant"], legend=True)
    return [(f"{series}\n{name}", path) for name, path in layout.maps(row)]


def _distinct(panels: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Return the panels without those whose image an earlier one shows: stages of one method share their network."""
    first: dict[bytes, tuple[str, Path]] = {}
    for caption, path in panels:
        first.setdefault(path.read_bytes(), (caption, path))
    return list(first.values())


def _kept(layout: RunLayout[Path], records: pd.DataFrame) -> pd.DataFrame:
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


def _caption(row: Mapping[str, Any]) -> str:
    value = row[_PSNR]
    rate = " (fixed)" if np.isnan(row["cr"]) else ""
    return f"{series_label(row['method'], row['variant'], legend=True)}{rate}\n" + (f"{value:.2f} dB" if np.isfinite(value) else "")


def _short(name: str) -> str:
    # A longer one beside its line would leave the panels no room.
    return name if len(name) <= LABEL_CHARACTERS else f"{name[: LABEL_CHARACTERS // 2]}…{name[-LABEL_CHARACTERS // 2 + 1 :]}"


def _strips(layout: RunLayout[Path], dataset: str, rows: pd.DataFrame) -> tuple[list[str], list[list[tuple[str, Path]]]]:
    """Return a label and the captioned images of each line: one line an image, channel state and CR, fixed rates in each."""
    labels, strips = [], []
    for (image, channel, snr_db), cell in rows.groupby(["image", "channel", "snr_db"], sort=True):
        for cr in sorted(cell["cr"].dropna().unique()) or [float("nan")]:
            shown = cell[cell["cr"].isna() | cell["cr"].eq(cr)].sort_values(["cr", "method", "variant"])
            rate = "" if np.isnan(cr) else f"CR {cr_label(cr)}"
            strip = [("original\n", layout.original(dataset, image))]
            strip += [(_caption(row), row["path"]) for row in shown.to_dict("records")]
            seen = _distinct([panel for row in shown.to_dict("records") for panel in _maps(layout, row)])
            for panels, label in (
                (strip, f"{_short(image.rsplit('/', 1)[-1])}\n{channel}, {snr_db:g} dB\n{rate}"),
                (seen, "sender's maps"),
            ):
                for start in range(0, len(panels), MAX_COLUMNS):
                    strips.append(panels[start : start + MAX_COLUMNS])
                    labels.append("" if start else label)
    return labels, strips


def _sheet(layout: RunLayout[Path], dataset: str, rows: pd.DataFrame) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    labels, strips = _strips(layout, dataset, rows)
    columns = max(len(strip) for strip in strips)
    side = float(np.clip(PAGE_WIDTH / columns, *PANEL_INCHES))
    engine = ConstrainedLayoutEngine(w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)
    figure = Figure(figsize=(columns * side + LABEL_INCHES, len(strips) * (side + 0.28)), layout=engine)
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(strips), columns, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for line, strip, label in zip(grid, strips, labels, strict=True):
        for axes, (caption, path) in zip(line, strip, strict=False):
            axes.imshow(read_sample(path), interpolation="none")
            axes.set_title(caption, fontsize=5.5, pad=2, linespacing=1.0)
        line[0].text(-0.06, 0.5, label, rotation=90, fontsize=5.5, ha="right", va="center", ma="center", transform=line[0].transAxes)
    return figure


def write_sheets(results: RunResults, layout: RunLayout[Path]) -> list[Path]:
    """Write ``figures/qualitative_<dataset>`` for each data set of which images were kept, and return the paths.

    Args:
        results: of the run.
        layout: where the kept images lie and the figures go.

    Raises:
        RecordError: a kept image cannot be read.
    """
    rows = _kept(layout, results.records)
    if _PSNR not in metric_columns(results.records):
        rows = rows.assign(**{_PSNR: np.nan})
    written = []
    with drawing():
        for dataset, group in rows.groupby("dataset"):
            group = group[group["image"].isin(sorted(group["image"].unique())[:MAX_IMAGES])]
            written += save(_sheet(layout, dataset, group), layout.figures / f"qualitative_{file_stem(dataset)}")
    return written
