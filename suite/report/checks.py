"""The trends that an honest comparison of these methods shows, checked on the records of a run.

::

    records ──> one Trend a claim: what it says, the numbers, whether it holds
    kept images + captions ──CLIP──> how often an image is nearest to its own caption

Claims: PSNR of each joint source-channel code rises with SNR and CR, without a cliff; a digital scheme of fixed modulation and rate
falls off one, an adaptive scheme does not; stage two improves perceptual metrics over stage one; images painted from text alone
show what the text says; side information beats text alone, also in what is missing from an image. A claim about methods that the run
lacks is left out. How often each method invents is told, and judged by nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from benchmarks.common.project import shipped
from suite.config.catalog import METHODS
from suite.report.groups import image_keys, of_index
from suite.report.intervals import mean_intervals
from suite.report.qualitative import read_sample
from suite.report.results import RunResults
from suite.runs.columns import WHOLE_CELL
from suite.runs.labels import STAGE_ONE, cr_label, with_reading, without_reading, without_seed
from suite.runs.records import metric_columns

# A fall of PSNR by more than this much a dB of SNR is a cliff.
CLIFF = 1.0
# Structural or learned measures of what an image looks like; the fidelity metrics PSNR and SSIM are not among them.
PERCEPTUAL = (
    *("lpips_alex", "lpips_vgg", "st_lpips_alex", "st_lpips_vgg", "dists", "gmsd", "ssimulacra2"),
    *("clip_image_similarity_scenes", "clip_score_scenes"),
)
# What an image shows that the original does not, and the other way round.
MISSING, INVENTED, RECOLOURED = (f"scene_objects_{name}" for name in ("missing", "invented", "recoloured"))
CLASS = "class_top1_sure_efficientnet_lite0"
COARSE = f"/{STAGE_ONE}"
CELL = ["dataset", "image", "cr", "channel", "snr_db", "repetition"]
TEXT_ALONE, GUIDED = ("nam24",), ("hosonuma25", "gened_sc")
SIGNIFICANT = 0.01


@dataclass(frozen=True)
class Trend:
    """A claim about a run.

    Attributes:
        claim: what is said.
        numbers: what was found.
        holds: whether it is so; ``None`` where something is told and nothing claimed.
    """

    claim: str
    numbers: str
    holds: bool | None


def check_run(results: RunResults) -> list[Trend]:
    """Return every claim that a run can answer; what its images show only where its grid names a CLIP of the built-in scenes."""
    found = trends(results.records, {name: metric.better for name, metric in results.info.metrics.items()})
    folder = results.info.grid.metric_settings.clip_models.get("scenes")
    return found if folder is None else [*found, *caption_accuracy(results, shipped(Path(folder)))]


def trends(records: pd.DataFrame, better: Mapping[str, str]) -> list[Trend]:
    """Return the claims that the records of a run can answer.

    Args:
        records: as :func:`suite.runs.records.load` returns them.
        better: metric -> "higher" or "lower".
    """
    whole = records[records["status"].eq("ok") & records["image"].ne(WHOLE_CELL)]
    names = [name for name in PERCEPTUAL if name in metric_columns(whole) and whole[name].notna().any()]
    found = [*_codes(whole), *_cliffs(whole)] if "psnr" in whole else []
    for name in names:
        found += _stages(whole, name, better[name])
        found += _side_information(whole, name, better[name])
    # Not in what is invented: who paints next to nothing invents next to nothing.
    if MISSING in whole and whole[MISSING].notna().any():
        found += _side_information(whole, MISSING, better[MISSING])
    return [*found, *_inventions(whole)]


def _inventions(records: pd.DataFrame) -> Iterator[Trend]:
    """Tell for each method how often its images show what the originals do not."""
    for (method, variant), rows in records.groupby(["method", "variant"]):
        name = f"{method}/{variant}"
        if INVENTED in rows and rows[INVENTED].notna().any():
            seen = rows[INVENTED].dropna()
            numbers = f"in {100 * (seen > 0).mean():.1f} % of {len(seen)} images; of the objects shown {100 * seen.mean():.1f} %"
            others = ((each, rows[column].mean()) for each, column in (("missing", MISSING), ("recoloured", RECOLOURED)) if column in rows)
            numbers += "".join(f", {each} {100 * mean:.1f} %" for each, mean in others if not np.isnan(mean))
            yield Trend(f"{name}: how often objects are invented", numbers, None)
        if CLASS in rows and rows[CLASS].notna().any():
            sure = rows[CLASS].dropna()
            yield Trend(
                f"{name}: how often the class is another one", f"in {100 * (1 - sure.mean()):.1f} % of {len(sure)} sure images", None
            )


def _codes(records: pd.DataFrame) -> Iterator[Trend]:
    analog = records[records["symbols_analog"].gt(0) & ~records.apply(_refined, axis=1)] if len(records) else records
    for (method, variant), rows in analog.groupby(["method", "variant"]):
        means = rows.groupby(["channel", "cr", "snr_db"])["psnr"].mean()
        steps, falls = [], []
        for _, line in means.groupby(level=["channel", "cr"]):
            snr = line.index.get_level_values("snr_db").to_numpy()
            steps += list(np.diff(line.to_numpy()))
            falls += list(np.diff(line.to_numpy()) / np.diff(snr))
        gains = [gain for _, line in means.groupby(level=["channel", "snr_db"]) for gain in np.diff(line.to_numpy())]
        name, span = f"{method}/{variant}", _span(means)
        if steps:
            yield Trend(f"{name}: PSNR rises with SNR", f"{span}, smallest step {min(steps):+.2f} dB", min(steps) > 0)
            yield Trend(f"{name}: no cliff", f"steepest {max(falls):.2f} dB a dB of SNR", max(falls) < CLIFF)
        if gains:
            yield Trend(f"{name}: PSNR rises with CR", f"smallest gain {min(gains):+.2f} dB", min(gains) > 0)


def _refined(row: pd.Series) -> bool:
    """Return whether a generative stage made the image."""
    variant, _ = without_reading(without_seed(str(row["variant"]))[0])
    if variant.endswith(COARSE):
        return False
    method = METHODS.get(str(row["method"]))
    return method.traits(method.Settings.model_validate(method.variants[variant])).refines


def _cliffs(records: pd.DataFrame) -> Iterator[Trend]:
    digital = records[records["method"].eq("digital") & records["channel"].eq("awgn")]
    for variant, rows in digital.groupby("variant"):
        means = rows.groupby(["cr", "snr_db"])["psnr"].mean()
        slopes = [
            max(np.diff(line.to_numpy()) / np.diff(line.index.get_level_values("snr_db").to_numpy()))
            for _, line in means.groupby(level="cr")
            if len(line) > 1
        ]
        if not slopes:
            continue
        fixed, numbers = without_reading(str(variant))[0].endswith("-fixed"), f"{_span(means)}, steepest {max(slopes):.2f} dB a dB of SNR"
        claim = "falls off its cliff" if fixed else "no cliff"
        yield Trend(f"digital/{variant} on AWGN: {claim}", numbers, (min(slopes) >= CLIFF) if fixed else (max(slopes) < CLIFF))


def _stages(records: pd.DataFrame, metric: str, better: str) -> Iterator[Trend]:
    for (method, variant), first in records.groupby(["method", "variant"]):
        coarse, reading = without_reading(str(variant))
        base = coarse.removesuffix(COARSE)
        if base == coarse:
            continue
        # A coarse image that the readings share stands beside each of theirs.
        there = list(records.loc[records["method"].eq(method), "variant"].unique())
        others = [each for each in there if without_reading(each)[0] == base]
        for final in others if not reading else [with_reading(base, reading)]:
            own = with_reading(coarse, without_reading(final)[1])
            if own != variant and own in there:
                continue
            second = records[records["method"].eq(method) & records["variant"].eq(final)]
            difference = _paired(second, first, CELL, metric)
            if len(difference):
                yield _improvement(f"{method}/{final}: stage two improves {metric} over stage one", difference, better)


def _side_information(records: pd.DataFrame, metric: str, better: str) -> Iterator[Trend]:
    """Compare over the cells that both met; a method of fixed rate stands beside every CR of another."""
    text = records[records["method"].isin(TEXT_ALONE)]
    for method in GUIDED:
        refined = ~records["variant"].map(lambda variant: without_reading(variant)[0]).str.endswith(COARSE)
        guided = records[records["method"].eq(method) & refined]
        difference = _paired(guided, text, [name for name in CELL if name != "cr"], metric)
        if len(difference):
            yield _improvement(f"{method}: better {metric} than text alone ({', '.join(TEXT_ALONE)})", difference, better)


def _paired(one: pd.DataFrame, other: pd.DataFrame, keys: Sequence[str], metric: str) -> pd.Series:
    """Return the mean difference of each image, over the cells that both have."""
    pairs = one.merge(other, on=list(keys), suffixes=("", "_other"))
    return (pairs[metric] - pairs[f"{metric}_other"]).groupby([pairs[name] for name in image_keys(pairs)]).mean().dropna()


def _improvement(claim: str, difference: pd.Series, better: str) -> Trend:
    means = mean_intervals(difference.to_numpy()[:, None], of_index(difference.index))
    mean, low, high = float(means.mean[0]), float(means.low[0]), float(means.high[0])
    numbers = f"{mean:+.4g} [{low:+.4g}, {high:+.4g}], n = {len(difference)}, {better} is better"
    return Trend(claim, numbers, bool(low > 0 if better == "higher" else high < 0))


def _span(means: pd.Series) -> str:
    lines = []
    for (*where, cr), line in means.groupby(level=[*(["channel"] if "channel" in means.index.names else []), "cr"]):
        lines.append(f"{' '.join([*map(str, where), cr_label(cr)])}: {' '.join(f'{value:.2f}' for value in line)}")
    return "; ".join(lines)


def caption_accuracy(results: RunResults, folder: Path) -> list[Trend]:
    """Return, for each method that paints from text alone, how often a kept image is nearest to its own caption.

    Args:
        results: of the run.
        folder: open_clip folder of the CLIP that judges.
    """
    # Late: they load torch, and a run without such images does without.
    from benchmarks.metrics.base import MetricImage
    from benchmarks.metrics.clip import load_encoder

    encoder, found = load_encoder(f"local-dir:{folder}", None, "cpu"), []
    records, layout = results.records, results.layout
    painted = records[records["method"].isin(TEXT_ALONE) & records["status"].eq("ok") & records["repetition"].eq(0)]
    for (dataset, method, variant), rows in painted.groupby(["dataset", "method", "variant"]):
        kept = [(row["image"], path) for row in rows.to_dict("records") if (path := layout.sample(row)).is_file()]
        images = sorted({image for image, _ in kept})
        if len(images) < 2:
            continue
        captions = _captions(str(dataset), images)
        blank = np.zeros((8, 8, 3), np.uint8)
        texts = np.stack([encoder.text(MetricImage(blank, caption))[0].numpy() for caption in captions])
        hits = 0
        for image, path in kept:
            cosines = texts @ encoder.image(MetricImage(read_sample(path))).numpy()
            hits += captions[int(cosines.argmax())] == captions[images.index(image)]
        test = binomtest(hits, len(kept), 1 / len(images), alternative="greater")
        numbers = f"{hits} of {len(kept)} are nearest to their own of {len(images)} captions, p = {test.pvalue:.2g}"
        found.append(Trend(f"{method}/{variant}: images show what the text says", numbers, bool(test.pvalue < SIGNIFICANT)))
    return found


def _captions(dataset: str, images: Sequence[str]) -> list[str]:
    # Late: it loads torch.
    from benchmarks.datasets import open_dataset

    sample_images = open_dataset(dataset, image_size=64)
    return [sample_images.load(image).caption for image in images]
