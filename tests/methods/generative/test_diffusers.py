"""Generators and editors of diffusers: real pipelines with tiny random weights, loaded from folders as published ones are."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus
from PIL import Image
from safetensors.torch import load_file, save_file

from methods.generative import (
    EditorSettings,
    GenerativeError,
    GeneratorSettings,
    ModelClient,
    ModelUnavailableError,
    RefusalError,
    Request,
    Response,
)
from methods.generative.backends.base import GenerativeOptionsError, check_ready, open_backend
from methods.generative.backends.diffusers_backend import DiffusersEditor, DiffusersGenerator
from methods.generative.response_cache import ResponseCache

TinyModel = Callable[..., Path]
FAST = {"dtype": "float32", "steps": 2}
SMALL = {**FAST, "size": 64}
GENERATORS = {"stable-diffusion": FAST, "stable-diffusion-xl": FAST, "qwen-image": SMALL, "flux2-klein": SMALL}
EDITORS = {
    "stable-diffusion": FAST,
    "stable-diffusion-xl": {**FAST, "strength": 0.8},
    "instruct-pix2pix": FAST,
    "qwen-image": SMALL,
    "qwen-image-edit": SMALL,
    "qwen-image-edit-plus": SMALL,
    "flux2-klein": SMALL,
    "flux-kontext": SMALL,
}
ALL = [("generate", name) for name in GENERATORS] + [("edit", name) for name in EDITORS]


@dataclass(frozen=True)
class Pinned(Request):
    """A request whose draws do not follow from its text, to compare texts."""

    @property
    def draw(self) -> int:
        return 7


@pytest.fixture(autouse=True)
def small_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qwen-Image-Edit looks at about 1024 x 1024 pixels of its input whatever is asked for; here at 64 x 64."""
    original = pipeline_qwenimage_edit.calculate_dimensions
    monkeypatch.setattr(pipeline_qwenimage_edit, "calculate_dimensions", lambda area, ratio: original(64 * 64, ratio))
    monkeypatch.setattr(pipeline_qwenimage_edit_plus, "VAE_IMAGE_SIZE", 64 * 64)
    monkeypatch.setattr(pipeline_qwenimage_edit_plus, "CONDITION_IMAGE_SIZE", 56 * 56)


