"""Settings of GenED-SC; the defaults are the paper's, and each open point of the paper is one of them.

Defaults need CLIP's and VGG's parameters for training. The ``compact`` preset trains without either, by settings of its own;
it also teaches M the saliency of its patches and draws it from the logits, so that a short training learns to route.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from methods.declaration import MethodSettings
from methods.generative.settings import Captioning, Editing

Architecture = Literal["swin", "cbam"]
Importance = Literal["learned", "ones", "shared", "random", "oracle"]


class GenEDSCSettings(MethodSettings):
    """Settings of the method.

    Attributes:
        stage_two: caption the image at the sender and edit I_r at the receiver; the network is the same without.
        captioner, editor: models of stage two.
        patch: side in pixels of one position of the feature map v.
        features: channels C' of v.
        importance_patch: side w, in positions of v, of the patches that the mask M decides on and attention works in.
        window: Swin window side in tokens.
        dims, depths, heads: foreground branch, channels, blocks and attention heads of each stage, from the image's end;
            each further stage halves the resolution. Convolutional branches have no heads.
        background_dims, background_depths, background_heads: the same for the background branch; as many stages.
        convolutional_width: channels of a convolutional foreground branch over ``dims``; a block of two 3 x 3 convolutions
            costs more than a Swin block of its width, and Table II compares branches of about the same cost.
        mlp_ratio: hidden width of the Swin MLPs over the token width.
        fusion_blocks: residual blocks of the image decoder.
        score_width: channels of the head that predicts the score map.
        foreground, background: architecture of the branches; Table II of the paper compares them.
        foreground_share: share of the symbols that carry the foreground branch.
        dual_branch: ``False`` sends the unified features (20) through one branch of the foreground's architecture that has the
            whole budget.
        importance: where M comes from. ``learned``: SIPM. ``ones``: every patch is foreground, the background branch gets
            zeros. ``shared``: both branches get every patch. ``random``: fresh each training step, fixed at inference.
            ``oracle``: the saliency mask, at inference too (the trait ``oracle_masks``); the receiver is not told it.
        random_share: probability of a foreground patch with ``random``.
        deformable: predict the offsets; ``False`` fixes them at zero, so that K = 2 v_fg in (15).
        max_offset: largest offset in positions of v, reached through tanh.
        attention_scale: ``none`` as (17) is written, ``sqrt`` divides the scores by the root of C'.
        attention_residual: add v_fg to the attended foreground before it is routed; (18) has no such term.
        descriptor: what a patch's w^2 values are averaged from. ``condition``: the channels of e_cond, as (14) is written.
            ``embedding``: those of Psi's normalised embedding of e_cond. ``sum``: C'+3 times the ``condition``, which is the same
            function of other first weights: S is one channel of C'+3, and a short training does not amplify it.
        gumbel_on: noise on the softmax's ``probabilities``, as (14) is written, or on ``logits``, the usual form.
        gumbel_temperature: temperature of the relaxed choice.
        score_source: the router's score map at inference. ``predicted``: S^, without CLIP. ``clip``: CLIP with ``generic_text``.
        score_supervision: what teaches S^. ``clip``: (21) and CLIP's score map. ``saliency``: (21) alone, no CLIP; choose
            ``match: balanced`` with it, since the paper's form rewards a large score everywhere.
        clip: open_clip architecture, ``hf-hub:`` name or ``local-dir:`` folder.
        clip_weights: open_clip tag or file of a built-in architecture's parameters; ``None`` for a hub name or folder.
        clip_width: length C of CLIP's joint embeddings.
        context_layers, context_heads: the decoder of (28).
        score_similarity: embeddings of (27) and (30) as CLIP's unit vectors (``cosine``) or as they are (``dot``).
        prompt: text T of a labelled image; ``{}`` stands for the label.
        generic_text: text T of any other image.
        unlabelled: text of a training image without a label: ``generic``, or ``caption`` for the prompt with its caption's noun
            (:func:`~methods.gened_sc.nouns.caption_noun`), generic where that finds none.
        objective: ``importance`` (26), or ``mse`` over the whole image alone.
        match: ``paper`` (21), foreground alone, or ``balanced``, the mean of the foreground's and the background's term.
        background_loss: ``contextual`` (24) or ``mse``, (22) over the background.
        contextual_network: Phi of (23). ``vgg19``, the paper's, or ``efficientnet_lite0``, whose parameters a package brings. Both were
            trained on ImageNet.
        vgg: VGG-19's parameters, a file or ``torchvision``: torch's cache, else torchvision's address; ``None`` if unused.
        vgg_layer: layer of VGG-19.
        contextual_positions: most positions of a feature map that (24) compares, on a regular grid; its matrix takes 4 bytes
            times their square an image.
        contextual_temperature: tau of (25).
        loss_weights: lambda of (26) for (21), (22) and (24).
        pixel_scale: value of a white pixel in squared errors.
        mask_weight: weight of a loss between M's probability and the saliency of its patch; not in the paper, where M learns
            through the reconstruction alone.
        mask_loss: that loss: ``entropy``, or ``entropy+iou``, which adds one minus the soft intersection over union. Where few
            patches are salient, the entropy alone first teaches that none is, and the foreground branch gets nothing.
    """

    evaluation_only: ClassVar[frozenset[str]] = frozenset({"stage_two", "captioner", "editor"})
    first_values: ClassVar[Mapping[str, Any]] = {"contextual_network": "vgg19"}

    stage_two: bool = False
    captioner: Captioning | None = None
    editor: Editing | None = None
    patch: int = Field(2, ge=1)
    features: int = Field(96, ge=1)
    importance_patch: int = Field(8, ge=1)
    window: int = Field(8, ge=1)
    dims: tuple[int, ...] = (112, 176, 256, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    heads: tuple[int, ...] = (4, 8, 8, 10)
    background_dims: tuple[int, ...] = (24, 48, 96, 160)
    background_depths: tuple[int, ...] = (1, 1, 2, 2)
    background_heads: tuple[int, ...] = (2, 4, 8, 8)
    convolutional_width: float = Field(0.75, gt=0.0)
    mlp_ratio: float = Field(4.0, gt=0.0)
    fusion_blocks: int = Field(1, ge=0)
    score_width: int = Field(48, ge=1)
    foreground: Architecture = "swin"
    background: Architecture = "cbam"
    foreground_share: float = Field(0.75, gt=0.0, lt=1.0)
    dual_branch: bool = True
    importance: Importance = "learned"
    random_share: float = Field(0.25, ge=0.0, le=1.0)
    deformable: bool = True
    max_offset: float = Field(8.0, gt=0.0)
    attention_scale: Literal["none", "sqrt"] = "none"
    attention_residual: bool = False
    descriptor: Literal["condition", "embedding", "sum"] = "condition"
    gumbel_on: Literal["probabilities", "logits"] = "probabilities"
    gumbel_temperature: float = Field(1.0, gt=0.0)
    score_source: Literal["predicted", "clip"] = "predicted"
    score_supervision: Literal["clip", "saliency"] = "clip"
    clip: str | None = "ViT-B-16-quickgelu"
    clip_weights: str | None = "openai"
    clip_width: int = Field(512, ge=1)
    context_layers: int = Field(2, ge=1)
    context_heads: int = Field(4, ge=1)
    score_similarity: Literal["cosine", "dot"] = "cosine"
    prompt: str = "a photo of a {}"
    generic_text: str = "a photo of the main object"
    unlabelled: Literal["generic", "caption"] = "generic"
    objective: Literal["importance", "mse"] = "importance"
    match: Literal["paper", "balanced"] = "paper"
    background_loss: Literal["contextual", "mse"] = "contextual"
    contextual_network: Literal["vgg19", "efficientnet_lite0"] = "vgg19"
    vgg: str | None = "torchvision"
    vgg_layer: Literal["relu3_1", "relu4_1", "relu4_2", "relu5_1", "relu5_2"] = "relu4_2"
    contextual_positions: int = Field(1024, ge=2)
    contextual_temperature: float = Field(0.5, gt=0.0)
    loss_weights: tuple[float, float, float] = (1.0, 1e-4, 0.01)
    pixel_scale: float = Field(255.0, gt=0.0)
    mask_weight: float = Field(0.0, ge=0.0)
    mask_loss: Literal["entropy", "entropy+iou"] = "entropy"

    @property
    def foreground_dims(self) -> tuple[int, ...]:
        """Channels of the foreground branch as it is built."""
        return self.dims if self.foreground == "swin" else tuple(max(1, round(self.convolutional_width * dim)) for dim in self.dims)

    @property
    def multiple(self) -> int:
        """Pixels that sides must be multiples of for whole windows at every stage and whole patches of M."""
        return math.lcm(self.patch * 2 ** (len(self.dims) - 1) * self.window, self.patch * self.importance_patch)

    @property
    def trains_on_efficientnet(self) -> bool:
        """Whether the loss asks EfficientNet-Lite0."""
        return self.objective == "importance" and self.background_loss == "contextual" and self.contextual_network == "efficientnet_lite0"

    @property
    def needs_clip_to_train(self) -> bool:
        """Whether a training step asks CLIP."""
        return self.score_source == "clip" or (self.score_supervision == "clip" and self.objective == "importance")

    @model_validator(mode="after")
    def _consistent(self) -> "GenEDSCSettings":
        for name, sizes in {
            "": (self.dims, self.depths, self.heads),
            "background_": (self.background_dims, self.background_depths, self.background_heads),
        }.items():
            if not sizes[0] or len({len(size) for size in sizes}) != 1 or min(min(size) for size in sizes) < 1:
                raise ValueError(f"{name}dims {sizes[0]}, {name}depths {sizes[1]}, {name}heads {sizes[2]} must name the same stages")
            if any(dim % heads for dim, heads in zip(sizes[0], sizes[2], strict=True)):
                raise ValueError(f"each of {name}dims {sizes[0]} must be a multiple of its {name}heads {sizes[2]}")
        if len(self.dims) != len(self.background_dims):
            raise ValueError(f"dims {self.dims} and background_dims {self.background_dims} must have equally many stages")
        if self.needs_clip_to_train and self.clip is None:
            raise ValueError(
                "CLIP's score map needs a model; name one in clip, or set score_supervision: saliency, score_source: predicted"
            )
        if self.clip_width % self.context_heads:
            raise ValueError(f"clip_width {self.clip_width} must be a multiple of context_heads {self.context_heads}")
        if "{}" not in self.prompt:
            raise ValueError(f"prompt '{self.prompt}' has no {{}} for the label")
        return self


_BOTH_STAGES = {"stage_two": True}
_NO_OBJECTIVE = {"objective": "mse"}
_NO_IMPORTANCE = {"importance": "ones"}
_ONE_BRANCH = {"dual_branch": False}
_BARE = {**_ONE_BRANCH, **_NO_OBJECTIVE, **_NO_IMPORTANCE}
_SWIN, _CBAM = {"background": "swin"}, {"foreground": "cbam"}
_RANDOM, _ORACLE, _SHARED = {"importance": "random"}, {"importance": "oracle"}, {"importance": "shared"}
# With the paper's weights of the three losses, which the compact preset changes for a squared error in the background.
_EFFICIENTNET = {"background_loss": "contextual", "contextual_network": "efficientnet_lite0", "loss_weights": (1.0, 1e-4, 0.01)}
_NO_OFFSETS, _EVEN, _CLIP = {"deformable": False}, {"foreground_share": 0.5}, {"score_source": "clip"}

# A variant and its "-full" share their network; the first of the two names it. Keys are written out, since listings read them unrun.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "stage-one": {},
    "full": _BOTH_STAGES,
    "single-branch": _ONE_BRANCH,
    "no-importance-objective": _NO_OBJECTIVE,
    "no-importance-prediction": _NO_IMPORTANCE,
    "bare": _BARE,
    "swin-swin": _SWIN,
    "cbam-cbam": _CBAM,
    "random-mask": _RANDOM,
    "oracle-mask": _ORACLE,
    "shared-input": _SHARED,
    "no-offsets": _NO_OFFSETS,
    "even-budget": _EVEN,
    "clip-score": _CLIP,
    "efficientnet-features": _EFFICIENTNET,
    "single-branch-full": {**_ONE_BRANCH, **_BOTH_STAGES},
    "no-importance-objective-full": {**_NO_OBJECTIVE, **_BOTH_STAGES},
    "no-importance-prediction-full": {**_NO_IMPORTANCE, **_BOTH_STAGES},
    "bare-full": {**_BARE, **_BOTH_STAGES},
    "swin-swin-full": {**_SWIN, **_BOTH_STAGES},
    "cbam-cbam-full": {**_CBAM, **_BOTH_STAGES},
    "random-mask-full": {**_RANDOM, **_BOTH_STAGES},
    "oracle-mask-full": {**_ORACLE, **_BOTH_STAGES},
    "shared-input-full": {**_SHARED, **_BOTH_STAGES},
    "no-offsets-full": {**_NO_OFFSETS, **_BOTH_STAGES},
    "even-budget-full": {**_EVEN, **_BOTH_STAGES},
    "clip-score-full": {**_CLIP, **_BOTH_STAGES},
    "efficientnet-features-full": {**_EFFICIENTNET, **_BOTH_STAGES},
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "compact": {
        **{"patch": 4, "features": 48, "importance_patch": 4, "window": 4, "score_width": 24},
        **{"dims": (48, 96), "depths": (2, 3), "heads": (3, 6)},
        **{"background_dims": (24, 48), "background_depths": (1, 1), "background_heads": (2, 4)},
        **{"score_supervision": "saliency", "match": "balanced", "background_loss": "mse", "vgg": None},
        **{"loss_weights": (1.0, 3e-4, 1e-4), "mask_weight": 1.0, "gumbel_on": "logits"},
        **{"mask_loss": "entropy+iou", "descriptor": "sum"},
    },
    "paper": {},
}
