"""GenED-SC's frozen networks: a tiny CLIP and a VGG-19, both of random weights, from local files."""

import copy
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from torchvision.models.vgg import cfgs, make_layers

from methods.base import Geometry, OperatingPoint, Received, Signal, Targets
from methods.errors import CheckpointMismatchError, MissingAssetError
from methods.gened_sc import GenEDSC, GenEDSCSettings
from methods.gened_sc.clip_features import ClipFeatures
from methods.gened_sc.nouns import caption_noun
from methods.gened_sc.settings import PRESETS
from methods.gened_sc.vgg_features import LAYERS, VggFeatures

CR = Fraction(1, 24)
POINT = OperatingPoint(CR, 7.0, "awgn")
CLIP = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
TINY: dict[str, Any] = {
    **PRESETS["compact"],
    **{"features": 8, "dims": (8, 16), "depths": (1, 2), "heads": (2, 4), "score_width": 4, "importance_patch": 2},
    **{"background_dims": (4, 8), "background_heads": (1, 2)},
    **{"score_supervision": "clip", "clip_width": 32, "clip_weights": None, "context_layers": 1},
}


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    open_clip.add_model_config(_written(folder.parent / "tiny-gened-clip.json", CLIP))
    torch.manual_seed(0)
    network = open_clip.create_model("tiny-gened-clip")
    save_file({name: w.contiguous() for name, w in network.state_dict().items()}, folder / "open_clip_model.safetensors")
    means = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
    _written(folder / "open_clip_config.json", {"model_cfg": CLIP, "preprocess_cfg": means})
    return folder


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg19-random.pth"
    torch.manual_seed(0)
    convolutions = make_layers(cfgs["E"], batch_norm=False)
    weights = {f"features.{name}": w for name, w in convolutions.state_dict().items()}
    torch.save(weights | {"classifier.0.weight": torch.zeros(2, 2)}, path)
    return path


def _written(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content))
    return path


def method_with(clip: Path | None, **settings: object) -> GenEDSC:
    torch.manual_seed(4)
    source = {} if clip is None else {"clip": f"local-dir:{clip}"}
    return GenEDSC(GenEDSCSettings(**{**TINY, **source, **settings}), Geometry(32, 32, CR))


def sample_images(batch: int, size: int = 32) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(3))


def masks(batch: int, size: int = 32) -> Tensor:
    saliency = torch.zeros(batch, 1, size, size)
    saliency[..., 8:24, 8:24] = 1.0
    return saliency


def link(signal: Signal, point: OperatingPoint) -> Received:
    assert signal.analog is not None
    return Received(analog=signal.analog / signal.analog.abs().square().mean(dim=1, keepdim=True).sqrt())


def test_clip_embeddings_are_open_clips_own(clip_folder: Path) -> None:
    features = ClipFeatures(f"local-dir:{clip_folder}", None, 32)
    network = open_clip.create_model(f"local-dir:{clip_folder}").eval()
    images = sample_images(2, 64)
    pooled, dense = features.images(images)
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (network.visual.image_mean, network.visual.image_std))
    with torch.no_grad():
        torch.testing.assert_close(pooled, network.encode_image((images - mean) / deviation))
        texts = ["a photo of a dog", "a photo of a cat", "a photo of a dog"]
        tokens = open_clip.get_tokenizer(f"local-dir:{clip_folder}")(texts)
        torch.testing.assert_close(features.texts(texts, images.device), network.encode_text(tokens))
    assert dense.shape == (2, 32, 4, 4)


def test_dense_embeddings_follow_the_image(clip_folder: Path) -> None:
    features = ClipFeatures(f"local-dir:{clip_folder}", None, 32)
    images = sample_images(1, 64)
    changed = images.clone()
    changed[..., 48:, 48:] = 0.0
    (_, before), (_, after) = features.images(images), features.images(changed)
    moved = (after - before).norm(dim=1)[0]
    assert float(moved[3, 3]) == float(moved.max())


def test_clip_teaches_both_score_maps_and_stays_out_of_the_weights(clip_folder: Path) -> None:
    method = method_with(clip_folder)
    targets = Targets(masks=masks(2), labels=["dog", ""])
    parts = method.loss(sample_images(2), targets, link, POINT)
    assert {"match", "follow"} <= set(parts)
    parts["total"].backward()
    assert method.score_map is not None
    assert all(weights.grad is not None for weights in method.score_map.parameters())
    assert all(weights.grad is not None for weights in method.sender.score_head.parameters())
    assert not any("visual" in name or "token" in name for name in method.state_dict())
    assert copy.deepcopy(method)._clip is method._clip


def test_the_router_sees_clips_map_and_the_predicted_one_in_turns(clip_folder: Path) -> None:
    method, seen = method_with(clip_folder), []
    method.sender.importance.register_forward_hook(lambda module, inputs, output: seen.append(inputs[1].detach()))
    targets = Targets(masks=masks(1))
    for _ in range(4):
        method.loss(sample_images(1), targets, link, POINT)
    assert torch.equal(seen[0], seen[2]) and torch.equal(seen[1], seen[3])
    assert not torch.allclose(seen[0], seen[1])
    assert torch.equal(method.maps(sample_images(1))["S"], F.interpolate(seen[1].sigmoid(), (32, 32), mode="bilinear", align_corners=False))


