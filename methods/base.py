"""What a method is: a sender and a receiver with nothing between them but the link.

::

    images ──describe──> descriptions                       (optional, once an image)
       └─────encode──────> Signal(analog, digital)           (once an image and CR)
                             │  the link: power, fading, noise, coding, counting; owned by the suite
                           Received(analog, digital)
    coarse <──decode──────────┘                              (once a cell)
    final  <──refine── coarse                                (optional, once a cell)

Whatever ``decode`` and ``refine`` know of a picture stands in ``Received``; what is there was sent and counted.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from methods.errors import MethodError, RateError


@dataclass(frozen=True)
class Geometry:
    """What a network must know of its task to be built: the picture's size and the symbol budget.

    Attributes:
        height, width: picture size in pixels.
        cr: channel symbols per source value, k = cr x 3 x height x width; ``None`` for a fixed-rate method and
            for a network that serves every rate.
    """

    height: int
    width: int
    cr: Fraction | None = None

    def symbols(self, cr: Fraction | None = None) -> int:
        """Return the budget k, complex channel symbols an image, rounded down.

        Raises:
            RateError: neither the call nor the geometry names a compression ratio, or the budget is empty.
        """
        cr = self.cr if cr is None else cr
        if cr is None:
            raise RateError("a symbol budget was asked for without a compression ratio; give the operating point a CR")
        budget = int(cr * 3 * self.height * self.width)
        if budget < 1:
            raise RateError(f"CR {cr} leaves no symbol for a {self.height} x {self.width} picture; choose a larger CR")
        return budget


@dataclass(frozen=True)
class OperatingPoint:
    """One point of the grid, as far as its reader may know it.

    Attributes:
        cr: channel symbols per source value; ``None`` for a fixed-rate method.
        snr_db: mean symbol power over total complex noise power, in dB. ``None`` at the sender of a method that
            does not declare ``uses_snr_at_sender``: it is encoded once and sent at every SNR.
        channel: name of the channel; ``None`` wherever ``snr_db`` is.
        payload: answers how many payload bytes the digital stream carries in a number of symbols, here, under a
            protection ("ldpc", "adaptive", "lossless"; ``None`` for the link's own).
    """

    cr: Fraction | None
    snr_db: float | None = None
    channel: str | None = None
    payload: Callable[[int, str | None], int] | None = field(default=None, compare=False, repr=False)

    def payload_bytes(self, symbols: int, protection: str | None = None) -> int:
        """Return how many payload bytes fit into ``symbols`` channel symbols of the digital stream."""
        if self.payload is None:
            raise RateError("this operating point has no digital stream to ask; build it through the suite")
        return self.payload(symbols, protection)

    def blind(self) -> "OperatingPoint":
        """Return the point as a sender without channel knowledge sees it."""
        return replace(self, snr_db=None, channel=None, payload=None)


@dataclass(frozen=True)
class Signal:
    """What a sender puts on the air for a batch of B pictures.

    Attributes:
        analog: complex (B, k) symbols, the visual stream that the CR budgets; the link normalises each row to unit mean power.
        side: complex (B, m) analog side information on top of the budget (an edge map, say), normalised by itself.
        digital: B messages; the link compresses, protects, codes and modulates them.
        uncharged: streams among "side" and "digital" that the ledger leaves out, only to reproduce a published
            accounting; a variant that uses it says so in its name.
        protection: how the digital stream is coded, "ldpc" (one fixed scheme), "adaptive" or "lossless"; ``None`` for what the
            grid sets.
        text: the messages are UTF-8 text (captions), so a damaged one may still be read and its character errors counted.
    """

    analog: Tensor | None = None
    side: Tensor | None = None
    digital: Sequence[bytes] | None = None
    protection: str | None = None
    text: bool = False
    uncharged: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Received:
    """What the link hands to a receiver for a batch of B pictures.

    Attributes:
        analog: complex (B, k) equalised symbols on the scale of the unit-power transmission.
        noise_variance: (B, k) total complex noise variance of each symbol after zero-forcing equalisation, known
            from the channel state and the SNR.
        side, side_noise_variance: the same for the analog side information.
        digital: B messages, ``None`` where the check failed and the link is set to deliver nothing.
        intact: B flags, whether each message passed its check.
    """

    analog: Tensor | None = None
    noise_variance: Tensor | None = None
    side: Tensor | None = None
    side_noise_variance: Tensor | None = None
    digital: Sequence[bytes | None] | None = None
    intact: Sequence[bool] | None = None

    def symbols(self) -> Tensor:
        """Return the analog stream.

        Raises:
            MethodError: the sender put none on the air.
        """
        if self.analog is None:
            raise MethodError("the receiver decodes analog symbols and none arrived; decode what the same method encoded")
        return self.analog


@dataclass(frozen=True)
class Targets:
    """What training knows of a batch of B pictures besides the pixels.

    Attributes:
        masks: (B, 1, H, W) saliency in {0, 1}, or ``None``.
        labels: B class names ("" where unknown), or ``None``.
        captions: B captions, or ``None``.
    """

    masks: Tensor | None = None
    labels: Sequence[str] | None = None
    captions: Sequence[str] | None = None


class TrainingLink(Protocol):
    """The differentiable link as a training step sees it."""

    def __call__(self, signal: Signal, point: OperatingPoint) -> Received: ...


@dataclass(frozen=True)
class Traits:
    """What the engine must know of a configured method to share its work.

    Attributes:
        rates: "variable": evaluated at every CR of the grid; "fixed": evaluated once, without a CR.
        uses_snr_at_sender: ``encode`` reads the SNR or the channel, so it runs once an SNR instead of once.
        trainable: has weights to train.
        one_model_for_all_rates: one set of weights serves every CR of the grid.
        digital_in_budget: the digital stream carries the picture itself and counts towards k; otherwise (captions,
            side information) it comes on top of the visual stream, as in the paper, and only the total shows it.
        protection: coding mode of its digital stream, if it asks for one of its own.
        needs_masks: its loss needs the saliency mask of every picture; pictures without one are left out of its training.
        describes: has a ``describe`` stage.
        refines: has a ``refine`` stage; the coarse picture is then scored too, as variant ``<variant>/stage-one``.
    """

    rates: Literal["variable", "fixed"] = "variable"
    uses_snr_at_sender: bool = False
    trainable: bool = False
    one_model_for_all_rates: bool = False
    digital_in_budget: bool = False
    protection: str | None = None
    needs_masks: bool = False
    describes: bool = False
    refines: bool = False


class MethodSettings(BaseModel):
    """Base of every method's settings; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Method(ABC):
    """A sender and a receiver.

    Class attributes:
        Settings: the settings model, every field with a default.
        variants: name -> settings that make the variant; the first is the default one.
        presets: name -> settings of a size; ``compact`` runs on a laptop, ``paper`` is the published network.
        paper: citation of the source.

    Args:
        settings: a ``Settings`` instance.
        geometry: picture size and symbol budget.
    """

    Settings: ClassVar[type[MethodSettings]] = MethodSettings
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {"default": {}}
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"compact": {}, "paper": {}}
    paper: ClassVar[str] = ""

    def __init__(self, settings: MethodSettings, geometry: Geometry) -> None:
        # A trainable method is an nn.Module too, and that must be initialised before attributes are set.
        super().__init__()
        self.settings = settings
        self.geometry = geometry

    @classmethod
    def traits(cls, settings: MethodSettings) -> Traits:
        """Return what the engine must know of the method so configured."""
        return Traits()

    @classmethod
    def assets(cls, settings: MethodSettings) -> Sequence[Path]:
        """Return the files that the settings name and that results depend on; their content enters every identity."""
        return ()

    def check_ready(self) -> None:  # noqa: B027
        """Raise a :class:`MethodError` if anything that a run will need is missing; asked before anything runs."""

    def describe(self, images: Tensor) -> Sequence[str] | None:
        """Return a text for each of (B, 3, H, W) pictures in [0, 1]; depends on the picture alone."""
        return None

    @abstractmethod
    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        """Turn (B, 3, H, W) pictures in [0, 1] into a signal of at most ``geometry.symbols(point.cr)`` symbols."""

    @abstractmethod
    def decode(self, received: Received, point: OperatingPoint) -> Tensor:
        """Turn what arrived into (B, 3, H, W) pictures in [0, 1]."""

    def refine(self, coarse: Tensor, received: Received, point: OperatingPoint) -> Tensor:
        """Improve (B, 3, H, W) decoded pictures, knowing only what arrived."""
        return coarse


class TrainableMethod(Method, nn.Module):
    """A method with weights: an ``nn.Module`` that also states its loss.

    Class attributes:
        search_space: setting -> list of choices, or ("uniform" | "loguniform", low, high); keys with the prefix
            ``training.`` are training settings, the others the method's own.
    """

    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {}

    @abstractmethod
    def loss(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
        """Return named scalar losses of a batch; ``"total"`` is the one to minimise, the others are logged."""
