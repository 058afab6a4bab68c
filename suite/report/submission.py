"""A run as an archive that others can check and merge: records, ``run.json``, a card for each method; nothing that failed is left out.

::

    run folder ──checked──> NAME.zip: run.json, records/**, submission.json (digests, cards) ──checked again──> RunResults
"""

import hashlib
import json
import math
import zipfile
from collections.abc import Container, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from benchmarks.common.hashing import digest
from benchmarks.common.project import LICENCE, REFERENCE
from methods.catalog import entry
from methods.messages import Geometry
from methods.registry import METHODS
from suite.errors import RecordError
from suite.report.points import of_one_network
from suite.report.results import RunResults, load_results
from suite.runs.columns import WHOLE_CELL
from suite.runs.info import RunInfo
from suite.runs.labels import cr_fraction, cr_label, names_of, series_id, without_reading
from suite.runs.layout import RunLayout

SCHEMA = 1
CONTENTS = "submission.json"
# Unpacked; a million records take a tenth of it.
MOST_BYTES = 4_000_000_000
_OLDEST = (1980, 1, 1, 0, 0, 0)
_NOT_STATED = "not stated here; ask whoever submits it"

RUN_JSON = RunLayout(Path()).run_json.name


def problems(results: RunResults) -> Iterator[str]:
    """Yield why a run is no submission: it has not ended, is not what it says, or lacks cells of its own grid."""
    info = results.info
    if not info.document.get("ended"):
        yield "the run has not ended; run the same command again"
    if not info.identity or digest("run", info.identifying) != info.identity:
        yield "run.json says another identity than that of its grid; restore it"
    yield from _lacking(results)


def _lacking(results: RunResults) -> Iterator[str]:
    """Yield which cells a method has no row of, done or failed: what is not there cannot be told from what was taken away."""
    info, single = results.info, results.records[results.records["image"].ne(WHOLE_CELL)]
    images = single.groupby("dataset")["image"].nunique()
    for name, dataset in info.datasets.items():
        asked = len(dataset.images) if dataset.images is not None else dict(info.document["datasets"][name]).get("pictures", 0)
        if images.get(name, 0) < asked:
            yield f"{images.get(name, 0)} of the {asked} images of {name} have records"
    whole = info.grid.repetitions or 1
    for (dataset, method, variant, cr), rows in single.groupby(["dataset", "method", "variant", "cr"], dropna=False):
        counts = rows.groupby(["channel", "snr_db"]).size()
        asked = int(images[dataset]) * whole
        cells = rows["channel"].nunique() * (len(info.grid.snr_db) or rows["snr_db"].nunique())
        if len(counts) < cells or counts.lt(asked).any():
            lacking = cells * asked - int(counts.sum())
            yield f"{series_id(method, variant)} at CR {cr_label(cr)} on {dataset} lacks {lacking} of {cells * asked} rows"
    there = {f"{method}/{without_reading(variant)[0]}" for method, variant in zip(single["method"], single["variant"], strict=True)}
    for label in info.document.get("code", {}):
        if label not in there:
            yield f"{label} is in the grid and has no row"


def cards(results: RunResults) -> list[dict[str, Any]]:
    """Return what is known of each method of a run: paper, licence, networks, their size and training, test images, failures."""
    records, info = results.records, results.info
    shipped = _shipped_weights()
    found = []
    for method, variant in sorted(set(zip(records["method"], records["variant"], strict=True))):
        own = records[records["method"].eq(method) & records["variant"].eq(variant)]
        label = f"{method}/{without_reading(variant)[0].removesuffix('/stage-one')}"
        trained = {name: told.model_dump() for name, told in info.trainings.items() if name.rpartition(" ")[0] == label}
        known = entry(method).paper if method in METHODS.names() else ""
        weights = {name: each for name, each in info.document.get("weights", {}).items() if name.rpartition(" ")[0] == label}
        found.append(
            {
                **{"method": method, "variant": variant, "names": names_of(method, variant) or info.names.get(label), "paper": known},
                **{"code": info.document.get("code", {}).get(label), "networks": trained},
                **{"licence": _licence(method), "weights_licence": _weights_licence(weights, shipped)},
                **{"parameters": {name: told["parameters"] for name, told in trained.items()}},
                **{"contamination": _contamination(trained, bool(weights), sorted(own["dataset"].unique()))},
                **{"over_budget": list(_over_budget(own, info)), "rows": len(own), "failed": int(own["status"].eq("failed").sum())},
            }
        )
    return found


def _over_budget(own: pd.DataFrame, info: RunInfo) -> Iterator[str]:
    """Yield at which ratios a method sends more analogue symbols than the budget, as what is declared side information may."""
    size = info.grid.image_size
    for cr, rows in own[own["cr"].notna()].groupby("cr") if size else ():
        limit, most = Geometry(size or 0, size or 0).symbols(cr_fraction(cr)), rows["symbols_analog"].max()
        if most > limit:
            yield f"{most:.0f} analogue symbols at CR {cr_label(cr)}, where the budget is {limit}"


