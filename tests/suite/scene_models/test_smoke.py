"""The whole scene models at its smallest budget: made once, left alone afterwards, and loaded by the same doors as any other model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.datasets.scenes.dataset import Scenes
from benchmarks.metrics import MetricSettings
from benchmarks.metrics.base import MetricImage
from benchmarks.metrics.catalog import metric_table
from methods.gened_sc.clip_features import ClipFeatures
from methods.generative.client import ModelClient
from methods.generative.settings import CaptionerSettings, EditorSettings, GeneratorSettings
from suite.scene_models import provenance as recipe
from suite.scene_models.build import NEEDS, PASSING, SceneModels
from suite.scene_models.settings import SMOKE

pytestmark = pytest.mark.slow
PARTS = [name for name in NEEDS if name not in PASSING]


@pytest.fixture(scope="module")
def scene_models(tmp_path_factory):
    folder, said = tmp_path_factory.mktemp("zoo"), []
    scene_models = SceneModels(SMOKE, folder / "out", folder / "work", folder / "checkpoints", said.append)
    scene_models.make(PARTS)
    return scene_models, said


@pytest.fixture(scope="module")
def sample_images():
    samples = [Scenes("test", 64).load(f"scenes/{2_000_000 + index:07d}") for index in range(2)]
    images = torch.from_numpy(np.stack([sample.image for sample in samples])).permute(0, 3, 1, 2) / 255
    return images, [sample.caption for sample in samples]


def test_what_is_made_is_not_made_again_and_what_changed_is(scene_models):
    scene_models, said = scene_models
    assert [recipe.problem(scene_models.out, part, scene_models.identity(part)) for part in PARTS] == [None] * len(PARTS)
    said.clear()
    scene_models.make(PARTS)
    assert [line.split(":")[1].split(" (")[0].strip() for line in said] == ["made already"] * len(PARTS)
    before = recipe.checksums(scene_models.out)["clip"]["files"]["open_clip_model.safetensors"]
    (scene_models.out / "clip" / "open_clip_model.safetensors").write_bytes(b"broken")
    scene_models.make(["clip"])
    assert recipe.checksums(scene_models.out)["clip"]["files"]["open_clip_model.safetensors"] == before


def test_recipes_say_what_made_the_weights(scene_models):
    scene_models, _ = scene_models
    for part in PARTS:
        content = recipe.read(scene_models.out / part)
        assert content["command"] == f"python -m suite.scene_models --only {part} --budget smoke"
        assert content["identity"] == scene_models.identity(part) and content["minutes"] >= 0 and content["hardware"]["cpu_cores"]
        assert [row["step"] for row in content["validation"]] == [3, 6]
    assert recipe.read(scene_models.out / "generator")["before"]["draft"]["validation"]


def test_clip_is_a_metric_and_a_score_map(scene_models, sample_images):
    folder, (images, captions) = scene_models[0].out / "clip", sample_images
    settings = MetricSettings(clip_models={"scenes": folder})
    spec = metric_table(settings)["clip_score_scenes"]
    metric = spec.build(spec, settings, "cpu")
    pixels = (images[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    score = metric.measure(MetricImage(pixels, captions[0]), MetricImage(pixels))
    assert 0 <= score["clip_score_scenes"] <= 100 and score["clip_score_scenes_truncated"] == 0
    pooled, dense = ClipFeatures(f"local-dir:{folder}", None, SMOKE.clip.embedding).images(images)
    assert pooled.shape == (2, 64) and dense.shape == (2, 64, 8, 8)


def test_captioner_generator_and_editor_answer_at_the_desk(scene_models, sample_images):
    root, (images, captions) = scene_models[0].out, sample_images
    model_client = ModelClient()

    def named(part: str, backend: str) -> str:
        return f"{backend}:{root / part}"

    options = {"steps": 2}
    written = model_client.caption(CaptionerSettings(model=named("captioner", "transformers"), options={"max_new_tokens": 8}), images)
    assert len(written) == 2 and all(isinstance(text, str) for text in written)
    prompt = Path(root / "generator" / "generate.txt")
    painted = model_client.generate(
        GeneratorSettings(model=named("generator", "diffusers"), prompt_file=prompt, options=options), captions, 64, 64
    )
    assert painted.images.shape == (2, 3, 64, 64)
    for prompt in ("edit.txt", "mask.txt"):
        settings = EditorSettings(model=named("editor", "diffusers"), prompt_file=root / "editor" / prompt, options=options)
        edited = model_client.edit(settings, images, captions)
        assert edited.images.shape == (2, 3, 64, 64) and edited.cut == ("", "")
