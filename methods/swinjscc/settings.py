"""Settings, published sizes and variants of SwinJSCC."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from methods.declaration import MethodSettings
from methods.layers.trunks import TORCHVISION, Trunk


class SwinJSCCSettings(MethodSettings):
    """Sizes and switches; the defaults are the published base model.

    Attributes:
        dims, depths, heads: token width, Swin blocks and attention heads of each encoder stage; the decoder mirrors them.
        window: window side in tokens; a stage no larger than that is one window and does not shift. That is settled by the
            size the network is built for, so train on crops whose last stage is larger than a window.
        patch: side of the first stage's patches in pixels; each further stage halves the resolution.
        mlp_ratio: hidden width of the MLPs over the token width.
        snr_adaptive: both sides modulate their features by the SNR ("SA"), so the sender must know it.
        rate_adaptive: the sender picks the channels to send ("RA"); one model serves every CR.
        tie_break: which of equally scored channels are kept. "index": the lower ones. "bitonic": as PyTorch's CUDA sort
            before 1.13 ordered them, for the authors' rate-adaptive weights.
        receiver_scale: what the decoder knows of the features' power. "unit": nothing, it gets unit-power symbols.
            "sent": their root mean square, sent as 16-bit float in the digital stream and counted; the authors' decoder
            takes it as known.
        clamped_loss: the loss sees the output clamped to [0, 1], as in the authors' training; pixels outside then give
            no gradient.
        authors_checkpoint: a ``.model`` or ``.safetensors`` file of the authors' weights to evaluate instead of training.
        perceptual_weight: weight of a perceptual distance beside the squared error in the loss; 0 trains on the squared error alone.
        perceptual_trunk: the network whose features are compared, ``vgg`` or ``alex`` (LPIPS) or ``clip``; see
            :mod:`methods.layers.perceptual`. The variants say it by their names.
        perceptual_weights: its parameters, torchvision's file or ``torchvision`` for torch's cache; of ``clip`` the ``local-dir:`` folder
            or ``hf-hub:`` name of an open_clip model.
    """

    first_values: ClassVar[Mapping[str, Any]] = {"perceptual_weight": 0.0, "perceptual_trunk": "vgg", "perceptual_weights": TORCHVISION}

    dims: tuple[int, ...] = (128, 192, 256, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (4, 6, 8, 10)
    window: int = Field(default=8, ge=1)
    patch: int = Field(default=2, ge=1)
    mlp_ratio: float = Field(default=4.0, gt=0.0)
    snr_adaptive: bool = False
    rate_adaptive: bool = False
    tie_break: Literal["index", "bitonic"] = "index"
    receiver_scale: Literal["unit", "sent"] = "unit"
    clamped_loss: bool = False
    authors_checkpoint: str | None = None
    perceptual_weight: float = Field(default=0.0, ge=0.0)
    perceptual_trunk: Trunk = "vgg"
    perceptual_weights: str = TORCHVISION

    @property
    def multiple(self) -> int:
        """Pixels that sides must be multiples of for every stage to split into whole windows."""
        return self.patch * 2 ** (len(self.dims) - 1) * self.window

    @property
    def imitated(self) -> frozenset[str]:
        """Metrics that look through the network of the loss; a CLIP of one's own has the metrics' names of the grid that names it."""
        lpips = self.perceptual_weight > 0 and self.perceptual_trunk != "clip"
        return frozenset({f"lpips_{self.perceptual_trunk}"}) if lpips else frozenset()

    @model_validator(mode="after")
    def _consistent(self) -> "SwinJSCCSettings":
        if not self.dims or len({len(self.dims), len(self.depths), len(self.heads)}) != 1:
            raise ValueError(f"dims {self.dims}, depths {self.depths} and heads {self.heads} must name the same stages, at least one")
        if min(*self.dims, *self.depths, *self.heads) < 1:
            raise ValueError(f"dims {self.dims}, depths {self.depths} and heads {self.heads} must be positive")
        if any(dim % heads for dim, heads in zip(self.dims, self.heads, strict=True)):
            raise ValueError(f"each of dims {self.dims} must be a multiple of its heads {self.heads}")
        if self.authors_checkpoint is not None and self.receiver_scale != "sent":
            raise ValueError("the authors' decoder takes features on their own scale; set receiver_scale: sent with authors_checkpoint")
        return self


# Each weight makes the distance count about as much as the squared error at the end of a training: LPIPS of a few tenths beside 0.004,
# over a CLIP's blocks 0.06 to 0.19 beside 0.006 to 0.009.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "sa": {"snr_adaptive": True},
    "ra": {"rate_adaptive": True},
    "sa-ra": {"snr_adaptive": True, "rate_adaptive": True},
    "perceptual": {"perceptual_weight": 0.01, "perceptual_trunk": "vgg"},
    "perceptual-alex": {"perceptual_weight": 0.01, "perceptual_trunk": "alex"},
    "perceptual-clip": {"perceptual_weight": 0.05, "perceptual_trunk": "clip"},
}

_HIGH_RESOLUTION = {"dims": (128, 192, 256, 320), "heads": (4, 6, 8, 10), "window": 8, "patch": 2}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "compact": {"dims": (48, 96), "depths": (2, 4), "heads": (3, 6), "window": 4, "patch": 4},
    "paper": {**_HIGH_RESOLUTION, "depths": (2, 2, 6, 2)},
    "small": {**_HIGH_RESOLUTION, "depths": (2, 2, 2, 2)},
    "large": {**_HIGH_RESOLUTION, "depths": (2, 2, 18, 2)},
    "cifar": {"dims": (128, 256), "depths": (2, 4), "heads": (4, 8), "window": 2, "patch": 2},
}
