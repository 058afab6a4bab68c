"""Coarse reconstructions for the editor to learn from: received images of small codecs, and imitations of what codecs do.

::

    scene ──┬─ codec ── suite's link at a random SNR ── codec ──────────────────────> received image
            ├─ two or three of: down-up sampling, blur, noise, coloured noise, JPEG ─> imitation
            └─ mask, white on black ─────────────────────────────────────────────────> map
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.common.images import image_tensor, quantise
from benchmarks.link.draws import TrainingDraws
from benchmarks.link.link import Link
from methods.base import Geometry, TrainableMethod
from suite.config.grid import full_entry
from suite.config.reading import build_grid, override, read_grid
from suite.errors import TrainingError
from suite.link.end_to_end import Ends, Sending, Source
from suite.link.training import TrainingLinkProvider
from suite.prepare import prepare
from suite.train.checkpoint import Checkpoint, find
from suite.train.jobs import TrainingJob, build, train_job
from suite.train.optimisation import drawn, key

CHUNK = 50


@dataclass(frozen=True)
class Codec:
    """A trained codec on the suite's link.

    Attributes:
        job: what it was trained for.
        checkpoint: its weights.
    """

    job: TrainingJob
    checkpoint: Checkpoint

    def pass_through(self, images: np.ndarray, seed: int) -> np.ndarray:
        """Return uint8 (N, n, n, 3) images as received, each chunk at an SNR drawn from those of the training."""
        job, side = self.job, images.shape[1]
        method: TrainableMethod = build(job.configured, Geometry(side, side, job.cr), job.settings.seed)
        self.checkpoint.load_into(method)
        method.eval()
        link_provider = TrainingLinkProvider(Link(job.link), side)
        received = []
        for start in range(0, len(images), CHUNK):
            snr = drawn(job.settings.snr_db, seed, job.label, "snr", start)
            rate = drawn(job.rates, seed, job.label, "rate", start)
            point = link_provider.point(rate, snr, drawn(job.settings.channels, seed, job.label, "channel", start))
            draws = TrainingDraws(torch.Generator().manual_seed(key(seed, job.label, "noise", start)))
            with torch.inference_mode():
                sending = Sending(Ends(method, method), Source(image_tensor(images[start : start + CHUNK])))
                decoded = sending.send_uncounted(link_provider.link(draws), point).decoded
            if decoded is None:
                raise TrainingError(f"{job.label} receives no image by itself; name other codecs in the editor's settings")
            received.append(quantise(decoded.clamp(0.0, 1.0)))
        return np.concatenate(received)


def codec_jobs(grid: str, methods: Sequence[str], changes: Sequence[str]) -> list[TrainingJob]:
    """Return the trainings of some methods of a grid, each in its default variant: one that sends images by itself, without captions.

    Args:
        grid: built-in grid or file.
        methods: names.
        changes: ``KEY=VALUE``, as on the command line.

    Raises:
        TrainingError: the grid has none of the methods.
    """
    keys = read_grid(grid)
    # The first entry of a method is that of its default variant; others are of variants with settings of their own.
    first = {entry["name"]: entry for entry in reversed([full_entry(entry) for entry in keys["methods"]])}
    keys["methods"] = [entry | {"variants": ()} for name, entry in reversed(first.items()) if name in methods]
    if methods and not keys["methods"]:
        raise TrainingError(f"the grid {grid} has none of the codecs {', '.join(methods)}; name others in the editor's settings")
    if not methods:
        return []
    keys |= {"metrics": [], "generative": {}}
    return list(prepare(build_grid(override(keys, changes))).jobs.values())


def trained_codecs(jobs: Sequence[TrainingJob], folders: Sequence[Path], out: Path) -> list[Codec]:
    """Return the codecs of the jobs, those without a checkpoint in ``folders`` or ``out`` trained into ``out``."""
    codecs = []
    for job in jobs:
        checkpoint = find(job.identity, [*folders, out]) or train_job(job, out)
        if checkpoint is not None:
            codecs.append(Codec(job, checkpoint))
    return codecs


def degraded_images(images: np.ndarray, codecs: Sequence[Codec], imitated: float, seed: int) -> np.ndarray:
    """Return a coarse version of each of uint8 (N, n, n, 3) images: a share of imitations, the rest split among the codecs."""
    order = np.random.Generator(np.random.Philox(key=key(seed, "coarse"))).permutation(len(images))
    cut = round(imitated * len(images)) if codecs else len(images)
    coarse = np.empty_like(images)
    for row in order[:cut]:
        coarse[row] = imitate(images[row], key(seed, "imitation", int(row)))
    for codec, rows in zip(codecs, np.array_split(order[cut:], max(len(codecs), 1)), strict=False):
        coarse[rows] = codec.pass_through(images[rows], seed)
    return coarse


def imitate(image: np.ndarray, seed: int) -> np.ndarray:
    """Return a uint8 (n, n, 3) image damaged as low-rate codecs and noisy links damage images."""
    random = np.random.Generator(np.random.Philox(key=seed))
    sample_image, side = image_tensor(image[None]), image.shape[0]
    if random.random() < 0.7:
        small = side // int(random.choice([2, 3, 4, 6]))
        sample_image = F.interpolate(sample_image, size=(small, small), mode="area")
        sample_image = F.interpolate(sample_image, size=(side, side), mode=str(random.choice(["bilinear", "bicubic"])))
    if random.random() < 0.5:
        sample_image = _blurred(sample_image, float(random.uniform(0.5, 1.6)))
    if random.random() < 0.5:
        # Coarse noise in each colour: what a latent with symbols in error decodes to.
        cells = int(random.choice([8, 16, 32]))
        blotches = torch.from_numpy(random.standard_normal((1, 3, cells, cells)).astype(np.float32))
        sample_image = sample_image + F.interpolate(blotches, size=(side, side), mode="bicubic") * float(random.uniform(0.02, 0.1))
    if random.random() < 0.3:
        sample_image = sample_image + torch.from_numpy(random.standard_normal(sample_image.shape).astype(np.float32)) * float(
            random.uniform(0.01, 0.05)
        )
    damaged: np.ndarray = quantise(sample_image.clamp(0.0, 1.0))[0]
    return _jpeg(damaged, int(random.integers(5, 40))) if random.random() < 0.3 else damaged


def maps(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Return uint8 (n, n) masks in {0, 1} as uint8 (N, n, n, 3) images, white on black."""
    white: np.ndarray = np.stack(masks)[..., None].repeat(3, axis=-1) * np.uint8(255)
    return white


def _blurred(sample_image: torch.Tensor, deviation: float) -> torch.Tensor:
    from torchvision.transforms.functional import gaussian_blur

    blurred: torch.Tensor = gaussian_blur(sample_image, [7, 7], [deviation, deviation])
    return blurred


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    from PIL import Image

    coded = io.BytesIO()
    Image.fromarray(image).save(coded, format="JPEG", quality=quality)
    return np.asarray(Image.open(coded, formats=["JPEG"]))
