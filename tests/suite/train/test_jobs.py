"""Training jobs, their identities and checkpoints, on images in a folder; no Ray."""

import json
import logging
import pickle
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.common.errors import BudgetError, LinkError, UnknownNameError
from benchmarks.link.draws import TrainingDraws
from benchmarks.link.link import Link, LinkSettings
from methods.base import Geometry, Signal
from methods.deepjscc import DeepJSCC
from methods.errors import CheckpointMismatchError
from suite.config.methods import ConfiguredMethod
from suite.config.training import TrainingSettings
from suite.errors import SettingsError, TrainingError
from suite.link.training import TrainingLinkProvider
from suite.train.checkpoint import Checkpoint, find
from suite.train.jobs import TrainingJob, build, device_of, load_card_settings, train_job
from suite.train.loop import RESUME
from suite.train.protocols import Placement
from suite.train.sources import ImageSource


def write_images(folder: Path) -> None:
    folder.mkdir()
    numbers = np.random.Generator(np.random.Philox(3))
    for index in range(12):
        small = Image.fromarray(numbers.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        small.resize((40, 36), Image.Resampling.BICUBIC).save(folder / f"{index}.png")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training") / "pictures"
    write_images(folder)
    return folder


def make_job(images: Path, /, cr: Fraction = Fraction(1, 12), search: int = 0, **training: object) -> TrainingJob:
    base = {
        "steps": 6,
        "batch": 4,
        "crop": 16,
        "warmup": 2,
        "log_every": 1,
        "validate_every": 3,
        "checkpoint_every": 2,
        "validation_pictures": 2,
    }
    settings = DeepJSCC.Settings.model_validate({"widths": (4, 4, 4, 4), "kernel": 3})
    who = ConfiguredMethod("deepjscc", "default", "compact", settings, TrainingSettings.model_validate({**base, **training}))
    return TrainingJob(who, cr, (cr,), ImageSource("folder", images), LinkSettings(), search)


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingJob, Path, Checkpoint]:
    job, out = make_job(images), tmp_path_factory.mktemp("checkpoints")
    checkpoint = train_job(job, out)
    assert checkpoint is not None
    return job, out, checkpoint


def test_a_job_shows_its_network_whole_images_where_its_training_resizes(images: Path, tmp_path: Path) -> None:
    crops, whole = make_job(images), make_job(images, images="resize")
    assert "images" not in crops.settings.of_weights() and whole.settings.of_weights()["images"] == "resize"
    assert crops == make_job(images, images="crop") and crops != whole
    data = whole.trainer(tmp_path, Placement()).data
    files = [Image.open(file).convert("RGB").resize((16, 16), Image.Resampling.BICUBIC) for file in sorted(images.iterdir())]
    known = [side.tobytes() for each in files for side in (np.asarray(each), np.asarray(each)[:, ::-1])]
    for batch in (data.batch(1, 4), data.validation()):
        assert all(image.mul(255).byte().permute(1, 2, 0).numpy().tobytes() in known for image in batch.images)
    assert not all(
        image.mul(255).byte().permute(1, 2, 0).numpy().tobytes() in known
        for image in crops.trainer(tmp_path, Placement()).data.batch(1, 4).images
    )


def test_checkpoint_tells_what_was_trained_and_is_found(trained: tuple[TrainingJob, Path, Checkpoint]) -> None:
    job, out, written = trained
    found = find(job.identity, [out / "nowhere", out])
    assert found == written
    card = json.loads((out / f"{job.name}.json").read_text())
    assert (card["method"], card["cr"], card["rates"], card["steps"], card["data"]) == ("deepjscc", "1/12", ["1/12"], 6, "folder")
    assert card["settings"]["widths"] == [4, 4, 4, 4] and card["training"]["learning_rate"] == 2e-3 and card["crop"] == 16
    assert set(card["validation"]) == {"psnr", *(f"psnr/awgn/{snr}dB" for snr in (1, 4, 7, 10))}
    assert card["versions"]["torch"] == torch.__version__.split("+")[0] or card["versions"]["torch"] == torch.__version__
    assert not (out / job.name / RESUME).exists() and (out / job.name / "curves.csv").exists()
    assert find("0" * 24, [out]) is None


def test_weights_come_back_as_they_were_trained(trained: tuple[TrainingJob, Path, Checkpoint], tmp_path: Path) -> None:
    job, _, written = trained
    trainer = job.trainer(tmp_path, Placement())
    result = trainer.run()
    other = build(job.configured, Geometry(16, 16, job.cr), seed=99)
    written.load_into(other)
    expected = trainer.method.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in other.state_dict().items())
    assert result.validation == written.card.validation


def test_half_precision_is_stored_and_read_as_float32(images: Path, trained: tuple[TrainingJob, Path, Checkpoint], tmp_path: Path) -> None:
    job = make_job(images, stored="float16")
    half = train_job(job, tmp_path)
    assert half is not None and half.path.stat().st_size < 0.75 * trained[2].path.stat().st_size
    small, full = (build(job.configured, Geometry(16, 16, job.cr), seed=0) for _ in range(2))
    half.load_into(small)
    trained[2].load_into(full)
    for name, value in small.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, full.state_dict()[name].half().float())


