"""Trainings as data: a job names all that determines its weights, and any process can carry it out.

::

    TrainingJob ──identity──> found in a checkpoint folder? ── yes ──> Checkpoint
                                └─ no ── build data, air, method ── Trainer ──> Checkpoint in out/
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache, cached_property
from typing import Any

import torch

from benchmarks.common.hashing import canonical, digest
from benchmarks.common.storage import StoragePath
from benchmarks.datasets.base import Framing
from benchmarks.link.digital.mcs import SLOW_FADING
from benchmarks.link.link import Link, LinkSettings
from methods.base import Geometry, TrainableMethod
from suite.config.method_code import method_code
from suite.config.methods import ConfiguredMethod
from suite.config.reading import validate
from suite.config.training import TrainingSettings
from suite.errors import TrainingError
from suite.link.training import TrainingLinkProvider
from suite.runs.provenance import git_state, hardware, versions
from suite.train import checkpoint
from suite.train.checkpoint import Checkpoint
from suite.train.loop import RESUME
from suite.train.optimisation import key
from suite.train.protocols import DataSpec, Placement, Report
from suite.train.trainer import Trainer

# Raised when the same job, data and settings would no longer give the same weights.
IDENTITY = 1
TRAINING_KEY = "training."


@dataclass(frozen=True)
class TrainingJob:
    """One network to train; picklable.

    Attributes:
        method: the configured method with its training settings.
        cr: the compression ratio it is built for; ``None`` for a fixed-rate method and for one model for all rates.
        rates: compression ratios met in training; one for a network of one ratio, none for a fixed-rate method.
        data: the training data.
        link: equaliser and channel parameters.
        search: trials of a search before the training; 0 for none.
    """

    configured: ConfiguredMethod
    cr: Fraction | None
    rates: tuple[Fraction, ...]
    data: DataSpec
    link: LinkSettings = field(default_factory=LinkSettings)
    search: int = 0

    @property
    def settings(self) -> TrainingSettings:
        """The training settings."""
        return self.configured.training

    @property
    def label(self) -> str:
        """The job's name in messages, ``swinjscc/sa 1/24``."""
        rates = str(self.cr) if self.cr is not None else ",".join(map(str, self.rates))
        return f"{self.configured.label} {rates}".strip()

    @property
    def name(self) -> str:
        """The job's file name, ``swinjscc-sa-1_24-<start of the identity>``."""
        rate = str(self.cr).replace("/", "_") if self.cr is not None else "all" if self.rates else "fixed"
        variant = self.configured.variant.replace("/", "-")
        return f"{self.configured.method}-{variant}-{rate}-{self.identity[:8]}"

    @cached_property
    def identity(self) -> str:
        """Hash of what determines the weights; processes, GPUs, paths and intervals do not."""
        who, training = self.configured, self.settings
        return digest(
            "checkpoint",
            {
                "identity": IDENTITY,
                "method": who.method,
                "variant": trained_variant(who),
                "settings": who.settings.identity_fields(who.cls.Settings.evaluation_only),
                "cr": self.cr,
                "rates": self.rates,
                "training": training.of_weights(),
                "link": _link_of(self.link, training.channels),
                "data": _fingerprint(self.data, training.crop, training.seed, training.validation_pictures, training.images),
                "search": self.search,
            },
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrainingJob) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def chosen(self, choice: Mapping[str, Any]) -> "TrainingJob":
        """Return the job with a search's choice applied, without a search of its own.

        Raises:
            SettingsError: the method or its training has no such setting, or the value is not allowed.
        """
        own = {name: value for name, value in choice.items() if not name.startswith(TRAINING_KEY)}
        training = {name.removeprefix(TRAINING_KEY): value for name, value in choice.items() if name.startswith(TRAINING_KEY)}
        who = self.configured
        where = f"the search space of {who.label}"
        settings = validate(who.cls.Settings, {**who.settings.model_dump(), **own}, where)
        trained = validate(TrainingSettings, {**self.settings.model_dump(), **training}, where)
        return replace(self, configured=replace(who, settings=settings, training=trained), search=0)

    def trainer(self, folder: StoragePath, placement: Placement) -> Trainer:
        """Return the trainer of this job, its method's weights drawn by the job's seed.

        Raises:
            TrainingError: the method is not trainable.
        """
        training = self.settings
        data = self.data.open(training.crop, training.seed, training.validation_pictures, training.images)
        return Trainer(
            build(self.configured, Geometry(training.crop, training.crop, self.cr), training.seed),
            data,
            TrainingLinkProvider(Link(self.link), training.crop),
            training,
            folder,
            rates=self.rates,
            identity=self.identity,
            placement=placement,
        )


