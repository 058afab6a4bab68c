"""How each pipeline of diffusers is called; one entry a class in ``model_index.json`` and task.

::

    model_index.json: _class_name ──CALLS──> Call ── arguments(images, prompts, size, options) ──> pipeline(**arguments)

Defaults are the library's own or those of the published model. What differs between the families, and is settled here:

- guidance is ``guidance_scale`` in some and ``true_cfg_scale`` in others, where it is silently off without a negative prompt;
- a list of images is a batch to Stable Diffusion and a set of references for one prompt to Qwen-Image-Edit-Plus and FLUX.2;
- FLUX.1 Kontext reads height and width as an aspect ratio unless the area is given too;
- Qwen-Image-Edit brings its input to about 1024 x 1024 pixels itself, so it gets the image as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from PIL import Image

from methods.generative.backends.diffusers_prompts import Reading, read_by_chat, read_by_clip, read_by_qwen, read_by_t5
from methods.generative.responses import ModelUnavailableError

_ROLES = {"generate": "generator", "edit": "editor"}
_STEPS = {"steps": "num_inference_steps"}
_PLAIN = {**_STEPS, "guidance": "guidance_scale"}
_NEGATIVE = {**_PLAIN, "negative_prompt": "negative_prompt"}
_TRUE_CFG = {**_STEPS, "guidance": "true_cfg_scale", "negative_prompt": "negative_prompt"}
_STRENGTH = {"strength": "strength"}


def _nothing(height: int, width: int) -> dict[str, Any]:
    return {}


def _longest(height: int, width: int) -> dict[str, Any]:
    return {"max_sequence_length": 1024}


def _kontext(height: int, width: int) -> dict[str, Any]:
    return {"max_area": height * width, "_auto_resize": False, "max_sequence_length": 512}


@dataclass(frozen=True)
class Call:
    """How one pipeline does one task.

    Attributes:
        pipeline: class of diffusers that is loaded.
        names: option -> argument of the pipeline.
        defaults: every option the pipeline takes, with its default.
        reading: which part of a prompt the text encoders read.
        image: how the input image is given: not at all, resized to the working size, or as it is.
        sized: whether height and width are arguments.
        batched: whether several prompts, each with its own image, may go into one call.
        native: side in pixels that the model was made for; ``None`` where the UNet and the autoencoder tell.
        multiple: what height and width must be multiples of; ``None`` where the UNet and the autoencoder tell.
        least: smallest height and width in pixels.
        extra: arguments that follow from height and width.
        loading: arguments for loading the pipeline.
    """

    pipeline: str
    names: Mapping[str, str]
    defaults: Mapping[str, Any]
    reading: Reading
    image: Literal["none", "fitted", "original"] = "none"
    sized: bool = True
    batched: bool = False
    native: int | None = 1024
    multiple: int | None = 16
    least: int = 0
    extra: Callable[[int, int], dict[str, Any]] = _nothing
    loading: Mapping[str, Any] = field(default_factory=dict)

    def arguments(
        self, images: Sequence[Image.Image], prompts: Sequence[str], size: tuple[int, int], options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the arguments of a call for B prompts, and for B images where the task has any.

        Args:
            images: B images, or none.
            prompts: B prompts as the pipeline shall read them; B = 1 unless ``batched``.
            size: working height and width.
            options: option -> value, complete.
        """
        height, width = size
        values = {argument: options[option] for option, argument in self.names.items()}
        if "negative_prompt" in values:
            # Without guidance nothing is compared with the negative prompt, and some pipelines complain.
            negative = values["negative_prompt"] if options["guidance"] > 1 else None
            values["negative_prompt"] = [negative] * len(prompts) if self.batched and negative is not None else negative
        values["prompt"] = list(prompts) if self.batched else prompts[0]
        if self.image != "none":
            fitted = [each.resize((width, height), Image.Resampling.LANCZOS) if self.image == "fitted" else each for each in images]
            values["image"] = fitted if self.batched else fitted[0]
        if self.sized:
            values |= {"height": height, "width": width}
        return values | self.extra(height, width)


_SD = {"dtype": "float32", "steps": 50, "guidance": 7.5, "negative_prompt": None, "safety_checker": True, "batch": 1}
_SDXL = {"dtype": "bfloat16", "steps": 50, "guidance": 5.0, "negative_prompt": None, "batch": 1}
_QWEN = {"dtype": "bfloat16", "steps": 50, "guidance": 4.0, "negative_prompt": " "}
_UNET: dict[str, Any] = {"reading": read_by_clip, "batched": True, "native": None, "multiple": None}
_NO_WATERMARK = {"add_watermarker": False}

