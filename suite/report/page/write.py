"""The page of a run: one HTML file of its results, kept images and figures, with style and script inside it.

::

    points, intervals, marks ──┐
    kept images, texts, maps ──┼──> data in the page ──script──> table, curves, explorer      report.html
    summary, first table ──────┴──────────────────────────────> readable without script

Nothing is fetched: a policy in the page forbids every request, and lets no script run but its own, whose hashes it names.
"""

import base64
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from benchmarks.common.cores import available_cores
from suite.report.captions import caption_of, figure_captions
from suite.report.formats import LEGEND, MetricTable, PlainTable, write_bytes
from suite.report.headline import headline
from suite.report.page.data import Places, page_data
from suite.report.page.explorer import explorer_data, webp_source
from suite.report.page.ledger import grid_yaml, ledger_tables
from suite.report.paper import paper_note, read_paper
from suite.report.qualitative import QUALITATIVE
from suite.report.results import RunResults
from suite.runs.layout import RunLayout

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("page.js", "table.js", "curves.js", "texts.js", "explorer.js", "start.js")
# The page draws these itself.
_DRAWN_LIVE = ("snr_", "symbols_", f"{QUALITATIVE}_")
# Twice what a page of 720 units shows, for fine screens.
_FIGURE_PIXELS = 1440
_LOSSLESS = 100


def write_report(results: RunResults, layout: RunLayout[Path], made: Iterable[Path]) -> Path:
    """Write the page of ``layout`` with the tables and the PNG figures among the files ``made``, and return its path.

    Raises:
        RecordError: a kept image cannot be read.
    """
    places = Places(results)
    data = page_data(results, places) | {"explorer": explorer_data(results, layout, places)}
    script = "\n".join(_read(name) for name in SCRIPTS)
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    page = environment.get_template("report.html.j2").render(
        name=results.name,
        rows=len(results.records),
        failed=results.failed,
        dirty=results.info.dirty,
        warnings=results.info.warnings,
        headline=headline(results),
        legend=LEGEND,
        summary=results.summary_table,
        first=_first_table(results, places, data["first_metric"]),
        notes=_notes(results),
        plain=_tables(results),
        figures=_figures(results, made),
        ledger=ledger_tables(results),
        grid=grid_yaml(results),
        provenance=json.dumps(results.info.document, indent=2, ensure_ascii=False),
        has_images=bool(data["explorer"]["images"]),
        style=_read("page.css"),
        script=script,
        script_hash=_hash(script),
        data=_inline_json(data),
    )  # fmt: skip
    return write_bytes(layout.report, page.encode())


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _inline_json(data: Mapping[str, Any]) -> str:
    """Return JSON that can stand inside a ``script`` element: what would end the element or open a comment is written as an escape."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _first_table(results: RunResults, places: Places, metric: int) -> MetricTable | None:
    """Return the table that stands there without script: the compared metric on the first data set and channel that has it."""
    name = places.metrics[metric] if places.metrics else ""
    return next((table for key, table in results.metric_tables.items() if key[2] == name), None)


def _tables(results: RunResults) -> list[PlainTable]:
    """Return the tables of the page beside those of metrics, ablations first."""
    several = (*results.ablations.values(), *results.comparison_tables.values())
    return [*(table for tables in several for table in tables), results.symbols_table, results.failures_table]


def _notes(results: RunResults) -> list[str]:
    """Return what is said of all the tables: once what holds for each of them, the rest with where it does."""
    if not results.notes:
        return []
    everywhere = [note for note in next(iter(results.notes.values())) if all(note in notes for notes in results.notes.values())]
    own = [(key, note) for key, notes in results.notes.items() for note in notes if note not in everywhere]
    beside = paper_note(results.paper, read_paper().source)
    return [LEGEND, *everywhere, *beside, *(f"{dataset}, {channel}: {note}" for (dataset, channel), note in own)]


def _figures(results: RunResults, made: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the figures that the page does not draw itself, in the order of their captions, with what it needs of each."""
    captions = figure_captions(results)
    order = {name: index for index, name in enumerate(captions)}
    drawn = [path for path in made if path.suffix == ".png" and not path.stem.startswith(_DRAWN_LIVE)]
    drawn.sort(key=lambda path: (order.get(path.stem, len(order)), path.stem))
    # What takes the time lets threads run.
    with ThreadPoolExecutor(available_cores()) as threads:
        return [
            {"name": path.stem, "caption": caption_of(captions, path.stem)} | told
            for path, told in zip(drawn, threads.map(_picture, drawn), strict=True)
        ]


def _picture(path: Path) -> dict[str, Any]:
    """Return a figure as the page holds it: its data address and its size."""
    with Image.open(io.BytesIO(path.read_bytes())) as whole:
        image = whole.convert("RGB")
    image.thumbnail((_FIGURE_PIXELS, 10 * _FIGURE_PIXELS), Image.Resampling.LANCZOS)
    return {"source": webp_source(image, _LOSSLESS), "width": image.width, "height": image.height, "wide": image.width == _FIGURE_PIXELS}