def test_inference_runs_without_clip_on_the_machine(clip_folder: Path, tmp_path: Path) -> None:
    trained = method_with(clip_folder)
    trained.loss(sample_images(1), Targets(masks=masks(1)), link, POINT)
    elsewhere = method_with(tmp_path / "deleted")
    elsewhere.load_state_dict(trained.state_dict())
    with torch.no_grad():
        expected = trained.encode(sample_images(2), POINT, None).analog
        signal = elsewhere.encode(sample_images(2), POINT, None)
        assert torch.equal(signal.analog, expected)
        assert elsewhere.decode(link(signal, POINT), POINT).shape == (2, 3, 32, 32)
    with pytest.raises(MissingAssetError, match="score_supervision: saliency"):
        elsewhere.loss(sample_images(1), Targets(masks=masks(1)), link, POINT)


def test_the_clip_score_source_transmits_with_clip(clip_folder: Path, tmp_path: Path) -> None:
    method = method_with(clip_folder, score_source="clip")
    assert method.sender.score_head is None
    method.loss(sample_images(1), Targets(masks=masks(1)), link, POINT)["total"].backward()
    with torch.no_grad():
        signal = method.encode(sample_images(2), POINT, None)
        assert signal.analog is not None and signal.analog.shape == (2, 128)
        with pytest.raises(MissingAssetError):
            method_with(tmp_path / "deleted", score_source="clip").encode(sample_images(1), POINT, None)
    with pytest.raises(MissingAssetError, match="cannot be loaded"):
        method_with(tmp_path / "deleted", score_source="clip").check_ready()
    method_with(tmp_path / "deleted").check_ready()


@pytest.mark.parametrize(
    ("caption", "noun"),
    [
        ("a dog runs", "dog"),
        ("a black swan swimming in a pond", "swan"),
        ("A rider jumping a horse over an obstacle", "rider"),
        ("people racing a soapbox car over a ramp", "people"),
        ("a person riding a black scooter on a city street", "person"),
        ("a close-up of a red wooden door with a white door knob", "door"),
        ("an old stone building with red doors", "building"),
        ("a small boat anchored on calm shallow water", "boat"),
        ("a blue shuttered window with pink hibiscus flowers in front of it", "window"),
        ("colorful baseball caps hanging on a wall", "caps"),
        ("a row of half-timbered houses in a german town", "houses"),
        ("two boats at sea", "boats"),
        ("a red bus, parked", "bus"),
        ("a spotted mushroom on the grass", "mushroom"),
        ("a photo of a group of children", "children"),
        ("in the night sky", "sky"),
        ("...", None),
        ("", None),
        ("on and under", None),
    ],
)
def test_a_captions_noun_heads_its_first_noun_phrase(caption: str, noun: str | None) -> None:
    assert caption_noun(caption) == noun


def test_the_text_is_the_label_the_captions_noun_or_the_generic_one(clip_folder: Path) -> None:
    targets = Targets(labels=["dog", "", ""], captions=["a dog runs", "two boats at sea", ""])
    generic, caption = method_with(clip_folder), method_with(clip_folder, unlabelled="caption", prompt="one {} here")
    assert [generic._text(targets, row) for row in range(3)] == ["a photo of a dog"] + 2 * ["a photo of the main object"]
    assert [caption._text(targets, row) for row in range(3)] == ["one dog here", "one boats here", "a photo of the main object"]


def test_a_clip_that_does_not_fit_says_so(clip_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatchError, match="clip_width to 32"):
        ClipFeatures(f"local-dir:{clip_folder}", None, 64)
    with pytest.raises(MissingAssetError, match="cannot be loaded"):
        ClipFeatures("ViT-B-16-quickgelu", str(tmp_path / "none.safetensors"), 512)


@pytest.mark.parametrize("layer", LAYERS)
def test_vgg_features_are_torchvisions(vgg_file: Path, layer: str) -> None:
    images = sample_images(1)
    features = VggFeatures(str(vgg_file), layer)(images)
    network = make_layers(cfgs["E"], batch_norm=False)
    weights = torch.load(vgg_file, weights_only=True)
    network.load_state_dict({name.removeprefix("features."): w for name, w in weights.items() if name.startswith("features.")})
    x = (images - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.no_grad():
        for module in network[: LAYERS[layer] + 1]:
            x = module(x)
    torch.testing.assert_close(features, x)
    block, convolution = layer.removeprefix("relu").split("_")
    pools = sum(isinstance(module, torch.nn.MaxPool2d) for module in network[: LAYERS[layer]])
    convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in network[: LAYERS[layer]])
    assert pools == int(block) - 1 and convolutions == [2, 4, 8, 12][int(block) - 2] + int(convolution)


def test_the_contextual_loss_trains_and_vgg_stays_out_of_the_weights(vgg_file: Path) -> None:
    weights = {"loss_weights": (1.0, 1e-4, 0.01), "mask_weight": 0.0}
    method = method_with(None, score_supervision="saliency", background_loss="contextual", vgg=str(vgg_file), **weights)
    parts = method.loss(sample_images(1), Targets(masks=masks(1)), link, POINT)
    parts["total"].backward()
    assert float(parts["background"]) > 0.0
    total = float(parts["match"]) + 1e-4 * float(parts["foreground"]) + 0.01 * float(parts["background"])
    assert parts["total"].item() == pytest.approx(total, rel=1e-5)
    assert all(weights.grad is not None for weights in method.parameters())
    assert "0.weight" not in " ".join(name for name in method.state_dict() if "vgg" in name)


def test_missing_vgg_parameters_say_so(tmp_path: Path) -> None:
    method = method_with(None, score_supervision="saliency", background_loss="contextual")
    with pytest.raises(MissingAssetError, match="background_loss: mse"):
        method.loss(sample_images(1), Targets(masks=masks(1)), link, POINT)
    with pytest.raises(MissingAssetError, match="cannot be loaded"):
        VggFeatures(str(tmp_path / "none.pth"))
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointMismatchError, match="does not hold"):
        VggFeatures(str(tmp_path / "other.pth"))
