"""Phi of (23): which network the contextual loss compares images by, and what follows from the choice."""

from collections.abc import Callable

import torch
from torch import Tensor

from methods.gened_sc.efficientnet_features import METRICS_ON_IT, EfficientNetFeatures, check_efficientnet
from methods.gened_sc.losses import contextual_loss
from methods.gened_sc.settings import GenEDSCSettings
from methods.gened_sc.vgg_features import VggFeatures, check_vgg

Phi = Callable[[Tensor], Tensor]


def contextual_features(settings: GenEDSCSettings) -> Phi:
    """Return Phi, frozen: (B, 3, H, W) images in [0, 1] -> (B, C, h, w); errors as of the two classes."""
    if settings.contextual_network == "efficientnet_lite0":
        return EfficientNetFeatures()
    return VggFeatures(settings.vgg, settings.vgg_layer)


def check_contextual(settings: GenEDSCSettings) -> None:
    """Raise as :func:`contextual_features` does if the loss asks Phi and its parameters do not serve; a plan notes what to fetch."""
    if settings.trains_on_efficientnet:
        check_efficientnet()
    elif settings.objective == "importance" and settings.background_loss == "contextual":
        check_vgg(settings.vgg)


def background_distance(phi: Phi, output: Tensor, images: Tensor, saliency: Tensor, settings: GenEDSCSettings) -> Tensor:
    """Return (24) between (B, 3, H, W) reconstructions and originals outside their (B, 1, H, W) saliency masks."""
    with torch.no_grad():
        reference = phi(images)
    return contextual_loss(phi(output), reference, saliency, settings.contextual_temperature, settings.contextual_positions)


def metrics_on(settings: GenEDSCSettings) -> frozenset[str]:
    """Return the metrics that look through the network that a training with these settings imitates."""
    return METRICS_ON_IT if settings.trains_on_efficientnet else frozenset()
