"""What every table of a run must tell beside its numbers, known before anything runs; ``run.json`` keeps it.

::

    Prepared ──run_notes──> ["... is lossless by decree ...", "Trained on awgn ...", ...] ──run.json──> under every table
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.datasets import Dataset
from benchmarks.metrics import lookup
from suite.config.grid import Grid
from suite.evaluate.plan import sizes_of
from suite.evaluate.readings import read_grids
from suite.link.declared import LOSSLESS
from suite.prepare import Prepared, image_sizes
from suite.shortfalls import ratios_left_out
from suite.train.checkpoint import Checkpoint

BY_DECREE = "is lossless by decree: its bytes always arrive, and the symbols of its fixed scheme are charged."


def run_notes(prepared: Prepared) -> list[str]:
    """Return the sentences that belong under every table of a run."""
    found = (own_sizes, _taken_by_name, _lossless, _readings, _channels_not_met, _texts_compared_with, _metrics_inside, _ratios_left_out)
    return [sentence for sentences in found for sentence in sentences(prepared)]


def own_sizes(prepared: Prepared) -> Iterator[str]:
    """Yield in which sizes images that keep their own are sent."""
    grid = prepared.grid
    if grid.fit != "native":
        return
    sizes = sorted(image_sizes(grid, [dataset for dataset, _ in prepared.datasets.values()]), reverse=True)
    yield f"Images keep their size ({_listed([_pixels(size) for size in sizes])} pixels), and budgets follow it."
    padded: dict[str, list[str]] = defaultdict(list)
    for configured in prepared.configured_methods:
        changed = [(size, sent) for size in sizes if (sent := configured.padded(*size)) != size]
        if changed:
            padded[_listed([f"{_pixels(size)} as {_pixels(sent)}" for size, sent in changed])].append(configured.label)
    for told, labels in padded.items():
        who = ", ".join(labels)
        yield f"Mirrored to the sides that their networks need, with the symbols of those, and cut before any metric: {told}, {who}."


def _taken_by_name(prepared: Prepared) -> Iterator[str]:
    """Yield which weights were named instead of trained, and what their cards say of them."""
    told: dict[str, list[str]] = defaultdict(list)
    for (label, cr), found in prepared.named.items():
        card = found.card
        place = next(each.weights for each in prepared.configured_methods if each.label == label)
        recipe = f"{place}, trained on {card.data}, crops of {card.crop} pixels"
        told[recipe].append(f"{label} {cr or ''} ({card.steps:,} steps)".replace("  ", " "))
    for recipe, labels in told.items():
        yield f"Weights taken by name from {recipe}: {', '.join(labels)}."


def _pixels(size: tuple[int, int]) -> str:
    """Return a size as people write it, width first."""
    return f"{size[1]} x {size[0]}"


def _listed(parts: list[str], most: int = 4) -> str:
    rest = f" and {len(parts) - most} more" if len(parts) > most else ""
    return ", ".join(parts[:most]) + rest


def _ratios_left_out(prepared: Prepared) -> Iterator[str]:
    """Yield at which ratios a method has no weights, so that nobody looks for its rows there."""
    sentences = (ratios_left_out(configured, prepared.grid.cr) for configured in prepared.configured_methods)
    yield from filter(None, sentences)


def _lossless(prepared: Prepared) -> Iterator[str]:
    """Yield which digital streams the channel does nothing to."""
    if prepared.grid.link.digital.mode == LOSSLESS:
        yield f"The digital stream {BY_DECREE}"
        return
    own = [each.label for each in prepared.configured_methods if each.traits.coding_mode == LOSSLESS]
    if own:
        yield f"The digital stream of {', '.join(own)} {BY_DECREE}"


def _readings(prepared: Prepared) -> Iterator[str]:
    """Yield what the labels of the link's readings stand for."""
    grid = prepared.grid
    borne = {read.label for configured in prepared.configured_methods for read in read_grids(configured, grid)}
    met = {label: reading for label, reading in grid.readings.items() if label in borne}
    if idle := [f"[{label}]" for label, reading in grid.readings.items() if label not in met and reading.among(grid.channels)]:
        yield f"{', '.join(idle)}: no row, since no method of this grid, on its channels, would be sent otherwise."
    for label, reading in met.items():
        told = ", ".join(f"{name}={value}" for name, value in _flat("link", reading.link)) or "the link as the grid sets it"
        where = f", on {', '.join(reading.channels)} alone" if reading.channels else ""
        decree = f"; its digital stream {BY_DECREE[:-1]}" if reading.over(grid.link).digital.mode == LOSSLESS else ""
        yield f"[{label}]: {told}{where}{decree}."
    if met:
        named = any(reading.over(grid.link) == grid.link for reading in met.values())
        rest = "are of methods that no reading changes" if named else "are of the link as the grid sets it"
        yield f"Rows without a label in brackets {rest}."


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, value


