"""What a method declares before any network is built: its settings, and its traits, which the engine shares work by; no torch is needed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, Literal

from benchmarks.common.hashing import without_first_values
from benchmarks.common.validation import Settings
from methods.errors import MethodError

STREAMS = frozenset({"analog", "side", "digital", "texts"})


@dataclass(frozen=True)
class Traits:
    """What the engine must know of a configured method to share its work.

    Attributes:
        rates: "variable": evaluated at every CR of the grid; "fixed": evaluated once, without a CR.
        ratios: the compression ratios that it has weights for, where these are given and not trained; cells at others are left out of a
            grid, which its tables tell. ``None`` for whatever the grid names.
        uses_snr_at_sender: ``encode`` reads the SNR or the channel, so it runs once an SNR instead of once.
        trainable: has weights to train.
        one_model_for_all_rates: one set of weights serves every CR of the grid.
        digital_in_budget: the digital stream carries the image itself and counts towards k; otherwise (captions,
            side information) it comes on top of the visual stream, as in the paper, and only the total shows it.
        coding_mode: coding mode of its digital stream, if it asks for one of its own; "robust" for side information that its decoder cannot
            do without.
        chooses_schemes: its sender picks modulation and code rate of each message among the operating point's offers.
        needs_masks: its loss needs the saliency mask of every image; images without one are left out of its training.
        describes: has a ``describe`` stage.
        refines: has a ``refine`` stage; the coarse image is then scored too, as variant ``<variant>/stage-one``.
        uses_snr_at_refine: ``refine`` reads the SNR or the channel, so it is called once a cell; otherwise those of a unit are refined
            in one call, whose operating point tells neither, and each image must come out as it would alone.
        refine_only: streams, of "analog", "side", "digital" and "texts", that ``refine`` alone reads. ``decode`` is not given them, and
            the row of the coarse image is not charged for them.
        oracle_masks: its sender is told each image's true saliency mask and encodes through ``encode_with_masks``: an upper bound that
            no system reaches, so the variant's name must say it. An image without a mask fails.
        coarse: ``decode`` gives an image; without it (text alone arrives) ``decode`` returns ``None`` and the image is ``refine``'s.
        asks: field of a generative model in the settings -> most questions that ``refine`` puts to it for one image; a dry run counts
            with it, and a model that is not named here is not waited for.
        metrics_inside: metrics by which it chooses among results of its own, such as the best of several candidates or the scale of a
            guidance, or that look through a network whose features it was trained on; every table says so, since what a method selects by
            or imitates does not measure it from outside. A loss between pixels is no such thing, nor is a codec's search for the file of
            least error.

    Raises:
        MethodError: ``refine_only`` names no stream, or the method does not refine.
    """

    rates: Literal["variable", "fixed"] = "variable"
    ratios: tuple[Fraction, ...] | None = None
    uses_snr_at_sender: bool = False
    trainable: bool = False
    one_model_for_all_rates: bool = False
    digital_in_budget: bool = False
    coding_mode: str | None = None
    chooses_schemes: bool = False
    needs_masks: bool = False
    describes: bool = False
    refines: bool = False
    uses_snr_at_refine: bool = True
    refine_only: frozenset[str] = frozenset()
    oracle_masks: bool = False
    coarse: bool = True
    asks: Mapping[str, int] = field(default_factory=dict)
    metrics_inside: frozenset[str] = frozenset()

    @property
    def sends_messages(self) -> bool:
        """Whether there is a digital stream, so that it matters how the link codes one."""
        return self.describes or self.digital_in_budget or self.coding_mode is not None or "digital" in self.refine_only

    def __post_init__(self) -> None:
        if unknown := sorted(self.refine_only - STREAMS):
            raise MethodError(f"refine_only names {', '.join(unknown)}, which is no stream; choose among {', '.join(sorted(STREAMS))}")
        if self.refine_only and not self.refines:
            kept = " and ".join(sorted(self.refine_only))
            raise MethodError(f"the {kept} stream is kept for a refine stage that there is not; say refines=True, or leave refine_only out")


@dataclass(frozen=True)
class Codec:
    """The method whose network another one sends and decodes with.

    Attributes:
        method, variant: as registered.
        settings: its complete settings.
    """

    method: str
    variant: str
    settings: "MethodSettings"


class MethodSettings(Settings):
    """Base of every method's settings; an unknown key is an error.

    Class attributes:
        evaluation_only: fields that training never reads, so that networks which differ in them alone share their weights.
    """

    evaluation_only: ClassVar[frozenset[str]] = frozenset()

    @property
    def multiple(self) -> int:
        """Pixels that the sides of an image must be multiples of.

        Images that keep their size are mirrored to such sides before they are sent; the symbols of those are counted, and what is decoded
        is cut.
        """
        return 1

    def identity_fields(self, without: Collection[str] = ()) -> dict[str, Any]:
        """Return the fields that enter an identity, ``without`` some."""
        fields = self.model_dump(mode="python", exclude=set(without))
        return without_first_values(fields, self.first_values)
