"""Metrics of the signal: PSNR from scikit-image; the structural and natural-scene metrics from pyiqa."""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.errors import WeightsFileError
from benchmarks.common.weights_files import content, replaced
from benchmarks.metrics.base import ImageMetric, MetricImage, MetricSettings, MetricSpec
from benchmarks.metrics.weights import quiet, weights_of

if TYPE_CHECKING:
    from torch import nn

PSNR_CAP_DB = 80.0
"""Highest PSNR reported, in dB; an identical image would give infinity, which no mean survives. The value is pyiqa's."""


class Psnr(ImageMetric):
    """Peak signal-to-noise ratio over all RGB values, in dB: 10 log10(255^2 / MSE), at most ``PSNR_CAP_DB``."""

    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return the PSNR."""
        import numpy as np
        from skimage.metrics import peak_signal_noise_ratio

        # Identical images divide by zero on the way to infinity.
        with np.errstate(divide="ignore"):
            value = float(peak_signal_noise_ratio(reference.pixels, candidate.pixels, data_range=255))
        return {self.spec.name: min(value, PSNR_CAP_DB)}


class MaskedPsnr(ImageMetric):
    """PSNR over the pixels inside the reference's saliency mask (``psnr_foreground``) or outside it (``psnr_background``), in dB.

    The mean squared error is over the three colours of those pixels alone, so the size of the object does not enter.
    """

    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return the PSNR; NaN where the image has no mask, or the mask no pixel on that side."""
        import numpy as np
        from skimage.metrics import peak_signal_noise_ratio

        if reference.mask is None:
            return {self.spec.name: math.nan}
        inside = reference.mask if self.spec.name == "psnr_foreground" else ~reference.mask
        if not inside.any():
            return {self.spec.name: math.nan}
        with np.errstate(divide="ignore"):
            value = float(peak_signal_noise_ratio(reference.pixels[inside], candidate.pixels[inside], data_range=255))
        return {self.spec.name: min(value, PSNR_CAP_DB)}


def pyiqa_metric(name: str, device: str, **options: Any) -> nn.Module:
    """Return pyiqa's metric ``name`` in evaluation mode, its messages kept off the standard output."""
    with quiet():
        import pyiqa
        import torch

        metric: nn.Module = pyiqa.create_metric(name, device=torch.device(device), **options)
    return metric


class PyiqaMetric(ImageMetric):
    """A pyiqa metric with pyiqa's default settings, scored one image at a time, in float32 where a reference is compared with.

    pyiqa's name is the metric's own up to the variant: ``brisque_live`` is pyiqa's ``brisque``, the SVM that the authors
    of BRISQUE trained on the LIVE database. A weight file, where there is one, is handed over as it was read here.
    """

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        options = {"pretrained_model_path": weights_of(spec, spec.weights[0], settings)} if spec.weights else {}
        self.net = pyiqa_metric(spec.name.removesuffix("_live"), device, **options)

    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return the metric's value; NaN where it has none.

        Natural-scene statistics describe how pixels vary about their surroundings. A constant image has none: for one level
        pyiqa stops, for another it scores the rounding errors; here the value is NaN for each.
        """
        if self.spec.needs_reference:
            return {self.spec.name: float(self.net(candidate.tensor, reference.tensor))}
        constant = bool((candidate.pixels == candidate.pixels[0, 0]).all())
        return {self.spec.name: math.nan if constant else self._in_double(candidate)}

    def _in_double(self, candidate: MetricImage) -> float:
        """Return the value computed in float64: the tables of gamma functions that shapes are looked up in are too coarse in float32."""
        from pyiqa.matlab_utils import resize

        # pyiqa's halving of the image goes through float32 whatever it is given.
        with replaced(resize, "cast_input", lambda values: (values, None)):
            return float(self.net(candidate.tensor.double()))


def read_brisque(path: Path, device: str) -> BytesIO:
    """Return BRISQUE's support vector machine, (coefficients (n,), vectors (n, 36)), as pyiqa loads it.

    pyiqa unpickles what it is given without restriction, so it is given what was written here from two tensors.
    """
    import torch

    found = content(path, device)
    parts = found if isinstance(found, tuple | list) else ()
    shapes = [tuple(each.shape) if isinstance(each, torch.Tensor) else () for each in parts]
    if len(shapes) != 2 or len(shapes[0]) != 1 or shapes[1] != (*shapes[0], 36):
        raise WeightsFileError(
            f"{path} holds another model: not the coefficients (n,) and vectors (n, 36) of BRISQUE; put the published file there"
        )
    again = BytesIO()
    if device != "meta":
        torch.save(tuple(parts), again)
        again.seek(0)
    return again


def read_niqe(path: Path, device: str) -> str:
    """Return the path of NIQE's parameters, a MATLAB file, once it is known to hold them."""
    from scipy.io import whosmat
    from scipy.io.matlab import MatReadError

    wanted = {"mu_prisparam", "cov_prisparam"}
    try:
        absent = wanted - {name for name, _, _ in whosmat(path)}
    # scipy raises each of these over a file of another kind.
    except (OSError, ValueError, TypeError, IndexError, KeyError, NotImplementedError, MatReadError) as error:
        raise WeightsFileError(f"{path} is no MATLAB file, or was cut short or damaged on its way; fetch it again") from error
    if absent:
        raise WeightsFileError(
            f"{path} holds other parameters than NIQE's: it lacks {', '.join(sorted(absent))}; put the published file there"
        )
    return str(path)
