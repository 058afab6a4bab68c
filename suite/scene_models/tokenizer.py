"""A tokenizer learned from the captions: some eight hundred tokens instead of CLIP's 49,408.

::

    captions ──byte-pair merges──> CLIPTokenizer: a word of the grammar is one token, any other text falls into pieces
"""

import json
from collections.abc import Sequence
from typing import Any

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
# Enough merges that every word of the captions is one token.
VOCABULARY = 1200


def clip_tokenizer(texts: Sequence[str], length: int) -> Any:
    """Return a ``CLIPTokenizer`` with byte-pair merges learned from ``texts``, padded and cut to ``length`` tokens.

    The end token has the highest number, as CLIP's pooling expects.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    draft = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    draft.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    draft.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, initial_alphabet=letters, end_of_word_suffix="</w>", min_frequency=1, show_progress=False
    )
    draft.train_from_iterator(texts, trainer)
    merges: Any = [tuple(pair) for pair in json.loads(draft.to_str())["model"]["merges"]]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges), BEGIN, END]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=length)


def token_ids(tokenizer: Any, texts: Sequence[str]) -> Any:
    """Return the (B, length) int64 token numbers of ``texts``, padded and cut to the tokenizer's own length."""
    return tokenizer(
        list(texts), padding="max_length", truncation=True, max_length=tokenizer.model_max_length, return_tensors="pt"
    ).input_ids
