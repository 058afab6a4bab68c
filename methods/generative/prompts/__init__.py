"""Texts on their way to and from a model: prompts filled in, captions made into one line of a given length."""

import re
import unicodedata
from pathlib import Path

from benchmarks.common.hashing import content_digest
from benchmarks.common.names import suggestion
from benchmarks.common.project import shipped
from methods.errors import MissingAssetError
from methods.generative.backends.base import GenerativeOptionsError, task_name
from methods.generative.settings import CaptionerSettings, ModelSettings

PROMPTS = Path(__file__).parent / "texts"
# What a model of each task may be told where its settings name no file; identities hold these and no others.
_OF_TASK = {"captioner": ("caption",), "generator": ("generate",), "editor": ("edit", "mask", "palette")}
_JOINER = "\u200d"
_WORD_ENDS = re.compile(r"[,;:.!?]*(\s|$)")


def one_line(text: str) -> str:
    """Return ``text`` as one line of valid Unicode.

    Control characters, line breaks and runs of white space become one space; half of a surrogate pair, which no UTF-8 can carry,
    becomes U+FFFD. Everything else, emoji and right-to-left scripts with their joiners and marks included, stays.
    """
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return " ".join("".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in whole).split())


def shortened(text: str, max_bytes: int) -> str:
    """Return ``text`` cut to at most ``max_bytes`` of UTF-8, behind a word or, where the first word is longer, behind a character."""
    content = text.encode()
    if len(content) <= max_bytes:
        return text
    head = content[:max_bytes].decode(errors="ignore")
    if not _WORD_ENDS.match(text, len(head)):
        words = head.rpartition(" ")[0]
        head = words or _whole_characters(text, len(head))
    return head.rstrip(" ,;:")


def _whole_characters(text: str, end: int) -> str:
    """Return the first ``end`` code points, fewer where the cut would fall inside an accented letter or a joined emoji."""
    while 0 < end and (unicodedata.category(text[end]) in {"Mn", "Me", "Sk"} or _JOINER in (text[end], text[end - 1])):
        end -= 1
    return text[:end]


def prompt_identity(settings: ModelSettings) -> str | dict[str, str]:
    """Return the hash of what a model may be told: of the file that its settings name, else of each prompt of its task."""
    if settings.prompt_file is not None:
        return content_digest(shipped(settings.prompt_file))
    # Captions that came with the data set are not asked for.
    names = () if settings.backend == "dataset" else _OF_TASK[task_name(settings)]
    return {name: content_digest(PROMPTS / f"{name}.txt") for name in names}


def filled_prompt(settings: ModelSettings, default: str, text: str = "", *, caption_first: bool = False) -> str:
    """Return the instruction of a model with ``text`` in the place of ``{caption}``, and a captioner's limit in that of ``{max_bytes}``.

    The prompts beside this module say what to do and end with the caption, as those of GenED-SC's section IV-D; a file of one's own has
    ``{caption}`` wherever it likes.

    Args:
        settings: whose ``prompt_file`` is read, if it names one.
        default: name of the prompt that is read otherwise, one of the model's task.
        text: caption that an editor or generator is given.
        caption_first: put the last paragraph of a prompt beside this module, the caption's, before the others.

    Raises:
        MissingAssetError: there is no such file.
        GenerativeOptionsError: the task has no prompt of that name, or that of an editor or generator has no place for the caption.
    """
    task = task_name(settings)
    known = _OF_TASK[task]
    if default not in known:
        raise GenerativeOptionsError(f"a {task} has no prompt '{default}'.{suggestion(default, known)} Known: {', '.join(known)}")
    path = PROMPTS / f"{default}.txt" if settings.prompt_file is None else shipped(settings.prompt_file)
    try:
        prompt = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise MissingAssetError(f"the prompt of {settings.model} is not readable: {path} ({error}); correct prompt_file") from error
    if isinstance(settings, CaptionerSettings):
        return prompt.replace("{max_bytes}", str(settings.max_bytes))
    if "{caption}" not in prompt:
        raise GenerativeOptionsError(
            f"the prompt {path} of {settings.model} has no place for the caption; write {{caption}} where it belongs"
        )
    if caption_first and settings.prompt_file is None:
        instruction, _, caption = prompt.rpartition("\n\n")
        prompt = f"{caption}\n\n{instruction}"
    return prompt.replace("{caption}", one_line(text)).strip()
