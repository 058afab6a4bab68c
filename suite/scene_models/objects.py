"""The detector of scene objects, by which metrics say what a received image lacks, invents and recolours.

::

    scene (whole or damaged) ── ObjectDetector ──> heat, hues
    loss = heat_weight x focal loss of the middles + entropy of "is one there" + entropy of the colour at the middles

The focal loss of the middles is CornerNet's (Law and Deng, ECCV 2018, (1)): places near a middle count less as wrong. The network is
:class:`benchmarks.metrics.object_detector.ObjectDetector`; the evaluation loads it from the folder that is written here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.common.images import image_tensor
from benchmarks.common.validation import Settings
from benchmarks.datasets.scenes.dataset import RANGES
from benchmarks.datasets.scenes.tables import COLOURS, KINDS
from benchmarks.datasets.scenes.world import scene
from benchmarks.metrics.object_detector import ObjectDetector
from suite.config.training import TrainingSettings
from suite.scene_models.degradations import imitate
from suite.scene_models.images import SceneImages
from suite.train.optimisation import key

_KINDS, _COLOURS = tuple(KINDS), tuple(COLOURS)
# Width of the bell around a middle, in places of the map.
_SPREAD = 1.0


class ObjectsSettings(Settings):
    """Sizes and training of the detector.

    Attributes:
        training: how it is trained.
        widths: channels at a half, a quarter and an eighth of the image's sides.
        blocks: residual blocks at a quarter and at an eighth.
        heat_weight: of the focal loss of the middles.
        damaged: share of the training images that are damaged as coarse reconstructions are, so that a blurred object is still found.
        scored: validation scenes that a validation looks at.
    """

    training: TrainingSettings
    widths: tuple[int, int, int] = (32, 64, 80)
    blocks: tuple[int, int] = (1, 2)
    heat_weight: float = 0.5
    damaged: float = 0.4
    scored: int = 500


class Objects:
    """The training of an :class:`ObjectDetector`; see the module for the losses.

    Args:
        settings: sizes and losses.
        train, validation: scenes.
    """

    def __init__(self, settings: ObjectsSettings, train: SceneImages, validation: SceneImages) -> None:
        self.settings, self._train = settings, train
        self.network: nn.Module = ObjectDetector(_KINDS, _COLOURS, settings.widths, settings.blocks)
        self._held_out = image_tensor(validation.images[: settings.scored])
        self._truth = [truth(RANGES["validation"].start + row) for row in range(len(self._held_out))]

    def loss(self, step: int) -> Mapping[str, Tensor]:
        """Return the losses of middles, presence and colours on a batch."""
        settings, training = self.settings, self.settings.training
        batch = self._train.batch(step, training.batch, training.seed)
        images = self._damaged(batch.images, step)
        heat, hues = (maps.float() for maps in self.network(image_tensor(images)))
        bells, present, colours = targets(batch.rows + RANGES["train"].start, batch.mirrored, heat.shape[-1])
        middles = _focal(heat, bells)
        presence = F.binary_cross_entropy_with_logits(heat.amax(dim=(2, 3)), present)
        near = (bells.amax(dim=1) > 0.5) & (colours >= 0)
        colour = F.cross_entropy(hues, colours.clamp(min=0), reduction="none")[near].mean()
        total = settings.heat_weight * middles + presence + 0.3 * colour
        return {"total": total, "middles": middles, "presence": presence, "colour": colour}

    def validate(self, network: Any) -> Mapping[str, float]:
        """Return precision and recall of the objects of held-out scenes, and the share of those found whose colour is right."""
        return scores(network.found(self._held_out), self._truth)

    def export(self, network: Any, folder: Path) -> None:
        """Write the folder, the weights in half precision."""
        network.save(folder)

    def _damaged(self, images: np.ndarray, step: int) -> np.ndarray:
        seed = self.settings.training.seed
        chosen = np.random.Generator(np.random.Philox(key=key(seed, "damaged", step))).random(len(images)) < self.settings.damaged
        made = images.copy()
        for row in np.flatnonzero(chosen):
            made[row] = imitate(images[row], key(seed, "damage", step, int(row)))
        return made


def truth(index: int) -> dict[str, str]:
    """Return kind -> colour of the objects of a scene."""
    return {item.kind: item.colour for item in scene(index).objects}


def scores(found: Sequence[Mapping[str, str]], truths: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """Return precision and recall over all objects, and the share of the right ones whose colour is right too."""
    right = sum(len(one.keys() & other.keys()) for one, other in zip(found, truths, strict=True))
    coloured = sum(one[kind] == other[kind] for one, other in zip(found, truths, strict=True) for kind in one.keys() & other.keys())
    told, there = sum(map(len, found)), sum(map(len, truths))
    return {"precision": right / max(told, 1), "recall": right / max(there, 1), "colour": coloured / max(right, 1)}


def targets(indices: np.ndarray, mirrored: np.ndarray, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the maps of some scenes should be.

    Args:
        indices: (B,) numbers of the scenes.
        mirrored: (B,) whether each is mirrored.
        side: of the maps.

    Returns:
        (B, kinds, side, side) bells of height one around the middles; (B, kinds) whether there is one; (B, side, side) the number of the
        colour of the object whose middle is nearest, -1 where the middles are far.
    """
    bells = np.zeros((len(indices), len(_KINDS), side, side), np.float32)
    present, colours = np.zeros((len(indices), len(_KINDS)), np.float32), np.full((len(indices), side, side), -1, np.int64)
    across = np.arange(side, dtype=np.float32)
    for row, (index, turned) in enumerate(zip(indices, mirrored, strict=True)):
        for item in scene(int(index)).objects:
            left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in item.box)
            middle = (left + right) / 2
            x, y = (int(min(place, 1 - 1e-6) * side) for place in (1 - middle if turned else middle, (top + bottom) / 2))
            bell = np.exp(-((across - x) ** 2 + (across[:, None] - y) ** 2) / (2 * _SPREAD**2))
            colours[row][bell > bells[row].max(axis=0)] = _COLOURS.index(item.colour)
            kind = _KINDS.index(item.kind)
            bells[row, kind], present[row, kind] = bell, 1.0
    colours[bells.max(axis=1) < 0.1] = -1
    return torch.from_numpy(bells), torch.from_numpy(present), torch.from_numpy(colours)


def _focal(heat: Tensor, bells: Tensor) -> Tensor:
    """Return CornerNet's loss of (B, K, h, w) logits against bells, a middle's share."""
    probability, middles = heat.sigmoid(), bells == 1.0
    hit = F.logsigmoid(heat) * (1 - probability).square() * middles
    miss = F.logsigmoid(-heat) * probability.square() * (1 - bells) ** 4 * ~middles
    return -(hit.sum() + miss.sum()) / middles.sum().clamp(min=1)
