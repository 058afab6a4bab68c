"""Fréchet Inception Distance of a cell (Heusel et al., NeurIPS 2017).

::

    pixels ── Pillow bicubic to 299 x 299, float ── Inception-v3 (2015-12-05) ──> (2048,)     once an image
    (N, 2048), (M, 2048) ── |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) ──> FID               once a cell
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common.weights_files import replaced, state_dict
from benchmarks.metrics.base import MetricImage, MetricSettings, MetricSpec, Pixels, SetMetric
from benchmarks.metrics.errors import FeaturesError
from benchmarks.metrics.weights import holding, quiet, weights_of

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDE = 299


def fid(references: np.ndarray, candidates: np.ndarray) -> float:
    """Return the Fréchet distance between Gaussians fitted to (N, D) and (M, D) features, N and M at least 2.

    The covariances are A^T A and B^T B for the centred, scaled features A and B, so the trace of (S1 S2)^(1/2) is the sum
    of the singular values of A B^T. That is exact for singular covariances too (fewer images than dimensions),
    where the usual matrix square root is unstable.

    Raises:
        FeaturesError: fewer than two rows, or different numbers of columns.
    """
    if references.ndim != 2 or candidates.ndim != 2 or references.shape[1] != candidates.shape[1]:
        raise FeaturesError(f"FID compares (N, D) with (M, D) features, not {references.shape} with {candidates.shape}")
    if min(len(references), len(candidates)) < 2:
        raise FeaturesError(f"FID needs two images a side to have a covariance, not {len(references)} and {len(candidates)}")
    first, second = _root(references), _root(candidates)
    shift = references.mean(axis=0, dtype=np.float64) - candidates.mean(axis=0, dtype=np.float64)
    cross = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    distance = shift @ shift + (first**2).sum() + (second**2).sum() - 2 * cross
    # Equal sets may come out below zero by rounding.
    return max(float(distance), 0.0)


def _root(features: np.ndarray) -> np.ndarray:
    """Return R with R^T R the sample covariance of (N, D) features, of at most D rows."""
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    scaled = centred / np.sqrt(len(features) - 1)
    if len(scaled) <= scaled.shape[1]:
        return scaled
    return np.asarray(np.linalg.qr(scaled, mode="r"))


def read_inception(path: Path, device: str) -> dict[str, Tensor]:
    """Return the weights of the Inception-v3 of 2015-12-05 under pyiqa's names; arguments as in ``WeightFile.read``."""
    import torch

    wanted: dict[str, Tensor] = {}
    with torch.device("meta"):
        _network(lambda whole: wanted.update(whole.state_dict()))
    return holding(wanted, state_dict(path, device), path)


def _network(load: Callable[[nn.Module], Any]) -> nn.Module:
    """Return pyiqa's feature extractor, made from the whole network once ``load`` has given that its weights."""
    with quiet(), warnings.catch_warnings():
        # pyiqa asks torchvision for its network in the way of older releases.
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        from pyiqa.archs import inception

        # There is no argument for it, and pyiqa itself would unpickle the file without restriction.
        with replaced(inception, "load_pretrained_network", lambda whole, address: load(whole)):
            made: nn.Module = inception.InceptionV3()
    return made


class InceptionFid(SetMetric):
    """FID on the features of pyiqa's Inception-v3 with the resizing of clean-fid (Parmar et al., CVPR 2022)."""

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        weights = weights_of(spec, spec.weights[0], settings)
        self.net = _network(lambda whole: whole.load_state_dict(weights))
        self.net.eval().requires_grad_(False).to(device)

    def features(self, sample_image: Pixels) -> np.ndarray:
        """Return float32 (2048,) features of uint8 (H, W, 3) pixels."""
        import torch
        from PIL import Image

        pixels = MetricImage(sample_image).pixels.astype(np.float32)
        # Channel by channel in float, so that resizing neither rounds nor aliases: what clean-fid is about.
        resized = [np.asarray(Image.fromarray(pixels[..., c]).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for c in range(3)]
        scaled = (torch.from_numpy(np.stack(resized).clip(0, 255)) - 128) / 128
        with torch.inference_mode():
            found: np.ndarray = self.net(scaled[None].to(self.device))[0].flatten().cpu().numpy()
        return found

    def reduce(self, references: np.ndarray, candidates: np.ndarray) -> float:
        """Return the FID of a cell from the features of its originals and of its reconstructions."""
        return fid(references, candidates)