def image(seed: int, height: int = 48, width: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def opened(task: str, folder: Path | str, **options: Any) -> DiffusersGenerator | DiffusersEditor:
    if task == "generate":
        return open_backend(GeneratorSettings(model=f"diffusers:{folder}", options=options))
    return open_backend(EditorSettings(model=f"diffusers:{folder}", options=options))


_LOADED: dict[str, DiffusersGenerator | DiffusersEditor] = {}


def loaded(task: str, folder: Path, **options: Any) -> DiffusersGenerator | DiffusersEditor:
    """The same, kept for the tests that follow, which ask it for other things."""
    key = json.dumps([task, str(folder), options])
    if key not in _LOADED:
        _LOADED[key] = opened(task, folder, **options)
    return _LOADED[key]


def defaults(task: str, name: str) -> dict[str, Any]:
    return GENERATORS[name] if task == "generate" else EDITORS[name]


def asked(model: Any, task: str, prompt: str, number: int = 0, kind: type[Request] = Request, size: tuple[int, int] = (48, 48)) -> Request:
    pixels = image(number, *size) if task == "edit" else None
    return kind(task, model.identity, prompt, pixels, model.request_size(*size), model.settings)


def responses(model: Any, requests: Sequence[Request]) -> list[np.ndarray]:
    outcomes = model.images(requests)
    assert all(isinstance(outcome, Response) for outcome in outcomes), outcomes
    return [outcome.pixels for outcome in outcomes]


@pytest.mark.parametrize(("task", "name"), ALL)
def test_an_image_depends_on_its_request_alone(task: str, name: str, tiny_model: TinyModel) -> None:
    first, second = loaded(task, tiny_model(name), **defaults(task, name)), opened(task, tiny_model(name), **defaults(task, name))
    requests = [asked(first, task, f"a red boat {number}", number) for number in range(3)]
    together = responses(first, requests)
    alone = [responses(second, [request])[0] for request in reversed(requests)][::-1]
    for one, other in zip(together, alone, strict=True):
        assert one.shape == (64, 64, 3)
        assert np.array_equal(one, other)
    assert np.abs(together[0].astype(int) - together[1]).max() > 16


@pytest.mark.parametrize(("task", "name"), [("generate", "stable-diffusion"), ("edit", "stable-diffusion"), ("edit", "instruct-pix2pix")])
def test_batches_of_four_give_the_images_of_one_at_a_time(task: str, name: str, tiny_model: TinyModel) -> None:
    single, batched = loaded(task, tiny_model(name), **FAST), opened(task, tiny_model(name), **FAST, batch=4)
    requests = [asked(single, task, f"a red boat {number}", number) for number in range(6)]
    one_by_one, by_four = responses(single, requests), responses(batched, requests)
    for one, other in zip(one_by_one, by_four, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
    # The last two come in a call that is filled up, so its shape is that of the first.
    assert np.abs(responses(batched, requests[4:5])[0].astype(int) - by_four[4]).max() <= 1


def test_candidates_and_seeds_differ(tiny_model: TinyModel) -> None:
    model = loaded("generate", tiny_model("stable-diffusion"), **FAST)
    shared = ("generate", model.identity, "a red boat", None, (64, 64), model.settings)
    first, second, third = responses(model, [Request(*shared), Request(*shared, variation=1), Request(*shared, seed=2)])
    assert np.abs(first.astype(int) - second).max() > 16
    assert np.abs(first.astype(int) - third).max() > 16


def test_a_model_first_asked_in_inference_mode_answers_the_same_outside(tiny_model: TinyModel) -> None:
    model = opened("edit", tiny_model("qwen-image"), **EDITORS["qwen-image"])
    request = asked(model, "edit", "a red boat")
    with torch.inference_mode():
        inside = responses(model, [request])[0]
    assert np.array_equal(responses(model, [request])[0], inside)
    assert not any(weights.is_inference() for weights in model.weights.transformer.parameters())


def direct(kind: str, folder: Path, seed: int, **arguments: Any) -> np.ndarray:
    """The library called by hand, as its documentation shows."""
    pipeline = getattr(diffusers, kind).from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    output = pipeline(**arguments, generator=torch.Generator("cpu").manual_seed(seed), num_inference_steps=2)
    return np.asarray(output.images[0])


def hand_written(name: str, fitted: Image.Image, original: Image.Image) -> tuple[str, dict[str, Any]]:
    size = {"height": 64, "width": 64}
    qwen = {"negative_prompt": " ", "true_cfg_scale": 4.0, **size, "max_sequence_length": 1024}
    return {
        "stable-diffusion": ("StableDiffusionImg2ImgPipeline", {"image": fitted, "strength": 0.8, "guidance_scale": 7.5}),
        "stable-diffusion-xl": ("StableDiffusionXLImg2ImgPipeline", {"image": fitted, "strength": 0.8, "guidance_scale": 5.0}),
        "instruct-pix2pix": (
            "StableDiffusionInstructPix2PixPipeline",
            {"image": fitted, "guidance_scale": 7.5, "image_guidance_scale": 1.5},
        ),
        "qwen-image": ("QwenImageImg2ImgPipeline", {"image": fitted, "strength": 0.6, **qwen}),
        "qwen-image-edit": ("QwenImageEditPipeline", {"image": original, **qwen}),
        "qwen-image-edit-plus": ("QwenImageEditPlusPipeline", {"image": [original], **qwen}),
        "flux2-klein": ("Flux2KleinPipeline", {"image": [fitted], "guidance_scale": 1.0, **size}),
        "flux-kontext": (
            "FluxKontextPipeline",
            {"image": fitted, "guidance_scale": 3.5, **size, "max_area": 64 * 64, "_auto_resize": False},
        ),
    }[name]


@pytest.mark.parametrize("name", EDITORS)
def test_an_edit_is_what_the_library_gives_when_called_by_hand(name: str, tiny_model: TinyModel) -> None:
    model = loaded("edit", tiny_model(name), **EDITORS[name])
    request = asked(model, "edit", "a red boat on blue water")
    original = Image.fromarray(request.pixels)
    kind, arguments = hand_written(name, original.resize((64, 64), Image.Resampling.LANCZOS), original)
    expected = direct(kind, tiny_model(name), request.draw, prompt=request.prompt, **arguments)
    assert np.array_equal(responses(model, [request])[0], expected)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("stable-diffusion", "strength", 1.0),
        ("stable-diffusion", "negative_prompt", "dog"),
        ("instruct-pix2pix", "image_guidance", 4.0),
        ("instruct-pix2pix", "guidance", 1.0),
        ("qwen-image-edit", "guidance", 1.0),
        ("qwen-image-edit", "negative_prompt", "dog"),
        ("flux-kontext", "guidance", 8.0),
        ("flux2-klein", "steps", 3),
        ("flux2-klein", "dtype", "bfloat16"),
    ],
)
def test_every_option_reaches_the_model(name: str, option: str, value: Any, tiny_model: TinyModel) -> None:
    folder = tiny_model(name)
    plain, changed = (loaded("edit", folder, **options) for options in (EDITORS[name], EDITORS[name] | {option: value}))
    images = [responses(model, [asked(model, "edit", "a red boat", kind=Pinned)])[0] for model in (plain, changed)]
    assert not np.array_equal(*images)
    assert changed.settings[option] == value


