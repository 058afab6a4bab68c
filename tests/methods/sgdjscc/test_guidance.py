"""The text of SGD-JSCC: bounded as the release bounds it, embedded by a CLIP in a folder, and no text is the same at both ends."""

from fractions import Fraction
from typing import Any

import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from methods.base import Geometry
from methods.sgdjscc import SGDJSCC, SGDJSCCSettings
from methods.sgdjscc.captions import by_tile, cut
from methods.sgdjscc.presets import COMPACT, PUBLISHED, VARIANTS
from methods.sgdjscc.text import ClipText
from methods.sgdjscc.training import denoiser_losses

CR = Fraction(1, 24)
CLIP = "local-dir:results/reference/scene_models/clip"
TINY = {"widths": (8, 16), "estimator_widths": (8,), "denoiser_width": 16, "denoiser_heads": 2, "denoiser_depth": 4, "tile": 64}
LONG = "a photograph of a brown dog that leaps over a wooden fence in front of a red barn while two children, laughing, look on " * 3


def settings(**changed: Any) -> SGDJSCCSettings:
    return SGDJSCCSettings(**{**COMPACT, **TINY, **changed})


@pytest.mark.parametrize("caption", ["", "a boat", LONG, "supercalifragilisticexpialidocious" * 5, "🐕‍🦺 كلب بنّي يقفز فوق سياج خشبي " * 9])
def test_a_caption_is_cut_at_a_word_to_no_more_tokens_than_it_may_have(caption):
    encode = SimpleTokenizer().encode
    kept = cut(caption, 20)
    assert len(encode(kept)) <= 20 and caption.split()[: len(kept.split())] == kept.split()
    assert kept == caption if len(encode(caption)) <= 20 else len(encode(" ".join(caption.split()[: len(kept.split()) + 1]))) > 20


def test_each_tile_has_a_caption_of_at_most_twenty_tokens_in_the_published_size(models, asked, monkeypatch):
    assert PUBLISHED["caption_tokens"] == 20 == SGDJSCC.presets["paper"]["caption_tokens"] == SGDJSCC.presets["authors"]["caption_tokens"]
    monkeypatch.setattr("methods.generative.client.ModelClient.caption", lambda self, model, images, captions: [LONG] * len(images))
    own = {"captioner": models["captioner"], "guidance": "text", "captions": "tile"}
    bounded = SGDJSCC(settings(**own, **PUBLISHED), Geometry(128, 128, CR))
    free = SGDJSCC(settings(**own), Geometry(128, 128, CR))
    images = torch.zeros(1, 3, 128, 128)
    (message,), (whole,) = bounded.describe(images), free.describe(images)
    lines = by_tile(message.encode(), "tile", 4)
    assert len(lines) == 4 and set(lines) == {cut(LONG, 20)} and len(SimpleTokenizer().encode(lines[0])) == 20
    assert len(message) < len(whole) / 2


def test_the_bound_enters_no_identity_of_what_sends_no_caption_and_no_training():
    without, with_bound = settings(), settings(**PUBLISHED)
    assert without.identity_fields() == with_bound.identity_fields() and "caption_tokens" not in without.identity_fields()
    guided = [settings(**VARIANTS["both"], **more) for more in ({}, PUBLISHED)]
    assert "caption_tokens" not in guided[0].identity_fields() and guided[1].identity_fields()["caption_tokens"] == 20
    unread = SGDJSCCSettings.evaluation_only
    assert guided[0].identity_fields(unread) == guided[1].identity_fields(unread)
    assert SGDJSCCSettings.first_values == {name: SGDJSCCSettings.model_fields[name].default for name in SGDJSCCSettings.first_values}


def test_a_clip_in_a_folder_embeds_from_any_working_folder_and_in_a_plan(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with torch.device("meta"):
        method = SGDJSCC(settings(guidance="both", text_encoder="clip", text_model=CLIP), Geometry(64, 64, CR))
    assert isinstance(method.text, ClipText)
    found = method.text(["a red boat", "a red boat", "a green tree"], torch.device("cpu"))
    assert found.shape == (3, 64) and torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(method.text(["a red boat", "a red boat", "a green tree"], torch.device("cpu")), found)
    (folder,) = SGDJSCC.assets(method.settings)
    assert folder.is_dir() and not [file for file in SGDJSCC.published(method.settings) if file.needed]


def test_a_dropped_caption_is_in_training_what_a_lost_one_is_at_the_receiver(monkeypatch):
    method = SGDJSCC(settings(guidance="text", text_encoder="clip", text_model=CLIP, text_dropout=1.0), Geometry(64, 64, CR))
    seen: list[Tensor] = []

    def predict(denoiser: Any, residual: bool, noisy: Tensor, sigma: Tensor, text: Tensor, *more: Any) -> Tensor:
        seen.append(text)
        return noisy

    monkeypatch.setattr("methods.sgdjscc.training.predict", predict)
    device = torch.device("cpu")
    no_text = method.text([""], device)
    latent = torch.randn(3, 16, 8, 8)
    denoiser_losses("denoiser", method.settings, method.networks, latent, method.text(["a boat"] * 3, device), no_text, None)
    assert no_text.abs().sum() > 0 and torch.equal(seen[0], no_text.expand(3, -1))
