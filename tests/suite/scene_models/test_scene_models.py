"""The scene models: cached scenes, tokenizer, loop, coarse images, recipes; and that what is shipped is what its recipes made."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.common.images import image_tensor, quantise
from benchmarks.datasets.scenes.dataset import Scenes
from helpers.places import ROOT
from suite.config.training import TrainingSettings
from suite.errors import TrainingError
from suite.scene_models import provenance as recipe
from suite.scene_models.build import NEEDS, PASSING, SceneModels
from suite.scene_models.degradations import Codec, codec_jobs, degraded_images, imitate, maps
from suite.scene_models.images import scene_images
from suite.scene_models.loop import train
from suite.scene_models.settings import BUDGETS, FULL
from suite.scene_models.tokenizer import clip_tokenizer, token_ids
from suite.train.checkpoint import find

SHIPPED = ROOT / "results" / "reference" / "scene_models"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("zoo")


@pytest.fixture(scope="module")
def scenes(work):
    return scene_images(work, "train", 24, 64)


def test_cached_scenes_are_the_data_sets(scenes, work):
    dataset = Scenes("train", 64)
    for row in (0, 7, 23):
        sample = dataset.load(dataset.items()[row])
        assert (scenes.images[row] == sample.image).all() and (scenes.mask(row) == sample.mask).all()
        assert (scenes.captions[row], scenes.labels[row]) == (sample.caption, sample.label)
    again = scene_images(work, "train", 24, 64)
    assert again.name == scenes.name and (again.images == scenes.images).all()
    assert scene_images(work, "validation", 4, 64).name != scenes.name


def test_an_epoch_meets_every_scene_once_and_half_are_mirrored(scenes):
    batches = [scenes.batch(step, 8, seed=3) for step in (1, 2, 3)]
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(24))
    mirrored = np.concatenate([batch.mirrored for batch in batches])
    assert 4 <= mirrored.sum() <= 20
    for batch in batches:
        for row, turned, image, caption in zip(batch.rows, batch.mirrored, batch.images, batch.captions, strict=True):
            expected = scenes.images[row][:, ::-1] if turned else scenes.images[row]
            assert (image == expected).all() and caption == scenes.captions[row]
    again, other = scenes.batch(2, 8, seed=3), scenes.batch(2, 8, seed=4)
    assert (again.images == batches[1].images).all() and not (other.rows == again.rows).all()
    with pytest.raises(ValueError, match="25"):
        scenes.batch(1, 25, seed=0)


def test_pixels_survive_the_way_to_tensors_and_back(scenes):
    assert (quantise(image_tensor(scenes.images)) == scenes.images).all()


def test_words_of_captions_are_single_tokens_and_other_texts_are_read_too(scenes):
    tokenizer = clip_tokenizer(scenes.captions, 40)
    for caption in scenes.captions:
        assert len(tokenizer(caption)["input_ids"]) == len(caption.split()) + 2
        assert tokenizer.decode(tokenizer(caption)["input_ids"], skip_special_tokens=True).strip() == caption
    assert tokenizer.eos_token_id == len(tokenizer) - 1 == tokenizer.pad_token_id
    ids = token_ids(tokenizer, ["Zebra № 7, qwx", "word " * 60])
    assert ids.shape == (2, 40) and ids[1, -1] == tokenizer.eos_token_id and (ids != tokenizer.bos_token_id).sum() == 78
    assert tokenizer.decode(ids[0], skip_special_tokens=True).replace(" ", "") == "zebra№7,qwx"


class Line:
    """A part that learns y = 3 x."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.network: nn.Module = nn.Linear(1, 1)
        self.calls = itertools.count(1)
        self.stop_at = 0

    def loss(self, step):
        if next(self.calls) == self.stop_at:
            raise TrainingError("stopped")
        x = torch.randn(8, 1)
        return {"total": (self.network(x) - 3 * x).square().mean()}

    def validate(self, network):
        return {"slope": float(network.weight)}

    def export(self, network, folder):
        raise NotImplementedError


TRAINING = TrainingSettings(steps=12, learning_rate=0.1, warmup=2, ema=0.5, validate_every=4, checkpoint_every=3)


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(tmp_path):
    whole = train(Line(), TRAINING, tmp_path / "a", "line", print)
    cut = Line()
    cut.stop_at = 8
    with pytest.raises(TrainingError, match="stopped"):
        train(cut, TRAINING, tmp_path / "b", "line", print)
    resumed = train(Line(), TRAINING, tmp_path / "b", "line", print)
    assert torch.equal(whole.network.weight, resumed.network.weight)
    assert [row["slope"] for row in whole.curve] == [row["slope"] for row in resumed.curve]
    assert [row["step"] for row in whole.curve] == [4, 8, 12] and whole.curve[-1]["total"] < whole.curve[0]["total"]
    with pytest.raises(TrainingError, match="belongs to another training"):
        train(Line(), TRAINING, tmp_path / "a", "other", print)


