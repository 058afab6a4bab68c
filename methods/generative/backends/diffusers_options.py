"""What can be set of a diffusion model, and what holds where nothing is set."""

from typing import Any

from pydantic import Field

from methods.generative.backends.base import GenerativeOptionsError, Options
from methods.generative.backends.diffusers_calls import Call
from methods.generative.backends.local_models import Precision


class DiffusersOptions(Options):
    """What shapes an image; a pipeline takes those of these options that its family knows, and has defaults for them.

    Attributes:
        dtype: number format of weights and activations. float16 overflows in some autoencoders; such images are errors.
        variant: which of several sets of weights in the folder, such as "fp16".
        size: working size in pixels, the side of a square of the same area, or exactly (height, width); the model's own by default.
        steps: denoising steps.
        guidance: scale of classifier-free guidance towards the text.
        image_guidance: scale of guidance towards the input image (InstructPix2Pix).
        negative_prompt: what guidance leads away from.
        strength: how much of the input image is noised and drawn anew, in (0, 1] (image-to-image).
        safety_checker: keep the checker that comes with Stable Diffusion; what it blackens is a refusal.
        batch: images a call.
    """

    dtype: Precision | None = None
    variant: str | None = None
    size: int | tuple[int, int] | None = None
    steps: int | None = Field(default=None, ge=1)
    guidance: float | None = Field(default=None, ge=0)
    image_guidance: float | None = Field(default=None, ge=0)
    negative_prompt: str | None = None
    strength: float | None = Field(default=None, gt=0, le=1)
    safety_checker: bool | None = None
    batch: int | None = Field(default=None, ge=1)


def complete_options(options: DiffusersOptions, call: Call, name: str) -> dict[str, Any]:
    """Return the options that a pipeline is called with, its family's defaults filled in.

    Raises:
        GenerativeOptionsError: the pipeline does not take one of them, or no denoising step is left.
    """
    given = options.model_dump(exclude_none=True, exclude={"size"})
    foreign = sorted(set(given) - set(call.defaults) - {"variant"})
    if foreign:
        known = ", ".join(sorted({*call.defaults, "size", "variant"}))
        raise GenerativeOptionsError(f"{name}, options: a {call.pipeline} takes no '{foreign[0]}'; it takes {known}")
    complete = {**call.defaults, **given}
    if int(complete["steps"] * complete.get("strength", 1)) < 1:
        raise GenerativeOptionsError(
            f"{name}, options: strength {complete['strength']} of {complete['steps']} steps leaves no step to take; raise one of them"
        )
    return complete
