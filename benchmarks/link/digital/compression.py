"""Source coding of messages, before the channel code.

::

    message ──compress──> payload ──(header, channel code, air)──> payload', perhaps damaged ──expand──> message' or None

Brotli (RFC 7932) has a built-in dictionary of words and so shortens even short captions. ``clip-bpe`` writes the byte-pair
tokens of CLIP (Radford et al., 2021) as 16-bit numbers; the tokeniser lower-cases and normalises white space.
"""

import functools
from typing import Any

import numpy as np

from benchmarks.common.errors import LinkError
from benchmarks.link.digital.settings import Compression

# A damaged stream may claim to expand to anything; none of these codes gets near this on what a link carries.
_EXPANSION_LIMIT = 1 << 26


def compress(message: bytes, compression: Compression) -> bytes:
    """Return the payload of ``message``; an empty message has an empty payload.

    Raises:
        LinkError: "clip-bpe" was asked to carry what is no UTF-8 text.
    """
    if compression == "none" or not message:
        return message
    if compression == "brotli":
        import brotli

        return bytes(brotli.compress(message, quality=11, mode=brotli.MODE_TEXT))
    try:
        text = message.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LinkError(f"clip-bpe carries UTF-8 text only, this message is none ({error}); use compression 'brotli' or 'none'") from None
    return np.array(_tokenizer().encode(text), dtype=">u2").tobytes()


def expand(payload: bytes, compression: Compression) -> bytes | None:
    """Return the message of a payload that may be damaged in any way; ``None`` where it cannot be decoded."""
    if compression == "none" or not payload:
        return payload
    return _unbrotli(payload) if compression == "brotli" else _untokenize(payload)


def _unbrotli(payload: bytes) -> bytes | None:
    import brotli

    decompressor = brotli.Decompressor()
    try:
        message = bytes(decompressor.process(payload, output_buffer_limit=_EXPANSION_LIMIT))
    except brotli.error:
        return None
    return message if decompressor.is_finished() else None


def _untokenize(payload: bytes) -> bytes | None:
    tokenizer = _tokenizer()
    if len(payload) % 2:
        return None
    tokens = np.frombuffer(payload, dtype=">u2").tolist()
    if any(token >= tokenizer.sot_token_id for token in tokens):
        return None
    return str(tokenizer.decode(tokens)).rstrip(" ").encode("utf-8")


@functools.lru_cache(maxsize=1)
def _tokenizer() -> Any:
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()
