"""The stages of a training run as phases of the suite's trainer: autoencoder, then denoiser, then control."""

from collections.abc import Sequence
from typing import cast

from methods.base import Phase
from methods.sgdjscc.settings import SGDJSCCSettings, Stage


def stages(settings: SGDJSCCSettings) -> Sequence[Phase]:
    """Return the phases of a training run with these settings."""
    if settings.stage != "all":
        return (Phase(settings.stage),)
    names = ("autoencoder", "denoiser", "control") if settings.sends_edges else ("autoencoder", "denoiser")
    return tuple(Phase(*parts) for parts in zip(names, settings.stage_shares, settings.stage_rates, strict=False))


def stage_of(phase: Phase) -> Stage:
    """Return the stage that a phase of :func:`stages` carries out."""
    return cast(Stage, phase.name)
