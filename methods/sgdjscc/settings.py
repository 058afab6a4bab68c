"""Settings of SGD-JSCC; the defaults are the published network."""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from methods.declaration import MethodSettings
from methods.generative.settings import Captioning
from methods.sgdjscc.sampler import GuidanceSchedule, SamplerKind
from methods.sgdjscc.text import TextEncoderName
from methods.sgdjscc.tiles import Layout

Guidance = Literal["none", "text", "edges", "both"]
Stage = Literal["autoencoder", "denoiser", "control", "all"]


class SGDJSCCSettings(MethodSettings):
    """Settings of the method.

    Attributes:
        guidance: what is sent besides the latent.
        charge_guidance: count the symbols of the guidance; ``False`` leaves them out of the ledger, to reproduce an
            accounting that gives them away.
        denoise: run the denoiser; ``False`` decodes the received latent as it is.
        steps: predictions of the sampler.
        sampler: ``regular`` or the ``released`` batched form; see :mod:`methods.sgdjscc.sampler`.
        guidance_scale, guidance_schedule: weight of the conditional prediction; the released schedule fades with the SNR.
        noise_level: noise share of the latent ``estimated`` from the latent or ``known`` from the channel state.
        control_strength: strength of the edge control; ``None`` follows the release, 0.05 at -15 dB to 0.20 from 0 dB up.
        edge_power: how received edge features are scaled: ``sent`` by their own norm, ``released`` as if noise had been
            received for the features that are never sent.
        brightness: added to latent channels 0 and 3 after sampling; the release adds 0.1.
        negative_prompt: text of the unconditional prediction; empty means no text.
        captioner: model that writes the captions, as every method of a grid shares it.
        captions: one for each ``image`` or each ``tile``.
        caption_tokens: most tokens of a caption, counted by CLIP's tokenizer, whatever the captioner writes; ``None`` for no bound. The
            release's captions have 20, and without a bound the text of many tiles may cost as much as the image.
        tile, layout: side of a tile in pixels, and how an image is cut; see :mod:`methods.sgdjscc.tiles`.
        widths, blocks, fold, groups, shortcut: the autoencoder; see :class:`methods.sgdjscc.networks.autoencoder.Autoencoder`.
        estimator_widths: channels of the SNR estimator.
        denoiser_width, denoiser_heads, denoiser_depth, denoiser_decode, mlp_ratio, noise_features: the denoiser.
        prediction: the network gives the clean latent (``x0``) or what is to be added to the linear estimate (``residual``).
        text_encoder, text_width, text_model, text_weights: the text embedding; see :mod:`methods.sgdjscc.text`.
        edge_detector: ``canny``, ``muge`` (from ``authors_folder``), or ``package.module:callable`` from (B, 3, H, W) images to
            (B, 2, H, W) edges and certainty.
        canny_width: smoothing of ``canny``, in pixels.
        edge_features, edge_channels: features C of an edge token and how many are sent.
        edge_patch, edge_window, edge_dims, edge_depths, edge_heads: the edge codec.
        control_scale: divisor of the edge latent; ``None`` scales it to unit power.
        checkpoint, authors_folder: ``authors`` loads the converted release from ``authors_folder``.
        stage: what a training run learns; ``all`` goes through the stages one after the other.
        stage_shares: of the steps of ``all``, for autoencoder, denoiser and, where edges are sent, control.
        stage_rates: their peak learning rates, relative to that of the training.
        initial: parameters of an earlier stage, a safetensors file; names must fit.
        autoencoder_snr_db: SNR at which the autoencoder is trained; ``None`` takes that of the training step.
        train_snr_db: SNR range of the latents on which the denoiser is trained.
        text_dropout: share of the training captions that are replaced by no text.
        mask_ratio: share of the tokens hidden from the in and out blocks in training.
    """

    evaluation_only: ClassVar[frozenset[str]] = frozenset(
        {
            "charge_guidance",
            "denoise",
            "steps",
            "sampler",
            "guidance_scale",
            "guidance_schedule",
            "noise_level",
            "control_strength",
            "brightness",
            "negative_prompt",
            "captioner",
            "captions",
            "caption_tokens",
        }
    )
    first_values: ClassVar[Mapping[str, Any]] = {"caption_tokens": None}

    guidance: Guidance = "none"
    charge_guidance: bool = True
    denoise: bool = True
    steps: int = Field(50, ge=1)
    sampler: SamplerKind = "regular"
    guidance_scale: float = Field(4.0, ge=0.0)
    guidance_schedule: GuidanceSchedule = "power-cosine"
    noise_level: Literal["estimated", "known"] = "estimated"
    control_strength: float | None = None
    edge_power: Literal["released", "sent"] = "released"
    brightness: float = 0.1
    negative_prompt: str = ""
    captioner: Captioning | None = None
    captions: Literal["tile", "image"] = "tile"
    caption_tokens: int | None = Field(None, ge=1)
    tile: int = Field(128, ge=8, multiple_of=8)
    layout: Layout = "partition"
    widths: tuple[int, ...] = (128, 256, 512, 512)
    blocks: int = Field(2, ge=1)
    fold: Literal[1, 2, 4] = 1
    groups: int = Field(32, ge=1)
    shortcut: bool = False
    estimator_widths: tuple[int, ...] = (32, 64, 128, 256)
    denoiser_width: int = Field(512, ge=8, multiple_of=4)
    denoiser_heads: int = Field(8, ge=1)
    denoiser_depth: int = Field(12, ge=2)
    denoiser_decode: int = Field(4, ge=0)
    mlp_ratio: float = Field(4.0, gt=0.0)
    noise_features: int = Field(256, ge=2, multiple_of=2)
    prediction: Literal["x0", "residual"] = "x0"
    text_encoder: TextEncoderName = "none"
    text_width: int = Field(768, ge=1)
    text_model: str = "ViT-L-14-quickgelu"
    text_weights: str = ""
    edge_detector: str = "canny"
    canny_width: float = Field(1.5, gt=0.0)
    edge_features: int = Field(256, ge=1)
    edge_channels: int = Field(13, ge=1)
    edge_patch: int = Field(2, ge=1)
    edge_window: int = Field(8, ge=1)
    edge_dims: tuple[int, ...] = (128, 192, 256, 320)
    edge_depths: tuple[int, ...] = (2, 2, 6, 2)
    edge_heads: tuple[int, ...] = (4, 6, 8, 10)
    control_scale: float | None = 15.45
    checkpoint: Literal["own", "authors"] = "own"
    authors_folder: str = "checkpoints/sgdjscc-authors"
    stage: Stage = "all"
    stage_shares: tuple[float, float, float] = (0.5, 0.5, 0.5)
    stage_rates: tuple[float, float, float] = (1.0, 1.0, 1.0)
    initial: str = ""
    autoencoder_snr_db: float | None = 10.0
    train_snr_db: tuple[float, float] = (-5.0, 27.0)
    text_dropout: float = Field(0.1, ge=0.0, le=1.0)
    mask_ratio: float = Field(0.0, ge=0.0, lt=1.0)

    def identity_fields(self, without: Collection[str] = ()) -> dict[str, Any]:
        """Return the fields that enter an identity; a bound of captions is none where no caption is sent."""
        return super().identity_fields(without if self.sends_text else {*without, "caption_tokens"})

    @property
    def multiple(self) -> int:
        """Pixels a latent position; tiles need not be whole."""
        # Late: its layers need torch, which a plan does without.
        from methods.sgdjscc.networks.autoencoder import DOWNSAMPLING

        return DOWNSAMPLING

    @property
    def sends_text(self) -> bool:
        """Whether captions are sent."""
        return self.guidance in ("text", "both")

    @property
    def sends_edges(self) -> bool:
        """Whether edge maps are sent."""
        return self.guidance in ("edges", "both")
