"""Generators and editors of the diffusers library, run in this process.

::

    diffusers:NAME ──find_model──> files ──model_index.json──> Call ──first question──> pipeline (once a process)
    requests ──equal sizes, one or ``batch`` at a time, one CPU generator an image──> images

An image depends on its request alone. Each draws its noise from a generator of its own, seeded by the request; with ``batch``
above one every call has exactly that many rows (the last is repeated), so that rounding does not depend on what is left over.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from benchmarks.common.images import to_uint8
from methods.generative.backends.base import Editor, Generator, Outcome, read_options
from methods.generative.backends.diffusers_calls import find_call
from methods.generative.backends.diffusers_options import DiffusersOptions, complete_options
from methods.generative.backends.diffusers_prompts import WITH_CLIP
from methods.generative.backends.diffusers_sizes import native_size, scaled_size
from methods.generative.backends.local_files import find_model
from methods.generative.backends.local_models import (
    LocalAccess,
    Resident,
    load_whole,
    loading,
    memory_guard,
    pick_device,
    plain,
    torch_dtype,
    versions,
)
from methods.generative.responses import GenerativeError, RefusalError, Request, Response
from methods.generative.settings import EditorSettings, GeneratorSettings, ModelSettings

_MEMORY = "set access: {offload: model}, a smaller options.size, or options: {dtype: bfloat16}"


class DiffusersModel(Resident):
    """One pipeline, loaded at the first question.

    Args:
        settings: names a folder or a model of the Hugging Face Hub in its cache.
        task: what it shall do.

    Raises:
        GenerativeOptionsError: an option or access setting that is wrong or that the pipeline does not take.
        ModelUnavailableError: the files are not there or are no pipeline for the task.
    """

    def __init__(self, settings: ModelSettings, task: Literal["generate", "edit"]) -> None:
        super().__init__()
        options = read_options(DiffusersOptions, settings.options, f"{settings.model}, options")
        self._access = read_options(LocalAccess, settings.access, f"{settings.model}, access")
        self._files = find_model(settings.name, "model_index.json", self._access.revision, self._access.download)
        self._call = find_call(task, self._files.read_json("model_index.json"), settings.model)
        self._options = complete_options(options, self._call, settings.model)
        self._native, self._multiple = native_size(self._call, self._files, options.size, settings.model)
        self._files.check_weights()
        self.identity = self._files.identity
        self.weights_bytes = self._files.size
        self.caption_first = self._call.reading in WITH_CLIP
        self.batch = self._options.get("batch", 1)
        self._name = settings.model
        size = list(self._native) if isinstance(self._native, tuple) else self._native
        self.settings: Mapping[str, Any] = self._options | {"size": size}

    def request_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the working size: the area of the model's own size in the image's proportions."""
        return scaled_size((height, width), self._native, self._multiple, self._call.least)

    def images(self, requests: Sequence[Request]) -> list[Outcome]:
        """Answer each request with an image in its size."""
        with memory_guard(self._name, _MEMORY):
            outcomes: dict[int, Outcome] = {}
            for group in _groups(requests, self.batch):
                rows = [requests[index] for index in group]
                outcomes |= zip(group, self.with_room(partial(self._run, rows)), strict=True)
            return [outcomes[index] for index in range(len(requests))]

    def _loaded(self) -> Any:
        if self.weights is None:
            import diffusers
            import transformers

            device = pick_device(self._access)
            arguments: dict[str, Any] = {"dtype": torch_dtype(self._options["dtype"]), **self._call.loading}
            arguments |= {"local_files_only": True, "trust_remote_code": False}
            if self._options.get("variant"):
                arguments["variant"] = self._options["variant"]
            if self._options.get("safety_checker") is False:
                arguments |= {"safety_checker": None, "requires_safety_checker": False}
            if self._access.offload == "balanced":
                arguments["device_map"] = "balanced"
            # The library warns of every prompt it cuts; the answer says so itself.
            diffusers.utils.logging.set_verbosity_error()
            diffusers.utils.logging.disable_progress_bar()
            transformers.utils.logging.disable_progress_bar()
            with loading(self._name, "diffusers"):
                if self._access.offload != "balanced":
                    arguments |= self._text_encoders()
                pipeline = getattr(diffusers, self._call.pipeline).from_pretrained(self._files.folder, **arguments)
                pipeline.set_progress_bar_config(disable=True)
                if self._access.offload == "model":
                    pipeline.enable_model_cpu_offload(device=device)
                elif self._access.offload == "sequential":
                    pipeline.enable_sequential_cpu_offload(device=device)
                elif self._access.offload == "none":
                    pipeline.to(device)
            self.weights = pipeline
        return self.weights

    def _text_encoders(self) -> dict[str, Any]:
        """Return the pipeline's models of the transformers library, checked to be whole."""
        import transformers

        arguments: dict[str, Any] = {"dtype": torch_dtype(self._options["dtype"])}
        if self._options.get("variant"):
            arguments["variant"] = self._options["variant"]
        parts = {}
        for part, entry in self._files.read_json("model_index.json").items():
            kind = getattr(transformers, str(entry[1]), None) if isinstance(entry, list) and entry[0] == "transformers" else None
            if isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel):
                parts[part] = load_whole(kind, self._files.folder / part, self._name, **arguments)
        return parts

    def _run(self, requests: Sequence[Request]) -> list[Outcome]:
        pipeline = self._loaded()
        rows = list(requests) + [requests[-1]] * (self.batch - len(requests))
        prompts = [self._call.reading(pipeline, plain(row.prompt)) for row in rows]
        images = [Image.fromarray(row.pixels) for row in rows if row.pixels is not None]
        arguments = self._call.arguments(images, [given for given, _ in prompts], _size(requests[0]), self._options)
        output = pipeline(**arguments, generator=[torch.Generator("cpu").manual_seed(row.draw) for row in rows], output_type="np")
        refused = getattr(output, "nsfw_content_detected", None) or [False] * len(rows)
        metadata = {"pipeline": self._call.pipeline, **versions("diffusers", "torch")}
        return [self._outcome(output.images[row], refused[row], prompts[row][1], metadata) for row in range(len(requests))]

    def _outcome(self, image: np.ndarray, refused: bool, cut: str, metadata: Mapping[str, Any]) -> Outcome:
        if refused:
            return RefusalError(f"the safety checker of {self._name} blackened the image; options: {{safety_checker: false}} leaves it out")
        if not np.isfinite(image).all():
            return GenerativeError(
                f"{self._name} gave an image with NaN in {self._options['dtype']}; set options: {{dtype: bfloat16}} or {{dtype: float32}}"
            )
        return Response(pixels=to_uint8(image), cut=cut, metadata=metadata)


