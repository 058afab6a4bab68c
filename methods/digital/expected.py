"""What the classical baseline comes to without sending: ``python -m methods.digital.expected --codec avif --data-dir DIR``.

::

    images ──best file and scheme──> PSNR x share delivered + PSNR of grey x share lost ──> mean over images, a CR and an SNR

The shares are those of the MCS tables; a run of the suite sends the same files and counts what arrives.
"""

from fractions import Fraction
from pathlib import Path
from typing import Annotated, get_args

import numpy as np
import typer

from benchmarks.datasets import open_dataset
from benchmarks.link.link import Link
from methods.base import Geometry
from methods.digital import Codec, Digital, DigitalSettings


def expected_psnr(coder: Digital, link: Link, pixels: np.ndarray, cr: Fraction, channel: str, snr_db: float) -> float:
    """Return the expected PSNR in dB of a uint8 (H, W, 3) image whose file fills the budget of a compression ratio.

    Raises:
        RateError: no file is small enough.
    """
    symbols = coder.geometry.symbols(cr)
    offers = link.offers(symbols, coder.settings.protection, channel=channel, snr_db=snr_db)
    return coder.choose(pixels, offers).expected_psnr


def main(
    data_dir: Annotated[Path, typer.Option(help="Folder that holds kodak/.")],
    codec: Annotated[str, typer.Option(help=f"One of {', '.join(get_args(Codec))}.")] = "webp",
    channel: Annotated[str, typer.Option(help="Channel.")] = "awgn",
    cr: Annotated[list[str] | None, typer.Option(help="Compression ratio; repeat for more.")] = None,
    snr_db: Annotated[list[float] | None, typer.Option(help="SNR in dB; repeat for more.")] = None,
    size: Annotated[int, typer.Option(help="Side of the images in pixels.")] = 256,
) -> None:
    """Print the expected PSNR of a codec on the Kodak images, a line a compression ratio."""
    dataset, link = open_dataset("kodak", data_dir, size, "test"), Link()
    coder = Digital(DigitalSettings.model_validate({"codec": codec}), Geometry(size, size))
    ratios, levels = [Fraction(each) for each in cr or ("1/48", "1/24", "1/12")], snr_db or [1.0, 4.0, 7.0, 10.0]
    found = np.array(
        [
            [[expected_psnr(coder, link, pixels, ratio, channel, level) for level in levels] for ratio in ratios]
            for pixels in (dataset.load(id).image for id in dataset.items())
        ]
    )
    for ratio, row in zip(ratios, found.mean(axis=0), strict=True):
        print(f"{codec}, {channel}, CR {ratio}, {len(found)} images: {' '.join(f'{value:.2f}' for value in row)}")


if __name__ == "__main__":
    typer.run(main)
