"""One image through one method over one draw of the channel, in this process: the shortest way to see what a method does.

::

    image ──fit──> 64 x 64 ──describe, encode──> Signal ──link──> Received ──decode, refine──> Transmitted
                              network and weights of the quick grid, or a checkpoint of one's own

Example:
    >>> image = np.linspace(0, 1, 96 * 128 * 3).reshape(96, 128, 3)
    >>> clear, noisy = (transmit("deepjscc", image, cr="1/24", snr_db=snr_db, channel="awgn") for snr_db in (10, 1))
    >>> clear.original.shape, clear.symbols
    ((64, 64, 3), 512)
    >>> errors = [np.square(sent.reconstruction - 1.0 * sent.original).mean() for sent in (clear, noisy)]
    >>> bool(errors[0] < errors[1])
    True
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.common.errors import ImageError
from benchmarks.common.images import quantise
from benchmarks.common.storage import StoragePath, open_path
from benchmarks.datasets import Sample
from benchmarks.datasets.base import Fit
from benchmarks.datasets.images import fitted_rgb, read_rgb, resize_mask
from benchmarks.link.digital import readable
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.ledger import Entry
from benchmarks.link.link import Link
from methods.generative import ModelClient
from suite.config.compose import compose
from suite.config.grid import Grid
from suite.config.methods import ConfiguredMethod
from suite.errors import EvaluationError
from suite.evaluate.executors.inline import on_one_thread
from suite.evaluate.stages.images import Batch, assemble
from suite.evaluate.stages.networks import Networks
from suite.evaluate.stages.outcomes import shaped
from suite.link.adapter import operating_point
from suite.link.end_to_end import Ends, Sending, Source, Transmission
from suite.loading import GRID, Loaded
from suite.prepare import SHIPPED, Prepared, check_fits, prepare
from suite.train import checkpoint
from suite.train.checkpoint import Checkpoint
from suite.train.jobs import load_card_settings

ImageLike = str | Path | Image.Image | np.ndarray


@dataclass(frozen=True)
class Transmitted:
    """What became of an image.

    Attributes:
        method: ``method/variant``.
        original: uint8 (H, W, 3), the image as the sender got it.
        reconstruction: uint8 (H, W, 3), what the receiver ends with.
        decoded: uint8 (H, W, 3) before the generative stage; ``None`` where none follows, or where it starts from text alone.
        ledger: what the transmission cost and met.
        text: the text that arrived, U+FFFD for what is damaged; ``None`` of a method that sends none.
    """

    method: str
    original: np.ndarray
    reconstruction: np.ndarray
    decoded: np.ndarray | None
    ledger: Entry
    text: str | None

    @property
    def symbols(self) -> int:
        """All channel symbols spent, pilots included."""
        return self.ledger.symbols_total

    @property
    def measured_snr_db(self) -> float:
        """Mean symbol power over the realised mean noise power, in dB; NaN if nothing was sent."""
        return self.ledger.measured_snr_db


def transmit(
    method: str | Loaded,
    image: ImageLike,
    cr: str | Fraction | None = None,
    snr_db: float = 4.0,
    channel: str = "awgn",
    *,
    variant: str | None = None,
    weights: str | StoragePath | None = None,
    seed: int = 1,
    repetition: int = 0,
    name: str = "image",
    caption: str = "",
    mask: np.ndarray | None = None,
    device: str = "cpu",
) -> Transmitted:
    """Send one image through one method and return what its receiver makes of it.

    Network and weights are those of the quick grid; at its ratios, 1/24 and 1/48, they lie in ``results/reference``. The image is stretched
    to that grid's 64 x 64 pixels. An evaluation of it under the same name meets the same noise and ends with the same bits.

    Args:
        method: name of a method, or one that :func:`suite.load_method` opened.
        image: path of a file, PIL image, or (H, W, 3) array, uint8 or floating-point in [0, 1].
        cr: compression ratio, that of an opened method by default, else 1/24; a fixed-rate method does not read it.
        snr_db: of the channel, in dB.
        channel: its name.
        variant: of the method; the grid's own by default.
        weights: checkpoint file, with its card beside it; by default the one that was trained for this grid.
        seed, repetition, name: key the noise, as the run's seed, the cell's repetition and the image's id do in an evaluation.
        caption: text that came with the image, for the captioner ``dataset``.
        mask: (H, W) saliency in {0, 1}, resized as the image is, for a variant whose sender is told it.
        device: torch device of the networks.

    Raises:
        EvaluationError: there are no weights for the method at this ratio, or those given are not its own.
        SettingsError, UnknownNameError, ImageError, BenchmarkError, MethodError: an argument is wrong, or the method fails.
    """
    cell = (f"snr_db=[{snr_db}]", f"channels=[{channel}]", f"seed={seed}", "metrics=[]")
    if isinstance(method, Loaded):
        grid, configured, ratio, path = _opened(method, cr, cell, (variant, weights))
    else:
        grid, configured, ratio, path = _named(method if variant is None else f"{method}/{variant}", cr or "1/24", cell, weights)
    size = (grid.image_size, grid.image_size)
    told = None if mask is None else resize_mask(np.asarray(mask, dtype=np.uint8), size, grid.fit)
    sample = Sample(name, as_rgb(image, size, grid.fit), told, caption=caption)
    # Filled up as in an evaluation, whose kernels see a whole batch.
    batch = assemble({name: sample}, [name], grid.evaluation.batch, device)
    ends = Networks(device, ModelClient()).build(configured, size, ratio, path)
    draws = KeyedDraws(seed, batch.keys, channel, snr_db, repetition)
    sent, final = on_one_thread(lambda batch: _through(ends, batch, grid, ratio, draws), batch)
    refined = configured.traits.refines
    return Transmitted(
        configured.label,
        sample.image,
        _pixels(final, batch),
        _pixels(sent.decoded, batch) if refined and sent.decoded is not None else None,
        sent.entries[0],
        _text(sent),
    )


def as_rgb(image: ImageLike, size: tuple[int, int], fit: Fit = "squash") -> np.ndarray:
    """Return an image of any kind that :func:`transmit` takes as uint8 (height, width, 3) of ``size``.

    Raises:
        ImageError: it is a file that cannot be read, or an array of another shape, type or range.

    Example:
        >>> as_rgb(np.zeros((96, 128, 3)), (64, 64)).shape
        (64, 64, 3)
    """
    if isinstance(image, str | Path):
        return read_rgb(Path(image), size, fit)
    if isinstance(image, Image.Image):
        return fitted_rgb(image.copy(), size, fit, name="the image")
    pixels = np.asarray(image)
    fractions = np.issubdtype(pixels.dtype, np.floating) and bool(((pixels >= 0) & (pixels <= 1)).all())
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size or not (pixels.dtype == np.uint8 or fractions):
        span = f", from {pixels.min():g} to {pixels.max():g}," if pixels.size and np.issubdtype(pixels.dtype, np.number) else ""
        raise ImageError(
            f"an array of {pixels.dtype} {pixels.shape}{span} is no image; give (H, W, 3), uint8 or floating-point numbers from 0 to 1"
        )
    if fractions:
        pixels = quantise(torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None])[0]
    return fitted_rgb(Image.fromarray(pixels), size, fit)


@torch.inference_mode()
def _through(ends: Ends, batch: Batch, grid: Grid, cr: Fraction | None, draws: KeyedDraws) -> tuple[Transmission, Any]:
    """Return the transmission of a batch, and the images that its receiver ends with."""
    channel, snr_db, _ = draws.cell
    link = Link(grid.link)
    point = operating_point(link, cr, snr_db, channel)
    texts = ends.sender.describe(batch.images, batch.captions)
    sent = Sending(ends, Source(batch.images, batch.masks, texts)).send(link, draws, point)
    if not ends.receiver.traits(ends.receiver.settings).refines:
        return sent, sent.decoded
    return sent, ends.receiver.refine(sent.decoded, sent.received, point).images


def _text(sent: Transmission) -> str | None:
    texts = sent.received.texts if sent.signal.texts is not None else sent.received.digital if sent.signal.text else None
    return readable(texts[0] or b"") if texts is not None else None


def _pixels(images: Any, batch: Batch) -> np.ndarray:
    pixels: np.ndarray = quantise(shaped(images, batch.images.shape))[0]
    return pixels


# Grid, method, ratio, weights.
Found = tuple[Grid, ConfiguredMethod, Fraction | None, StoragePath | None]


def _named(label: str, cr: str | Fraction, cell: Sequence[str], weights: str | StoragePath | None) -> Found:
    """Return the quick grid of one method and one cell, checked, the method as it was trained, the ratio asked for, and weights."""
    own, asked = compose(GRID, label, None, None, cell), compose(GRID, label, None, None, [*cell, f"cr=['{cr}']"])
    # One network for all ratios was trained for those of the grid, and is found by them.
    prepared = prepare(own if asked.cr[0] in own.cr else asked)
    (ratio,) = prepared.configured_methods[0].ratios([asked.cr[0]])
    configured, path = _weights(prepared, prepared.configured_methods[0], ratio, weights)
    return prepared.grid, configured, ratio, path


def _opened(method: Loaded, cr: str | Fraction | None, cell: Sequence[str], besides: tuple[object, object]) -> Found:
    """Return the quick grid of one cell at the size of an opened method, the method, the ratio, and its weights."""
    if besides != (None, None):
        raise EvaluationError(f"{method.label} is opened with its variant and weights; leave variant and weights out")
    ratios = f"cr=['{cr or method.cr or '1/24'}']"
    grid = compose(GRID, method.label, None, None, [*cell, f"image_size={method.size}", ratios])
    (ratio,) = method.configured.ratios(grid.cr)
    if method.cr is not None and ratio != method.cr:
        raise EvaluationError(f"{method.path} holds weights of CR {method.cr}, not of CR {ratio}; leave cr out, or open the other network")
    check_fits(method.configured, (method.size, method.size), ratio)
    return grid, method.configured, ratio, method.path


def _weights(
    prepared: Prepared, configured: ConfiguredMethod, cr: Fraction | None, given: str | StoragePath | None
) -> tuple[ConfiguredMethod, StoragePath | None]:
    """Return the method as its weights were trained, and their file, ``None`` for a method without any."""
    job = prepared.jobs.get((configured.label, cr))
    if job is None:
        if given is not None:
            raise EvaluationError(f"{configured.label} has no weights; leave weights={given} out")
        return configured, None
    found = checkpoint.find(job.identity, [SHIPPED]) if given is None else _given(given, job.configured, job.cr)
    if found is None:
        raise EvaluationError(
            f"there are no weights for {job.label} among those that come with the {GRID} grid; take another ratio or variant, or train "
            f"them and give their file as weights"
        )
    return configured.as_trained(load_card_settings(found, job.configured)), found.path


def _given(weights: str | StoragePath, configured: ConfiguredMethod, cr: Fraction | None) -> Checkpoint:
    path = open_path(weights)
    found = checkpoint.read(path.with_suffix(".json"))
    if found is None:
        raise EvaluationError(
            f"{path} is no checkpoint of this suite: no readable card lies beside it; give a .safetensors file with its card"
        )
    card = found.card
    if (card.method, card.cr) != (configured.method, None if cr is None else str(cr)):
        raise EvaluationError(
            f"{path} holds weights of {card.method} at CR {card.cr}, not of {configured.method} at CR {cr}; name its method and its cr"
        )
    return found