class DiffusersGenerator(DiffusersModel, Generator):
    """A text-to-image pipeline."""

    def generate(self, requests: Sequence[Request]) -> list[Outcome]:
        """Answer each request with an image."""
        return self.images(requests)


class DiffusersEditor(DiffusersModel, Editor):
    """A pipeline that changes an image as a text says."""

    def edit(self, requests: Sequence[Request]) -> list[Outcome]:
        """Answer each request with an image."""
        return self.images(requests)


def generator(settings: GeneratorSettings) -> Generator:
    """Return the generator that the settings name; errors as in :class:`DiffusersModel`."""
    return DiffusersGenerator(settings, "generate")


def editor(settings: EditorSettings) -> Editor:
    """Return the editor that the settings name; errors as in :class:`DiffusersModel`."""
    return DiffusersEditor(settings, "edit")


def ready(settings: ModelSettings) -> None:
    """Raise a :class:`ModelUnavailableError` if the device that the access settings name is not here, or cannot do what they ask."""
    pick_device(read_options(LocalAccess, settings.access, f"{settings.model}, access"))


def _size(request: Request) -> tuple[int, int]:
    if request.size is None:
        raise GenerativeError(f"an image was asked of {request.model} without a size; give Request.size")
    return request.size


def _groups(requests: Sequence[Request], batch: int) -> Iterator[list[int]]:
    """Yield the positions of up to ``batch`` requests of one size."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for index, request in enumerate(requests):
        by_size.setdefault(_size(request), []).append(index)
    for positions in by_size.values():
        for start in range(0, len(positions), batch):
            yield positions[start : start + batch]
