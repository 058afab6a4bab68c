"""Which generative model does a task, and how it is asked; a name alone is enough."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from methods.declaration import MethodSettings


class ModelSettings(MethodSettings):
    """A generative model by name.

    Attributes:
        model: ``<backend>:<name>``; what names exist depends on the backend, ``openai``, ``diffusers`` or ``transformers``. The
            word ``dataset`` alone stands for captions that came with the data set.
        prompt_file: text that replaces the default prompt beside this module.
        seed: of everything the model draws; requests that differ get draws that differ.
        options: what shapes an answer (steps, guidance, size, detail ...), checked by the backend.
        access: how the model is reached or run (base_url, concurrency, timeout, device, offload ...), checked by the backend;
            it leaves answers as they are, so it is part of no identity.
    """

    model: str
    prompt_file: Path | None = None
    seed: int = 1
    options: dict[str, Any] = {}
    access: dict[str, Any] = Field(default={}, exclude=True)

    @field_validator("model")
    @classmethod
    def _named(cls, value: str) -> str:
        backend, _, name = value.partition(":")
        if value != "dataset" and not (backend and name):
            raise ValueError(f"a model is named <backend>:<name>, such as openai:gpt-5.2 or diffusers:Qwen/Qwen-Image, not {value!r}")
        return value

    @property
    def backend(self) -> str:
        """The word before the colon."""
        return self.model.partition(":")[0]

    @property
    def name(self) -> str:
        """What stands behind the colon."""
        return self.model.partition(":")[2]


class CaptionerSettings(ModelSettings):
    """A model that writes a caption of an image.

    Attributes:
        max_bytes: longest caption in UTF-8 bytes; a longer one is cut at a word.
    """

    max_bytes: int = Field(default=512, ge=1)


class GeneratorSettings(ModelSettings):
    """A model that makes an image from a text."""


class EditorSettings(ModelSettings):
    """A model that changes an image as an instruction and a text say."""


def _by_name(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


Captioning = Annotated[CaptionerSettings, BeforeValidator(_by_name)]
Generation = Annotated[GeneratorSettings, BeforeValidator(_by_name)]
Editing = Annotated[EditorSettings, BeforeValidator(_by_name)]
"""The same for a field of settings, where the name of the model alone will do."""