def test_defaults_are_filled_in(tiny_model: TinyModel) -> None:
    assert opened("edit", tiny_model("qwen-image-edit")).settings == {
        "dtype": "bfloat16",
        "steps": 50,
        "guidance": 4.0,
        "negative_prompt": " ",
        "size": 1024,
    }
    assert opened("edit", tiny_model("qwen-image-edit"), size=[512, 768]).settings["size"] == [512, 768]
    assert opened("generate", tiny_model("flux2-klein")).settings["steps"] == 4
    assert opened("edit", tiny_model("instruct-pix2pix")).settings["image_guidance"] == 1.5


def test_the_undistilled_klein_keeps_its_guidance(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model("flux2-klein"), tmp_path / "base")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"is_distilled": False}))
    settings = opened("generate", folder).settings
    assert (settings["steps"], settings["guidance"]) == (50, 4.0)


def test_sizes_follow_the_model_and_the_image(tiny_model: TinyModel) -> None:
    small = opened("generate", tiny_model("stable-diffusion"))
    assert small.request_size(256, 256) == (64, 64)
    assert small.request_size(512, 768) == (52, 80)
    assert opened("generate", tiny_model("flux2-klein")).request_size(256, 256) == (1024, 1024)
    assert opened("edit", tiny_model("qwen-image-edit")).request_size(512, 768) == (832, 1248)
    assert opened("edit", tiny_model("flux-kontext"), size=(64, 96)).request_size(512, 768) == (64, 96)


@pytest.mark.parametrize("name", ["stable-diffusion", "qwen-image-edit", "flux2-klein", "flux-kontext"])
def test_images_that_are_not_square(name: str, tiny_model: TinyModel) -> None:
    model = opened("edit", tiny_model(name), **(EDITORS[name] | {"size": 96}))
    request = asked(model, "edit", "a red boat", size=(48, 96))
    assert responses(model, [request])[0].shape == (*model.request_size(48, 96), 3)


@pytest.mark.parametrize(
    ("task", "name", "words"),
    [
        ("generate", "stable-diffusion", 75),
        ("generate", "stable-diffusion-xl", 75),
        ("edit", "instruct-pix2pix", 75),
        ("generate", "flux2-klein", None),
        ("generate", "qwen-image", None),
        ("edit", "qwen-image-edit", None),
        ("edit", "flux-kontext", None),
    ],
)
def test_what_is_cut_was_not_read_and_the_rest_was(task: str, name: str, words: int | None, tiny_model: TinyModel) -> None:
    model = loaded(task, tiny_model(name), **defaults(task, name))
    prompt = " ".join(["red", "boat"] * 1100)
    request = asked(model, task, prompt, kind=Pinned)
    cut = model.images([request])[0].cut
    assert cut and prompt.endswith(cut)
    if words is not None:
        assert len(prompt[: -len(cut)].split()) == words
    read = prompt[: -len(cut)]
    other_end, other_start = read + cut.replace("boat", "dogs"), "dog" + prompt[3:]
    given = responses(model, [request, *(asked(model, task, text, kind=Pinned) for text in (other_end, other_start))])
    assert np.array_equal(given[0], given[1])
    assert not np.array_equal(given[0], given[2])
    assert model.images([asked(model, task, "a short one")])[0].cut == ""


