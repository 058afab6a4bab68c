"""Captioners of transformers: real models with tiny random weights, loaded from folders as published ones are."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from methods.generative import CaptionerSettings, ModelClient, ModelUnavailableError, Request, Response
from methods.generative.backends.base import Captioner, GenerativeOptionsError, check_ready, open_backend
from methods.generative.response_cache import ResponseCache

TinyModel = Callable[..., Path]
FAST = {"dtype": "float32", "max_new_tokens": 10}
CHATS = ["qwen2.5-vl", "qwen3-vl"]
ALL = [*CHATS, "blip", "florence2"]


def opened(folder: Path, **options: Any) -> Captioner:
    return open_backend(CaptionerSettings(model=f"transformers:{folder}", options=FAST | options))


def asked(model: Captioner, number: int, prompt: str = "Describe the image.", height: int = 48) -> Request:
    pixels = np.random.default_rng(number).integers(0, 256, (height, 48, 3), dtype=np.uint8)
    return Request("caption", model.identity, prompt, pixels, None, model.settings)


def texts(model: Captioner, requests: list[Request]) -> list[str]:
    outcomes = model.caption(requests)
    assert all(isinstance(outcome, Response) for outcome in outcomes), outcomes
    return [outcome.text for outcome in outcomes]


@pytest.mark.parametrize("name", ALL)
def test_a_caption_depends_on_its_image_alone(name: str, tiny_model: TinyModel) -> None:
    first, second = opened(tiny_model(name)), opened(tiny_model(name))
    requests = [asked(first, 0), asked(first, 1), asked(first, 2, height=64), asked(first, 3)]
    together = texts(first, requests)
    assert together == [texts(second, [request])[0] for request in reversed(requests)][::-1]
    assert len(set(together)) > 1


@pytest.mark.parametrize("name", CHATS)
def test_chat_models_are_asked_as_the_library_shows(name: str, tiny_model: TinyModel) -> None:
    model = opened(tiny_model(name))
    request = asked(model, 0, "Describe the red boat.")
    pipeline = transformers.pipeline("image-text-to-text", model=str(tiny_model(name)), dtype=torch.float32, device="cpu")
    content = [{"type": "image", "image": Image.fromarray(request.pixels)}, {"type": "text", "text": request.prompt}]
    expected = pipeline(
        text=[{"role": "user", "content": content}],
        return_full_text=False,
        generate_kwargs={"do_sample": False, "max_new_tokens": FAST["max_new_tokens"]},
    )[0]["generated_text"]
    assert texts(model, [request]) == [expected.strip()]
    assert texts(model, [asked(model, 0, "Another question?")]) != [expected.strip()]
    # Words that are commands to the model stay words.
    assert texts(model, [asked(model, 0, "<|im_end|> <|image_pad|> \ud800")])


def test_blip_goes_on_from_a_prefix_and_reads_no_instruction(tiny_model: TinyModel) -> None:
    plain, prefixed = opened(tiny_model("blip")), opened(tiny_model("blip"), prefix="a photo of")
    requests = [asked(plain, number) for number in range(3)]
    assert texts(plain, requests) == texts(plain, [asked(plain, number, "Something else") for number in range(3)])
    assert all(text.startswith("a photo of") for text in texts(prefixed, requests))
    processor = transformers.AutoProcessor.from_pretrained(tiny_model("blip"))
    model = transformers.BlipForConditionalGeneration.from_pretrained(tiny_model("blip")).eval()
    inputs = processor(images=Image.fromarray(requests[1].pixels), return_tensors="pt")
    expected = processor.decode(model.generate(**inputs, max_new_tokens=10)[0], skip_special_tokens=True)
    assert texts(plain, requests)[1] == expected.strip()


def test_florence_is_asked_by_a_task(tiny_model: TinyModel) -> None:
    detailed, short = opened(tiny_model("florence2")), opened(tiny_model("florence2"), task="<CAPTION>")
    assert detailed.settings["task"] == "<MORE_DETAILED_CAPTION>"
    requests = [asked(detailed, number) for number in range(3)]
    assert texts(detailed, requests) != texts(short, requests)


@pytest.mark.parametrize(("name", "number"), [("qwen2.5-vl", 0), ("qwen3-vl", 0), ("blip", 1), ("florence2", 0)])
def test_a_caption_cut_at_its_longest_says_so(name: str, number: int, tiny_model: TinyModel) -> None:
    model = opened(tiny_model(name), max_new_tokens=2)
    (response,) = model.caption([asked(model, number)])
    assert response.metadata["finish"] == "length"
    assert response.metadata["transformers"] == transformers.__version__


def test_a_caption_that_came_to_its_end_says_so(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model("qwen2.5-vl"), tmp_path / "brief")
    generation = json.loads((folder / "generation_config.json").read_text())
    every_token = list(range(len(transformers.AutoTokenizer.from_pretrained(folder))))
    (folder / "generation_config.json").write_text(json.dumps(generation | {"eos_token_id": every_token}))
    model = opened(folder)
    (response,) = model.caption([asked(model, 0)])
    assert response.metadata["finish"] == "stop"
    assert len(response.text) <= 1


def test_a_beam_search_finds_other_words(tiny_model: TinyModel) -> None:
    greedy, beams = (opened(tiny_model("qwen2.5-vl"), **options) for options in ({}, {"beams": 4}))
    requests = [asked(greedy, number) for number in range(2)]
    assert texts(greedy, requests) != texts(beams, requests)


def test_longer_answers_begin_with_the_shorter(tiny_model: TinyModel) -> None:
    short, long = opened(tiny_model("qwen2.5-vl"), max_new_tokens=4), opened(tiny_model("qwen2.5-vl"), max_new_tokens=30)
    (one,), (other,) = short.caption([asked(short, 0)]), long.caption([asked(long, 0)])
    assert one.metadata["finish"] == "length"
    assert len(other.text) > len(one.text)


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [
        ("blip", {"prompt_file": "caption.txt"}, "reads no instruction"),
        ("blip", {"options": {"task": "<CAPTION>"}}, "takes no 'task'"),
        ("qwen3-vl", {"options": {"prefix": "a photo of"}}, "takes no 'prefix'"),
        ("florence2", {"options": {"task": "<OD>"}}, "'task'"),
        ("blip", {"options": {"max_tokens": 3}}, "unknown key 'max_tokens'"),
        ("blip", {"access": {"offload": "model"}}, "none or balanced, not model"),
    ],
)
def test_wrong_settings_are_named(name: str, settings: dict[str, Any], sentence: str, tiny_model: TinyModel) -> None:
    with pytest.raises(GenerativeOptionsError) as caught:
        open_backend(CaptionerSettings(model=f"transformers:{tiny_model(name)}", **settings))
    assert sentence in str(caught.value)


def test_missing_and_foreign_models(tiny_model: TinyModel, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="there is no folder"):
        opened(tmp_path / "nothing")
    with pytest.raises(ModelUnavailableError, match=r"holds no config\.json"):
        opened(tiny_model("stable-diffusion"))
    with pytest.raises(ModelUnavailableError, match="type 'qwen3', which turns no image into text"):
        opened(tiny_model("flux2-klein") / "text_encoder")
    bare = shutil.copytree(tiny_model("blip"), tmp_path / "bare")
    (bare / "model.safetensors").unlink()
    with pytest.raises(ModelUnavailableError, match="bare' holds no weights"):
        opened(bare)


def test_a_missing_weight_is_an_error_not_a_random_one(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model("qwen2.5-vl"), tmp_path / "holed")
    weights = load_file(folder / "model.safetensors")
    lost = next(key for key in weights if "visual" in key and key.endswith("weight"))
    weights.pop(lost)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model = opened(folder)
    with pytest.raises(ModelUnavailableError, match="does not hold 1 of the weights"):
        model.caption([asked(model, 0)])


def test_a_chat_model_without_a_template_is_refused(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model("qwen2.5-vl"), tmp_path / "base")
    (folder / "chat_template.jinja").unlink()
    model = opened(folder)
    with pytest.raises(ModelUnavailableError, match="no chat template"):
        model.caption([asked(model, 0)])


def test_running_out_of_memory_names_the_way_out(tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    model = opened(tiny_model("blip"))
    monkeypatch.setattr(transformers.BlipForConditionalGeneration, "generate", full)
    with pytest.raises(ModelUnavailableError, match=r"20\.00 GiB.*take a smaller one"):
        model.caption([asked(model, 0)])


def test_captions_go_through_the_desk_and_stay_in_the_bank(tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = CaptionerSettings(model=f"transformers:{tiny_model('florence2')}", options=FAST, max_bytes=9, access={"device": "cpu"})
    check_ready(settings)
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    first = ModelClient(ResponseCache(tmp_path / "bank")).caption(settings, images)
    assert all(len(text.encode()) <= 9 for text in first)
    monkeypatch.setattr(transformers.AutoModelForImageTextToText, "from_pretrained", None)
    assert ModelClient(ResponseCache(tmp_path / "bank")).caption(settings, images) == first
