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

from benchmarks.common.atomic import file_name
from benchmarks.common.image_files import opened
from benchmarks.common.storage import StoragePath
from suite.errors import RecordError
from suite.report.points import cr_label, series_label
from suite.runs.records import WHOLE_CELL, load, metric_columns

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
_MAP = "map-"


def sample_folder(run_dir: StoragePath, dataset: str, image: str) -> StoragePath:
    """Return where the kept images of one image lie."""
    return run_dir / "samples" / dataset / file_name(image)


def sample_name(record: Mapping[str, Any]) -> str:
    """Return the file name of a kept reconstruction from the key of its record: method, variant, CR, channel and SNR."""
    return "__".join((*_network(record), record["channel"], f"{record['snr_db']:g}")) + ".png"


def map_name(record: Mapping[str, Any], name: str) -> str:
    """Return the file name of a kept map of a sender, from the method, variant and CR of a record and the map's name."""
    return "__".join((*_network(record), f"{_MAP}{name}")) + ".png"


def _network(record: Mapping[str, Any]) -> tuple[str, str, str]:
    return record["method"], record["variant"].replace("/", "-"), cr_label(record["cr"]).replace("/", "-")


def _maps(row: Mapping[str, Any]) -> list[tuple[str, StoragePath]]:
    """Return the captioned maps that were kept of a record's sender and image."""
    found = sorted(row["path"].parent.glob(map_name(row, "*")))
    series = series_label(row["method"], row["variant"])
    return [(f"{series}\n{path.stem.partition(_MAP)[2]}", path) for path in found]


def _distinct(panels: list[tuple[str, StoragePath]]) -> list[tuple[str, StoragePath]]:
    """Return the panels without those whose image an earlier one shows: stages of one method share their network."""
    first: dict[bytes, tuple[str, StoragePath]] = {}
    for caption, path in panels:
        first.setdefault(path.read_bytes(), (caption, path))
    return list(first.values())


def _kept(run_dir: Path, records: pd.DataFrame) -> pd.DataFrame:
    """Return the records of first repetitions whose reconstruction was kept, with its path."""
    images = records.loc[records["image"].ne(WHOLE_CELL), ["dataset", "image"]].drop_duplicates()
    folders = {(d, i): sample_folder(run_dir, d, i) for d, i in images.itertuples(index=False)}
    present = {key: folder for key, folder in folders.items() if (folder / "original.png").is_file()}
    keys = pd.MultiIndex.from_tuples(present.keys(), names=["dataset", "image"]) if present else []
    inside = records.set_index(["dataset", "image"]).index.isin(keys) if present else np.zeros(len(records), bool)
    rows = records[inside & records["repetition"].eq(records["repetition"].min())]
    paths = [present[row["dataset"], row["image"]] / sample_name(row) for row in rows.to_dict("records")]
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
    return f"{series_label(row['method'], row['variant'])}{rate}\n" + (f"{value:.2f} dB" if np.isfinite(value) else "")


def _short(name: str) -> str:
    # A longer one beside its line would leave the panels no room.
    return name if len(name) <= LABEL_CHARACTERS else f"{name[: LABEL_CHARACTERS // 2]}…{name[-LABEL_CHARACTERS // 2 + 1 :]}"


def _strips(run_dir: Path, dataset: str, rows: pd.DataFrame) -> tuple[list[str], list[list[tuple[str, StoragePath]]]]:
    """Return a label and the captioned images of each line: one line an image, channel state and CR, fixed rates in each."""
    labels, strips = [], []
    for (image, channel, snr_db), cell in rows.groupby(["image", "channel", "snr_db"], sort=True):
        for cr in sorted(cell["cr"].dropna().unique()) or [float("nan")]:
            shown = cell[cell["cr"].isna() | cell["cr"].eq(cr)].sort_values(["cr", "method", "variant"])
            rate = "" if np.isnan(cr) else f"CR {cr_label(cr)}"
            strip = [("original\n", sample_folder(run_dir, dataset, image) / "original.png")]
            strip += [(_caption(row), row["path"]) for row in shown.to_dict("records")]
            seen = _distinct([panel for row in shown.to_dict("records") for panel in _maps(row)])
            for panels, label in (
                (strip, f"{_short(image.rsplit('/', 1)[-1])}\n{channel}, {snr_db:g} dB\n{rate}"),
                (seen, "sender's maps"),
            ):
                for start in range(0, len(panels), MAX_COLUMNS):
                    strips.append(panels[start : start + MAX_COLUMNS])
                    labels.append("" if start else label)
    return labels, strips


def _sheet(run_dir: Path, dataset: str, rows: pd.DataFrame) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    labels, strips = _strips(run_dir, dataset, rows)
    columns = max(len(strip) for strip in strips)
    side = float(np.clip(PAGE_WIDTH / columns, *PANEL_INCHES))
    layout = ConstrainedLayoutEngine(w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)
    figure = Figure(figsize=(columns * side + LABEL_INCHES, len(strips) * (side + 0.28)), layout=layout)
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


def write_sheets(run_dir: Path, records: pd.DataFrame | None = None) -> list[Path]:
    """Write ``figures/qualitative_<dataset>`` for each data set of which images were kept, and return the paths.

    Raises:
        RecordError: a kept image cannot be read.
    """
    from suite.report.figures import drawing, save
    from suite.report.formats import file_stem

    records = load(run_dir) if records is None else records
    rows = _kept(Path(run_dir), records)
    if _PSNR not in metric_columns(records):
        rows = rows.assign(**{_PSNR: np.nan})
    written = []
    with drawing():
        for dataset, group in rows.groupby("dataset"):
            group = group[group["image"].isin(sorted(group["image"].unique())[:MAX_IMAGES])]
            written += save(_sheet(Path(run_dir), dataset, group), Path(run_dir) / "figures" / f"qualitative_{file_stem(dataset)}")
    return written