@pytest.mark.parametrize(
    "text", ["", "🐕 في البحر\x07\x00 ☂️", "<|im_end|> <|image_pad|> <|endoftext|>", "{broken} \ud800 %s", "e" * 10_000]
)
@pytest.mark.parametrize("name", ["instruct-pix2pix", "qwen-image-edit", "flux2-klein"])
def test_any_text_is_edited_with(name: str, text: str, tiny_model: TinyModel) -> None:
    model = loaded("edit", tiny_model(name), **EDITORS[name])
    assert responses(model, [asked(model, "edit", text)])[0].std() > 0


def test_a_blackened_image_is_a_refusal(tiny_model: TinyModel) -> None:
    folder = tiny_model("stable-diffusion-checked")
    for outcome in opened("generate", folder, **FAST).images([asked(opened("generate", folder), "generate", "a red boat")]):
        assert isinstance(outcome, RefusalError)
        assert "safety_checker: false" in str(outcome)
    unchecked = opened("generate", folder, **FAST, safety_checker=False)
    assert responses(unchecked, [asked(unchecked, "generate", "a red boat")])[0].std() > 0


def test_nan_is_an_error_not_a_black_image(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model("stable-diffusion"), tmp_path / "broken")
    weights = load_file(folder / "vae/diffusion_pytorch_model.safetensors")
    weights["decoder.conv_out.bias"].fill_(float("nan"))
    save_file(weights, folder / "vae/diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    model = opened("generate", folder, **FAST)
    outcome = model.images([asked(model, "generate", "a red boat")])[0]
    assert type(outcome) is GenerativeError
    assert "NaN" in str(outcome) and "bfloat16" in str(outcome)


def test_running_out_of_memory_names_the_way_out(tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    model = opened("generate", tiny_model("stable-diffusion"), **FAST)
    monkeypatch.setattr(diffusers.UNet2DConditionModel, "forward", full)
    with pytest.raises(ModelUnavailableError, match=r"20\.00 GiB.*offload: model"):
        model.images([asked(model, "generate", "a red boat")])


def test_a_model_gives_way_where_there_is_room_for_one_alone(tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened("generate", tiny_model("stable-diffusion"), **FAST)
    second = opened("edit", tiny_model("instruct-pix2pix"), **FAST)
    forward = diffusers.UNet2DConditionModel.forward

    def crowded(*values: Any, **named: Any) -> Any:
        if first.weights is not None and second.weights is not None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return forward(*values, **named)

    monkeypatch.setattr(diffusers.UNet2DConditionModel, "forward", crowded)
    questions = [asked(first, "generate", "a red boat"), asked(second, "edit", "a red boat")]
    before = responses(first, questions[:1])[0]
    responses(second, questions[1:])
    assert first.weights is None
    assert np.array_equal(responses(first, questions[:1])[0], before)
    assert second.weights is None


@pytest.mark.parametrize(
    ("task", "name", "options", "sentence"),
    [
        (
            "edit",
            "flux-kontext",
            {"strength": 0.5},
            "FluxKontextPipeline takes no 'strength'; it takes dtype, guidance, size, steps, variant",
        ),
        ("edit", "qwen-image-edit", {"batch": 2}, "takes no 'batch'"),
        ("edit", "stable-diffusion", {"steps": 4, "strength": 0.2}, "strength 0.2 of 4 steps leaves no step"),
        ("generate", "stable-diffusion", {"step": 4}, "unknown key 'step'. Did you mean 'steps'?"),
        ("generate", "stable-diffusion", {"dtype": "int8"}, "'dtype'"),
        ("generate", "stable-diffusion", {"size": (50, 63)}, "multiples of 4"),
        ("generate", "qwen-image", {"size": 8}, "multiples of 16"),
    ],
)
def test_wrong_options_are_named(task: str, name: str, options: dict[str, Any], sentence: str, tiny_model: TinyModel) -> None:
    with pytest.raises(GenerativeOptionsError) as caught:
        opened(task, tiny_model(name), **options)
    assert sentence in str(caught.value)


def test_wrong_classes_are_named(tiny_model: TinyModel) -> None:
    with pytest.raises(ModelUnavailableError, match=r"is a QwenImageEditPipeline, which cannot be a generator; it can be a editor"):
        opened("generate", tiny_model("qwen-image-edit"))
    with pytest.raises(ModelUnavailableError, match=r"holds no model_index\.json"):
        opened("generate", tiny_model("blip"))


def test_missing_and_damaged_folders(tiny_model: TinyModel, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="there is no folder"):
        opened("generate", tmp_path / "nothing")
    partial = shutil.copytree(tiny_model("stable-diffusion"), tmp_path / "partial")
    (partial / "unet/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ModelUnavailableError, match="unet' holds no weights.*; fetch the model again"):
        opened("generate", partial, **FAST)
    damaged = shutil.copytree(tiny_model("stable-diffusion"), tmp_path / "damaged")
    (damaged / "vae/diffusion_pytorch_model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelUnavailableError, match="diffusion_pytorch_model.safetensors' is a text file, not weights"):
        opened("generate", damaged, **FAST)
    (damaged / "model_index.json").write_text("{")
    with pytest.raises(ModelUnavailableError, match="is no JSON"):
        opened("generate", damaged)


@pytest.mark.parametrize("file", ["unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"])
def test_a_missing_weight_is_an_error_not_a_random_one(file: str, tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model("stable-diffusion"), tmp_path / "holed")
    weights = load_file(folder / file)
    weights.pop(min(weights))
    save_file(weights, folder / file, metadata={"format": "pt"})
    model = opened("generate", folder, **FAST)
    with pytest.raises(ModelUnavailableError, match="fetch the model again"):
        model.images([asked(model, "generate", "a red boat")])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_devices_that_are_not_there(tiny_model: TinyModel) -> None:
    name = f"diffusers:{tiny_model('stable-diffusion')}"
    for access, sentence in (
        ({"device": "cuda"}, "no device 'cuda'"),
        ({"device": "abacus"}, "no device 'abacus'"),
        ({"offload": "model"}, "there is no GPU"),
    ):
        with pytest.raises(ModelUnavailableError, match=sentence):
            check_ready(GeneratorSettings(model=name, access=access))
    check_ready(GeneratorSettings(model=name, access={"device": "cpu"}))


def test_a_second_run_asks_the_bank_and_loads_nothing(tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_model("instruct-pix2pix")
    images = torch.from_numpy(np.stack([image(number) for number in range(2)])).permute(0, 3, 1, 2).float() / 255
    first = ModelClient(ResponseCache(tmp_path / "bank")).edit(
        EditorSettings(model=f"diffusers:{folder}", options=FAST), images, ["a boat", "a dog " * 60]
    )
    assert first.images.shape == images.shape
    # The default instruction alone is longer than CLIP reads, so the caption stands before it.
    assert "dog" not in first.cut[0] and "dog" in first.cut[1]
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    monkeypatch.setattr(diffusers.StableDiffusionInstructPix2PixPipeline, "from_pretrained", None)
    settings = EditorSettings(model=f"diffusers:{moved}", options=FAST, access={"device": "cpu"})
    second = ModelClient(ResponseCache(tmp_path / "bank")).edit(settings, images, ["a boat", "a dog " * 60])
    assert torch.equal(first.images, second.images)


@pytest.mark.parametrize(("task", "name"), ALL)
def test_the_caption_comes_first_where_a_text_encoder_cuts_and_last_elsewhere(task: str, name: str, tiny_model: TinyModel) -> None:
    settings = (GeneratorSettings if task == "generate" else EditorSettings)(
        model=f"diffusers:{tiny_model(name)}", options=defaults(task, name)
    )
    pixels = torch.zeros(1, 3, 48, 48) if task == "edit" else None
    (request,) = ModelClient().requests(settings, images=pixels, texts=["a red boat"], size=(48, 48))
    first = name in ("stable-diffusion", "stable-diffusion-xl", "instruct-pix2pix", "flux-kontext")
    assert request.prompt.startswith("Caption: a red boat\n") == first and request.prompt.endswith("\n\nCaption: a red boat") != first
