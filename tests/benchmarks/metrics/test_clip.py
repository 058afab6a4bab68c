"""CLIP metrics on a tiny random model in open_clip's own folder layout."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data, transform

from benchmarks.common.errors import MetricUnavailableError
from benchmarks.metrics import METRICS, MetricImage, MetricSettings, Scorer, check, metric_table
from benchmarks.metrics.clip import ClipEncoder
from benchmarks.metrics.errors import DuplicateMetricError

open_clip = pytest.importorskip("open_clip")

CONFIG = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
NORMALISATION = {"mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}
END = 49407
LONG = "a photograph of a red brick house beside a quiet canal under a pale sky, " * 8


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    with torch.random.fork_rng():
        torch.manual_seed(11)
        net = open_clip.CLIP(**CONFIG)
    save_file({key: value.contiguous() for key, value in net.state_dict().items()}, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": NORMALISATION}))
    return folder


@pytest.fixture(scope="module")
def scorer(folder) -> Scorer:
    return Scorer(["clip_score_tiny", "clip_image_similarity_tiny"], MetricSettings(clip_models={"tiny": folder}))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return (transform.resize(data.coffee(), (96, 96), anti_aliasing=True) * 255).round().astype(np.uint8)


def embeddings(folder: Path, pixels: np.ndarray, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return unit embeddings of an image and of token ids, preprocessed by hand."""
    net = open_clip.create_model(f"local-dir:{folder}").eval()
    resized = np.asarray(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    normalised = (resized - np.array(NORMALISATION["mean"], np.float32)) / np.array(NORMALISATION["std"], np.float32)
    tokens = torch.zeros(1, 77, dtype=torch.long)
    tokens[0, : len(ids)] = torch.tensor(ids)
    with torch.no_grad():
        image = net.encode_image(torch.from_numpy(normalised.transpose(2, 0, 1))[None])[0].numpy()
        text = net.encode_text(tokens)[0].numpy()
    return image / np.linalg.norm(image), text / np.linalg.norm(text)


def caption_ids(caption: str) -> list[int]:
    return [49406, *open_clip.tokenizer.SimpleTokenizer().encode(caption), END]


def positive_caption(folder: Path, photo: np.ndarray) -> str:
    """Return a caption on the image's side of the random text space, so that the score is not cut at zero."""
    for word in ("cat", "coffee", "blue", "seven", "train", "sky"):
        image, text = embeddings(folder, photo, caption_ids(word))
        if image @ text > 0.02:
            return word
    pytest.fail("the random model has no positive pair among the test words")


def test_score_is_a_hundred_times_the_cosine(folder, scorer, photo):
    caption = positive_caption(folder, photo)
    image, text = embeddings(folder, photo, caption_ids(caption))
    values = scorer.score(scorer.reference("a", photo, caption), photo)
    assert values["clip_score_tiny"] == pytest.approx(100 * float(image @ text), abs=1e-3)
    assert values["clip_score_tiny_truncated"] == 0.0


def test_negative_cosines_score_zero(folder, scorer, photo):
    found = []
    for caption in ("cat", "coffee", "blue", "seven", "train", "sky", "river", "old man", "green door", "x"):
        image, text = embeddings(folder, photo, caption_ids(caption))
        if image @ text < -0.01:
            found.append(scorer.score(scorer.reference("a", photo, caption), photo)["clip_score_tiny"])
    assert found and set(found) == {0.0}


def test_long_captions_are_cut_before_the_end_token(folder, scorer, photo):
    encoder = scorer.metrics[0].encoder
    ids = caption_ids(LONG)
    by_hand = [*ids[:76], END]
    tokens, cut = encoder.tokens(LONG)
    assert len(ids) > 77 and cut and tokens[0].tolist() == by_hand
    reference = scorer.reference("long", photo, LONG)
    _, text = embeddings(folder, photo, by_hand)
    _, headless = embeddings(folder, photo, ids[:77])
    kept = encoder.text(reference)[0].numpy()
    assert np.allclose(kept, text, atol=1e-5) and not np.allclose(kept, headless, atol=1e-2)
    assert scorer.score(reference, photo)["clip_score_tiny_truncated"] == 1.0


@pytest.mark.parametrize(("words", "cut"), [(75, False), (76, True)])
def test_flag_at_the_context_boundary(scorer, words, cut):
    assert scorer.metrics[0].encoder.tokens(" ".join(["cat"] * words))[1] is cut


def test_image_similarity(folder, scorer, photo):
    reference = scorer.reference("a", photo, "cat")
    assert scorer.score(reference, photo)["clip_image_similarity_tiny"] == pytest.approx(1, abs=1e-5)
    noise = np.random.default_rng(0).normal(0, 1, photo.shape)
    worse = [(photo + sigma * noise).clip(0, 255).round().astype(np.uint8) for sigma in (15, 60)]
    values = [scorer.score(reference, pixels)["clip_image_similarity_tiny"] for pixels in worse]
    ours, theirs = (embeddings(folder, pixels, [END])[0] for pixels in (photo, worse[0]))
    assert values[0] == pytest.approx(float(ours @ theirs), abs=1e-5)
    assert METRICS["clip_image_similarity_vit_b_32"].better == "higher" and 1 > values[0] > values[1]


def test_every_embedding_is_computed_once(scorer, photo, monkeypatch):
    encoder = scorer.metrics[0].encoder
    assert scorer.metrics[1].encoder is encoder
    calls = {"encode_image": 0, "encode_text": 0}
    for name in calls:
        original = getattr(encoder.net, name)

        def counted(*args, _name=name, _original=original, **options):
            calls[_name] += 1
            return _original(*args, **options)

        monkeypatch.setattr(encoder.net, name, counted)
    for candidate in range(4):
        scorer.score(scorer.reference("counted", photo, "a cup"), photo // 2 + np.uint8(candidate))
    assert calls == {"encode_image": 1 + 4, "encode_text": 1}


def test_image_without_caption_has_no_score(scorer, photo):
    values = scorer.score(scorer.reference("a", photo), photo)
    assert math.isnan(values["clip_score_tiny"]) and math.isnan(values["clip_score_tiny_truncated"])
    assert values["clip_image_similarity_tiny"] == pytest.approx(1, abs=1e-5)
    settings = MetricSettings(clip_models={"tiny": scorer.metrics[0].spec.folder})
    assert "captions" in str(check(["clip_score_tiny"], settings, captions=False)["clip_score_tiny"])


def test_missing_folder_and_missing_weights(folder, tmp_path):
    settings = MetricSettings(clip_models={"gone": tmp_path})
    sentence = check(["clip_score_gone"], settings)["clip_score_gone"]
    assert sentence is not None and "open_clip_config.json is not there" in sentence
    (tmp_path / "open_clip_config.json").write_text((folder / "open_clip_config.json").read_text())
    with pytest.raises(MetricUnavailableError, match="cannot be loaded"):
        Scorer(["clip_score_gone"], settings)


def test_names_of_models_cannot_collide(folder):
    with pytest.raises(DuplicateMetricError, match="clip_score_vit_b_32 is a metric already"):
        metric_table(MetricSettings(clip_models={"vit_b_32": folder}))


def test_openai_models_are_built_with_quick_gelu():
    for name in ("clip_score_vit_b_32", "clip_score_vit_b_16", "clip_score_vit_l_14"):
        spec = METRICS[name]
        model = open_clip.get_model_config(spec.weights[0].key)
        published = open_clip.get_pretrained_cfg(spec.weights[0].key, "openai")
        assert model["quick_gelu"] and model["text_cfg"]["context_length"] == 77
        assert published["url"] == spec.weights[0].address and spec.flags == ("clip_text_truncated",)


def archive(weights: dict[str, torch.Tensor]) -> torch.jit.ScriptModule:
    """Return weights as a TorchScript module whose parameters have their names, as OpenAI published them."""
    root = torch.nn.Module()
    for key, value in weights.items():
        *path, leaf = key.split(".")
        owner = root
        for name in path:
            if not hasattr(owner, name):
                owner.add_module(name, torch.nn.Module())
            owner = getattr(owner, name)
        owner.register_parameter(leaf, torch.nn.Parameter(value.half(), requires_grad=False))
    for name in ("input_resolution", "context_length", "vocab_size"):
        root.register_buffer(name, torch.tensor(1))
    return torch.jit.script(root)


def test_openais_torchscript_archive_is_read(folder, photo, tmp_path):
    (tmp_path / "tiny-archive.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(tmp_path)
    net = open_clip.create_model(f"local-dir:{folder}").eval()
    archive(net.state_dict()).save(str(tmp_path / "tiny.pt"))
    encoder = ClipEncoder("tiny-archive", tmp_path / "tiny.pt", "cpu")
    for name, value in encoder.net.state_dict().items():
        assert value.dtype == torch.float32 and torch.allclose(value, net.state_dict()[name], atol=1e-3), name
    with torch.no_grad():
        expected = net.encode_image(encoder.preprocess(Image.fromarray(photo))[None], normalize=True)[0]
    assert torch.allclose(encoder.image(MetricImage(photo)), expected, atol=5e-3)
