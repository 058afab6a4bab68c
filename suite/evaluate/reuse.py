"""What earlier grids of a run folder did of this one's plan: their records are kept, and only what is missing is done.

::

    plan ──> unit there? ── no ──> record files of the same network, data set and code ──> cells that they hold: kept
                       │                                                              └──> cells that none holds: smaller units
                       └── yes
    cells that are there and of which a sheet is to show images that are not kept ──> units of those cells alone
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.common.storage import StoragePath, read_many
from suite.config.sheets import FailureSettings, SheetCell
from suite.errors import RecordError
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.set_metrics import of_cells
from suite.evaluate.worst_cases import ranked, worst_images
from suite.runs.layout import RunLayout
from suite.runs.records import metric_names, read_unit, unit_context

# Image, channel, SNR and repetition.
CellOfImage = tuple[str, str, float, int]


@dataclass(frozen=True)
class Reuse:
    """A plan as a run folder with a history asks for it.

    Attributes:
        units: those of the plan, or in the place of one that is not there those that do what no record file holds.
        files: record files of earlier grids that hold cells of the plan, below ``records/`` or ``superseded/``.
        cells: how many cells of images are taken from them.
    """

    units: list[WorkUnit]
    files: frozenset[Path] = frozenset()
    cells: int = 0


@dataclass(frozen=True)
class _Holder:
    """A record file: the cells that are sound in it, and the metrics that they have."""

    file: Path
    context: str
    metrics: frozenset[str]
    cells: frozenset[CellOfImage]


def reuse(units: Sequence[WorkUnit], run_dir: StoragePath) -> Reuse:
    """Return what of a plan is left when cells of earlier grids are taken over.

    Cells are the same where all that determines a result is: network, weights, code, link, seed, data set. Metrics of whole cells, such
    as FID, need the features of all their images, so units that have any are taken whole or not at all.

    Args:
        units: the whole plan.
        run_dir: the run folder.
    """
    layout = RunLayout(run_dir)
    there: dict[Path, StoragePath] = {file: layout.superseded / file for file in layout.superseded_files()}
    there |= {file: layout.record(file) for file in layout.record_files()}
    planned = {unit.file for unit in units}
    new = {unit.identity: unit for unit in units if unit.file not in there and not unit.failure_reason and not of_cells(unit)}
    folders = {unit.file.parent for unit in new.values()}
    others = {path: file for file, path in there.items() if file.parent in folders and file not in planned}
    holders: dict[str, list[_Holder]] = defaultdict(list)
    for found in read_many(others, lambda path: _holder(others[path], path)):
        if found is not None:
            holders[found.context].append(found)
    held = {unit.identity: _held(unit, holders[unit.context]) for unit in units if unit.identity in new} if holders else {}
    standing = {unit.identity: {unit.file} if unit.file in there else set(held.get(unit.identity, {}).values()) for unit in units}
    unshown = _unshown([unit for unit in units if standing[unit.identity]], standing, there, layout)
    left: list[WorkUnit] = []
    for unit in units:
        own, to_show = held.get(unit.identity, {}), unshown.get(unit.identity, set())
        if unit.file in there:
            # A cell that failed has no image, and is tried again with its own unit.
            sound = _holder(unit.file, there[unit.file]) if to_show else None
            again = _again(unit, to_show & sound.cells if sound else set())
            # A unit of no other cells is done again itself.
            left += [*again, *([] if any(part.identity == unit.identity for part in again) else [unit])]
        elif own:
            left += [*_parts(unit, _cells(unit).difference(own)), *_again(unit, to_show.intersection(own))]
        else:
            left.append(unit)
    files = frozenset(file for cells in held.values() for file in cells.values())
    return Reuse(left, files, sum(map(len, held.values())))


def _unshown(
    units: Sequence[WorkUnit], files: Mapping[str, Set[Path]], there: Mapping[Path, StoragePath], layout: RunLayout[StoragePath]
) -> dict[str, set[CellOfImage]]:
    """Return the cells that the sheets are to show and of which no image is kept, by unit: others were chosen before.

    Args:
        units: those of which there are records.
        files: the record files that hold their cells, by unit.
        there: where record files lie.
        layout: of the run folder.
    """
    wanted: dict[StoragePath, tuple[str, CellOfImage]] = {}
    for unit in units:
        for channel, snr in unit.shown:
            wanted |= {_sample(layout, unit, id, (channel, snr)): (unit.identity, (id, channel, snr, 0)) for id in unit.images.keep}
    for unit, images in _worst(units, files, there):
        cell = unit.images.worst_at
        wanted |= {_sample(layout, unit, id, cell): (unit.identity, (id, *cell, 0)) for id in images} if cell else {}
    found: dict[str, set[CellOfImage]] = defaultdict(set)
    for (identity, cell_of_image), kept in zip(wanted.values(), read_many(wanted, lambda path: path.exists()), strict=True):
        if not kept:
            found[identity].add(cell_of_image)
    return found


def _sample(layout: RunLayout[StoragePath], unit: WorkUnit, image: str, cell: SheetCell) -> StoragePath:
    """Return where the reconstruction of an image in a cell lies if it is kept."""
    own: dict[str, Any] = {"dataset": unit.images.dataset, "method": unit.configured.method, "variant": unit.variant}
    own |= {"cr": math.nan if unit.cr is None else float(unit.cr), "channel": cell[0], "snr_db": cell[1], "image": image}
    return layout.sample(own)


def _worst(
    units: Sequence[WorkUnit], files: Mapping[str, Set[Path]], there: Mapping[Path, StoragePath]
) -> Iterator[tuple[WorkUnit, set[str]]]:
    """Yield, of what the records that are there hold, the units with the worst cases of a network, with their images.

    Those of units that are still to be done are kept as they come.
    """
    # A reading of the link is a series of its own, with worst cases of its own.
    networks: dict[tuple[str, str, str, object], dict[str, float]] = defaultdict(dict)
    ranked_units: list[tuple[WorkUnit, FailureSettings, dict[str, float]]] = []
    for unit in units:
        if unit.failures is None:
            continue
        rows = [row for file in sorted(files[unit.identity]) for row in _rows(there[file]) if row["image"] in unit.images.ids]
        ranking, badness = unit.failures, networks[unit.images.dataset, unit.configured.method, unit.variant, unit.cr]
        badness |= worst_images(unit, rows)
        ranked_units.append((unit, ranking, badness))
    # Only now is every unit of a network in the count.
    for unit, ranking, badness in ranked_units:
        yield unit, ranked(badness, ranking.images).keys() & set(unit.images.ids)


def _rows(path: StoragePath) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = read_unit(path).to_pylist()
    except RecordError:
        # Damaged: its unit is done anew.
        return []
    return rows


def _holder(file: Path, path: StoragePath) -> _Holder | None:
    """Return what a record file holds, ``None`` if it is damaged or of before it was noted what its cells depend on."""
    try:
        table = read_unit(path)
    except RecordError:
        return None
    context = unit_context(table)
    if not context:
        return None
    columns = [table[name].to_pylist() for name in ("image", "channel", "snr_db", "repetition", "status")]
    rows = list(zip(*columns, strict=True))
    # A refined image has two rows, and its cell is sound if both are.
    failed = {row[:4] for row in rows if row[4] != "ok"}
    return _Holder(file, context, frozenset(metric_names(table)), frozenset(row[:4] for row in rows) - failed)


def _held(unit: WorkUnit, holders: Iterable[_Holder]) -> dict[CellOfImage, Path]:
    """Return the cells of a unit that record files hold, with the file."""
    wanted = _cells(unit)
    held: dict[CellOfImage, Path] = {}
    # The one that has most of them first, so that few files are kept.
    for holder in sorted(holders, key=lambda each: (-len(each.cells & wanted), str(each.file))):
        if holder.metrics.issuperset(unit.metrics):
            held |= {cell: holder.file for cell in holder.cells & wanted if cell not in held}
    return held


def _cells(unit: WorkUnit) -> set[CellOfImage]:
    return {(image, *cell) for image in unit.images.ids for cell in unit.cells}


def _parts(unit: WorkUnit, cells: Collection[CellOfImage]) -> list[WorkUnit]:
    """Return units that do these cells of ``unit``, with all repetitions of a cell."""
    some = {cell[:3] for cell in cells}
    images = {
        (channel, snr): tuple(id for id in unit.images.ids if (id, channel, snr) in some)
        for channel in unit.grid.channels
        for snr in unit.grid.snr_db
    }
    # Channels that lack the same SNRs of the same images make one unit.
    lacking: dict[tuple[tuple[str, ...], tuple[float, ...]], list[str]] = defaultdict(list)
    for channel in unit.grid.channels:
        for ids in dict.fromkeys(images[channel, snr] for snr in unit.grid.snr_db):
            if ids:
                lacking[ids, tuple(snr for snr in unit.grid.snr_db if images[channel, snr] == ids)].append(channel)
    return [_part(unit, ids, tuple(channels), snrs) for (ids, snrs), channels in lacking.items()]


def _again(unit: WorkUnit, cells: Collection[CellOfImage]) -> list[WorkUnit]:
    """Return units that do cells whose records are there, for the images of them."""
    return [replace(part, again=True) for part in _parts(unit, cells)]


def _part(unit: WorkUnit, ids: tuple[str, ...], channels: tuple[str, ...], snrs: tuple[float, ...]) -> WorkUnit:
    grid = unit.grid.model_copy(update={"channels": channels, "snr_db": snrs})
    return replace(unit, images=replace(unit.images, ids=ids, keep=unit.images.keep & frozenset(ids)), grid=grid)
