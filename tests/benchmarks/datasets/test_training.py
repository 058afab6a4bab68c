"""Training batches: a function of seed and step, masks cut with their images, sides that never mix."""

import hashlib
import json

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.common.errors import DatasetError
from benchmarks.datasets import open_dataset, open_training
from benchmarks.datasets.splits import group_of, hold_out
from benchmarks.datasets.training import TrainingImages, TrainingSettings
from helpers.places import SHARED

DATA = SHARED / "data"
shared = pytest.mark.skipif(not DATA.is_dir(), reason="the images in ../shared/data are not here")


@pytest.fixture
def masked(tmp_path):
    """Six images whose red channel is their mask, so that any misalignment shows."""
    for number in range(6):
        noise = np.random.default_rng(number).integers(0, 256, (50, 70, 3), dtype=np.uint8)
        blob = np.zeros((50, 70), np.uint8)
        blob[8 + number : 36, 10 : 50 - number] = 255
        noise[..., 0] = blob
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(noise).save(tmp_path / f"p{number}.png")
        Image.fromarray(blob).save(tmp_path / "masks" / f"p{number}.png")
    return tmp_path


def images(root, **settings):
    return TrainingImages(open_training(root, image_size=32), TrainingSettings(**{"crop": 16, "validation": 0.0, **settings}))


def test_a_step_is_the_same_whoever_asks_and_whenever(masked):
    whole, resumed = images(masked), images(masked, cache_bytes=1)
    batches = [whole.batch(step, 4) for step in range(5)]
    for step in (4, 2):
        again = resumed.batch(step, 4)
        assert torch.equal(again.images, batches[step].images)
        assert torch.equal(again.masks, batches[step].masks)
    assert not torch.equal(batches[0].images, batches[1].images)
    assert not torch.equal(images(masked, seed=1).batch(0, 4).images, batches[0].images)


def test_shapes_and_ranges(masked):
    batch = images(masked).batch(3, 5)
    assert batch.images.shape == (5, 3, 16, 16) and batch.images.dtype == torch.float32
    assert batch.masks.shape == (5, 1, 16, 16) and set(batch.masks.unique().tolist()) <= {0.0, 1.0}
    assert batch.images.min() >= 0 and batch.images.max() <= 1
    assert batch.captions is None and batch.labels is None


@pytest.mark.parametrize("half_scale", [0.0, 1.0])
def test_masks_are_cut_with_their_images(masked, half_scale):
    training = images(masked, half_scale=half_scale)
    for step in range(6):
        batch = training.batch(step, 6)
        assert torch.equal(batch.masks, (batch.images[:, :1] >= 0.5).float())


def test_half_scale_is_the_mean_of_blocks(masked):
    training = images(masked, crop=25, half_scale=1.0, flip=False)
    drawn = training.batch(0, 6).images.mul(255).permute(0, 2, 3, 1)
    wholes = [np.asarray(Image.open(masked / f"p{number}.png"), dtype=float) for number in range(6)]
    means = [whole[:, left : left + 50].reshape(25, 2, 25, 2, 3).mean(axis=(1, 3)) for whole in wholes for left in range(21)]
    for crop in drawn.numpy():
        assert min(np.abs(crop - mean).max() for mean in means) <= 0.51


def test_resized_images_are_the_whole_ones_that_a_test_shows(masked):
    training = TrainingImages(open_training(masked, image_size=24), TrainingSettings(crop=24, images="resize", validation=0.0))
    shown = {id: training.dataset.load(id) for id in training.training}
    assert all(sample.image.shape == (24, 24, 3) for sample in shown.values())
    whole = {(side, id): sample.image[:, ::side] for id, sample in shown.items() for side in (1, -1)}
    masks = {(side, id): sample.mask[:, ::side] for id, sample in shown.items() for side in (1, -1)}
    met = set()
    for step in range(6):
        batch = training.batch(step, 6)
        for image, mask in zip(batch.images.mul(255).byte().permute(0, 2, 3, 1).numpy(), batch.masks[:, 0].numpy(), strict=True):
            (key,) = [key for key, each in whole.items() if np.array_equal(each, image)]
            assert np.array_equal(masks[key], mask)
            met.add(key)
    assert {id for _, id in met} == set(shown) and {side for side, _ in met} == {1, -1}


