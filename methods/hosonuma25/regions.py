"""What is where in an image: label maps at the sender.

::

    image ─┬─ saliency: Lab gradient ──> geodesic distance from the border ──Otsu──> 0 background, 1 object
             └─ segmentation network ──> its classes ──share of each cell──> the class that has most of it
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.common.errors import WeightsFileError
from benchmarks.common.fetching import may_fetch, torch_file
from benchmarks.common.images import pixel_array
from benchmarks.common.saliency import geodesic_saliency
from benchmarks.common.weights_files import check_folder, mismatch, state_dict
from methods.errors import CheckpointMismatchError, MissingAssetError
from methods.hosonuma25.settings import HosonumaSettings

Size = tuple[int, int]


class Regions(ABC):
    """A way to divide images into labelled regions; label 0 is background."""

    @abstractmethod
    def labels(self, image: Tensor, size: Size) -> np.ndarray:
        """Return int64 (h, w) labels of a (3, H, W) image in [0, 1]."""


class Saliency(Regions):
    """Geodesic saliency (Wei, Wen, Zhu and Sun, ECCV 2012), without a model; :mod:`benchmarks.common.saliency` says how."""

    def labels(self, image: Tensor, size: Size) -> np.ndarray:
        """Return 1 where the image is salient."""
        cells = F.adaptive_avg_pool2d(image[None].cpu().double(), size)[0].permute(1, 2, 0).numpy()
        return geodesic_saliency(cells).astype(np.int64)


class Segmentation(Regions):
    """A semantic segmentation network of torchvision or transformers; frozen, run image by image.

    Args:
        settings: names the network.

    Raises:
        MissingAssetError: the network is not there.
    """

    def __init__(self, settings: HosonumaSettings) -> None:
        library, _, name = settings.mask_model.partition(":")
        self._network: Any
        self._prepare: Any
        if library == "torchvision":
            self._network, self._prepare = _from_torchvision(name, settings)
        else:
            self._network, self._prepare = _from_transformers(name)
        self._network.eval().requires_grad_(False)

    @torch.no_grad()
    def labels(self, image: Tensor, size: Size) -> np.ndarray:
        """Return the class that has the largest share of each cell, the lower one of equals."""
        self._network.to(image.device)
        output = self._network(self._prepare(image))
        scores = output["out"] if isinstance(output, dict) and "out" in output else output.logits
        shown = F.interpolate(scores.float(), image.shape[-2:], mode="bilinear", align_corners=False)
        shares = F.adaptive_avg_pool2d(F.one_hot(shown.argmax(dim=1), scores.shape[1]).permute(0, 3, 1, 2).float(), size)
        return np.asarray(shares[0].argmax(dim=0).cpu().numpy())


def regions(settings: HosonumaSettings) -> Regions:
    """Return what ``mask_source`` names."""
    return Saliency() if settings.mask_source == "saliency" else Segmentation(settings)


def check_regions(settings: HosonumaSettings) -> None:
    """Raise a :class:`MethodError` unless what ``mask_source`` names serves; weights that may be fetched are, or noted by a plan."""
    library, _, name = settings.mask_model.partition(":")
    if settings.mask_source == "saliency":
        return
    if library == "torchvision":
        with torch.device("meta"):
            if (file := _torchvision_file(name, settings)) is not None:
                _torchvision_network(name, file, "meta")
        return
    if (folder := Path(name).expanduser()).is_dir():
        try:
            check_folder(folder)
        except WeightsFileError as error:
            raise MissingAssetError(f"the segmentation model '{name}' cannot be loaded: {error}; or set mask_source: saliency") from error
    elif not may_fetch(name, "the Hugging Face Hub"):
        return
    # On the processor, whatever device a plan builds methods on.
    with torch.device("cpu"):
        _from_transformers(name)


def _published(name: str) -> Any:
    """Return torchvision's entry of a network's parameters."""
    from torchvision.models import get_model_weights

    try:
        return get_model_weights(name)["DEFAULT"]
    except (ValueError, KeyError) as error:
        raise MissingAssetError(f"torchvision has no network '{name}' with weights ({error}); deeplabv3_resnet101 is one") from error


def _torchvision_file(name: str, settings: HosonumaSettings) -> Path | None:
    """Return the file of a network's parameters; ``None`` where a plan would have to fetch it."""
    published = _published(name)
    with _unreadable(name):
        return torch_file(published.url) if settings.mask_weights is None else settings.mask_weights


@contextmanager
def _unreadable(name: str) -> Iterator[None]:
    try:
        yield
    except WeightsFileError as error:
        raise MissingAssetError(
            f"the weights of '{name}' cannot be loaded: {error}; put torchvision's file into torch's cache, "
            "name it in mask_weights, or set mask_source: saliency"
        ) from error


def _torchvision_network(name: str, file: Path, device: str) -> Any:
    from torchvision.models import get_model

    with _unreadable(name):
        weights = state_dict(file, device)
    aux_loss = any(key.startswith("aux_classifier.") for key in weights)
    classes = len(_published(name).meta["categories"])
    network = get_model(name, weights=None, weights_backbone=None, num_classes=classes, aux_loss=aux_loss)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointMismatchError(f"{file} does not hold the parameters of '{name}': it {mismatch(error)}") from error
    return network


def _from_torchvision(name: str, settings: HosonumaSettings) -> tuple[Any, Any]:
    file = _torchvision_file(name, settings)
    if file is None:
        raise MissingAssetError(f"the weights of '{name}' are not here and may not be fetched now; name their file in mask_weights")
    transform = _published(name).transforms()
    return _torchvision_network(name, file, "cpu"), lambda image: transform(image[None])


def _from_transformers(name: str) -> tuple[Any, Any]:
    from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

    network, processor = _from_pretrained(AutoModelForSemanticSegmentation, name), _from_pretrained(AutoImageProcessor, name)

    def prepare(image: Tensor) -> Tensor:
        tensor: Tensor = processor(images=pixel_array(image), return_tensors="pt")["pixel_values"]
        return tensor.to(image.device)

    return network, prepare


def _from_pretrained(kind: Any, name: str) -> Any:
    try:
        return kind.from_pretrained(name, trust_remote_code=False)
    # A missing folder, file or network connection is an OSError, and what is no such model a ValueError.
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise MissingAssetError(
            f"the segmentation model '{name}' cannot be loaded ({reason}); name a folder that holds it, or set mask_source: saliency"
        ) from error
