"""SGD-JSCC as a method of the suite; see the package's README for the choices the paper leaves open."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.base import (
    Geometry,
    OperatingPoint,
    Phase,
    Received,
    Signal,
    Targets,
    TrainableMethod,
    TrainingLink,
    Traits,
)
from methods.errors import MethodError, RateError
from methods.generative import UsesModels
from methods.generative.required import check_required, required
from methods.layers.clip import clip_folder
from methods.layers.symbols import from_symbols, to_symbols
from methods.published import PublishedFile
from methods.registry import METHODS
from methods.sgdjscc.captions import bounded, by_tile, describe
from methods.sgdjscc.edges import detector, tile_edges
from methods.sgdjscc.networks.autoencoder import DOWNSAMPLING
from methods.sgdjscc.packing import UNIT, Packing
from methods.sgdjscc.presets import AUTHORS, COMPACT, PUBLISHED, VARIANTS
from methods.sgdjscc.release.assets import CLIP_FILE, RATIO, published
from methods.sgdjscc.sampler import unit_power
from methods.sgdjscc.settings import SGDJSCCSettings
from methods.sgdjscc.stages import stage_of, stages
from methods.sgdjscc.text import text_encoder
from methods.sgdjscc.tiles import merge


@METHODS.register("sgdjscc")
class SGDJSCC(UsesModels, TrainableMethod[SGDJSCCSettings]):
    """A JSCC autoencoder whose received latent a diffusion model cleans, guided by received text and edges.

    ::

        image ─ tiles ─ encoder ─ unit power ──────────> analog   z/2 symbols a latent position (8192 at 256 x 256, CR 1/24)
        image ─ tiles ─ edge detector ─ edge codec ────> side     416 symbols a tile (1664 at 256 x 256)
        image ─ captioner ─────────────────────────────> digital  text
        image <─ merge ─ decoder <─ sampler, from the time that matches the noise <── analog, side, digital

    Source: M. Zhang et al., arXiv 2501.01138; MauroZMJ/SGDJSCC at commit 2188acc.
    """

    Settings = SGDJSCCSettings
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = VARIANTS
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"compact": COMPACT, "paper": PUBLISHED, "authors": AUTHORS}
    paper = "Zhang et al.: Semantics-Guided Diffusion for Deep Joint Source-Channel Coding in Wireless Image Transmission, arXiv 2501.01138"
    display_names: ClassVar[Mapping[str, str]] = {
        **{"": "SGD-JSCC", "default": "SGD-JSCC, unguided", "both": "SGD-JSCC", "both-uncharged": "SGD-JSCC, guidance uncharged"},
        **{"text": "SGD-JSCC, text guided", "edges": "SGD-JSCC, edge guided", "no-denoiser": "SGD-JSCC, unguided, no denoiser"},
    }
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "training.learning_rate": ("loguniform", 3e-4, 3e-3),
        "autoencoder_snr_db": [7.0, 10.0, 13.0],
    }

    def __init__(self, settings: SGDJSCCSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        # Late: its layers come with timm, which a plan does without.
        from methods.sgdjscc.networks.build import build, freeze, load, resume

        if settings.sends_text and settings.text_encoder == "none":
            raise MethodError(f"guidance '{settings.guidance}' needs a text encoder; set text_encoder to hashing or clip")
        self.packing = Packing(geometry, settings.tile, settings.layout)
        maker = load if settings.checkpoint == "authors" else build
        self.networks = maker(settings, self.packing.channels)
        self.autoencoder, self.estimator = self.networks.autoencoder, self.networks.estimator
        self.denoiser, self.edge_codec = self.networks.denoiser, self.networks.edge_codec
        self.text = text_encoder(settings.text_encoder, settings.text_width, settings.text_model, settings.text_weights)
        self._detect: Callable[[Tensor], Tensor] | None = None
        self.stage = settings.stage
        freeze(self.networks, self.stage, masked=settings.mask_ratio > 0.0)
        if settings.initial:
            resume(self, settings.initial)

    @classmethod
    def traits(cls, settings: SGDJSCCSettings) -> Traits:
        """Captions are described once an image; the authors' parameters are not trained and serve one ratio."""
        own = settings.checkpoint == "own"
        return Traits(trainable=own, describes=settings.sends_text, ratios=None if own else (RATIO,))

    @classmethod
    def assets(cls, settings: SGDJSCCSettings) -> Sequence[Path]:
        """Return the authors' folder and the text encoder's weights, where they are used."""
        uses_release = settings.checkpoint == "authors" or (settings.sends_edges and settings.edge_detector == "muge")
        named_files = [settings.authors_folder if uses_release else "", settings.initial, settings.text_weights]
        folder = clip_folder(settings.text_model) if settings.text_encoder == "clip" else None
        return (*(Path(name) for name in named_files if name), *([folder] if folder is not None else []))

    @classmethod
    def published(cls, settings: SGDJSCCSettings) -> Sequence[PublishedFile]:
        """Return the release's files and CLIP's; needed are those that the settings load."""
        # Late: its layers come with timm, which a plan does without.
        from methods.sgdjscc.networks.build import needed

        parts = needed(settings) if settings.checkpoint == "authors" else []
        learned_edges = ["edge_detector"] if settings.sends_edges and settings.edge_detector == "muge" else []
        architecture = settings.text_encoder == "clip" and clip_folder(settings.text_model) is None
        clip = Path(settings.text_weights or CLIP_FILE) if architecture else None
        return published(Path(settings.authors_folder), [*parts, *learned_edges], clip)

    def check_ready(self) -> None:
        """Raise a :class:`MethodError` where captions or edges are to be sent and who makes them is not named, or not there."""
        if self.settings.sends_text:
            check_required("sgdjscc", captioner=self.settings.captioner)
        if self.settings.sends_edges:
            detector(self.settings)

    def describe(self, images: Tensor, captions: Sequence[str] | None = None) -> Sequence[str] | None:
        """Return a caption of each image or, line by line, of each of its tiles."""
        if not self.settings.sends_text:
            return None
        captioner = required(self.settings.captioner, "captioner", "sgdjscc")
        writer = bounded(partial(self.model_client.caption, captioner), self.settings.caption_tokens)
        return describe(writer, self.settings.captions, self.packing, images, captions)

    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        """Return the latent as the analog stream, edges as side information and captions as text."""
        latents = self._latents(images)
        maps = self._edge_maps(images) if self.settings.sends_edges else None
        return self._signal(latents, maps, descriptions, point)

    def decode(self, received: Received, point: OperatingPoint) -> Tensor:
        """Denoise the latent, with what arrived of text and edges, and decode it; in [0, 1]."""
        parts: dict[int, Tensor] = {}
        symbols = received.symbols()
        latents = [unit_power(latent) for latent in self.packing.unpack(symbols)]
        if self.settings.denoise:
            latents = self._denoised(latents, received)
        for numbers in self.packing.groups.values():
            images = self.autoencoder.decode(torch.cat([latents[number] for number in numbers]))
            parts |= dict(zip(numbers, images.chunk(len(numbers)), strict=True))
        placed = [(tile, parts[number]) for number, tile in enumerate(self.packing.tiles)]
        return merge(placed, self.packing.height, self.packing.width).clamp(0.0, 1.0)

    def phases(self) -> Sequence[Phase]:
        """Return the stages of a training run: the one that the settings name or, for ``all``, one after the other."""
        return stages(self.settings)

    def enter(self, phase: Phase, begins: bool) -> None:
        """Leave a gradient to what the stage trains; the control branch starts as a copy of the denoiser."""
        # Late: its layers come with timm, which a plan does without.
        from methods.sgdjscc.networks.build import freeze, start_control

        self.stage = stage_of(phase)
        freeze(self.networks, self.stage, masked=self.settings.mask_ratio > 0.0)
        if begins and self.stage == "control" and self.settings.stage == "all":
            start_control(self.networks)

    def loss(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
        """Return the losses of the stage; see :mod:`methods.sgdjscc.training`."""
        # Late: its layers come with timm, which a plan does without.
        from methods.sgdjscc.training import denoiser_losses, training_point

        settings, stage, losses = self.settings, self.stage, {}
        trains_codec = settings.sends_edges and stage in ("control", "all")
        latents = self._latents(images)
        maps = self._edge_maps(images) if trains_codec else None
        if stage in ("autoencoder", "all") or maps is not None:
            at = training_point(settings, point)
            received = link(self._signal(latents, maps, None, at), at)
            if stage in ("autoencoder", "all"):
                losses["mse"] = self._reconstruction_error(images, received)
            if maps is not None:
                losses["edges"] = self._edge_error(maps, received)
        if stage != "autoencoder":
            losses |= self._denoiser_losses(partial(denoiser_losses, stage), latents, maps, targets)
        losses["total"] = torch.stack(list(losses.values())).sum()
        return losses

    def _latents(self, images: Tensor) -> list[Tensor]:
        if images.shape[-2:] != (self.packing.height, self.packing.width):
            raise RateError(
                f"built for {self.packing.height} x {self.packing.width} images, got {images.shape[-2]} x {images.shape[-1]}; "
                "build the method for the size it is given"
            )
        return self.packing.map(images, lambda tiles: unit_power(self.autoencoder.encode(tiles)))

    def _edge_maps(self, images: Tensor) -> list[Tensor]:
        if self._detect is None:
            self._detect = detector(self.settings)
        return tile_edges(self.settings, self.packing, self._detect, images)

    def _signal(self, latents: list[Tensor], maps: list[Tensor] | None, captions: Sequence[str] | None, point: OperatingPoint) -> Signal:
        analog = self.packing.pack(latents)
        if point.cr is not None and analog.shape[1] > self.geometry.symbols(point.cr):
            allowed = self.geometry.symbols(point.cr)
            raise RateError(f"this network sends {analog.shape[1]} symbols and CR {point.cr} allows {allowed}; build one for that CR")
        free = frozenset() if self.settings.charge_guidance else frozenset({"side", "digital"})
        digital = [caption.encode() for caption in captions] if self.settings.sends_text and captions is not None else None
        return Signal(analog=analog, side=self._side(maps), digital=digital, text=digital is not None, uncharged=free)

    def _side(self, maps: list[Tensor] | None) -> Tensor | None:
        if maps is None or self.edge_codec is None:
            return None
        # Late: its layers come with timm, which a plan does without.
        from methods.sgdjscc.networks.edge_codec import normalised

        features = normalised(self.edge_codec.encode(torch.cat(maps), self.settings.edge_channels))
        return torch.cat([to_symbols(part, part[0].numel()) for part in features.chunk(len(maps))], dim=1)

    def _denoised(self, latents: list[Tensor], received: Received) -> list[Tensor]:
        # Late: its layers come with timm, which a plan does without.
        from methods.sgdjscc.receiver import denoise, noise_share

        if received.noise_variance is None:
            raise MethodError("the receiver needs the noise variance of the analog symbols; decode what the link delivered")
        variance = self.packing.per_tile(received.noise_variance)
        shares = [noise_share(self.settings, self.networks, *pair) for pair in zip(latents, variance, strict=True)]
        edges = self._received_edges(received, shares)
        text, negative = self._texts(received, len(latents[0]))
        clean: dict[int, Tensor] = {}
        for (height, width), numbers in self.packing.groups.items():
            hint = None if edges is None else torch.cat([edges[number] for number in numbers])[..., :height, :width]
            result = denoise(
                self.settings,
                self.networks,
                torch.cat([latents[number] for number in numbers]),
                torch.cat([shares[number] for number in numbers]),
                torch.cat([text[number] for number in numbers]),
                None if negative is None else negative.repeat(len(numbers), 1),
                hint,
            )
            clean |= dict(zip(numbers, result.chunk(len(numbers)), strict=True))
        return [clean[number] for number in range(len(latents))]

    def _received_edges(self, received: Received, shares: list[Tensor]) -> list[Tensor] | None:
        if self.edge_codec is None or received.side is None or received.side_noise_variance is None:
            return None
        # Late: its layers come with timm, which a plan does without.
        from methods.sgdjscc.receiver import decoded_edges, gated

        features = self._side_features(received.side, self.edge_codec.tokens)
        variance = torch.cat(received.side_noise_variance.chunk(len(shares), dim=1))
        share = torch.cat(shares)
        edges = gated(decoded_edges(self.edge_codec, self.settings, features, variance, share), share)
        return list(edges.chunk(len(shares)))

    def _side_features(self, side: Tensor, tokens: int) -> Tensor:
        """Return (tiles x B, N, r) edge features, tile after tile, of unit power a real."""
        parts = side.chunk(len(self.packing.tiles), dim=1)
        return UNIT * torch.cat([from_symbols(part, (len(part), tokens, self.settings.edge_channels)) for part in parts])

    def _texts(self, received: Received, rows: int) -> tuple[list[Tensor], Tensor | None]:
        """Return the captions' embeddings, (B, E) a tile, and the unconditional prediction's, if there is one."""
        settings, device = self.settings, received.symbols().device
        arrived = received.digital if settings.sends_text and received.digital is not None else [None] * rows
        captions = [by_tile(message, settings.captions, len(self.packing.tiles)) for message in arrived]
        text = [self.text([lines[number] for lines in captions], device) for number in range(len(self.packing.tiles))]
        if settings.guidance == "none" and not settings.negative_prompt:
            return text, None
        return text, self.text([settings.negative_prompt] * rows, device)

    def _reconstruction_error(self, images: Tensor, received: Received) -> Tensor:
        latents = [unit_power(latent) for latent in self.packing.unpack(received.symbols())]
        errors = [
            F.mse_loss(self.autoencoder.decode(latent), tile.of(images)) * latent[0, 0].numel() * DOWNSAMPLING**2
            for latent, tile in zip(latents, self.packing.tiles, strict=True)
        ]
        return torch.stack(errors).sum() / sum(tile.height * tile.width for tile in self.packing.tiles)

    def _edge_error(self, maps: list[Tensor], received: Received) -> Tensor:
        # Late: its layers come with timm, which a plan does without.
        from methods.sgdjscc.receiver import decoded_edges

        if received.side is None or received.side_noise_variance is None or self.edge_codec is None:
            raise MethodError("the edges were sent and did not arrive; train through a link that delivers the side stream")
        features = self._side_features(received.side, self.edge_codec.tokens)
        variance = torch.cat(received.side_noise_variance.chunk(len(maps), dim=1))
        share = (variance / (1.0 + variance)).mean(dim=1)
        decoded = decoded_edges(self.edge_codec, self.settings, features, variance, share)
        # Half precision cannot tell probabilities near 0 and 1 apart, and autocast refuses to try.
        with torch.autocast(decoded.device.type, enabled=False):
            return F.binary_cross_entropy(decoded.float(), torch.cat(maps)[:, :1].float())

    def _denoiser_losses(self, losses: Any, latents: list[Tensor], maps: list[Tensor] | None, targets: Targets) -> dict[str, Tensor]:
        rows, device = len(latents[0]), latents[0].device
        captions = targets.captions if self.settings.sends_text and targets.captions is not None else [""] * rows
        text, no_text = self.text(captions, device), self.text([""], device)
        found: dict[str, list[Tensor]] = {}
        for (height, width), numbers in self.packing.groups.items():
            edges = None if maps is None else torch.cat([maps[number] for number in numbers])[:, :1, :height, :width]
            latent = torch.cat([latents[number] for number in numbers])
            for name, value in losses(self.settings, self.networks, latent, text.repeat(len(numbers), 1), no_text, edges).items():
                found.setdefault(name, []).append(value)
        return {name: torch.stack(values).mean() for name, values in found.items()}