_STABLE_DIFFUSION = Call("StableDiffusionPipeline", _NEGATIVE, _SD, **_UNET)
_STABLE_DIFFUSION_XL = Call("StableDiffusionXLPipeline", _NEGATIVE, _SDXL, **_UNET, loading=_NO_WATERMARK)
_QWEN_IMAGE = Call("QwenImagePipeline", _TRUE_CFG, _QWEN, read_by_qwen, extra=_longest)
_KLEIN = Call("Flux2KleinPipeline", _PLAIN, {"dtype": "bfloat16", "steps": 4, "guidance": 1.0}, read_by_chat, least=64)
_KLEIN_BASE = replace(_KLEIN, defaults={"dtype": "bfloat16", "steps": 50, "guidance": 4.0})

_GENERATE: dict[str, Call] = {
    "StableDiffusionPipeline": _STABLE_DIFFUSION,
    "StableDiffusionImg2ImgPipeline": _STABLE_DIFFUSION,
    "StableDiffusionXLPipeline": _STABLE_DIFFUSION_XL,
    "StableDiffusionXLImg2ImgPipeline": _STABLE_DIFFUSION_XL,
    "QwenImagePipeline": _QWEN_IMAGE,
    "Flux2KleinPipeline": _KLEIN_BASE,
}

_SD_EDIT = Call("StableDiffusionImg2ImgPipeline", _NEGATIVE | _STRENGTH, _SD | {"strength": 0.8}, **_UNET, image="fitted", sized=False)
_SDXL_EDIT = Call(
    "StableDiffusionXLImg2ImgPipeline",
    _NEGATIVE | _STRENGTH,
    _SDXL | {"strength": 0.3},
    **_UNET,
    image="fitted",
    sized=False,
    loading=_NO_WATERMARK,
)
_PIX2PIX = Call(
    "StableDiffusionInstructPix2PixPipeline",
    _NEGATIVE | {"image_guidance": "image_guidance_scale"},
    _SD | {"steps": 100, "image_guidance": 1.5},
    **_UNET,
    image="fitted",
    sized=False,
)
_QWEN_IMG2IMG = Call(
    "QwenImageImg2ImgPipeline", _TRUE_CFG | _STRENGTH, _QWEN | {"strength": 0.6}, read_by_qwen, image="fitted", extra=_longest
)
_QWEN_EDIT = Call("QwenImageEditPipeline", _TRUE_CFG, _QWEN, read_by_qwen, image="original", extra=_longest)
_QWEN_EDIT_PLUS = Call("QwenImageEditPlusPipeline", _TRUE_CFG, _QWEN | {"steps": 40}, read_by_qwen, image="original", extra=_longest)
_KONTEXT = Call(
    "FluxKontextPipeline", _PLAIN, {"dtype": "bfloat16", "steps": 28, "guidance": 3.5}, read_by_t5, image="fitted", extra=_kontext
)

_EDIT: dict[str, Call] = {
    "StableDiffusionPipeline": _SD_EDIT,
    "StableDiffusionImg2ImgPipeline": _SD_EDIT,
    "StableDiffusionXLPipeline": _SDXL_EDIT,
    "StableDiffusionXLImg2ImgPipeline": _SDXL_EDIT,
    "StableDiffusionInstructPix2PixPipeline": _PIX2PIX,
    "QwenImagePipeline": _QWEN_IMG2IMG,
    "QwenImageEditPipeline": _QWEN_EDIT,
    "QwenImageEditPlusPipeline": _QWEN_EDIT_PLUS,
    "FluxKontextPipeline": _KONTEXT,
    "Flux2KleinPipeline": replace(_KLEIN_BASE, image="fitted"),
}

_DISTILLED: dict[str, Call] = {"generate": _KLEIN, "edit": replace(_KLEIN, image="fitted")}
_CALLS: dict[str, dict[str, Call]] = {"generate": _GENERATE, "edit": _EDIT}


def find_call(task: Literal["generate", "edit"], index: Mapping[str, Any], name: str) -> Call:
    """Return how a model does a task.

    Args:
        task: what it shall do.
        index: content of its ``model_index.json``.
        name: of the model, for the message.

    Raises:
        ModelUnavailableError: its pipeline does not do the task.
    """
    kind = index.get("_class_name")
    known = _CALLS[task]
    if not isinstance(kind, str) or kind not in known:
        other = "edit" if task == "generate" else "generate"
        hint = f"; it can be a {_ROLES[other]}" if kind in _CALLS[other] else ""
        raise ModelUnavailableError(
            f"{name} is a {kind}, which cannot be a {_ROLES[task]}{hint}; classes that can: {', '.join(sorted(known))}"
        )
    # The published FLUX.2 klein says by this flag whether it is the model of four steps without guidance.
    return _DISTILLED[task] if kind == "Flux2KleinPipeline" and index.get("is_distilled") else known[kind]
