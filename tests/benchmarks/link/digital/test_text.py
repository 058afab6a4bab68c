"""Compression, readability and character errors of the digital stream's messages."""

from collections import Counter

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.common.errors import LinkError
from benchmarks.link.digital import char_error_rate, chrf, readable
from benchmarks.link.digital.compression import compress, expand

CAPTION = "A brown dog leaps over a wooden fence in a grassy yard while two children watch from a porch, at dusk."


def edit_distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [i]
        for j, y in enumerate(b, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (x != y)))
        row = new
    return row[-1]


@given(st.text("abc ", max_size=12), st.text("abc ", max_size=12))
def test_char_error_rate_is_the_edit_distance_over_the_sent_length(sent, received):
    assert char_error_rate(sent, received) == edit_distance(sent, received) / max(1, len(sent))


def test_a_text_that_did_not_arrive_is_all_wrong():
    assert char_error_rate(CAPTION, None) == char_error_rate(CAPTION, "") == 1.0


@given(st.binary(max_size=200))
def test_readable_never_raises_and_leaves_no_control_character(message):
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in readable(message))


def test_readable_keeps_text_as_it_is():
    assert readable("Café, naïve – 12 °C".encode()) == "Café, naïve – 12 °C"


@pytest.mark.parametrize("compression", ["none", "brotli"])
@given(message=st.binary(max_size=600))
@settings(max_examples=30, deadline=None)
def test_lossless_compression_round_trips(compression, message):
    assert expand(compress(message, compression), compression) == message


def test_clip_tokens_carry_lower_cased_text_and_nothing_else():
    assert expand(compress(b"A dog  JUMPS over a fence", "clip-bpe"), "clip-bpe") == b"a dog jumps over a fence"
    with pytest.raises(LinkError, match="clip-bpe carries UTF-8"):
        compress(b"\xff\xfe", "clip-bpe")


def test_compression_shortens_a_caption():
    plain, packed, tokens = (len(compress(CAPTION.encode(), name)) for name in ("none", "brotli", "clip-bpe"))
    assert tokens < 0.5 * plain < packed < 0.9 * plain


@pytest.mark.parametrize("compression", ["none", "brotli", "clip-bpe"])
@given(noise=st.binary(max_size=300), flips=st.lists(st.integers(0, 10_000), max_size=20), keep=st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_damaged_payloads_never_raise(compression, noise, flips, keep):
    payload = bytearray(compress(CAPTION.encode(), compression))
    for flip in flips:
        payload[flip // 8 % len(payload)] ^= 1 << flip % 8
    for damaged in (bytes(payload), bytes(payload[:keep]), bytes(payload) + noise, noise):
        message = expand(damaged, compression)
        assert message is None or isinstance(readable(message), str)


def test_a_stream_that_expands_without_end_is_not_followed():
    bomb = brotli.compress(bytes(1 << 27))
    assert len(bomb) < 1000
    assert expand(bomb, "brotli") is None


def f_score_of_n_grams(sent: str, received: str) -> float:
    """Popović's formula by hand: mean precision and recall of the character n-grams up to six without spaces, F with beta 2."""
    precisions, recalls = [], []
    for length in range(1, 7):
        ours, theirs = (
            Counter(text[place : place + length] for place in range(len(text) - length + 1))
            for text in (sent.replace(" ", ""), received.replace(" ", ""))
        )
        if not ours or not theirs:
            continue
        common = sum((ours & theirs).values())
        precisions.append(common / sum(theirs.values()))
        recalls.append(common / sum(ours.values()))
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    return 100 * 5 * precision * recall / (4 * precision + recall)


def test_chrf_is_the_f_score_of_character_n_grams():
    sent = "a red boat at sea with a white star above it"
    for received in ("a red boat at sea with a white kite above it", "a red b\ufffd\ufffdt at sea", "a red boat"):
        assert chrf(sent, received) == pytest.approx(f_score_of_n_grams(sent, received), abs=0.01)
    assert chrf(sent, sent) == pytest.approx(100) and chrf(sent, "") == 0 and chrf(sent, "zzz") < 1


def test_chrf_counts_what_came_through_whole():
    sent = "a red boat at sea with a white star above it"
    # As many letters are wrong in both.
    one_word, everywhere = sent.replace("white star", "##### ####"), "".join("#" if place % 5 == 2 else c for place, c in enumerate(sent))
    assert char_error_rate(sent, one_word) == pytest.approx(char_error_rate(sent, everywhere), abs=0.03)
    assert chrf(sent, one_word) > chrf(sent, everywhere) + 15
