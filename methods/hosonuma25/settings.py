"""Settings of Hosonuma25."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from methods.declaration import MethodSettings
from methods.generative.settings import Captioning, Editing, Generation

_LIBRARIES = ("torchvision", "transformers")


class HosonumaSettings(MethodSettings):
    """Settings of the method.

    Attributes:
        captioner: model that writes the caption.
        editor: model that paints over the received prior, with ``receiver: edit``.
        generator: model that paints candidates from the caption, with ``receiver: select``.
        prior: what is sent besides the caption. ``mask``: where the objects are. ``palette``: the label map and each label's
            mean colour.
        receiver: ``edit``: the prior as an image and the caption go to the editor. ``select``: the generator makes ``candidates``
            images from the caption, and the one that agrees best with the prior is kept.
        candidates: images made for ``select``.
        mask_source: ``saliency``, geodesic saliency, which needs no model; ``segmentation``, the classes of ``mask_model``.
        mask_model: ``torchvision:NAME``, a segmentation network of torchvision, or ``transformers:FOLDER-OR-NAME``, a semantic
            segmentation network of transformers such as SegFormer.
        mask_weights: file of the torchvision network's parameters; ``None`` for torch's cache, else torchvision's address.
        background: classes of the network that are background in a mask; 0 is Pascal VOC's.
        mask_size: cells on the longer side of the prior.
        palette_bits: bits of a colour channel in the palette.
        protection: how the link codes the message; ``None`` for what the grid sets.
    """

    evaluation_only: ClassVar[frozenset[str]] = frozenset({"captioner", "editor", "generator"})

    captioner: Captioning | None = None
    editor: Editing | None = None
    generator: Generation | None = None
    prior: Literal["mask", "palette"] = "mask"
    receiver: Literal["edit", "select"] = "edit"
    candidates: int = Field(4, ge=1)
    mask_source: Literal["saliency", "segmentation"] = "saliency"
    mask_model: str = "torchvision:deeplabv3_resnet101"
    mask_weights: Path | None = None
    background: tuple[int, ...] = (0,)
    mask_size: int = Field(64, ge=1, le=1024)
    palette_bits: int = Field(5, ge=1, le=8)
    protection: Literal["ldpc", "adaptive", "lossless", "uncoded"] | None = None

    @field_validator("mask_model")
    @classmethod
    def _known_library(cls, value: str) -> str:
        library, _, name = value.partition(":")
        if library not in _LIBRARIES or not name:
            raise ValueError(f"a segmentation model is named torchvision:NAME or transformers:FOLDER-OR-NAME, not {value!r}")
        return value


VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "segmentation": {"mask_source": "segmentation"},
    "original": {"prior": "palette", "receiver": "select", "mask_source": "segmentation"},
}
