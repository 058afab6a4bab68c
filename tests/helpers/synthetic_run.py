"""A run folder of invented records, with everything that tables and figures must cope with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from suite.runs.columns import WHOLE_CELL
from suite.runs.records import write_unit

METRICS = {
    "psnr": {"title": "PSNR (dB)", "better": "higher"},
    "lpips_alex": {"title": "LPIPS (AlexNet)", "better": "lower"},
    "fid": {"title": "FID", "better": "lower"},
}
LEFT_OUT = {"niqe": "its weights niqe_100%.mat are absent"}
REASON = "no code rate fits 40 bytes & 50 % of the_budget"
SNRS = (1.0, 4.0, 7.0, 10.0)
RATIOS = (1 / 48, 1 / 24)
CHANNELS = ("awgn", "rayleigh")
IMAGES = 12
# name, variant, offset in dB, noise of its own in dB, text symbols; the fixed-rate method has no CR.
METHODS = (
    ("alpha", "default", 1.0, 0.05, 426),
    ("beta", "sa", 0.0, 0.3, 0),
    ("beta", "base", 0.0, 0.3, 0),
    ("digital", "jpeg", -3.0, 0.05, 0),
    ("digital", "webp", -2.0, 0.05, 0),
    ("fixed", "default", -6.0, 0.05, 426),
)


def failed(method: str, variant: str, channel: str, snr: float, image: int) -> bool:
    """JPEG fails everywhere at 1 dB on rayleigh; beta/sa fails on one image at 4 dB."""
    return (variant == "jpeg" and snr == 1 and channel == "rayleigh") or (variant == "sa" and snr == 4 and image == 3)


def psnr(
    method: str, variant: str, offset: float, own: float, cr: float | None, channel: str, snr: float, image: int, repetition: int
) -> float:
    """Rises with SNR and CR; the image's and the draw's share are common to all methods."""
    common = np.random.default_rng([image, int(snr), repetition, len(channel)]).normal(0, 0.2)
    seed = [image, int(snr), repetition, len(channel), *(method + variant).encode()]
    private = np.random.default_rng(seed).normal(0, own)
    return float(24 + image / 2 + offset + 0.4 * snr + 60 * (cr or 0) + common + private - (1.2 if channel == "rayleigh" else 0))


def rows(channels: tuple[str, ...] = CHANNELS) -> Iterator[dict[str, Any]]:
    """Yield every record of the run."""
    for method, variant, offset, own, text in METHODS:
        for cr in (None,) if method == "fixed" else RATIOS:
            for channel in channels:
                for snr in SNRS:
                    cell = {"run": "demo", "method": method, "variant": variant, "dataset": "kodak"}
                    cell |= {"cr": cr, "channel": channel, "snr_db": snr}
                    analog = int((cr or 0) * 3 * 256 * 256)
                    for image in range(IMAGES):
                        for repetition in (0, 1):
                            key = cell | {"image": f"set/{image:02d}", "repetition": repetition}
                            if failed(method, variant, channel, snr, image):
                                yield key | {"status": "failed", "error": REASON}
                                continue
                            value = psnr(method, variant, offset, own, cr, channel, snr, image, repetition)
                            sent = {"symbols_analog": analog, "symbols_digital": text, "symbols_total": analog + text, "symbols_pilot": 0}
                            lpips = None if variant == "base" and image == 5 else 0.9 - value / 60
                            yield key | sent | {"status": "ok", "error": "", "measured_snr_db": snr, "psnr": value, "lpips_alex": lpips}
                    yield cell | {"image": WHOLE_CELL, "repetition": 0, "status": "ok", "error": "", "fid": 200 - 5 * snr - 4 * offset}


def make_run(folder: Path, channels: tuple[str, ...] = CHANNELS, metrics: tuple[str, ...] = tuple(METRICS)) -> Path:
    """Write the run folder and return it."""
    everything = [{k: v for k, v in row.items() if k not in METRICS or k in metrics} for row in rows(channels)]
    for start in range(0, len(everything), 300):
        path = folder / "records" / f"part{start // 300 % 2}" / f"{start:05d}.parquet"
        write_unit(path, everything[start : start + 300], metrics, unit=str(start))
    described = {name: METRICS[name] for name in metrics}
    (folder / "run.json").write_text(json.dumps({"name": "demo", "metrics": described, "metrics_left_out": LEFT_OUT}))
    return folder