def build(configured: ConfiguredMethod, geometry: Geometry, seed: int) -> TrainableMethod:
    """Return the method with its weights drawn by ``seed``, the caller's random state untouched.

    Raises:
        TrainingError: the method is not trainable.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key(seed, "initialisation"))
        method = configured.cls(configured.settings, geometry)
    if not isinstance(method, TrainableMethod):
        raise TrainingError(f"{configured.label} has no weights to train; leave it out of the trainings")
    return method


def train_job(
    job: TrainingJob,
    out: StoragePath,
    report: Report | None = None,
    placement: Placement | None = None,
    *,
    requested: TrainingJob | None = None,
    search: Mapping[str, Any] | None = None,
) -> Checkpoint | None:
    """Train a job in this process and write its checkpoint into ``out``; curves and state lie in ``out/<name>/``.

    Args:
        job: what to train.
        out: folder of checkpoints.
        report: called as training goes on.
        placement: the process's rank and device; chosen by the settings if not given.
        requested: the job with its search that ``job`` is the outcome of; the checkpoint is found under its identity.
        search: what the card tells of the search.

    Returns:
        The checkpoint, ``None`` in every process but the first.
    """
    asked = requested or job
    placement = placement or Placement(device=device_of(job.settings))
    folder = out / asked.name
    trainer = job.trainer(folder, placement)
    result = trainer.run(report)
    if not placement.first:
        return None
    who, training = job.configured, job.settings
    written = checkpoint.write(
        out,
        asked.name,
        trainer.method,
        training.stored,
        identity=asked.identity,
        method=who.method,
        variant=who.variant,
        preset=who.preset,
        settings=canonical(_trained_settings(who)),
        cr=str(job.cr) if job.cr is not None else None,
        rates=tuple(map(str, job.rates)),
        crop=training.crop,
        data=job.data.name,
        data_fingerprint=trainer.data.fingerprint(),
        training=training.model_dump(mode="json"),
        search=dict(search) if search is not None else None,
        seed=training.seed,
        steps=result.steps,
        minutes=result.seconds / 60.0,
        losses=result.losses,
        validation=result.validation,
        hardware={**hardware(), "processes": placement.world, "device": placement.device},
        git=git_state(),
        code=method_code(who.cls),
        versions=versions(),
    )
    (folder / RESUME).unlink(missing_ok=True)
    return written


def try_job(
    job: TrainingJob, folder: StoragePath, validate_every: int, report: Report | None = None, placement: Placement | None = None
) -> None:
    """Train a job in ``folder`` for its validation scores alone, at least every ``validate_every`` steps; no checkpoint is written."""
    interval = min(job.settings.validate_every, validate_every)
    often = job.chosen({f"{TRAINING_KEY}validate_every": interval})
    often.trainer(folder, placement or Placement(device=device_of(job.settings))).run(report)


def device_of(settings: TrainingSettings, index: int = 0) -> str:
    """Return the torch device that the settings ask for.

    Raises:
        TrainingError: a GPU is asked for and this process sees none.
    """
    if not settings.gpus:
        return "cpu"
    if index >= torch.cuda.device_count():
        raise TrainingError(
            f"training.gpus={settings.gpus} and this process sees {torch.cuda.device_count()}; set training.gpus=0 for the CPU"
        )
    return f"cuda:{index}"


def load_card_settings(found: Checkpoint, configured: ConfiguredMethod) -> ConfiguredMethod:
    """Return ``configured`` as its checkpoint was trained: after a search, with the settings that were chosen.

    What training does not read stays as the method has it.
    """
    settings = configured.cls.Settings.model_validate_json(json.dumps(found.card.settings))
    own = {name: getattr(configured.settings, name) for name in configured.cls.Settings.evaluation_only}
    return replace(configured, settings=settings.model_copy(update=own))


def code_note(job: TrainingJob, found: Checkpoint) -> str | None:
    """Return that a checkpoint was trained by other code of its method than there is now, ``None`` where it was not or nobody knows."""
    if found.card.code in (None, "", method_code(job.configured.cls)):
        return None
    return f"the weights of {job.label} were trained before the method's code changed"


def _trained_settings(configured: ConfiguredMethod) -> dict[str, Any]:
    return configured.settings.model_dump(mode="python", exclude=set(configured.cls.Settings.evaluation_only))


def trained_variant(configured: ConfiguredMethod) -> str:
    """Return the first of the variants that training cannot tell from the method's."""
    cls, unread = configured.cls, configured.cls.Settings.evaluation_only

    def trained(variant: str) -> dict[str, Any]:
        return {name: value for name, value in cls.variants[variant].items() if name not in unread}

    own = configured.variant
    return own if own not in cls.variants else next(name for name in cls.variants if trained(name) == trained(own))


@cache
def _fingerprint(data: DataSpec, crop: int, seed: int, held_out: int, images: Framing) -> str:
    return data.open(crop, seed, held_out, images).fingerprint()


def _link_of(link: LinkSettings, channels: tuple[str, ...]) -> dict[str, Any]:
    """Return what of the link the channels of a training meet."""
    table = Link(link)
    met: dict[str, Any] = {}
    if any(table.channel(name).fading for name in channels):
        met["equalizer"] = link.equalizer
    if "rician" in channels:
        met["rician_k"] = link.rician_k
    if any(name.startswith("tdl") for name in channels):
        # Neighbouring symbols stand far apart in frequency; before they stood side by side.
        met |= {"ofdm": link.ofdm, "grid": "interleaved"}
    if link.digital.harq and set(SLOW_FADING) & set(channels):
        met["harq"] = True
    return met
