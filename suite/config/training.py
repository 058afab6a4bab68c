"""Settings of a training."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from benchmarks.common.hashing import without_first_values
from benchmarks.common.validation import Settings
from benchmarks.datasets.base import Framing
from benchmarks.link.settings import Decibel

# Fields that leave the trained weights alone (up to floating-point rounding); every other one enters the identity of a checkpoint.
LEAVES_WEIGHTS = frozenset(
    {
        "compile",
        "fused",
        "validation_pictures",
        "validate_every",
        "checkpoint_every",
        "log_every",
        "threads",
        "workers",
        "gpus",
        "processes",
        "nodes",
    }
)
# Fields that came later enter an identity only beside their first value, so that what was trained before is found again.
FIRST_VALUES = {"images": "crop", "fused": None}


class TrainingSettings(Settings):
    """How a method is trained.

    Attributes:
        steps: optimiser steps.
        batch: images a step, over all processes.
        crop: side of the square crops, or of the resized images, in pixels.
        images: "crop" trains on random squares of images at their stored or half their stored size, "resize" on whole images stretched
            to ``crop`` x ``crop``, as evaluations with ``fit: squash`` show them; both mirror every second one.
        learning_rate: peak rate.
        schedule: after the warm-up, down to zero by a half "cosine", in a "linear" way, or "constant".
        warmup: steps over which the rate rises linearly from zero.
        optimiser: "adam" (L2 penalty) or "adamw" (decoupled weight decay).
        weight_decay: its coefficient.
        clip: largest gradient norm; 0 for no clipping.
        ema: decay of the exponential moving average of the weights, which is then what is kept; 0 for none.
        precision: of the forward pass; "bfloat16" and "float16" are mixed, the weights stay float32.
        stored: precision of the weights in the checkpoint file.
        snr_db: SNRs in dB, one drawn at random a step; validation meets each.
        channels: channels by name, one drawn at random a step; validation meets each.
        seed: of initialisation, batches, crops, SNRs and noise.
        validation_pictures: held-out images.
        compile: run the step through ``torch.compile``.
        fused: update all weights in one kernel, which rounds otherwise in the last digits; where nothing is said, on GPUs alone.
        validate_every: steps between validations; there is one at the end in any case.
        checkpoint_every: steps between saves of the state a training resumes from.
        log_every: steps between rows of the loss curves; a row is the mean over them.
        threads: CPU threads a process.
        workers: data-loading processes a training process; 0 loads in the training process. Where nothing is said, up to two, of cores that
            would stand idle beside the trainings.
        gpus: GPUs a trial and node, one process each; 0 trains on the CPU.
        processes: CPU processes a trial and node, where ``gpus`` is 0.
        nodes: machines a trial.
    """

    steps: int = Field(default=3000, ge=1, le=1_000_000_000)
    batch: int = Field(default=16, ge=1, le=65_536)
    crop: int = Field(default=64, ge=8, le=4_096)
    images: Framing = "crop"
    learning_rate: float = Field(default=2e-3, gt=0.0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: int = Field(default=50, ge=0, le=1_000_000_000)
    optimiser: Literal["adam", "adamw"] = "adamw"
    weight_decay: float = Field(default=0.0, ge=0.0)
    clip: float = Field(default=1.0, ge=0.0)
    ema: float = Field(default=0.0, ge=0.0, lt=1.0)
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    stored: Literal["float32", "float16"] = "float32"
    snr_db: tuple[Decibel, ...] = Field(default=(1.0, 4.0, 7.0, 10.0), min_length=1)
    channels: tuple[str, ...] = Field(default=("awgn",), min_length=1)
    seed: int = Field(default=0, ge=0)
    validation_pictures: int = Field(default=16, ge=1, le=100_000)
    compile: bool = False
    fused: bool | None = None
    validate_every: int = Field(default=500, ge=1)
    checkpoint_every: int = Field(default=250, ge=1)
    log_every: int = Field(default=50, ge=1)
    threads: int = Field(default=1, ge=1, le=1_024)
    workers: int | None = Field(default=None, ge=0, le=1_024)
    gpus: int = Field(default=0, ge=0, le=1_024)
    processes: int = Field(default=1, ge=1, le=1_024)
    nodes: int = Field(default=1, ge=1, le=100_000)

    @field_validator("snr_db")
    @classmethod
    def _finite(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(snr != snr or abs(snr) == float("inf") for snr in value):
            raise ValueError(f"an SNR must be a finite number of dB, got {list(value)}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.warmup > self.steps:
            raise ValueError(f"a warm-up of {self.warmup} steps is longer than the training of {self.steps}; shorten it or train longer")
        if self.gpus and self.processes > 1:
            raise ValueError(f"gpus={self.gpus} starts one process a GPU already; leave processes={self.processes} out")
        if self.batch % self.ranks:
            raise ValueError(f"a batch of {self.batch} cannot be shared equally by {self.ranks} processes; choose a multiple")
        return self

    @property
    def ranks_per_node(self) -> int:
        """Training processes a node."""
        return self.gpus or self.processes

    @property
    def ranks(self) -> int:
        """Training processes over all nodes."""
        return self.ranks_per_node * self.nodes

    @property
    def cores(self) -> int:
        """CPU cores that a training process keeps busy: its threads and its data-loading processes."""
        return self.threads + (self.workers or 0)

    def of_weights(self) -> dict[str, Any]:
        """Return the fields that determine the weights, those that came later where they say something new."""
        return without_first_values(self.model_dump(mode="json", exclude=set(LEAVES_WEIGHTS)), FIRST_VALUES)
