"""Which metrics can run here, and the measuring of one reconstruction by all of them in one pass.

::

    check(names) ──> {name: None | what is missing}          before anything runs
    Scorer(names) ─ reference(id, pixels, caption) ──> Image, kept with its features
                  └ score(reference, candidate) ──> {column: value}
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common.errors import MetricUnavailableError, PixelsError
from benchmarks.common.fetching import may_fetch
from benchmarks.common.names import unknown
from benchmarks.common.project import not_shipped
from benchmarks.metrics.base import ImageMetric, MetricImage, MetricSettings, MetricSpec, Pixels, SetMetric, WeightFile
from benchmarks.metrics.catalog import metric_table
from benchmarks.metrics.clip import unusable
from benchmarks.metrics.errors import MetricKindError
from benchmarks.metrics.weights import broken, fetchable, find, locate, missing, trusted


def lookup(names: Sequence[str], settings: MetricSettings | None = None) -> list[MetricSpec]:
    """Return the declarations of ``names``, in their order.

    Raises:
        UnknownNameError: a name is not in the table; the message suggests the nearest one.
    """
    table = metric_table(settings)
    for name in names:
        if name not in table:
            raise unknown("metric", name, table)
    return [table[name] for name in names]


def check(
    names: Sequence[str],
    settings: MetricSettings | None = None,
    image_size: tuple[int, int] | None = None,
    captions: bool = True,
    masks: bool = True,
    objects: bool = True,
) -> dict[str, str | None]:
    """Say for each metric whether it can run here: ``None``, or the sentence that says what is missing and where to get it.

    Nothing is downloaded; a file that may be downloaded counts as there (see :func:`fetch`).

    Args:
        names: metrics asked for.
        settings: where files are.
        image_size: (height, width) of the images, where known.
        captions: whether the images have captions.
        masks: whether the images have masks.
        objects: whether it is known which objects the images show.
    """
    settings = settings or MetricSettings()
    return {spec.name: _failure_reason(spec, settings, image_size, captions, masks, objects) for spec in lookup(names, settings)}


def fetch(names: Sequence[str], settings: MetricSettings) -> None:
    """Download the files of ``names`` that are missing, if the settings allow it; a plan notes what it would download.

    Raises:
        MetricUnavailableError: a file is missing and may not, or could not, be downloaded, or is not what the metric needs.
    """
    for spec in lookup(names, settings):
        for file in spec.weights:
            if find(file, settings) is not None or (fetchable(file, settings) and not may_fetch(file.names[0], file.address)):
                continue
            if sentence := broken(spec, file, locate(spec, file, settings)):
                raise MetricUnavailableError(sentence)


def set_metric(name: str, settings: MetricSettings | None = None, device: str = "cpu") -> SetMetric:
    """Return the measuring object of a metric of kind "cell".

    Raises:
        UnknownNameError: there is no such metric.
        MetricKindError: it is one of kind "image".
        MetricUnavailableError: it cannot run here.
    """
    settings = settings or MetricSettings()
    built = _build(lookup([name], settings)[0], settings, device)
    if not isinstance(built, SetMetric):
        raise MetricKindError(f"the metric '{name}' has a value for each image; give it to Scorer")
    return built


class Scorer:
    """Several metrics, measured together on one image after the other.

    An image is scored alone, in float32, so a value never depends on what else is scored.

    Args:
        names: metrics of kind "image".
        settings: where files are.
        device: where networks run.

    Raises:
        UnknownNameError: a name is unknown.
        MetricKindError: a metric is of kind "cell".
        MetricUnavailableError: a metric cannot run here; the message has a line for each such metric.

    Example:
        >>> scorer, grey = Scorer(["psnr"]), np.full((64, 64, 3), 128, np.uint8)
        >>> {name: round(value, 2) for name, value in scorer.score(scorer.reference("grey", grey), grey + 1).items()}
        {'psnr': 48.13}
    """

    def __init__(self, names: Sequence[str], settings: MetricSettings | None = None, device: str = "cpu") -> None:
        self.settings = settings or MetricSettings()
        self.device = str(device)
        specs = lookup(names, self.settings)
        if cells := [spec.name for spec in specs if spec.per == "cell"]:
            raise MetricKindError(f"{', '.join(cells)} has one value a cell, not one an image; use set_metric")
        failure_reasons = [sentence for sentence in check(names, self.settings).values() if sentence]
        if failure_reasons:
            raise MetricUnavailableError("\n".join(failure_reasons))
        self.metrics = [metric for spec in specs if isinstance(metric := _build(spec, self.settings, self.device), ImageMetric)]
        self.columns: tuple[str, ...] = tuple(dict.fromkeys(column for spec in specs for column in spec.columns))
        self._references: OrderedDict[tuple[Any, ...], MetricImage] = OrderedDict()
        # Another scorer may measure by other files what has the same name.
        self._own = object()

    def reference(
        self,
        image_id: str,
        pixels: Pixels,
        caption: str | None = None,
        mask: np.ndarray | None = None,
        objects: Mapping[str, str] | None = None,
    ) -> MetricImage:
        """Return the reference for an original, uint8 (H, W, 3), with what was computed of it before.

        The same id with other pixels, another caption, another (H, W) mask or other objects is another reference. The least recently
        used one is forgotten when there are more than ``MetricSettings.reference_cache``.
        """
        known = tuple(sorted((objects or {}).items()))
        key = (image_id, _digest(pixels), caption, b"" if mask is None else _digest(mask), known)
        if key not in self._references:
            self._references[key] = MetricImage(pixels, caption, self.device, mask, objects)
            while len(self._references) > self.settings.reference_cache:
                self._references.popitem(last=False)
        self._references.move_to_end(key)
        return self._references[key]

    def score(self, reference: MetricImage, candidate: Pixels) -> dict[str, float]:
        """Return the value of every column for one reconstruction, uint8 (H, W, 3).

        The same pixels, as of a text that arrives whole at several SNRs, are measured once against a reference.

        Raises:
            PixelsError: the candidate is not uint8 (H, W, 3) or not of the reference's size.
            MetricUnavailableError: the images are smaller than a metric is defined for.
        """
        image = MetricImage(candidate, device=self.device)
        if image.size != reference.size:
            raise PixelsError(f"a reconstruction of {image.size} px cannot be scored against an original of {reference.size} px")
        known: dict[str, float] = reference.feature((self._own, _digest(image.pixels)), lambda _: self._measured(reference, image))
        return dict(known)

    def _measured(self, reference: MetricImage, image: MetricImage) -> dict[str, float]:
        values: dict[str, float] = {}
        for metric in self.metrics:
            if sentence := _too_small(metric.spec, image.size):
                raise MetricUnavailableError(sentence)
            values.update(metric.measure(reference, image))
        return {column: values[column] for column in self.columns}


def _digest(array: np.ndarray) -> bytes:
    return hashlib.blake2b(array.tobytes(), digest_size=16, person=b"reference").digest()


def _build(spec: MetricSpec, settings: MetricSettings, device: str) -> ImageMetric | SetMetric:
    import torch

    if sentence := _failure_reason(spec, settings, None):
        raise MetricUnavailableError(sentence)
    # Networks are initialised at random before their weights are loaded; that is no business of anyone else's generator.
    with torch.random.fork_rng(devices=[]):
        return spec.build(spec, settings, device)


def _failure_reason(
    spec: MetricSpec,
    settings: MetricSettings,
    image_size: tuple[int, int] | None,
    captions: bool = True,
    masks: bool = True,
    objects: bool = True,
) -> str | None:
    if absent := [name for name in spec.packages if importlib.util.find_spec(name) is None]:
        return f"{spec.name} needs the package {absent[0]}: install the project's extra 'metrics' (pip install '.[metrics]')."
    if spec.folder is not None and not (spec.folder / "open_clip_config.json").is_file():
        lacking = not_shipped(spec.folder) or f"{spec.folder / 'open_clip_config.json'} is not there"
        return f"{spec.name} needs a CLIP model in open_clip's layout: {lacking}."
    if spec.folder is not None and (sentence := unusable(f"local-dir:{spec.folder}", None)):
        return f"{spec.name}: {sentence}"
    if spec.needs_caption and not captions:
        return f"{spec.name} compares images with captions, and the data set has none: give it captions or leave the metric out."
    if spec.needs_mask and not masks:
        return f"{spec.name} is read inside a saliency mask, and the data set has none: take a data set with masks or leave the metric out."
    if spec.needs_objects and not objects:
        return f"{spec.name} compares with the objects that an image is known to show, which only the procedural scenes tell: leave it out."
    if image_size and (sentence := _too_small(spec, image_size)):
        return sentence
    return next((sentence for file in spec.weights if (sentence := _file_obstacle(spec, file, settings))), None)


def _file_obstacle(spec: MetricSpec, file: WeightFile, settings: MetricSettings) -> str | None:
    path = find(file, settings)
    if path is None:
        return None if fetchable(file, settings) else missing(spec, file, settings)
    # A listing would load torch to look into what was pinned with the code.
    return None if trusted(file, path) else broken(spec, file, path)


def _too_small(spec: MetricSpec, size: tuple[int, int]) -> str | None:
    if min(size) >= spec.minimum_side:
        return None
    return (
        f"{spec.name} is not defined below {spec.minimum_side} px a side, and the images are {size[0]} x {size[1]} px: "
        "take larger images or leave the metric out."
    )
