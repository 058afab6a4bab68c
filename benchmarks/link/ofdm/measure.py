"""Measures the symbol error of the tapped delay lines: ``python -m benchmarks.link.ofdm.measure --images 256``.

Prints the Markdown table of ``benchmarks/link/README.md``: mean squared error of MMSE-equalised symbols of unit power.
"""

import argparse
import math
from collections.abc import Iterator

import torch

from benchmarks.link.analog import equalise
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.ofdm.channel import OfdmSettings, TdlChannel

SNRS_DB = (1.0, 4.0, 7.0, 10.0)
SYMBOLS = 8192
BATCH = 32


def errors(channel: TdlChannel, snr_db: float, images: int, seed: int) -> torch.Tensor:
    """Return the (images,) mean squared errors of Gaussian symbols over ``channel``."""
    names = [f"image-{number}" for number in range(images)]
    found = []
    for start in range(0, images, BATCH):
        batch = names[start : start + BATCH]
        sent = KeyedDraws(seed, batch, "source", 0.0, 0).complex_normal("source", len(batch), SYMBOLS)
        seen = channel.transmit(sent, snr_db, KeyedDraws(seed, batch, channel.name, snr_db, 0), "analog")
        found.append((equalise(seen, channel.fading, "mmse") - sent).abs().square().mean(dim=1))
    return torch.cat(found)


def table(images: int, seed: int) -> Iterator[str]:
    """Yield the table's lines; each cell is a mean and its standard error."""
    yield "| | " + " | ".join(f"{snr:g} dB" for snr in SNRS_DB) + " |"
    yield "| --- " * (len(SNRS_DB) + 1) + "|"
    states = [("`perfect`", OfdmSettings())]
    states += [(f"`ls`, `{kind}`", OfdmSettings(csi="ls", interpolation=kind)) for kind in ("nn", "lin", "lin_time_avg")]
    for profile in ("A", "C"):
        for state, settings in states:
            channel = TdlChannel(profile, settings)
            cells = [errors(channel, snr, images, seed) for snr in SNRS_DB]
            shown = (f"{cell.mean():.3f} ± {cell.std() / math.sqrt(images):.3f}" for cell in cells)
            yield f"| `{channel.name}`, {state} | " + " | ".join(shown) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for line in table(arguments.images, arguments.seed):
        print(line, flush=True)


if __name__ == "__main__":
    main()