def test_what_is_kept_is_the_average(tmp_path):
    part = Line()
    kept = train(part, TRAINING, tmp_path, "line", print).network
    assert not torch.equal(kept.weight, part.network.weight)


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path):
    part = Line()
    part.loss = lambda step: {"total": part.network(torch.full((1, 1), torch.inf)).sum()}
    with pytest.raises(TrainingError, match="step 1"):
        train(part, TRAINING, tmp_path, "line", print)


def test_imitations_depend_on_their_seed_and_look_like_the_image(scenes):
    image = np.asarray(scenes.images[0])
    damaged = [imitate(image, seed) for seed in range(20)]
    assert (imitate(image, 5) == damaged[5]).all() and len({each.tobytes() for each in damaged}) > 15
    errors = [np.abs(each.astype(float) - image).mean() for each in damaged]
    assert max(errors) < 40 and sum(error > 1 for error in errors) > 12


def test_coarse_images_come_from_codecs_and_imitations(scenes):
    class Flat(Codec):
        def __init__(self, level):
            object.__setattr__(self, "level", level)

        def pass_through(self, images, seed):
            return np.full_like(images, self.level)

    coarse = degraded_images(np.asarray(scenes.images), [Flat(7), Flat(9)], imitated=0.5, seed=0)
    flat = [int(image[0, 0, 0]) for image in coarse if (image == image[0, 0, 0]).all()]
    assert sorted(flat) == [7] * 6 + [9] * 6
    assert degraded_images(np.asarray(scenes.images), [], imitated=0.0, seed=0).shape == scenes.images.shape


def test_maps_are_white_on_black(scenes):
    (image,) = maps([scenes.mask(0)])
    assert image.shape == (64, 64, 3) and set(np.unique(image)) == {0, 255}
    assert (image[..., 1] > 0).sum() == scenes.mask(0).sum()


def test_codecs_of_the_editor_are_those_of_the_grid():
    both = codec_jobs("quick", ["swinjscc", "deepjscc"], ["cr=[1/24]"])
    assert [job.label for job in both] == ["deepjscc/default 1/24", "swinjscc/base 1/24"]
    assert all(find(job.identity, [SHIPPED.parent / "checkpoints"]) for job in both)
    jobs = codec_jobs("quick", ["deepjscc"], ["cr=[1/24]"])
    assert [job.label for job in jobs] == ["deepjscc/default 1/24"] and jobs[0].settings.crop == 64
    assert codec_jobs("quick", [], []) == []
    with pytest.raises(TrainingError, match="has none of the codecs nobody"):
        codec_jobs("quick", ["nobody"], [])


def test_a_part_counts_as_made_only_as_it_was_made(tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "weights").write_bytes(b"1")
    assert recipe.problem(tmp_path, "clip", "id") == "absent"
    recipe.seal(tmp_path, "clip", "id")
    assert recipe.problem(tmp_path, "clip", "id") is None
    assert recipe.problem(tmp_path, "clip", "other") == "of another recipe"
    (folder / "weights").write_bytes(b"2")
    assert recipe.problem(tmp_path, "clip", "id") == "changed: weights"
    (folder / "weights").unlink()
    assert recipe.problem(tmp_path, "clip") == "changed: weights"


def test_identities_follow_settings_and_what_a_part_builds_on(tmp_path):
    def scene_models(budget):
        return SceneModels(budget, tmp_path, tmp_path, tmp_path, print)

    brighter = FULL.model_copy(update={"autoencoder": FULL.autoencoder.model_copy(update={"latents": 6})})
    plain, changed = ({name: scene_models(budget).identity(name) for name in NEEDS} for budget in (FULL, brighter))
    assert {name for name in NEEDS if plain[name] != changed[name]} == {"autoencoder", "draft", "generator", "editor"}
    assert len(set(plain.values())) == len(NEEDS) and BUDGETS["full"] is FULL


@pytest.mark.skipif(not (SHIPPED / recipe.CHECKSUMS).is_file(), reason="the scene models' weights are not here: make scene models")
@pytest.mark.parametrize("part", [name for name in NEEDS if name not in PASSING])
def test_what_is_shipped_is_what_its_recipe_made(part, tmp_path):
    scene_models = SceneModels(FULL, SHIPPED, tmp_path, tmp_path, print)
    assert recipe.problem(SHIPPED, part, scene_models.identity(part)) is None
