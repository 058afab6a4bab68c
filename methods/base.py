"""What a method is: a sender and a receiver with nothing between them but the link.

::

    images ──describe──> descriptions                       (optional, once an image)
       └─────encode──────> Signal(analog, digital)           (once an image and CR)
                             │  the link: power, fading, noise, coding, counting; owned by the suite
                           Received(analog, digital)
    coarse <──decode──────────┘                              (once a cell, without the streams that ``refine`` alone reads)
    final  <──refine── coarse                                (optional, once a cell, a stage of its own)

Whatever ``decode`` and ``refine`` know of an image stands in ``Received``; what is there was sent and counted.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from torch import Tensor, nn

from methods.declaration import Codec, MethodSettings, Traits
from methods.errors import MethodError
from methods.messages import Geometry, OperatingPoint, Received, Refined, Signal, Targets
from methods.published import PublishedFile

__all__ = [
    "Geometry",
    "Method",
    "MethodSettings",
    "OperatingPoint",
    "Phase",
    "Received",
    "Refined",
    "Signal",
    "Targets",
    "TrainableMethod",
    "TrainingLink",
    "Traits",
]


S = TypeVar("S", bound=MethodSettings)


class TrainingLink(Protocol):
    """The differentiable link as a training step sees it."""

    def __call__(self, signal: Signal, point: OperatingPoint) -> Received: ...


class Method(ABC, Generic[S]):
    """A sender and a receiver, ``Method[ItsSettings]``.

    Class attributes:
        Settings: the settings model, every field with a default.
        variants: name -> settings that make the variant; the first is the default one.
        presets: name -> settings of a size; ``compact`` runs on a laptop, ``paper`` is the published network.
        paper: citation of the source.
        display_names: what tables call the method (key "") and those of its variants that "method, variant" would not name well; key
            "*" where a variant is the name of another method, ``{}`` in it standing for what that is called.
        expected_failures: check of ``python -m suite.check`` -> why the method is known to fail it; that it passes is then a failure.
        legend_names: shorter ones for legends, where they differ. Both are written out as they are, since reports read them from the
            source; results do not depend on them.

    Args:
        settings: a ``Settings`` instance.
        geometry: image size and symbol budget.
    """

    Settings: ClassVar[type[MethodSettings]] = MethodSettings
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {"default": {}}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"compact": {}, "paper": {}}
    paper: ClassVar[str] = ""
    display_names: ClassVar[Mapping[str, str]] = {}
    legend_names: ClassVar[Mapping[str, str]] = {}
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def __init__(self, settings: S, geometry: Geometry) -> None:
        # A trainable method is an nn.Module too, and that must be initialised before attributes are set.
        super().__init__()
        self.settings = settings
        self.geometry = geometry

    @classmethod
    def traits(cls, settings: S) -> Traits:
        """Return what the engine must know of the method so configured."""
        return Traits()

    @classmethod
    def codec(cls, settings: S) -> Codec | None:
        """Return the other method that this one sends and decodes with and whose weights serve; ``None`` for a network of its own."""
        return None

    @classmethod
    def with_codec(cls, settings: S, codec: MethodSettings) -> S:
        """Return the settings with these of the codec, where there is one; a search may have chosen them."""
        return settings

    @classmethod
    def assets(cls, settings: S) -> Sequence[Path]:
        """Return the files that the settings name and that results depend on; their content enters every identity."""
        return ()

    @classmethod
    def published(cls, settings: S) -> Sequence[PublishedFile]:
        """Return the files of others that the method can use, and where these settings look for them."""
        return ()

    def check_ready(self) -> None:
        """Raise a :class:`MethodError` if anything that a run will need is missing; asked before anything runs."""

    def describe(self, images: Tensor, captions: Sequence[str] | None = None) -> Sequence[str] | None:
        """Return a text for each of (B, 3, H, W) images in [0, 1]; depends on the image and its caption alone.

        Args:
            images: the images.
            captions: B captions that came with the data set, "" for an image without one.
        """
        return None

    @abstractmethod
    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        """Turn (B, 3, H, W) images in [0, 1] into a signal of at most ``geometry.symbols(point.cr)`` symbols."""

    def encode_with_masks(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None, masks: Tensor | None) -> Signal:
        """Encode with knowledge of the true (B, 1, H, W) saliency masks; asked instead of ``encode`` where the traits say ``oracle_masks``.

        Raises:
            MethodError: the method has no use for masks.
        """
        raise MethodError(f"{type(self).__name__} encodes images alone; its traits must not say oracle_masks=True")

    @abstractmethod
    def decode(self, received: Received, point: OperatingPoint) -> Tensor | None:
        """Turn what arrived into (B, 3, H, W) images in [0, 1]; ``None`` where the traits say ``coarse=False``.

        Of ``received`` the streams are missing that the traits call ``refine_only``.
        """

    def refine(self, coarse: Tensor | None, received: Received, point: OperatingPoint) -> Refined:
        """Improve (B, 3, H, W) decoded images, or make images where there are none, knowing only what arrived.

        It runs apart from ``decode``, perhaps in another process, on what ``decode`` returned and the whole of ``received``; where the
        traits say ``uses_snr_at_refine=False`` the images of several cells come together.

        Raises:
            MethodError: the traits say ``refines`` and the class has no such stage.
        """
        raise MethodError(f"{type(self).__name__} has no stage after decode; its traits must not say refines=True")

    def maps(self, images: Tensor, masks: Tensor | None = None) -> Mapping[str, Tensor]:
        """Return what the sender sees in (B, 3, H, W) images, for people to look at: name -> (B, 1, H, W) in [0, 1].

        Args:
            images: the images.
            masks: (B, 1, H, W) true saliency, for a sender that is told it.
        """
        return {}


@dataclass(frozen=True)
class Phase:
    """A part of a training, in which the learning rate runs its whole course, warm-up included.

    Attributes:
        name: what is trained; for the method, which gets the phase in :meth:`TrainableMethod.enter`.
        share: of the training's steps, relative to the other phases.
        rate: peak learning rate relative to that of the training settings.
    """

    name: str = "whole"
    share: float = 1.0
    rate: float = 1.0


class TrainableMethod(Method[S], nn.Module):
    """A method with weights: an ``nn.Module`` that also states its loss.

    Class attributes:
        search_space: setting -> list of choices, or ("uniform" | "loguniform", low, high); keys with the prefix
            ``training.`` are training settings, the others the method's own.
    """

    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {}

    def phases(self) -> Sequence[Phase]:
        """Return the parts of a training in their order; most methods train in one."""
        return (Phase(),)

    def enter(self, phase: Phase, begins: bool) -> None:
        """Go over to a phase: :meth:`loss` is that phase's from now on, and only what it trains requires a gradient.

        Whatever learns in any phase must require a gradient before the first one is entered.

        Args:
            phase: one of :meth:`phases`.
            begins: its first step comes next; ``False`` where a stopped training goes on inside it.
        """

    def check_trainable(self) -> None:
        """Raise a :class:`MethodError` if anything that a training will need is missing; asked before any training begins."""

    def diagnostics(self, images: Tensor, targets: Targets) -> Mapping[str, float]:
        """Return named means over (B, 3, H, W) held-out images that tell how training goes; logged beside their PSNR."""
        return {}

    @abstractmethod
    def loss(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
        """Return named scalar losses of a batch; ``"total"`` is the one to minimise, the others are logged."""