def test_crops_miss_what_is_salient_and_resized_images_never_do(tmp_path):
    (tmp_path / "masks").mkdir()
    for number in range(4):
        mask = np.zeros((120, 160), np.uint8)
        mask[10:50, 10:60] = 255
        Image.fromarray(np.full((120, 160, 3), 90 + number, np.uint8)).save(tmp_path / f"p{number}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"p{number}.png")
    found = {}
    for framing in ("crop", "resize"):
        dataset = open_training(tmp_path, image_size=40)
        training = TrainingImages(dataset, TrainingSettings(crop=40, images=framing, validation=0.0))
        found[framing] = torch.cat([training.batch(step, 8).masks for step in range(8)]).flatten(1).any(1).float().mean()
    assert found["crop"] < 0.8 and found["resize"] == 1


def test_resized_images_are_of_the_size_that_is_asked_for(masked):
    with pytest.raises(DatasetError, match=r"32 x 32 pixels are no training images of 16 x 16; open 'folder' with image_size=16"):
        images(masked, images="resize")


def test_the_fingerprint_of_crops_is_that_of_before_there_was_a_choice(masked):
    crops, whole = (
        TrainingImages(open_training(masked, image_size=16), TrainingSettings(crop=16, images=each)) for each in ("crop", "resize")
    )
    fields = {"crop": 16, "seed": 0, "half_scale": 0.5, "flip": True, "validation": 0.05, "masked_only": False}
    identity = json.dumps([crops.dataset.fingerprint(), fields, crops.training, crops.validation], sort_keys=True)
    assert crops.fingerprint() == hashlib.blake2b(identity.encode(), digest_size=16).hexdigest() != whole.fingerprint()


def test_an_epoch_visits_every_image_once(masked):
    training = images(masked, crop=50, flip=False)
    seen = [tuple(training._pick(position).id for position in range(epoch * 6, epoch * 6 + 6)) for epoch in range(3)]
    assert all(sorted(epoch) == [f"p{number}" for number in range(6)] for epoch in seen)
    assert len(set(seen)) > 1


def test_flips_are_about_half_and_can_be_off(masked):
    row = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    root = masked / "ramp"
    root.mkdir()
    Image.fromarray(row).save(root / "r.png")
    flipped = images(root).batch(0, 200).images
    rising = (flipped[:, 0, 0, -1] > flipped[:, 0, 0, 0]).float().mean()
    assert 0.35 < rising < 0.65
    steady = images(root, flip=False).batch(0, 50).images
    assert (steady[:, 0, 0, -1] > steady[:, 0, 0, 0]).all()


def test_small_images_are_enlarged(tmp_path):
    Image.new("RGB", (5, 9), (10, 20, 30)).save(tmp_path / "tiny.png")
    batch = images(tmp_path, crop=32).batch(0, 2)
    assert batch.images.shape == (2, 3, 32, 32)
    assert torch.allclose(batch.images[0, :, 0, 0] * 255, torch.tensor([10.0, 20.0, 30.0]))


def test_unreadable_image_is_named_and_replaced_alike(masked, caplog):
    broken = masked / "p3.png"
    broken.write_bytes(broken.read_bytes()[:100])
    training, resumed = images(masked), images(masked)
    batches = [training.batch(step, 6) for step in range(3)]
    assert list(training.unreadable) == ["p3"] and "p3.png" in training.unreadable["p3"]
    assert sum("p3.png" in record.message for record in caplog.records) == 1
    assert torch.equal(resumed.batch(2, 6).images, batches[2].images)


def test_nothing_readable_or_nothing_left(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(DatasetError, match=r"no training image .* can be read"):
        images(tmp_path).batch(0, 1)
    with pytest.raises(DatasetError, match="none comes with a mask"):
        images(tmp_path, masked_only=True)
    with pytest.raises(DatasetError, match="all are held out"):
        images(tmp_path, validation=1.0)


def test_cache_is_bounded(masked):
    bound = 3 * 50 * 70 * 4
    training = images(masked, cache_bytes=bound)
    for step in range(4):
        training.batch(step, 6)
        held = sum(sample.image.nbytes + sample.mask.nbytes for sample in training._cache.values())
        assert held == training._cached_bytes <= bound


def test_groups_are_scenes_of_frames_only():
    assert group_of("DUTS-TR/goat_00031") == group_of("DUTS-TR/goat_00007") == "DUTS-TR/goat"
    for id in ("VOC2012/2011_000003", "bsds500_train_100075", "bsds500_test_12003", "ILSVRC2012_test_00000004", "kodak/kodim01"):
        assert group_of(id) == id


def test_hold_out_is_disjoint_by_group_and_stable():
    ids = [f"scene{scene}_{frame:05d}" for scene in range(40) for frame in range(0, 30, 3)]
    train, held = hold_out(ids, 0.2)
    assert sorted(train + held) == sorted(ids)
    assert not {group_of(id) for id in train} & {group_of(id) for id in held}
    assert 0.05 < len(held) / len(ids) < 0.4
    assert set(hold_out(ids[::2], 0.2)[1]) <= set(held)
    assert hold_out(ids, 0.0) == (ids, [])
    assert len(hold_out(["a", "b"], 1e-9)[1]) == 1


def test_fingerprint_follows_what_changes_a_batch(masked):
    assert images(masked).fingerprint() == images(masked, cache_bytes=7).fingerprint()
    assert len({images(masked, **change).fingerprint() for change in ({}, {"seed": 1}, {"crop": 8}, {"validation": 0.3})}) == 4


def test_validation_is_whole_images_at_the_data_sets_size(masked):
    training = images(masked, validation=0.4)
    batch = training.validation_batch(0, 2)
    assert training.validation and not set(training.validation) & set(training.training)
    assert batch.images.shape[-2:] == (32, 32)
    expected = open_dataset("folder", masked, 32).load(training.validation[0]).image
    np.testing.assert_array_equal(batch.images[0].mul(255).round().byte().permute(1, 2, 0).numpy(), expected)


@shared
def test_duts_scenes_stay_on_one_side():
    training = TrainingImages(open_training(DATA, "duts"), TrainingSettings(crop=128, validation=0.25))
    scenes = [{id.rsplit("_", 1)[0] for id in side} for side in (training.training, training.validation)]
    assert scenes[0] and scenes[1] and not scenes[0] & scenes[1]
    batch = training.batch(0, 4)
    assert batch.masks is not None and 0 < batch.masks.mean() < 1
