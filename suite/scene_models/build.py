"""The parts of the scene models in the order in which they are made, each from the folders of those it builds on.

::

    part ── made already, by the same recipe, unchanged? ── yes ──> left alone
              └─ no ── build ── train (or go on) ── OUT/<part>/ ── recipe.json ── checksums.json
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from pydantic import BaseModel

from suite.bars import Bars
from suite.prepare import SHIPPED
from suite.scene_models import provenance as recipe
from suite.scene_models.autoencoder import Autoencoder
from suite.scene_models.captioner import Captioner
from suite.scene_models.clip import Clip
from suite.scene_models.degradations import codec_jobs, trained_codecs
from suite.scene_models.editor import Editor
from suite.scene_models.generator import Generator
from suite.scene_models.images import SceneImages, cache_name, scene_images
from suite.scene_models.loop import Part, Say, train
from suite.scene_models.objects import Objects
from suite.scene_models.settings import Budget
from suite.train.jobs import TrainingJob
from suite.train.loop import RESUME
from suite.train.optimisation import key

NEEDS: dict[str, tuple[str, ...]] = {
    "clip": (),
    "captioner": ("clip",),
    "autoencoder": (),
    "draft": ("autoencoder", "clip"),
    "generator": ("draft", "autoencoder", "clip"),
    "editor": ("draft",),
    "objects": (),
}
# The generator after a first training, from which both pipelines go on; of no use itself, so it stays in the working folder.
PASSING = ("draft",)
# Folder of a part's files below its working folder, until they are in their place.
MADE = "made"


@dataclass
class SceneModels:
    """The scene models of one budget in one folder.

    Attributes:
        budget: settings of every part.
        out: folder of the parts.
        work: folder of painted scenes, latents and states to resume from.
        checkpoints: folder of codecs, those that are trained for the editor included.
        say: called with a line of progress.
        bars: where scenes and steps are counted.
    """

    budget: Budget
    out: Path
    work: Path
    checkpoints: Path
    say: Say
    bars: Bars | None = None

    @cached_property
    def _train(self) -> SceneImages:
        return scene_images(self.work, "train", self.budget.pictures, self.budget.size, self.bars)

    @cached_property
    def _validation(self) -> SceneImages:
        return scene_images(self.work, "validation", self.budget.held_out, self.budget.size, self.bars)

    @cached_property
    def _codec_jobs(self) -> Sequence[TrainingJob]:
        settings = self.budget.editor
        return codec_jobs(settings.grid, settings.codecs, settings.changes)

    @cached_property
    def _data(self) -> dict[str, str]:
        budget = self.budget
        return {
            "train": cache_name("train", budget.pictures, budget.size),
            "validation": cache_name("validation", budget.held_out, budget.size),
        }

    def settings(self, name: str) -> BaseModel:
        """Return the settings of a part."""
        found: BaseModel = getattr(self.budget, name)
        return found

    def identity(self, name: str) -> str:
        """Return the hash of what determines a part."""
        data = self._data
        if name == "editor":
            data = data | {job.label: job.identity for job in self._codec_jobs}
        return recipe.identity(name, self.settings(name), data, {need: self.identity(need) for need in NEEDS[name]})

    def make(self, names: Sequence[str]) -> None:
        """Make the parts that are asked for and those they build on, as far as they are not made already.

        Raises:
            TrainingError: a training cannot go on.
            KeyboardInterrupt: Ctrl-C, after the state to resume from was saved.
        """
        for name in names:
            self._make(name)

    def home(self, name: str) -> Path:
        """Return the folder that a part's folder lies in."""
        return self.work if name in PASSING else self.out

    def _make(self, name: str) -> None:
        identity, home = self.identity(name), self.home(name)
        problem = recipe.problem(home, name, identity)
        if problem is None:
            self.say(f"{name}: made already ({identity})")
            return
        recipe.refuse_foreign(home, name)
        for need in NEEDS[name]:
            self._make(need)
        training = self.settings(name).training  # type: ignore[attr-defined]
        self.say(f"{name}: {problem}; training {training.steps} steps ({identity})")
        with torch.random.fork_rng(devices=[]):
            # A draft is a generator, and its weights are drawn as a generator's.
            torch.manual_seed(key(training.seed, "zoo", "generator" if name == "draft" else name))
            part = self._build(name, identity)
        state = self.work / f"{name}-{identity}"
        outcome = train(part, training, state, identity, lambda line: self.say(f"{name}: {line}"), self.bars)
        # Made apart, so that what was there stays whole until it is replaced.
        folder = state / MADE
        shutil.rmtree(folder, ignore_errors=True)
        with torch.no_grad():
            part.export(outcome.network, folder)
        recipe.forget_places(folder)
        before = {need: recipe.read(self.work / need) for need in NEEDS[name] if need in PASSING}
        facts = {"identity": identity, "data": self._data, "needs": self._needs(name), "before": before}
        recipe.write_recipe(
            folder, name, self.budget.name, self.settings(name), outcome.curve, outcome.seconds, seed=training.seed, **facts
        )
        recipe.replace(home, name, identity, folder)
        shutil.rmtree(folder, ignore_errors=True)
        (state / RESUME).unlink(missing_ok=True)
        self.say(f"{name}: {outcome.seconds / 60:.1f} minutes, in {home / name}")

    def _needs(self, name: str) -> Mapping[str, str]:
        codecs = {job.label: job.identity for job in self._codec_jobs} if name == "editor" else {}
        return {**{need: self.identity(need) for need in NEEDS[name]}, **codecs}

    def _build(self, name: str, identity: str) -> Part:
        budget, scenes = self.budget, (self._train, self._validation)
        if name == "clip":
            return Clip(budget.clip, *scenes)
        if name == "captioner":
            return Captioner(budget.captioner, budget.clip, *scenes, self.out / "clip")
        if name == "autoencoder":
            return Autoencoder(budget.autoencoder, *scenes)
        if name == "objects":
            return Objects(budget.objects, *scenes)
        if name in ("draft", "generator"):
            made, start = self.identity("autoencoder"), None if name == "draft" else self.work / "draft"
            autoencoder, clip = self.out / "autoencoder", self.out / "clip"
            return Generator(getattr(budget, name), *scenes, autoencoder, made, self.work, budget.clip, clip, start)
        codecs = trained_codecs(self._codec_jobs, [SHIPPED], self.checkpoints)
        return Editor(budget.editor, *scenes, self.work / "draft", codecs, identity, self.work)
