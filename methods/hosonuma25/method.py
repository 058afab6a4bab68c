"""Hosonuma25 as a method of the suite; see the package for the data flow."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.common.images import image_tensor, to_uint8
from methods.base import Geometry, Method, OperatingPoint, Received, Refined, Signal, Traits
from methods.errors import MethodError
from methods.generative import UsesModels
from methods.generative.required import check_required, required
from methods.hosonuma25.priors import MOST_LABELS, Prior, PriorCode, UnreadablePriorError, frame, require_group4, unframe
from methods.hosonuma25.regions import Regions, check_regions, regions
from methods.hosonuma25.selection import agreement
from methods.hosonuma25.settings import VARIANTS, HosonumaSettings
from methods.registry import METHODS

NAME = "hosonuma25"
UNKNOWN = 0.5


@METHODS.register(NAME)
class Hosonuma25(UsesModels, Method[HosonumaSettings]):
    """A caption and a mask, or a label map with its palette, as one message; the image is painted at the receiver.

    What arrives damaged is used as far as it can be told right from wrong. A message that failed its check keeps its caption, with the
    characters that are no longer any as U+FFFD, and loses its prior: one wrong bit of Group 4 moves every edge below it. The editor
    then gets an image of one grey, the selection has nothing to go by and keeps the first candidate. A message that is lost
    leaves an empty caption besides.
    """

    Settings = HosonumaSettings
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = VARIANTS
    paper = (
        "Hosonuma et al.: Image Generative Semantic Communication with Multi-Modal Similarity Estimation for Resource-Limited Networks, "
        "IEICE Trans. Commun. E108-B(3), 2025, arXiv 2404.11280"
    )
    display_names: ClassVar[Mapping[str, str]] = {"": "Hosonuma et al."}

    def __init__(self, settings: HosonumaSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        scale = min(settings.mask_size, max(geometry.height, geometry.width)) / max(geometry.height, geometry.width)
        self.cells = (max(1, round(geometry.height * scale)), max(1, round(geometry.width * scale)))
        self.code = PriorCode(*self.cells, palette_bits=settings.palette_bits if settings.prior == "palette" else 0)
        self._regions: Regions | None = None

    @classmethod
    def traits(cls, settings: HosonumaSettings) -> Traits:
        """One operating point; the image is made after message and prior have arrived."""
        asks = {"editor": 1} if settings.receiver == "edit" else {"generator": settings.candidates}
        return Traits(
            rates="fixed",
            coding_mode=settings.protection,
            describes=True,
            refines=True,
            uses_snr_at_refine=False,
            refine_only=frozenset({"digital"}),
            coarse=False,
            asks=asks,
            # The map that it sends, and paints by, is the one that this metric compares.
            metrics_inside=frozenset({"saliency_iou_geodesic"}) if settings.mask_source == "saliency" else frozenset(),
        )

    @classmethod
    def assets(cls, settings: HosonumaSettings) -> Sequence[Path]:
        """Return the segmentation network's file or folder, where one is used and lies here."""
        library, _, name = settings.mask_model.partition(":")
        if settings.mask_source == "saliency":
            return ()
        found = settings.mask_weights if library == "torchvision" else Path(name).expanduser()
        return (found,) if found is not None and (library == "torchvision" or found.exists()) else ()

    def check_ready(self) -> None:
        """Raise a :class:`MethodError` unless the models are named and can be asked, and the mask can be made."""
        field = "editor" if self.settings.receiver == "edit" else "generator"
        check_required(NAME, captioner=self.settings.captioner, **{field: getattr(self.settings, field)})
        require_group4()
        check_regions(self.settings)

    def describe(self, images: Tensor, captions: Sequence[str] | None = None) -> Sequence[str]:
        """Return the captioner's text of each image."""
        return self.model_client.caption(required(self.settings.captioner, "captioner", NAME), images, captions)

    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        """Return one message an image: prior and caption."""
        if descriptions is None:
            raise MethodError(f"{NAME} sends captions and got none; describe the images first")
        priors = [self.code.pack(self.prior(image)) for image in images]
        messages = [frame(prior, caption) for prior, caption in zip(priors, descriptions, strict=True)]
        return Signal(digital=messages, coding_mode=self.settings.protection)

    def decode(self, received: Received, point: OperatingPoint) -> None:
        """Return nothing: a mask is no image yet."""
        return

    def refine(self, coarse: Tensor | None, received: Received, point: OperatingPoint) -> Refined:
        """Return images painted from what arrived."""
        priors, texts = self.read(received)
        if self.settings.receiver == "select":
            return self._selected(priors, texts)
        shown = torch.stack([self.shown(prior) for prior in priors])
        prompt = "mask" if self.settings.prior == "mask" else "palette"
        return self.model_client.edit(required(self.settings.editor, "editor", NAME), shown, texts, prompt=prompt)

    def prior(self, image: Tensor) -> Prior:
        """Return what is sent of a (3, H, W) image in [0, 1] besides its caption."""
        labels = self._sources().labels(image, self.cells)
        if self.settings.prior == "mask":
            return Prior((~np.isin(labels, self.settings.background)).astype(np.uint8))
        present, numbered = np.unique(labels, return_inverse=True)
        if len(present) > MOST_LABELS:
            raise MethodError(f"{len(present)} labels in one image, a palette has room for {MOST_LABELS}; use another mask_model")
        numbered = numbered.reshape(labels.shape)
        cells = self._cells(image).reshape(-1, 3)
        means = [cells[numbered.reshape(-1) == number].mean(axis=0) for number in range(len(present))]
        return Prior(numbered.astype(np.uint8), to_uint8(np.stack(means)))

    def read(self, received: Received) -> tuple[list[Prior | None], list[str]]:
        """Return each message's prior, ``None`` where none arrived whole, and its caption, "" where none arrived.

        Raises:
            MethodError: no digital stream arrived.
        """
        if received.digital is None:
            raise MethodError(f"{NAME} reads messages and no digital stream arrived; decode what the same method encoded")
        intact = received.intact if received.intact is not None else [True] * len(received.digital)
        priors: list[Prior | None] = []
        texts: list[str] = []
        for message, passed in zip(received.digital, intact, strict=True):
            packed, caption = unframe(message or b"")
            priors.append(self._unpacked(packed) if passed and message is not None else None)
            texts.append(caption.decode(errors="replace"))
        return priors, texts

    def shown(self, prior: Prior | None) -> Tensor:
        """Return a prior as a (3, H, W) image: the object white on black, or each label in its colour; grey where there is none."""
        size = (self.geometry.height, self.geometry.width)
        if prior is None:
            return torch.full((3, *size), UNKNOWN)
        palette = np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8) if prior.palette is None else prior.palette
        image = image_tensor(palette[prior.labels])
        return F.interpolate(image[None], size, mode="nearest-exact")[0]

    def _selected(self, priors: Sequence[Prior | None], texts: Sequence[str]) -> Refined:
        """Return the best of several candidates an image; an image without a prior has the first alone."""
        generator, size = required(self.settings.generator, "generator", NAME), (self.geometry.height, self.geometry.width)
        best = self.model_client.generate(generator, texts, *size)
        images, cost = best.images.clone(), list(best.cost)
        guided = {row: prior for row, prior in enumerate(priors) if prior is not None}
        scores = {row: agreement(self._cells(images[row]), prior) for row, prior in guided.items()}
        for variation in range(1, self.settings.candidates if guided else 1):
            more = self.model_client.generate(generator, [texts[row] for row in guided], *size, variation)
            for place, (row, prior) in enumerate(guided.items()):
                score = agreement(self._cells(more.images[place]), prior)
                if score > scores[row]:
                    scores[row], images[row] = score, more.images[place]
                if cost:
                    cost[row] += more.cost[place]
        return replace(best, images=images, cost=tuple(cost))

    def _cells(self, image: Tensor) -> np.ndarray:
        """Return the (h, w, 3) mean colours of a (3, H, W) image's cells."""
        return np.asarray(F.adaptive_avg_pool2d(image[None].float(), self.cells)[0].permute(1, 2, 0).cpu().numpy())

    def _sources(self) -> Regions:
        if self._regions is None:
            self._regions = regions(self.settings)
        return self._regions

    def _unpacked(self, packed: bytes) -> Prior | None:
        try:
            return self.code.unpack(packed)
        except UnreadablePriorError:
            return None
