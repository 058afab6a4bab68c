"""The kept images as the page carries them: originals, what each method made of them in a cell, maps, texts, values.

::

    samples/DATASET/IMAGE/*.png ──scaled, WebP──> once each in a list ──┐
    samples/.../*.json (text sent, text received) ──────────────────────┼──> samples by image, method, CR, channel and SNR
    records ──metrics, symbols of that image in that cell───────────────┘
"""

import base64
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from suite.config.sheets import ExplorerSettings
from suite.report.page.data import Places, finite
from suite.report.qualitative import kept_samples, read_sample
from suite.report.results import RunResults
from suite.runs.layout import RunLayout
from suite.runs.parquet import DamagedError, read

_SYMBOLS = ("symbols_analog", "symbols_digital", "symbols_pilot", "symbols_total")
_LOSSLESS = 100
# Six significant digits are more than any screen shows.
_DIGITS = 6


def explorer_data(results: RunResults, layout: RunLayout[Path], places: Places) -> dict[str, Any]:
    """Return the images of the page with all that is known of each, fit for JSON.

    Args:
        results: of the run.
        layout: where the kept images lie.
        places: of the page's lists.

    Raises:
        RecordError: a kept image cannot be read.
    """
    grid = results.info.grid
    settings = grid.sheet.explorer if grid.sheet is not None else ExplorerSettings()
    kept = kept_samples(layout, results.records)
    pictures, described = _Pictures(settings), _captions(layout)
    images: list[dict[str, Any]] = []
    samples: list[dict[str, Any]] = []
    maps: dict[tuple[Any, ...], dict[str, Any]] = {}
    left_out = 0
    for dataset, rows in kept.groupby("dataset", sort=True):
        for number, (image, own) in enumerate(rows.groupby("image", sort=True)):
            paths = [layout.original(dataset, image), *own["path"]]
            if number >= settings.images or not pictures.fit(paths):
                left_out += 1
                continue
            place = len(images)
            caption = described.get((dataset, image, "", ""), "")
            images.append({"id": image, "dataset": dataset, "src": pictures.place(paths[0]), "caption": caption})
            for row in own.to_dict("records"):
                where = _where(row, place, places)
                samples.append(where | {"src": pictures.place(row["path"])} | _told(row, layout, places, described))
                # They depend on no channel, so samples of several cells share them.
                maps |= {(*each.values(),): each for each in _maps(row, where, layout, pictures)}
    page = {"pixels": settings.pixels, "quality": settings.quality, "lossless": settings.quality == _LOSSLESS, "left_out": left_out}
    return page | {"pictures": pictures.sources, "images": images, "samples": samples, "maps": list(maps.values())}


class _Pictures:
    """Images as data addresses, each once, whatever shows it, and no more of them than fit the page."""

    def __init__(self, settings: ExplorerSettings) -> None:
        self.sources: list[str] = []
        self._settings = settings
        self._room = int(settings.megabytes * 1e6)
        self._of_file: dict[bytes, int] = {}

    def fit(self, paths: list[Path]) -> bool:
        """Take in the files if there is room for all of them; return whether there was."""
        new: dict[bytes, str] = {}
        for path in paths:
            content = path.read_bytes()
            if content not in self._of_file and content not in new:
                new[content] = webp_source(_scaled(path, self._settings.pixels), self._settings.quality)
        size = sum(map(len, new.values()))
        if size > self._room:
            return False
        self._room -= size
        for content, source in new.items():
            self._of_file[content] = len(self.sources)
            self.sources.append(source)
        return True

    def place(self, path: Path) -> int | None:
        """Return where a file stands in the list, ``None`` where there was no room for it."""
        content = path.read_bytes()
        return self._of_file[content] if content in self._of_file or self.fit([path]) else None


def webp_source(image: Image.Image, quality: int) -> str:
    """Return an image as a data address, WebP of a quality, of which 100 is lossless."""
    buffer = io.BytesIO()
    # Without loss the quality is how long it tries: beyond this it takes thirty times as long for as many bytes.
    how = {"lossless": True, "quality": 60, "method": 4} if quality == _LOSSLESS else {"quality": quality, "method": 6}
    image.save(buffer, "WEBP", **how)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _scaled(path: Path, pixels: int) -> Image.Image:
    image = Image.fromarray(read_sample(path))
    # An area filter, so that nothing rings that is not in the image; never up, which the page does itself.
    image.thumbnail((pixels, pixels), Image.Resampling.BOX)
    return image


def _where(row: Mapping[str, Any], image: int, places: Places) -> dict[str, Any]:
    cell = {"channel": places.channels.index(row["channel"]), "snr": places.snrs.index(row["snr_db"])}
    return {"image": image, "method": places.series.index((row["method"], row["variant"])), "cr": places.cr(row["cr"])} | cell


def _told(row: Mapping[str, Any], layout: RunLayout[Path], places: Places, described: Mapping[tuple[str, ...], str]) -> dict[str, Any]:
    """Return what records and texts say of a sample: values in the order of the page's metrics, symbols, text."""
    told: dict[str, Any] = {"values": [_short(row[name]) for name in places.metrics]}
    told["symbols"] = [finite(row[name], 0) for name in _SYMBOLS]
    if row["status"] == "failed":
        told["error"] = row["error"]
    if pd.isna(row["text_ok"]) and pd.isna(row["text_char_error_rate"]):
        return told
    text = _texts(layout, row)
    if text is None and pd.notna(row["text_char_error_rate"]):
        # Runs of before texts were kept: what was said of the image is what was sent, and what arrived is not known.
        text = {"sent": described.get((row["dataset"], row["image"], row["method"], row["variant"]), ""), "received": None, "kept": False}
    return told | {"text": text, "text_ok": bool(row["text_ok"]), "scheme": row["text_scheme"] or "", "cut": row["text_cut"] or ""}


def _short(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None


def _texts(layout: RunLayout[Path], row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what was kept of a sample's text; ``None`` where nothing was, or what is there cannot be read."""
    try:
        found = json.loads(layout.sample_texts(row).read_text(encoding="utf-8"))
        return {"sent": str(found["sent"]), "received": found["received"], "kept": True}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _maps(row: Mapping[str, Any], where: Mapping[str, Any], layout: RunLayout[Path], pictures: _Pictures) -> list[dict[str, Any]]:
    own = {name: where[name] for name in ("image", "method", "cr")}
    found = [own | {"name": name, "src": pictures.place(path)} for name, path in layout.maps(row)]
    return [each for each in found if each["src"] is not None]


def _captions(layout: RunLayout[Path]) -> dict[tuple[str, ...], str]:
    """Return what was said of each image, by data set, image, method and variant."""
    try:
        table, _ = read(layout.captions)
    except DamagedError:
        return {}
    keys = [table[name].to_pylist() for name in ("dataset", "image", "method", "variant")]
    return dict(zip(zip(*keys, strict=True), table["caption"].to_pylist(), strict=True))
