"""GenED-SC as a method of the suite; see the package for the data flow."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.base import Geometry, OperatingPoint, Received, Signal, Targets, TrainableMethod, TrainingLink, Traits
from methods.errors import MethodError, RateError
from methods.gened_sc import losses
from methods.gened_sc.budget import Budget
from methods.gened_sc.clip_features import ClipFeatures
from methods.gened_sc.contextual_features import background_distance, check_contextual, contextual_features, metrics_on
from methods.gened_sc.masks import agreement, coverage, resized
from methods.gened_sc.nouns import caption_noun
from methods.gened_sc.settings import PRESETS, VARIANTS, GenEDSCSettings
from methods.gened_sc.stage_two import StageTwo
from methods.registry import METHODS

# An odd constant near 2^63 / golden ratio: steps of one run get seeds far apart.
_STRIDE = 0x4F1BBCDCBFA53E0B


@METHODS.register("gened_sc")
class GenEDSC(StageTwo[GenEDSCSettings], TrainableMethod[GenEDSCSettings]):
    """Semantic dual-branch JSCC: what matters through Swin stages and most of the symbols, the rest through light convolutions.

    Args:
        settings: sizes, variant and losses.
        geometry: image size and CR.

    Raises:
        MethodError: the image size does not fit the windows or the patches.
        RateError: there is no CR.
    """

    Settings = GenEDSCSettings
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = VARIANTS
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    paper = "S. Wang et al.: GenED-SC: Generative Editing Semantic Communication with Integrated Multi-Modal LLMs, arXiv 2606.04015"
    display_names: ClassVar[Mapping[str, str]] = {
        **{"": "GenED-SC", "full": "GenED-SC", "stage-one": "GenED-SC, stage one alone"},
        **{"single-branch": "GenED-SC (single branch), stage one alone", "single-branch-full": "GenED-SC (single branch)"},
        "no-importance-objective": "GenED-SC (no importance objective), stage one alone",
        "no-importance-objective-full": "GenED-SC (no importance objective)",
        "no-importance-prediction": "GenED-SC (no importance prediction), stage one alone",
        "no-importance-prediction-full": "GenED-SC (no importance prediction)",
        **{"bare": "GenED-SC (bare), stage one alone", "bare-full": "GenED-SC (bare)"},
        **{"swin-swin": "GenED-SC (Swin in both branches), stage one alone", "swin-swin-full": "GenED-SC (Swin in both branches)"},
        **{"cbam-cbam": "GenED-SC (CBAM in both branches), stage one alone", "cbam-cbam-full": "GenED-SC (CBAM in both branches)"},
        **{"random-mask": "GenED-SC (random mask), stage one alone", "random-mask-full": "GenED-SC (random mask)"},
        **{"oracle-mask": "GenED-SC (oracle mask), stage one alone", "oracle-mask-full": "GenED-SC (oracle mask)"},
        **{"shared-input": "GenED-SC (shared input), stage one alone", "shared-input-full": "GenED-SC (shared input)"},
        **{"no-offsets": "GenED-SC (no offsets), stage one alone", "no-offsets-full": "GenED-SC (no offsets)"},
        **{"even-budget": "GenED-SC (even budget), stage one alone", "even-budget-full": "GenED-SC (even budget)"},
        **{"clip-score": "GenED-SC (CLIP score map), stage one alone", "clip-score-full": "GenED-SC (CLIP score map)"},
        "efficientnet-features": "GenED-SC (EfficientNet-Lite0 for VGG-19), stage one alone",
        "efficientnet-features-full": "GenED-SC (EfficientNet-Lite0 for VGG-19)",
    }
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "training.learning_rate": ("loguniform", 3e-4, 3e-3),
        "foreground_share": ("uniform", 0.5, 0.9),
        "attention_scale": ["none", "sqrt"],
        "attention_residual": [False, True],
        "gumbel_on": ["probabilities", "logits"],
    }

    def __init__(self, settings: GenEDSCSettings, geometry: Geometry) -> None:
        # Late: its layers come with timm, which a plan does without.
        from methods.gened_sc.network import Receiver, Sender
        from methods.gened_sc.score_map import ScoreMap

        super().__init__(settings, geometry)
        if geometry.cr is None:
            raise RateError("GenED-SC needs a CR to know how many channels its branches send; give the geometry one")
        self._layouts = (
            _layout(settings, geometry, settings.foreground_dims, settings.depths, settings.heads),
            _layout(settings, geometry, settings.background_dims, settings.background_depths, settings.background_heads),
        )
        self._check(geometry.height, geometry.width)
        share = Fraction(settings.foreground_share).limit_denominator(10**6)
        self.budget = Budget(geometry.cr, self._layouts[0].stride, (share, 1 - share) if settings.dual_branch else (Fraction(1),))
        self.sender = Sender(settings, self._layouts, self.budget.channels)
        self.receiver = Receiver(settings, self._layouts, self.budget.channels)
        scored = (settings.clip_width, settings.context_layers, settings.context_heads, settings.score_similarity)
        self.score_map = ScoreMap(*scored) if settings.needs_clip_to_train else None
        # Seed of the training noise, drawn like an initial weight, and the steps done: a resumed training goes on with its own noise.
        self.noise_state: Tensor
        seed = int(torch.randint(2**62, (), device="cpu"))
        self.register_buffer("noise_state", torch.tensor((seed, 0)))
        # The same numbers as Python has them: reading them from a GPU would hold it up in every step.
        self._noise_at: tuple[int, int] | None = (seed, 0)
        self.register_load_state_dict_post_hook(lambda method, _: setattr(method, "_noise_at", None))
        self._clip: Any = None
        self._phi: Any = None

    @classmethod
    def traits(cls, settings: GenEDSCSettings) -> Traits:
        """One network a CR; the sender needs no channel knowledge."""
        oracle = settings.importance == "oracle"
        return Traits(
            trainable=True,
            needs_masks=settings.objective == "importance" or oracle,
            oracle_masks=oracle,
            describes=settings.stage_two,
            refines=settings.stage_two,
            uses_snr_at_refine=False,
            refine_only=frozenset({"digital"}) if settings.stage_two else frozenset(),
            asks={"editor": 1} if settings.stage_two else {},
            metrics_inside=metrics_on(settings),
        )

    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        """Return exactly k symbols an image, whatever the mask, and with stage two the captions on top."""
        return self.encode_with_masks(images, point, descriptions, None)

    def encode_with_masks(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None, masks: Tensor | None) -> Signal:
        """Encode with knowledge of the saliency masks, which ``importance: oracle`` routes by.

        Args:
            images: (B, 3, H, W) in [0, 1].
            point: names the CR.
            descriptions: B captions, sent with stage two.
            masks: (B, 1, H, W) in {0, 1}; read by the oracle alone.

        Raises:
            MethodError: the oracle was given no masks, stage two no captions, or the images do not fit.
        """
        messages = self.messages(descriptions)
        sent = self._send(images, point, masks)
        return Signal(analog=self._pack(sent, images), digital=messages, text=messages is not None)

    def decode(self, received: Received, point: OperatingPoint) -> Tensor:
        """Return (B, 3, H, W) images in [0, 1] of the size the method was built for."""
        return self._reconstruct(received, self.geometry.height, self.geometry.width).clamp(0.0, 1.0)

    @torch.no_grad()
    def maps(self, images: Tensor, masks: Tensor | None = None) -> dict[str, Tensor]:
        """Return M, sigmoid(S) and A_SA of (B, 3, H, W) images at their size, (B, 1, H, W) each; ``masks`` for the oracle."""
        sent = self._send(images, OperatingPoint(self.geometry.cr), masks)
        size = images.shape[-2:]
        smooth = {"S": sent.scores.sigmoid(), "A_SA": sent.prediction.spatial_attention}
        return {"M": F.interpolate(sent.mask.float(), size, mode="nearest")} | {
            name: F.interpolate(map_.float(), size, mode="bilinear", align_corners=False) for name, map_ in smooth.items()
        }

    @torch.no_grad()
    def diagnostics(self, images: Tensor, targets: Targets) -> dict[str, float]:
        """Return the share of foreground patches and, of images with saliency masks, IoU and F-measure of M against them."""
        if targets.masks is None and self.settings.importance == "oracle":
            return {}
        mask = self._send(images, OperatingPoint(self.geometry.cr), targets.masks).mask
        found = {"foreground_share": float(mask.mean())}
        if targets.masks is not None:
            found["mask_iou"], found["mask_f_measure"] = (float(value) for value in agreement(mask, targets.masks))
        return found

    def loss(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
        """Return (26) and its parts; images may be crops of any size that fits.

        Besides ``total``: ``match``, ``foreground`` and ``background`` before weighting, ``mse`` on [0, 1], the share of foreground
        patches and, with masks, IoU and F-measure of M as it stands without noise.

        Raises:
            MethodError: the objective needs saliency masks and there are none.
            MissingAssetError: CLIP's parameters or those of Phi are needed and not there.
        """
        settings, saliency = self.settings, targets.masks
        if saliency is None and (settings.objective == "importance" or settings.importance == "oracle"):
            raise MethodError("GenED-SC's losses are masked by saliency; train on a data set with masks, or set objective: mse")
        self._check(*images.shape[-2:])
        generator, step = self._noise()
        features, predicted = self.sender.features(images)
        scores = self._clip_scores(images, targets, features) if settings.needs_clip_to_train else None
        # CLIP's map and the predicted one take turns, so that the router can do with either.
        routing = predicted if scores is None or (predicted is not None and step % 2) else scores
        sent = self.sender(features, routing, saliency, generator)
        output = self._reconstruct(link(Signal(analog=self._pack(sent, images)), point), *images.shape[-2:])
        parts = {"mse": F.mse_loss(output, images), "foreground_share": self._decided(sent).mean()}
        if saliency is not None:
            parts["mask_iou"], parts["mask_f_measure"] = agreement(self._decided(sent), saliency)
        total = parts["mse"]
        if settings.objective == "importance" and saliency is not None:
            weighted, more = self._importance_losses(images, output, saliency, scores, predicted, sent.prediction.probability)
            total, parts = weighted, parts | more
        return {"total": total, **{name: part.detach() for name, part in parts.items()}}

    def check_ready(self) -> None:
        """Raise a :class:`MethodError` unless the models of stage two and, where the router asks it, CLIP are there and serve."""
        super().check_ready()
        if self.settings.score_source == "clip":
            self._ask_clip()

    def check_trainable(self) -> None:
        """Raise a :class:`MethodError` unless CLIP and Phi, where the losses ask them, are there and serve."""
        settings = self.settings
        check_contextual(settings)
        if settings.needs_clip_to_train:
            self._ask_clip()

    def _ask_clip(self) -> Any:
        """Return CLIP, loaded once."""
        settings = self.settings
        if self.score_map is None or settings.clip is None:
            raise MethodError("CLIP's score map is not part of this GenED-SC; set score_supervision or score_source to clip")
        if self._clip is None:
            self._clip = ClipFeatures(settings.clip, settings.clip_weights, settings.clip_width)
        return self._clip

    def _importance_losses(
        self, images: Tensor, output: Tensor, saliency: Tensor, scores: Tensor | None, predicted: Tensor | None, probability: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        settings = self.settings
        maps = [map_ for map_ in (scores, predicted) if map_ is not None]
        target = resized(saliency, (maps[0].shape[-2], maps[0].shape[-1]))
        match = torch.stack([losses.matching_loss(map_, target, settings.match) for map_ in maps]).sum()
        parts = {"match": match, "foreground": losses.masked_squared_error(output, images, saliency, settings.pixel_scale)}
        parts["background"] = self._background(output, images, saliency)
        total = sum(weight * part for weight, part in zip(settings.loss_weights, parts.values(), strict=True))
        if scores is not None and predicted is not None:
            parts["follow"] = F.binary_cross_entropy_with_logits(predicted.float(), scores.detach().float().sigmoid())
            total = total + settings.loss_weights[0] * parts["follow"]
        if settings.mask_weight and probability is not None:
            cells = (probability.shape[-2], probability.shape[-1])
            covered = coverage(saliency, cells)
            parts["mask"] = losses.probability_loss(probability, covered)
            if settings.mask_loss == "entropy+iou":
                parts["mask"] = parts["mask"] + losses.overlap_loss(probability, covered)
            total = total + settings.mask_weight * parts["mask"]
        return torch.as_tensor(total), parts

    def _background(self, output: Tensor, images: Tensor, saliency: Tensor) -> Tensor:
        settings = self.settings
        if settings.background_loss == "mse":
            return losses.masked_squared_error(output, images, 1.0 - saliency, settings.pixel_scale)
        if self._phi is None:
            self._phi = contextual_features(settings)
        return background_distance(self._phi, output, images, saliency, settings)

    def _send(self, images: Tensor, point: OperatingPoint, saliency: Tensor | None) -> Any:
        if point.cr is not None and point.cr != self.geometry.cr:
            raise RateError(f"this GenED-SC was built for CR {self.geometry.cr}, not for CR {point.cr}; build and train one for it")
        self._check(*images.shape[-2:])
        features, predicted = self.sender.features(images)
        return self.sender(features, self._clip_scores(images, Targets(), features) if predicted is None else predicted, saliency)

    def _pack(self, sent: Any, images: Tensor) -> Tensor:
        maps = (sent.foreground,) if sent.background is None else (sent.foreground, sent.background)
        return self.budget.pack(maps, *images.shape[-2:])

    def _reconstruct(self, received: Received, height: int, width: int) -> Tensor:
        foreground, *background = self.budget.unpack(received.symbols(), height, width)
        output: Tensor = self.receiver(foreground, background[0] if background else None)
        return output.float()

    def _clip_scores(self, images: Tensor, targets: Targets, features: Tensor) -> Tensor:
        """Return CLIP's score map S at v's resolution, with each image's own text or the generic one."""
        clip = self._ask_clip()
        texts = clip.texts([self._text(targets, row) for row in range(len(images))], images.device)
        score_map: Any = self.score_map
        return F.interpolate(score_map(texts, *clip.images(images)), features.shape[-2:], mode="bilinear", align_corners=False)

    def _text(self, targets: Targets, row: int) -> str:
        if targets.labels is not None and targets.labels[row]:
            return self.settings.prompt.replace("{}", targets.labels[row])
        noun = caption_noun(targets.captions[row]) if self.settings.unlabelled == "caption" and targets.captions is not None else None
        return self.settings.generic_text if noun is None else self.settings.prompt.replace("{}", noun)

    def _noise(self) -> tuple[torch.Generator, int]:
        """Return the generator of this training step and its number, and count the step."""
        if self._noise_at is None:
            seed, step = self.noise_state.tolist()
            self._noise_at = seed, step
        seed, step = self._noise_at
        self._noise_at = seed, step + 1
        self.noise_state[1] += 1
        return torch.Generator().manual_seed((seed + step * _STRIDE) % 2**63), step

    @staticmethod
    def _decided(sent: Any) -> Tensor:
        """Return M without noise."""
        probability: Tensor | None = sent.prediction.probability
        return sent.mask.detach() if probability is None else (probability.detach() > 0.5).float()

    def _check(self, height: int, width: int) -> None:
        for layout in self._layouts:
            layout.check(height, width)
        side = self.settings.patch * self.settings.importance_patch
        if height % side or width % side:
            raise MethodError(f"a {height} x {width} image does not split into patches of {side} pixels; its sides must be multiples of it")


def _layout(settings: GenEDSCSettings, geometry: Geometry, dims: tuple[int, ...], depths: tuple[int, ...], heads: tuple[int, ...]) -> Any:
    # Late: its layers come with timm, which a plan does without.
    from methods.swinjscc.layout import Layout

    return Layout(geometry.height, geometry.width, dims, depths, heads, settings.window, settings.patch, settings.mlp_ratio)
