"""A CLIP through open_clip: its weights are read without running anything, one sentence says what is wrong with them, and its pixels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.errors import WeightsFileError
from benchmarks.common.fetching import forbidden
from benchmarks.common.project import shipped
from benchmarks.common.weights_files import mismatch, through_open_clip
from methods.errors import MissingAssetError

if TYPE_CHECKING:
    # A plan asks where a folder lies and needs no tensors.
    from torch import Tensor

_LOCAL = "local-dir:"


def clip_folder(model: str) -> Path | None:
    """Return the folder of a ``local-dir:`` model, the project's own found from any working folder; ``None`` for another model.

    Example:
        >>> clip_folder("local-dir:my/clip").as_posix(), clip_folder("ViT-B-32")
        ('my/clip', None)
    """
    return shipped(Path(model.removeprefix(_LOCAL))) if model.startswith(_LOCAL) else None


def clip_model(model: str) -> str:
    """Return the model's name as open_clip takes it in this working folder."""
    folder = clip_folder(model)
    return model if folder is None else f"{_LOCAL}{folder}"


@contextmanager
def loading_clip(model: str, weights: str | None, way_out: str) -> Iterator[None]:
    """Let a block build a network and a tokenizer with open_clip.

    Args:
        model, weights: for the message.
        way_out: for the message.

    Raises:
        MissingAssetError: the model or its weights are not there or cannot be used.
    """
    try:
        with through_open_clip():
            yield
    # open_clip's own errors for what is not there, for a bad configuration and for weights of another shape.
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, WeightsFileError) as failure:
        if forbidden() and "download" in str(failure):
            raise MissingAssetError(
                f"CLIP '{model}' with parameters '{weights}' is not here yet, and a plan fetches nothing; a run fetches it first"
            ) from failure
        reason = mismatch(failure) or " ".join(str(failure).split())[:400]
        raise MissingAssetError(f"CLIP '{model}' with parameters '{weights}' cannot be loaded ({reason}); {way_out}") from failure


def clip_pixels(images: "Tensor", visual: Any) -> "Tensor":
    """Return (B, 3, H, W) images in [0, 1] at the size and on the scale of CLIP's image encoder ``visual``; differentiable."""
    from torch.nn import functional as F

    side = visual.image_size
    size = tuple(side) if isinstance(side, tuple | list) else (side, side)
    pixels = F.interpolate(images.float(), size, mode="bicubic", antialias=True, align_corners=False).clamp(0.0, 1.0)
    mean, deviation = (pixels.new_tensor(values).view(1, 3, 1, 1) for values in (visual.image_mean, visual.image_std))
    return (pixels - mean) / deviation
