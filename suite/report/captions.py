"""What stands below each figure on the page, and the order in which figures stand there."""

import re
from collections.abc import Mapping

from suite.report.ablation_figure import ABLATION, whole
from suite.report.results import RunResults
from suite.report.training_figure import TRAINING
from suite.runs.labels import file_stem, over_seeds, series_label


def figure_captions(results: RunResults) -> dict[str, str]:
    """Return name of figure -> caption, in the order of the page: curves by metric, ablations,
    trainings, limits, qualitative sheets.
    """
    captions: dict[str, str] = {}
    points = results.points
    seeded = len(points) > 0 and any(map(over_seeds, points["variant"].unique()))
    cells = list(points.groupby(["dataset", "channel"]).groups) if len(points) else []
    for metric in results.metrics:
        heading = results.info.metrics[metric].heading
        for dataset, channel in cells:
            stem, where = file_stem(dataset, channel, metric), f"on {dataset}, {channel}"
            over = "groups of images" if (dataset, channel) in results.comparison.grouped else "images"
            over += " and training seeds" if seeded else ""
            captions[f"snr_{stem}"] = f"{heading} over SNR {where}: a panel a CR, bands are 95 % intervals over {over}."
            captions[f"symbols_{stem}"] = (
                f"{heading} over all symbols sent an image {where}: a panel an SNR, fixed rates are single points."
            )
    for dataset, channel in cells:
        captions[file_stem("plane", dataset, channel)] = (
            f"Distortion and perception at a rate on {dataset}, {channel}: a line is a method over SNR, the large mark its highest SNR."
        )
    for dataset in sorted(results.ranks["dataset"].unique()):
        captions[file_stem("ranks", dataset)] = (
            f"Mean ranks over images of {dataset}, 1 the best, of methods of a CR; "
            "a bar joins those that cannot be told apart (Nemenyi, 5 %)."
        )
    for ablation in results.ablations:
        method, _, variant = whole(ablation).partition("/")
        for dataset, channel in cells:
            captions[file_stem(ABLATION, ablation.name, dataset, channel)] = (
                f"{ablation.title}, on {dataset}, {channel}: difference of each variant to {series_label(method, variant)} on average over "
                "SNR, with its 95 % interval."
            )
    captions[f"{TRAINING}_psnr"] = "PSNR of held-out images as the networks of this run were trained, the mean over their operating points."
    captions[f"{TRAINING}_loss"] = "Loss as the networks of this run were trained; each part of a training has a loss of its own."
    for channel in sorted(results.records["channel"].unique()):
        captions[file_stem("limits", channel)] = (
            f"Limits over {channel}: what its capacity would carry, beside what the digital codecs did."
        )
    for dataset in sorted(results.records["dataset"].unique()):
        captions[f"qualitative_{file_stem(dataset)}"] = f"Images of {dataset}: the originals and what each method made of them."
        captions |= _of_failures(results, dataset)
    return captions


def caption_of(captions: Mapping[str, str], name: str) -> str:
    """Return the caption of a figure, of whose sheet it may be a further page; its name where there is none."""
    further = re.fullmatch(r"(.+)_(\d+)", name)
    if name in captions or further is None or further[1] not in captions:
        return captions.get(name, name)
    return f"{captions[further[1]]} Page {further[2]}."


def _of_failures(results: RunResults, dataset: str) -> dict[str, str]:
    sheet, metrics = results.info.grid.sheet, results.info.metrics
    named = sheet.failures if sheet is not None else None
    if named is None or named.metric not in metrics:
        return {}
    series = results.records[["method", "variant"]].drop_duplicates().itertuples(index=False)
    return {
        f"failures_{file_stem(dataset, method, variant)}": (
            f"The worst images of {series_label(method, variant)} on {dataset} by {metrics[named.metric].title}, the worst first."
        )
        for method, variant in series
        if named.of(method, variant)
    }
