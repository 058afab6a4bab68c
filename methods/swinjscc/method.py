"""SwinJSCC as a method of the suite; see the package for the data flow and for what differs from the authors' link."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from methods.base import Geometry, OperatingPoint, Received, Signal, Targets, TrainableMethod, TrainingLink, Traits
from methods.errors import CheckpointMismatchError, RateError
from methods.layers.symbols import from_symbols, to_symbols
from methods.registry import METHODS
from methods.swinjscc.authors import load_translated, model_name, read_checkpoint
from methods.swinjscc.settings import PRESETS, VARIANTS, SwinJSCCSettings
from methods.swinjscc.side_information import MessageFormat

ROBUST = "robust"


@METHODS.register("swinjscc")
class SwinJSCC(TrainableMethod[SwinJSCCSettings]):
    """Swin transformer JSCC, with or without SNR and rate adaptation.

    Args:
        settings: sizes and variant.
        geometry: image size and CR; a rate-adaptive model needs no CR.

    Raises:
        MethodError: the image size does not fit the windows.
        RateError: there is no CR and the model is not rate adaptive.
        MissingAssetError, CheckpointMismatchError: ``authors_checkpoint`` is not there or does not fit.
    """

    Settings = SwinJSCCSettings
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = VARIANTS
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    paper = "K. Yang et al.: SwinJSCC: Taming Swin Transformer for Deep Joint Source-Channel Coding, IEEE TCCN 2025 (arXiv 2308.09361)"
    display_names: ClassVar[Mapping[str, str]] = {
        "": "SwinJSCC",
        "sa": "SwinJSCC (SA)",
        "ra": "SwinJSCC (RA)",
        "sa-ra": "SwinJSCC (SA & RA)",
        "perceptual": "SwinJSCC, perceptual loss (LPIPS, VGG)",
        "perceptual-alex": "SwinJSCC, perceptual loss (LPIPS, AlexNet)",
        "perceptual-clip": "SwinJSCC, perceptual loss (CLIP features)",
    }
    legend_names: ClassVar[Mapping[str, str]] = {
        "perceptual": "SwinJSCC, LPIPS-VGG loss",
        "perceptual-alex": "SwinJSCC, LPIPS-Alex loss",
        "perceptual-clip": "SwinJSCC, CLIP loss",
    }
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "training.learning_rate": ("loguniform", 3e-4, 3e-3),
        "mlp_ratio": [2.0, 3.0, 4.0],
        "receiver_scale": ["unit", "sent"],
    }

    def __init__(self, settings: SwinJSCCSettings, geometry: Geometry) -> None:
        # Late: its layers come with timm, which a plan does without.
        from methods.swinjscc.layout import Layout
        from methods.swinjscc.network import Decoder, Encoder, SwinJSCCNetwork

        super().__init__(settings, geometry)
        layout = Layout(
            *(geometry.height, geometry.width, settings.dims, settings.depths, settings.heads),
            *(settings.window, settings.patch, settings.mlp_ratio),
        )
        layout.check(geometry.height, geometry.width)
        self.stride = layout.stride
        head = None if settings.rate_adaptive else self._needed(geometry.cr)
        self.channels = settings.dims[-1] if head is None else head
        self.network = SwinJSCCNetwork(
            Encoder(layout, head, settings.snr_adaptive, settings.tie_break), Decoder(layout, head, settings.snr_adaptive)
        )
        self._distance: Any = None
        self.message = MessageFormat(settings.receiver_scale == "sent", self.channels if settings.rate_adaptive else None)
        if settings.authors_checkpoint is not None:
            self.load_authors_checkpoint(settings.authors_checkpoint)

    @classmethod
    def traits(cls, settings: SwinJSCCSettings) -> Traits:
        """Adaptation decides; the authors' weights are not trained further.

        What a message says the decoder cannot do without, and its length follows from the settings: it is coded as robustly as that asks.
        """
        says = settings.rate_adaptive or settings.receiver_scale == "sent"
        return Traits(
            coding_mode=ROBUST if says else None,
            uses_snr_at_sender=settings.snr_adaptive,
            trainable=settings.authors_checkpoint is None,
            one_model_for_all_rates=settings.rate_adaptive,
            metrics_inside=settings.imitated,
        )

    def load_authors_checkpoint(self, source: str | Path | Mapping[str, Tensor]) -> None:
        """Replace the weights by the authors' of the same variant and sizes.

        Args:
            source: a ``.model`` or ``.safetensors`` file, or the state dict itself.

        Raises:
            MissingAssetError: there is no such file.
            CheckpointMismatchError: the weights are of another variant, of other sizes or for another CR.
        """
        weights = source if isinstance(source, Mapping) else read_checkpoint(source)
        head = weights.get("encoder.head_list.weight")
        if head is not None and not self.settings.rate_adaptive and len(head) != self.channels:
            serves = Geometry.ratio(len(head), self.stride)
            raise CheckpointMismatchError(
                f"the weights send {len(head)} channels, which is CR {serves}; CR {self.geometry.cr} needs {self.channels}. "
                f"Evaluate them at CR {serves} or load those of {self.channels} channels"
            )
        load_translated(self.network, weights, model_name(self.settings.snr_adaptive, self.settings.rate_adaptive))

    @classmethod
    def assets(cls, settings: SwinJSCCSettings) -> Sequence[Path]:
        """Return the authors' checkpoint, where one is named."""
        return (Path(settings.authors_checkpoint),) if settings.authors_checkpoint else ()

    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        """Return at most k symbols an image, and side information where the settings call for it.

        Features are laid out channel by channel before they are paired, so what a budget cuts off is the tail of the
        last channel.
        """
        budget, rate = self._budget(point, images.shape[-2], images.shape[-1])
        features, mask = self.network.encode_features(images, point.snr_db, rate)
        planes = features.transpose(1, 2)
        if mask is not None:
            # In rising order; the places of ones would have to be counted, and a GPU be waited for.
            kept = mask.argsort(dim=1, descending=True, stable=True)[:, :rate].sort(dim=1).values
            planes = planes.gather(1, kept.unsqueeze(2).expand(-1, -1, planes.shape[2]))
        symbols = to_symbols(planes, budget)
        return Signal(analog=symbols, digital=self.message.pack(symbols, mask), coding_mode=ROBUST)

    def decode(self, received: Received, point: OperatingPoint) -> Tensor:
        """Return (B, 3, H, W) images in [0, 1] of the size the method was built for."""
        return self._reconstruct(received, point, self.geometry.height, self.geometry.width).clamp(0.0, 1.0)

    def loss(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
        """Mean squared error on the [0, 1] scale, with a perceptual distance where that has a weight; any size that fits the windows.

        Raises:
            MissingAssetError, CheckpointMismatchError: as :func:`methods.layers.perceptual.perceptual_distance`.
        """
        received = link(self.encode(images, point, None), point)
        output = self._reconstruct(received, point, images.shape[-2], images.shape[-1])
        error = F.mse_loss(output.clamp(0.0, 1.0) if self.settings.clamped_loss else output, images)
        if not self.settings.perceptual_weight:
            return {"total": error, "mse": error.detach()}
        distance = self._perceptual_distance(output, images)
        total = error + self.settings.perceptual_weight * distance
        return {"total": total, "mse": error.detach(), "perceptual": distance.detach()}

    def check_trainable(self) -> None:
        """Raise a :class:`MethodError` unless the network of the perceptual distance, where the loss asks it, is there and serves."""
        if self.settings.perceptual_weight:
            # Late: it brings the metrics' libraries, which an evaluation of this method does without.
            from methods.layers.perceptual import check_perceptual

            check_perceptual(self.settings.perceptual_trunk, self.settings.perceptual_weights)

    def _perceptual_distance(self, output: Tensor, images: Tensor) -> Tensor:
        """Return the distance of an output from (B, 3, H, W) images by a network that is loaded once."""
        if self._distance is None:
            # Late: it brings the metrics' libraries, which an evaluation of this method does without.
            from methods.layers.perceptual import perceptual_distance

            self._distance = perceptual_distance(self.settings.perceptual_trunk, self.settings.perceptual_weights)
        distance: Tensor = self._distance(output.clamp(0.0, 1.0), images)
        return distance

    def _reconstruct(self, received: Received, point: OperatingPoint, height: int, width: int) -> Tensor:
        symbols = received.symbols()
        batch, tokens = len(symbols), height * width // self.stride**2
        _, rate = self._budget(point, height, width)
        scales, kept = self.message.unpack(received.digital, received.intact, batch, rate, symbols.device)
        planes = from_symbols(symbols * scales.unsqueeze(1), (batch, rate, tokens))
        if self.settings.rate_adaptive:
            empty = planes.new_zeros(batch, self.channels, tokens)
            planes = empty.scatter(1, kept.unsqueeze(2).expand(-1, -1, tokens), planes)
        return self.network.decode_features(planes.transpose(1, 2), point.snr_db, (height, width)).float()

    def _budget(self, point: OperatingPoint, height: int, width: int) -> tuple[int, int]:
        """Return the symbols an image may spend and the channels that carry them."""
        cr = point.cr or self.geometry.cr
        channels = min(self.channels, self._needed(cr)) if self.settings.rate_adaptive else self.channels
        if not self.settings.rate_adaptive and cr != self.geometry.cr:
            raise RateError(f"this SwinJSCC was built for CR {self.geometry.cr}, not for CR {cr}; build one for it or use the variant 'ra'")
        return Geometry(height, width, cr).symbols(), channels

    def _needed(self, cr: Fraction | None) -> int:
        """Return how many channels hold the budget's 2k reals, whatever the image's size."""
        if cr is None:
            raise RateError("SwinJSCC needs a CR to know how many channels to send; give the geometry or the operating point one")
        return Geometry.channels(cr, self.stride)
