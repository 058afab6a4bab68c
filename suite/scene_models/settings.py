"""The budgets: what each scene model is built and trained with, ``full`` for use and ``smoke`` for a look at the whole path."""

from typing import Any

from benchmarks.common.validation import Settings
from suite.config.training import TrainingSettings
from suite.scene_models.autoencoder import AutoencoderSettings
from suite.scene_models.captioner import CaptionerSettings
from suite.scene_models.clip import ClipSettings
from suite.scene_models.editor import EditorSettings
from suite.scene_models.generator import GeneratorSettings
from suite.scene_models.objects import ObjectsSettings


class Budget(Settings):
    """Settings of every part.

    Attributes:
        name: of the budget.
        images, held_out: scenes of the training and of the validation split that are painted.
        size: their side in pixels.
        clip, captioner, autoencoder, draft, generator, editor, objects: of the part of that name.
    """

    name: str
    pictures: int
    held_out: int
    size: int = 64
    clip: ClipSettings
    captioner: CaptionerSettings
    autoencoder: AutoencoderSettings
    draft: GeneratorSettings
    generator: GeneratorSettings
    editor: EditorSettings
    objects: ObjectsSettings


def _training(steps: int, batch: int, rate: float, *, often: int, **more: Any) -> TrainingSettings:
    return TrainingSettings(
        steps=steps,
        batch=batch,
        learning_rate=rate,
        validate_every=often,
        # Their pictures are in memory; and it is a part of what a shipped model is found by.
        workers=0,
        **{"warmup": 50, "checkpoint_every": 100, "precision": "bfloat16", "stored": "float16", "ema": 0.995, **more},
    )


FULL = Budget(
    name="full",
    pictures=20_000,
    held_out=1_000,
    clip=ClipSettings(training=_training(800, 64, 1e-3, often=100, ema=0.99)),
    captioner=CaptionerSettings(training=_training(400, 32, 1e-3, often=100, ema=0.98)),
    autoencoder=AutoencoderSettings(training=_training(1600, 16, 2e-3, often=200, ema=0.98)),
    draft=GeneratorSettings(training=_training(2500, 16, 1e-3, often=500)),
    generator=GeneratorSettings(training=_training(5000, 16, 1e-3, often=1000, seed=1)),
    editor=EditorSettings(training=_training(4500, 16, 1e-3, often=750), codecs=("deepjscc", "gened_sc"), imitated=0.4),
    objects=ObjectsSettings(training=_training(3000, 32, 2e-3, often=500, schedule="cosine")),
)

_BRIEF: dict[str, Any] = {"warmup": 2, "ema": 0.5, "checkpoint_every": 4}

SMOKE = Budget(
    name="smoke",
    pictures=96,
    held_out=16,
    clip=ClipSettings(training=_training(6, 8, 1e-3, often=3, **_BRIEF), scored=16),
    captioner=CaptionerSettings(training=_training(6, 4, 1e-3, often=3, **_BRIEF), scored=8, written=2),
    autoencoder=AutoencoderSettings(training=_training(6, 4, 2e-3, often=3, **_BRIEF), scored=8),
    draft=GeneratorSettings(training=_training(6, 8, 1e-3, often=3, **_BRIEF), scored=8),
    generator=GeneratorSettings(training=_training(6, 8, 1e-3, often=3, **_BRIEF, seed=1), scored=8),
    editor=EditorSettings(
        training=_training(6, 8, 1e-3, often=3, **_BRIEF),
        pictures=48,
        scored=8,
        changes=("cr=[1/24]", "training.steps=4", "training.warmup=1", "training.batch=2", "training.validation_pictures=2"),
        codecs=("deepjscc",),
    ),
    objects=ObjectsSettings(training=_training(6, 8, 1e-3, often=3, **_BRIEF), scored=8),
)

BUDGETS = {budget.name: budget for budget in (FULL, SMOKE)}
