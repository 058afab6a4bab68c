"""What a check works on: a configured method, networks of it, real images and the link."""

import functools
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

import torch

from benchmarks.common.errors import SemcomError, sentence_of
from benchmarks.datasets import open_dataset
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.link import Link
from methods.base import Geometry, Method, OperatingPoint, Received, Signal
from methods.errors import MissingAssetError
from methods.files import add_file
from methods.generative import ModelClient
from methods.registry import METHODS
from suite.config.compose import compose
from suite.config.grid import Grid
from suite.config.methods import ConfiguredMethod, resolve
from suite.evaluate.stages.images import Batch, assemble
from suite.evaluate.stages.networks import Networks
from suite.link.adapter import arrived_of, deliver, operating_point
from suite.link.end_to_end import Source, encode

T = TypeVar("T")

GRID = "quick"
SNR_DB, CHANNEL, SEED = 4.0, "awgn", 1
BATCH = 4
LONGEST = 300


class Fault(Exception):
    """What a check finds wrong, in one sentence that says how to mend it."""


class NotChecked(Exception):
    """Why a check has nothing to say of a method."""


def asked(what: str, call: Callable[[], T], mend: str = "") -> T:
    """Return what the method's own code returns; what it raises becomes a :class:`Fault` that begins with ``what``."""
    try:
        return call()
    except (Fault, NotChecked):
        raise
    except MissingAssetError as error:
        raise NotChecked(first_line(error)) from error
    # Foreign code, an exit included; Ctrl-C is the user's.
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        place = "" if isinstance(error, SemcomError) or not frames else f" ({frames[-1].filename}, line {frames[-1].lineno})"
        raise Fault(f"{what} raised {first_line(error)}{place}; {mend or 'mend it'}") from error


def first_line(error: BaseException) -> str:
    """Return what an exception says, without the pages that some libraries add."""
    return sentence_of(error).splitlines()[0].rstrip(" .:")[:LONGEST]


@dataclass(frozen=True)
class Subject:
    """A configured method under examination.

    Attributes:
        configured: the method.
        grid: its grid; of it the image size, the ratios and the link.
    """

    configured: ConfiguredMethod
    grid: Grid

    @property
    def ratio(self) -> Fraction | None:
        """The first ratio that it is evaluated at, ``None`` of a fixed-rate method."""
        return self.configured.ratios(self.grid.cr)[0]

    @functools.cached_property
    def link(self) -> Link:
        """The link."""
        return Link(self.grid.link)

    @functools.cached_property
    def networks(self) -> Networks:
        """What places networks."""
        return Networks("cpu", ModelClient())

    def build(self, size: int | None = None, cr: Fraction | None = None, seed: int = SEED) -> Method:
        """Return the method, in evaluation, for images of ``size`` pixels a side; every call gives an instance of its own."""
        side, ratio = size or self.grid.image_size, self.ratio if cr is None else cr
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return asked("building it", lambda: self.networks.place(self.configured.build(side, side, ratio), None))

    def batch(self, *order: int, size: int | None = None) -> Batch:
        """Return the built-in images of these numbers, filled up to a batch of :data:`BATCH`."""
        samples = _samples(size or self.grid.image_size)
        names = list(samples)
        return assemble(samples, [names[number] for number in order], BATCH, "cpu")

    def source(self, method: Method, batch: Batch) -> Source:
        """Return what a sender sees of a batch; masks only where its traits say so."""
        described = self.configured.traits.describes
        texts = asked("describe", lambda: method.describe(batch.images, batch.captions)) if described else None
        return Source(batch.images, batch.masks, texts)

    def point(self, cr: Fraction | None = None) -> OperatingPoint:
        """Return the operating point of the examination."""
        return operating_point(self.link, self.ratio if cr is None else cr, SNR_DB, CHANNEL)

    def encoded(self, method: Method, batch: Batch, cr: Fraction | None = None) -> Signal:
        """Return the signal of a batch, as the suite has it made: without SNR where the traits do not ask for it."""
        point = self.point(cr)
        blind = not self.configured.traits.uses_snr_at_sender
        mend = "a sender is told no SNR and no channel; do without, or say Traits(uses_snr_at_sender=True)"
        source = self.source(method, batch)
        reads = blind and _raises(lambda: encode(method, source, point)) and not _raises(lambda: encode_told(method, source, point))
        return asked("encode", lambda: encode(method, source, point), mend if reads else "")

    def received(self, signal: Signal, batch: Batch, cr: Fraction | None = None) -> Received:
        """Return what arrives of a signal, the same noise for an image whatever stands beside it."""
        ratio = self.ratio if cr is None else cr
        draws = KeyedDraws(SEED, batch.keys, CHANNEL, SNR_DB, 0)
        height, width = batch.images.shape[-2:]
        budget = Geometry(height, width).limit(ratio)
        in_budget = self.configured.traits.digital_in_budget
        mend = "send complex64 symbols, no more than geometry.symbols(point.cr), finite and not all zero"
        delivery = asked(
            "sending its signal",
            lambda: deliver(self.link, signal, self.point(cr), draws, budget=budget, digital_in_budget=in_budget),
            mend,
        )
        return arrived_of(delivery).without(self.configured.traits.refine_only)

    def decoded(self, method: Method, received: Received, cr: Fraction | None = None) -> Any:
        """Return what the receiver makes of what arrived."""
        return asked("decode", lambda: method.decode(received, self.point(cr)))


def subjects(place: str, assignments: tuple[str, ...] = ()) -> list[Subject]:
    """Return the methods that ``place`` names, one a variant.

    Args:
        place: ``NAME``, or ``PATH`` or ``PATH:CLASS`` of a file of one's own, for all variants; ``/VARIANT`` behind it for one.
        assignments: changes of the grid, as in ``image_size=128``.

    Raises:
        SemcomError: there is no such method, file or key.

    Example:
        >>> [subject.configured.label for subject in subjects("deepjscc")]
        ['deepjscc/default']
    """
    file, dot, rest = place.partition(".py")
    if dot:
        whole, _, variant = f"{file}.py{rest}".rpartition("/") if "/" in rest else (place, "", "")
        names = add_file(whole)
    else:
        name, _, variant = place.partition("/")
        names = [name]
    few = ("metrics=[]", "datasets=[scenes]", *assignments)
    found = []
    for name in names:
        for each in [variant] if variant else METHODS.get(name).variants:
            grid = compose(GRID, f"{name}/{each}", None, None, few)
            found += [Subject(configured, grid) for configured in resolve(grid)]
    return found


def encode_told(method: Method, source: Source, point: OperatingPoint) -> Signal:
    """Encode with full knowledge of the point, whatever the traits say."""
    return method.encode(source.images, point, source.descriptions)


def _raises(call: Callable[[], object]) -> bool:
    try:
        call()
    except (Exception, SystemExit):
        return True
    return False


@functools.cache
def _samples(size: int) -> dict[str, Any]:
    dataset = open_dataset("scenes", None, size, "test")
    return {name: dataset.load(name) for name in dataset.items()[:BATCH]}