def _channels_not_met(prepared: Prepared) -> Iterator[str]:
    """Yield which networks are tested on channels that their training did not meet."""
    tested = prepared.grid.channels
    # By the job: what it names is what the card of its checkpoint says, since both bear one identity.
    met = {label: job.settings.channels for (label, _), job in prepared.jobs.items()}
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for label, channels in met.items():
        if new := tuple(channel for channel in tested if channel not in channels):
            groups[channels, new].append(label)
    for (channels, new), labels in groups.items():
        yield f"Trained on {', '.join(channels)} and tested on {', '.join(new)} without having met it in training: {', '.join(labels)}."


def _texts_compared_with(prepared: Prepared) -> Iterator[str]:
    """Yield which texts the metrics of text compare with, where these are not what the methods were given.

    Captions of a data set that methods send themselves (``captioner: dataset``) are told by the data set and the grid.
    """
    grid = prepared.grid
    named = [spec.title for spec in lookup(prepared.metrics.names, grid.metric_settings) if spec.needs_caption]
    if not named:
        return
    writer, titles = grid.generative.reference_captioner, " and ".join(named)
    own = f"{titles}: compared with the data set's own caption of the image"
    if writer is not None:
        told = f", told by {writer.prompt_file.name}" if writer.prompt_file is not None else ""
        yield f"{own}, and where it has none with what {writer.model}{told} writes for the metric alone; no method is given that text."
    elif all(model.backend != "dataset" for each in prepared.configured_methods for model in each.captioner_models):
        yield f"{own}, which no method is given."


def _metrics_inside(prepared: Prepared) -> Iterator[str]:
    """Yield which of the metrics a method chooses by, or has imitated what they look at."""
    titles = {spec.name: spec.title for spec in lookup(prepared.metrics.names, prepared.grid.metric_settings)}
    for name, title in titles.items():
        if who := [each.label for each in prepared.configured_methods if name in each.traits.metrics_inside]:
            yield f"{title} does not measure {', '.join(who)} from outside: the method chooses by it, or learnt from what it looks at."


def dataset_info(dataset: Dataset, grid: Grid) -> dict[str, Any]:
    """Return what ``run.json`` says of a test set; its images by name where the grid does not take all, and the groups they come in."""
    images = list(dataset.items())[: grid.limit]
    named: dict[str, Any] = {"images": images} if len(images) < len(dataset) else {}
    if grid.fit == "native":
        named["sizes"] = {id: list(size) for id, size in sizes_of(dataset, images).items()}
    if groups := {id: group for id in images if (group := dataset.group(id)) != id}:
        named["groups"] = groups
    return {"pictures": len(dataset), "fingerprint": dataset.fingerprint(), "sheet": images[: grid.sheet.images], **named}


def training_note(found: Checkpoint) -> dict[str, Any]:
    """Return what ``run.json`` says of weights and how they came about."""
    card, hardware = found.card, found.card.hardware
    machine = ", ".join([*hardware.get("gpus", ()), str(hardware.get("processor") or hardware.get("machine") or "")])
    told = {name: getattr(card, name) for name in ("minutes", "steps", "seed", "data", "validation")}
    return told | {"machine": machine, "parameters": found.parameters}
