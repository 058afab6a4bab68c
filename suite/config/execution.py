"""Sections of a grid that say how it is worked through, asked for and shown rather than what is measured."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from benchmarks.common.validation import Settings
from methods.generative.costs import Limits
from methods.generative.settings import CaptionerSettings, Captioning, Editing, Generation, ModelSettings


class GenerativeSettings(Limits):
    """The generative models of a grid, the same for every method, and what they may cost.

    Attributes:
        captioner, generator, editor: a name such as ``openai:gpt-5.2`` or a section of
            :class:`~methods.generative.settings.ModelSettings`; laid under the settings of every method that has a field of the name.
        reference_captioner: who writes the texts that metrics of text compare with where the data set has none; another model or prompt
            than any method's captioner, so that no method is scored by the text that it was given.
        caption_bytes: ``max_bytes`` of ``captioner`` where its own section states none, so that a grid sets the budget of captions whatever
            model writes them; ``None`` leaves it to :class:`~methods.generative.settings.CaptionerSettings`.
        bank: folder of the answers, or ``s3://bucket/folder``; by default ``bank`` beside the run folder.
        concurrency: calls under way at once to models that are somebody else's; a model's own ``access`` may allow fewer.
        max_calls, max_cost, prices: as in :class:`~methods.generative.costs.Limits`; they hold for the run folder, over all runs in it.
    """

    # Before the captioner, whose validation reads it.
    caption_bytes: int | None = Field(default=None, ge=1)
    captioner: Captioning | None = None
    generator: Generation | None = None
    editor: Editing | None = None
    reference_captioner: Captioning | None = None
    bank: str | None = None
    concurrency: int = Field(default=16, ge=1, le=1024)

    @field_validator("captioner", mode="after")
    @classmethod
    def _budgeted(cls, value: CaptionerSettings | None, info: ValidationInfo) -> CaptionerSettings | None:
        budget = info.data.get("caption_bytes")
        if value is None or budget is None or "max_bytes" in value.model_fields_set:
            return value
        return value.model_copy(update={"max_bytes": budget})

    @field_validator("reference_captioner", mode="after")
    @classmethod
    def _writes(cls, value: CaptionerSettings | None) -> CaptionerSettings | None:
        if value is not None and value.backend == "dataset":
            raise ValueError("the data set's own captions come first in any case; name a model that writes where there are none")
        return value

    @property
    def models(self) -> dict[str, ModelSettings]:
        """The models that are named, by task."""
        named = {name: getattr(self, name) for name in ("captioner", "generator", "editor", "reference_captioner")}
        return {name: model for name, model in named.items() if model is not None}

    @property
    def limits(self) -> Limits:
        """The limits alone."""
        return Limits(**{name: getattr(self, name) for name in Limits.model_fields})


class StageSettings(Settings):
    """Actors of a stage of its own.

    Attributes:
        workers: actors; 0 for one a GPU that is left, or one where there is none, unless one pool does all stages. Models that are asked
            over the network have one actor, whatever stands here.
        gpus: GPUs of an actor, may be a fraction or several; 0 keeps it on the CPU.
        accelerator: kind of GPU that the actors' machines must have, as Ray names it: ``H100`` for the large ones of ``cluster.yaml``.
    """

    workers: int = Field(default=0, ge=0, le=100_000)
    gpus: float = Field(default=0.0, ge=0.0, le=1024.0)
    accelerator: str = ""


class EvaluationSettings(Settings):
    """How the grid is worked through; nothing here changes results but ``batch``, which float rounding depends on.

    Attributes:
        batch: images a forward pass; the last batch is filled up, so a result never depends on the image count.
        unit: images a work unit, rounded up to whole batches; a unit is the smallest piece that is lost and redone. What its cells
            decode to is held in memory until it is refined: 1 MB for each cell of a 256 x 256 image.
        workers: actors that transmit; 0 for one a CPU core, or one a GPU where they take GPUs.
        most: most actors of the pools that transmit and score, which they grow to while units wait, and an autoscaling cluster with
            them; 0 for ``workers`` and no more.
        gpus: GPUs of a transmitting actor, may be a fraction; 0 keeps it on the CPU.
        time_limit_s: seconds that a method may take to describe a batch, or for one cell of it to transmit or to refine (as many times as
            long for cells that are refined in one call), before the rest of its unit fails, and that reading an image or scoring a
            reconstruction may take; 0 waits for ever. Calls to models of others end by themselves, as their ``access`` says. Under a
            limit, a worker that gives no sign of life for so long, and for 30 s at least, is killed, which counts as below.
        retries: how often a unit is tried again after a worker died in the midst of it, killed or out of memory, before the unit's cells
            fail with that reason; the loss of a whole machine does not count.
        code_changed: what becomes of units that were done before a method's code changed: "redo", or "keep" them, with a warning on
            every table and the page.
        describe, refine: actors that write captions before the transmission, and those that make images after it.
        score: actors that score, 0 workers for as many as transmit. Where no stage has actors or GPUs of its own and memory holds the
            models in each, the same actors do all stages on the CPU.
    """

    batch: int = Field(default=1, ge=1, le=4096)
    unit: int = Field(default=4, ge=1, le=65_536)
    workers: int = Field(default=0, ge=0, le=100_000)
    most: int = Field(default=0, ge=0, le=100_000)
    gpus: float = Field(default=0.0, ge=0.0, le=1024.0)
    time_limit_s: float = Field(default=3600.0, ge=0.0)
    retries: int = Field(default=2, ge=0, le=100)
    code_changed: Literal["redo", "keep"] = "redo"
    describe: StageSettings = StageSettings()
    refine: StageSettings = StageSettings()
    score: StageSettings = StageSettings()