def test_corrupt_weights_are_reported_and_count_as_absent(images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = make_job(images, steps=2)
    checkpoint = train_job(job, tmp_path)
    assert checkpoint is not None
    content = bytearray(checkpoint.path.read_bytes())
    content[-3] ^= 1
    checkpoint.path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert find(job.identity, [tmp_path]) is None
    assert checkpoint.path.name in caplog.text and "SHA-256" in caplog.text
    with pytest.raises(TrainingError, match=r"corrupt.*train again"):
        checkpoint.load_into(build(job.configured, Geometry(16, 16, job.cr), 0))
    checkpoint.path.unlink()
    assert find(job.identity, [tmp_path]) is None
    checkpoint.path.with_suffix(".json").write_text("{ half a card")
    assert find(job.identity, [tmp_path]) is None


def test_weights_of_another_size_are_refused(trained: tuple[TrainingJob, Path, Checkpoint]) -> None:
    wider = build(make_job(Path(), Fraction(1, 6)).configured, Geometry(16, 16, Fraction(1, 6)), 0)
    with pytest.raises(CheckpointMismatchError, match="DeepJSCC"):
        trained[2].load_into(wider)


def test_identity_changes_with_what_matters_and_with_nothing_else(images: Path, tmp_path: Path) -> None:
    job = make_job(images)
    copy = tmp_path / "elsewhere"
    write_images(copy)
    more = tmp_path / "more"
    write_images(more)
    Image.new("RGB", (40, 40)).save(more / "another.png")
    same = [
        make_job(copy),
        make_job(images, threads=2, workers=3, processes=2, checkpoint_every=1, log_every=4, compile=True, validation_pictures=1),
        replace(job, link=LinkSettings(equalizer="zf")),
        pickle.loads(pickle.dumps(job)),
    ]
    assert {other.identity for other in same} == {job.identity}
    different = [
        make_job(more),
        make_job(images, Fraction(1, 6)),
        make_job(images, search=4),
        *(
            make_job(images, **change)
            for change in ({"seed": 1}, {"steps": 7}, {"learning_rate": 1e-3}, {"ema": 0.9}, {"snr_db": (1.0,)}, {"stored": "float16"})
        ),
        make_job(images, channels=("rayleigh",)),
        replace(make_job(images, channels=("rayleigh",)), link=LinkSettings(equalizer="zf")),
        replace(job, configured=replace(job.configured, variant="other")),
        job.chosen({"kernel": 5}),
    ]
    assert len({job.identity, *(other.identity for other in different)}) == 1 + len(different)


def test_a_choice_lands_in_method_and_training(images: Path) -> None:
    job = make_job(images, search=3).chosen({"kernel": 5, "training.learning_rate": 5e-4})
    assert job.configured.settings.kernel == 5 and job.settings.learning_rate == 5e-4 and job.search == 0  # type: ignore[attr-defined]
    with pytest.raises(SettingsError, match="the search space of deepjscc/default: 'kernel': input should be 3, 5 or 7, got 4"):
        make_job(images).chosen({"kernel": 4})


def test_initialisation_follows_the_seed_alone(images: Path) -> None:
    who = make_job(images).configured
    torch.manual_seed(1)
    first = build(who, Geometry(16, 16, Fraction(1, 12)), 0).state_dict()
    state = torch.random.get_rng_state()
    second = build(who, Geometry(16, 16, Fraction(1, 12)), 0).state_dict()
    third = build(who, Geometry(16, 16, Fraction(1, 12)), 1).state_dict()
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["encoder.0.weight"], third["encoder.0.weight"])


def test_settings_of_the_card_rebuild_the_contestant(trained: tuple[TrainingJob, Path, Checkpoint]) -> None:
    job, _, checkpoint = trained
    other = replace(job.configured, settings=DeepJSCC.Settings())
    assert load_card_settings(checkpoint, other).settings == job.configured.settings


def test_training_link_normalises_and_enforces_the_budget() -> None:
    link_provider = TrainingLinkProvider(Link(), 16)
    link = link_provider.link(TrainingDraws(torch.Generator().manual_seed(0)))
    point = link_provider.point(Fraction(1, 12), 40.0, "awgn")
    symbols = torch.complex(torch.full((2, 64), 30.0), torch.zeros(2, 64)).requires_grad_()
    received = link(Signal(analog=symbols, side=symbols[:, :8], digital=[b"a", b"bc"]), point)
    assert received.digital == [b"a", b"bc"] and received.intact == [True, True]
    assert received.side is not None and received.side.shape == (2, 8)
    torch.testing.assert_close(received.symbols().abs(), torch.ones(2, 64), atol=0.05, rtol=0)
    torch.testing.assert_close(received.noise_variance, torch.full((2, 64), 1e-4))
    received.symbols().abs().sum().backward()
    with pytest.raises(BudgetError, match="65 symbols an image, the budget is 64"):
        link(Signal(analog=torch.ones(1, 65, dtype=torch.complex64)), point)
    with pytest.raises(LinkError, match="without SNR"):
        link(Signal(analog=symbols), point.blind())
    with pytest.raises(UnknownNameError, match=r"unknown channel 'awg'\. Did you mean 'awgn'"):
        link_provider.point(None, 1.0, "awg")
    assert point.payload_bytes(500) > 0


def test_a_missing_gpu_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(TrainingError, match=r"training.gpus=1 and this process sees 0"):
        device_of(TrainingSettings(gpus=1, batch=1))


def test_data_with_one_image_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "only.png")
    with pytest.raises(TrainingError, match="at least two images"):
        ImageSource("folder", tmp_path).open(16, 0, 4).validation()
