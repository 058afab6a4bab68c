"""Which part of a prompt a pipeline's text encoders read.

::

    prompt ──plain──> text ──Reading(pipeline, text)──> (what is given to the pipeline, the end that is not read)
"""

from collections.abc import Callable
from typing import Any

Reading = Callable[[Any, str], tuple[str, str]]
"""(pipeline, text) -> (the text to give it, the end of the text that none of its encoders reads)."""


def characters_read(tokenizer: Any, text: str, limit: int) -> int:
    """Return how many characters of a text a tokenizer of the tokenizers library keeps within ``limit`` tokens, its own marks included."""
    if len(tokenizer(text, truncation=False, verbose=False)["input_ids"]) <= limit:
        return len(text)
    kept = tokenizer(text, truncation=True, max_length=limit, return_offsets_mapping=True)
    return max(int(end) for _, end in kept["offset_mapping"])


def _split(text: str, read: int) -> tuple[str, str]:
    return text[:read], text[read:]


def read_by_clip(pipeline: Any, text: str) -> tuple[str, str]:
    """CLIP text encoders, one or two, cut at their own length, 77 tokens as a rule; the pipeline does so itself."""
    tokenizers = (getattr(pipeline, name, None) for name in ("tokenizer", "tokenizer_2"))
    read = max(characters_read(tokenizer, text, tokenizer.model_max_length) for tokenizer in tokenizers if tokenizer is not None)
    return text, text[read:]


def read_by_t5(pipeline: Any, text: str) -> tuple[str, str]:
    """T5 beside CLIP (FLUX.1): T5 reads 512 tokens, CLIP no more than 77 of the same text; the pipeline cuts itself."""
    return text, text[characters_read(pipeline.tokenizer_2, text, 512) :]


# A caption of a hundred bytes behind the default instructions would lie beyond CLIP's 77 tokens.
WITH_CLIP: frozenset[Reading] = frozenset({read_by_clip, read_by_t5})


def read_by_chat(pipeline: Any, text: str) -> tuple[str, str]:
    """A language model that reads a chat of 512 tokens (FLUX.2 klein); cut here, so that the chat's end stays in place."""
    tokenizer = pipeline.tokenizer
    frame = tokenizer.apply_chat_template(
        [{"role": "user", "content": ""}], tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    return _split(text, characters_read(tokenizer, text, pipeline.tokenizer_max_length - len(tokenizer(frame)["input_ids"])))


def read_by_qwen(pipeline: Any, text: str) -> tuple[str, str]:
    """Qwen2.5-VL within a template (Qwen-Image): 1024 tokens after the template's head, which the edit pipelines do not enforce."""
    frame = len(pipeline.tokenizer(pipeline.prompt_template_encode.format(""))["input_ids"])
    room = pipeline.tokenizer_max_length + pipeline.prompt_template_encode_start_idx - frame
    return _split(text, characters_read(pipeline.tokenizer, text, room))
