"""Captions of an image or of its tiles, one message an image.

With ``tile``, line i of the message belongs to tile i. What did not arrive is no text, and a damaged message is read as
far as it goes.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal

from torch import Tensor

from methods.sgdjscc.packing import Packing

CaptionsPer = Literal["tile", "image"]
Captioner = Callable[[Tensor, Sequence[str] | None], Sequence[str]]
"""(B, 3, H, W) images in [0, 1] and what captions came with them -> B captions."""


def describe(writer: Captioner, per: CaptionsPer, packing: Packing, images: Tensor, given: Sequence[str] | None) -> list[str]:
    """Return one message for each of (B, 3, H, W) images: its caption, or those of its tiles line by line.

    Args:
        writer: the captioner.
        per: what gets a caption.
        packing: the tiles.
        images: the images.
        given: B captions that came with the data set; a tile has its image's.
    """
    if per == "image":
        return [joined([caption]) for caption in writer(images, given)]
    columns = [writer(tile.of(images), given) for tile in packing.tiles]
    return [joined([column[row] for column in columns]) for row in range(len(images))]


def bounded(writer: Captioner, tokens: int | None) -> Captioner:
    """Return a captioner whose captions are cut to the words that make at most ``tokens`` tokens; itself for ``None``."""
    if tokens is None:
        return writer

    def write(images: Tensor, given: Sequence[str] | None) -> list[str]:
        return [cut(caption, tokens) for caption in writer(images, given)]

    return write


def cut(caption: str, tokens: int) -> str:
    """Return the first words of a caption that make at most ``tokens`` tokens of CLIP's tokenizer, whose vocabulary is as large as OPT's.

    Example:
        >>> cut("a brown dog leaps over a fence, barking", 5)
        'a brown dog leaps over'
    """
    encode = _tokenizer().encode
    if len(encode(caption)) <= tokens:
        return caption
    words = caption.split()
    while words and len(encode(" ".join(words))) > tokens:
        words.pop()
    return " ".join(words)


@cache
def _tokenizer() -> Any:
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


def joined(captions: Sequence[str]) -> str:
    """Return one message of an image's captions, one line each."""
    return "\n".join(" ".join(caption.split()) for caption in captions)


def by_tile(message: bytes | None, per: CaptionsPer, tiles: int) -> list[str]:
    """Return a caption for each of ``tiles`` tiles from a received message; "" where there is none."""
    text = "" if message is None else message.decode("utf-8", errors="replace")
    if per == "image":
        return [text] * tiles
    lines = text.split("\n")[:tiles]
    return lines + [""] * (tiles - len(lines))