def _licence(method: str) -> str:
    """Return the licence of a method's code: of one of the project the project's."""
    own = method in METHODS.names() and METHODS.declared(method) is not None
    return LICENCE if own else _NOT_STATED


def _weights_licence(weights: Mapping[str, str], shipped: Container[str]) -> dict[str, str]:
    """Return the licence of each network that this suite trained, by its SHA-256: of one that comes with the project the project's."""
    return {name: LICENCE if each in shipped else _NOT_STATED for name, each in weights.items()}


def _shipped_weights() -> frozenset[str]:
    """Return the SHA-256 of the networks that come with the project."""
    return frozenset(hashlib.sha256(weights.read_bytes()).hexdigest() for weights in REFERENCE.glob("*/*.safetensors"))


def _contamination(trained: dict[str, Any], weights: bool, tested: list[str]) -> str:
    """Return what can be said of whether a method has met its test images."""
    if weights and not trained:
        return "trained by this suite; run.json, of an earlier one, does not say on what"
    if not trained:
        return "no network of it was trained by this suite; whether models of others have met the test images is not known"
    data = sorted({told["data"] for told in trained.values()})
    shared = sorted(set(data) & set(tested))
    own = f"trained on {', '.join(data)}, tested on {', '.join(tested)}"
    return f"{own}: of {', '.join(shared)} two splits, as the data set cuts them" if shared else f"{own}: other data sets"


def pack(results: RunResults, file: Path) -> Path:
    """Write a run as an archive, the same bytes for the same run.

    Raises:
        RecordError: it is no submission; the message says why.
    """
    if found := list(problems(results)):
        raise RecordError(f"{results.layout.path} cannot be submitted: {'; '.join(found)}")
    layout = results.layout
    contents = {layout.run_json.name: layout.run_json.read_bytes()}
    contents |= {f"records/{path.as_posix()}": layout.record(path).read_bytes() for path in layout.record_files()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(contents.items())}
    failed = int(results.records["status"].eq("failed").sum())
    told = {"schema": SCHEMA, "name": results.name, "files": digests, "rows": len(results.records), "failed": failed}
    told |= {"dirty": results.info.dirty, "cards": cards(results)}
    contents[CONTENTS] = json.dumps(told, indent=2, ensure_ascii=False, default=str).encode()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(contents.items()):
            archive.writestr(zipfile.ZipInfo(name, _OLDEST), content, zipfile.ZIP_DEFLATED)
    return file


def unpack(file: Path, folder: Path) -> RunResults:
    """Return the results of an archive, whose files are written below ``folder``, after everything was checked again.

    Raises:
        RecordError: it is no submission, was changed, or has what :func:`problems` finds.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            told = json.loads(archive.read(CONTENTS))
            _write_checked(archive, dict(told["files"]), folder)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise RecordError(f"{file} is no submission ({error}); make it with python -m suite.submit") from error
    results = load_results(folder)
    if len(results.records) != told.get("rows") or int(results.records["status"].eq("failed").sum()) != told.get("failed"):
        raise RecordError(f"{file} holds other records than it says; make it anew with python -m suite.submit")
    if found := list(problems(results)):
        raise RecordError(f"{file} is no submission: {'; '.join(found)}")
    return results


def _write_checked(archive: zipfile.ZipFile, files: dict[str, str], folder: Path) -> None:
    if sum(each.file_size for each in archive.infolist()) > MOST_BYTES:
        raise ValueError(f"it would be larger than {MOST_BYTES:,} bytes")
    if set(archive.namelist()) != {*files, CONTENTS}:
        raise ValueError("its files are not those that it lists")
    for name, expected in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or path.parts[0] not in (RUN_JSON, "records"):
            raise ValueError(f"{name!r} does not belong into it")
        content = archive.read(name)
        if hashlib.sha256(content).hexdigest() != expected:
            raise ValueError(f"{name} was changed")
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def board_key(info: RunInfo, dataset: str) -> str:
    """Return what runs must have in common for their cells to be the same: images, their size, the link and its draws."""
    document = info.document
    images = dict(document.get("datasets", {}).get(dataset, {}))
    named = {name: info.identifying.get(name) for name in ("fit", "image_size", "link", "seed")}
    return digest("board", [dataset, images.get("fingerprint"), images.get("images"), named])[:8]


def points_of(results: RunResults, submission: str) -> pd.DataFrame:
    """Return the points of a run as rows of a board: without derived rows, each with the submission and the board it belongs to."""
    points = results.points
    own = of_one_network(points).drop(columns=["mark", "source"])
    keys = {dataset: board_key(results.info, dataset) for dataset in own["dataset"].unique()}
    return own.assign(submission=submission, board=own["dataset"].map(keys), cr=own["cr"].map(lambda cr: 0.0 if math.isnan(cr) else cr))
