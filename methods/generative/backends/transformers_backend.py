"""Captioners of the transformers library, run in this process.

::

    transformers:NAME ──find_model──> files ──config.json──> Family ──first question──> processor + model (once a process)
    image ──processor(image, instruction | prefix | task)──> tokens ──greedy decoding──> caption

All are loaded as image-text-to-text models. Qwen-VL and every other model with a chat template read the instruction of the request;
BLIP and Florence-2 were not made to and describe in their own way. Images are described one at a time and without drawing
at random, so a caption depends on its image alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from PIL import Image
from pydantic import Field

from methods.generative.backends.base import Captioner, GenerativeOptionsError, Options, Outcome, read_options
from methods.generative.backends.local_files import find_model
from methods.generative.backends.local_models import (
    LocalAccess,
    Precision,
    Resident,
    load_whole,
    loading,
    memory_guard,
    pick_device,
    plain,
    torch_dtype,
    versions,
)
from methods.generative.responses import GenerativeError, ModelUnavailableError, Request, Response
from methods.generative.settings import CaptionerSettings, ModelSettings

_MEMORY = "set options: {dtype: bfloat16}, spread the model with access: {offload: balanced}, or take a smaller one"


class CaptionOptions(Options):
    """What shapes a caption.

    Attributes:
        dtype: number format; bfloat16 by default, float32 for BLIP and Florence-2, which are small.
        max_new_tokens: longest answer in tokens.
        beams: width of the beam search; what the model's own configuration says by default.
        prefix: words that the caption goes on from (BLIP alone).
        task: what Florence-2 is asked for.
    """

    dtype: Precision | None = None
    max_new_tokens: int = Field(default=256, ge=1)
    beams: int | None = Field(default=None, ge=1)
    prefix: str | None = None
    task: Literal["<CAPTION>", "<DETAILED_CAPTION>", "<MORE_DETAILED_CAPTION>"] | None = None


@dataclass(frozen=True)
class Family:
    """What a kind of captioner reads beside the image: a chat, a prefix or a task word; and its own options with their defaults."""

    reads: Literal["chat", "prefix", "task"]
    defaults: Mapping[str, Any]


_CHAT = Family("chat", {"dtype": "bfloat16"})
_FAMILIES = {
    "blip": Family("prefix", {"dtype": "float32", "prefix": ""}),
    "florence2": Family("task", {"dtype": "float32", "task": "<MORE_DETAILED_CAPTION>"}),
}


class TransformersCaptioner(Resident, Captioner):
    """One image-text-to-text model, loaded at the first question.

    Args:
        settings: names a folder or a model of the Hugging Face Hub in its cache.

    Raises:
        GenerativeOptionsError: an option, access setting or prompt that the model does not take.
        ModelUnavailableError: the files are not there or are no captioner.
    """

    def __init__(self, settings: CaptionerSettings) -> None:
        super().__init__()
        options = read_options(CaptionOptions, settings.options, f"{settings.model}, options")
        self._access = read_options(LocalAccess, settings.access, f"{settings.model}, access")
        if self._access.offload not in ("none", "balanced"):
            raise GenerativeOptionsError(
                f"{settings.model}, access: a captioner takes offload none or balanced, not {self._access.offload}"
            )
        self._files = find_model(settings.name, "config.json", self._access.revision, self._access.download)
        self._family = _find_family(self._files.read_json("config.json").get("model_type"), settings.model)
        if settings.prompt_file is not None and self._family.reads != "chat":
            raise GenerativeOptionsError(f"{settings.model} reads no instruction, so prompt_file has no use; leave it out")
        self.settings: Mapping[str, Any] = _complete(options, self._family, settings.model)
        self._files.check_weights()
        self.identity = self._files.identity
        self.weights_bytes = self._files.size
        self._name = settings.model

    def caption(self, requests: Sequence[Request]) -> list[Outcome]:
        """Answer each request with a text."""
        with memory_guard(self._name, _MEMORY):
            return [self.with_room(partial(self._answer, request)) for request in requests]

    def _loaded(self) -> tuple[Any, Any]:
        """Return the processor and the model."""
        if self.weights is not None:
            return self.weights
        import transformers

        device = pick_device(self._access)
        arguments: dict[str, Any] = {"dtype": torch_dtype(self.settings["dtype"])}
        if self._access.offload == "balanced":
            arguments["device_map"] = "balanced"
        transformers.utils.logging.disable_progress_bar()
        with loading(self._name, "transformers"):
            processor = transformers.AutoProcessor.from_pretrained(self._files.folder, local_files_only=True, trust_remote_code=False)
            model = load_whole(
                transformers.AutoModelForImageTextToText, self._files.folder, self._name, trust_remote_code=False, **arguments
            )
        if self._family.reads == "chat" and not getattr(processor, "chat_template", None):
            raise ModelUnavailableError(
                f"{self._name} has no chat template, so it cannot be given an instruction; name a model tuned for chats"
            )
        if self._access.offload == "none":
            model.to(device)
        # What the published configuration says of sampling has no use in greedy decoding, and the library complains of it.
        model.generation_config.update(do_sample=False, temperature=None, top_p=None, top_k=None)
        self.weights = processor, model
        return processor, model

    def _answer(self, request: Request) -> Outcome:
        if request.pixels is None:
            return GenerativeError("a caption was asked for without an image; give Request.pixels")
        processor, model = self._loaded()
        inputs = self._inputs(processor, Image.fromarray(request.pixels), request.prompt).to(model.device, model.dtype)
        beams = {} if self.settings["beams"] is None else {"num_beams": self.settings["beams"]}
        longest = self.settings["max_new_tokens"]
        tokens = model.generate(**inputs, do_sample=False, max_new_tokens=longest, **beams)[0]
        given = self._given(inputs)
        text = processor.decode(tokens[given:] if self._family.reads == "chat" else tokens, skip_special_tokens=True)
        finish = "length" if len(tokens) - given >= longest else "stop"
        return Response(text=str(text).strip(), metadata={"finish": finish, **versions("transformers", "torch")})

    def _given(self, inputs: Any) -> int:
        """How many tokens of the model's output it was given: the chat, BLIP's prefix without its end mark, or the start mark alone."""
        if self._family.reads == "chat":
            return int(inputs["input_ids"].shape[1])
        return int(inputs["input_ids"].shape[1]) - 1 if self._family.reads == "prefix" and self.settings["prefix"] else 1

    def _inputs(self, processor: Any, image: Image.Image, prompt: str) -> Any:
        if self._family.reads == "prefix":
            words = {"text": self.settings["prefix"]} if self.settings["prefix"] else {}
            return processor(images=image, return_tensors="pt", **words)
        if self._family.reads == "task":
            return processor(images=image, text=self.settings["task"], return_tensors="pt")
        content = [{"type": "image", "image": image}, {"type": "text", "text": plain(prompt)}]
        return processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )


def captioner(settings: CaptionerSettings) -> Captioner:
    """Return the captioner that the settings name; errors as in :class:`TransformersCaptioner`."""
    return TransformersCaptioner(settings)


def ready(settings: ModelSettings) -> None:
    """Raise a :class:`ModelUnavailableError` if the device that the access settings name is not here, or cannot do what they ask."""
    pick_device(read_options(LocalAccess, settings.access, f"{settings.model}, access"))


def _find_family(kind: Any, name: str) -> Family:
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    if kind not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        raise ModelUnavailableError(
            f"{name} is a model of type '{kind}', which turns no image into text; name one such as Qwen/Qwen2.5-VL-7B-Instruct, "
            "Salesforce/blip-image-captioning-large or florence-community/Florence-2-large"
        )
    return _FAMILIES.get(kind, _CHAT)


def _complete(options: CaptionOptions, family: Family, name: str) -> dict[str, Any]:
    given = options.model_dump()
    for key in ("prefix", "task"):
        if key not in family.defaults and given.pop(key) is not None:
            raise GenerativeOptionsError(f"{name}, options: the model takes no '{key}'; leave it out")
    return given | {key: default for key, default in family.defaults.items() if given.get(key) is None}
