"""Which reconstructions of a run are kept and shown: the qualitative sheet, and the sheet of the worst cases of a method.

A run keeps them while it evaluates; when it is given another choice, the cells that are lacking are sent again and no others.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from benchmarks.common.validation import Settings
from benchmarks.link.settings import Decibel
from suite.config.ratios import Ratio

# Channel and SNR.
SheetCell = tuple[str, float]


def _several(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


class FailureSettings(Settings):
    """The worst cases of a method, on a sheet of their own.

    Attributes:
        method: ``method`` or ``method/variant``; ``method/variant/stage-one`` for the images before refinement.
        metric: by which images are ranked, one of the grid's with a value an image.
        images: how many are shown, the worst first.
        channel, snr_db, cr: the cell, or the nearest to it that is on the grid; the smallest ratio if ``cr`` is not given. A method of
            fixed rate has no ratio.
    """

    method: str
    metric: str
    images: int = Field(default=4, ge=1, le=100)
    channel: str = "awgn"
    snr_db: Decibel = 1.0
    cr: Ratio | None = None

    def cell(self, channels: Sequence[str], snrs: Sequence[float]) -> SheetCell:
        """Return the cell on a grid of these channels and SNRs."""
        return _on_grid(self.channel, self.snr_db, channels, snrs)

    def at(self, cr: Fraction | None, ratios: Sequence[Fraction]) -> bool:
        """Return whether a network of ratio ``cr`` on a grid of ``ratios`` is meant."""
        if cr is None or not ratios:
            return True
        wanted = min(ratios) if self.cr is None else min(ratios, key=lambda ratio: (abs(ratio - self.cr), ratio))  # type: ignore[operator]
        return cr == wanted

    def of(self, method: str, variant: str) -> bool:
        """Return whether images of a method and variant are ranked; those before refinement only where the variant is named so.

        A reading of the link, ``variant [label]``, is ranked where its variant is.
        """
        own = variant.partition(" [")[0]
        return self.method in (f"{method}/{variant}", f"{method}/{own}") or (self.method == method and "/" not in own)


class ExplorerSettings(Settings):
    """The kept images as the page carries them: WebP within the file, the page's own copies beside the whole ones in ``samples/``.

    Attributes:
        images: number of images of each dataset, from the first; 0 for a page without any.
        pixels: longest side; a larger image is scaled down to it.
        quality: of WebP, 1 to 100; 100 is lossless.
        megabytes: what all of them together may add to the page, 10^6 bytes; images that would exceed it are left out, whole ones.
    """

    images: int = Field(default=12, ge=0)
    pixels: int = Field(default=256, ge=16, le=4096)
    quality: int = Field(default=90, ge=1, le=100)
    megabytes: float = Field(default=12.0, gt=0, le=200)


class SheetSettings(Settings):
    """Which reconstructions are kept for the qualitative sheet and for that of failures.

    Attributes:
        images: number of images of each dataset, from the first; 0 keeps none. The sheet shows six at most, the others lie in
            ``samples/``.
        channel, snr_db: the cells that are shown, one channel at one or several SNRs, or the nearest to them that are on the grid: its
            first channel, its SNRs next in dB.
        cr: the ratios that are shown; all of the grid if none is given. Methods of fixed rate are shown in any case.
        failures: the worst cases of a method; none if not given.
        explorer: the images that the page carries.
    """

    images: int = Field(default=4, ge=0)
    channel: str = "awgn"
    snr_db: Annotated[tuple[Decibel, ...], BeforeValidator(_several), Field(min_length=1)] = (4.0,)
    cr: tuple[Ratio, ...] = ()
    failures: FailureSettings | None = None
    explorer: ExplorerSettings = ExplorerSettings()

    def cells(self, channels: Sequence[str], snrs: Sequence[float]) -> tuple[SheetCell, ...]:
        """Return the cells of the sheet on a grid of these channels and SNRs, each once.

        Example:
            >>> SheetSettings(snr_db=(1.0, 11.0)).cells(["rayleigh"], [1.0, 4.0, 10.0])
            (('rayleigh', 1.0), ('rayleigh', 10.0))
        """
        return tuple(dict.fromkeys(_on_grid(self.channel, snr, channels, snrs) for snr in self.snr_db))

    def shows(self, cr: Fraction | None) -> bool:
        """Return whether the sheet shows networks of a ratio."""
        return cr is None or not self.cr or cr in self.cr


def _on_grid(channel: str, snr_db: float, channels: Sequence[str], snrs: Sequence[float]) -> SheetCell:
    return channel if channel in channels else channels[0], min(snrs, key=lambda snr: (abs(snr - snr_db), snr))
