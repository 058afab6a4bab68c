"""What stands below each figure on the page, and the order in which figures stand there."""

from suite.report.results import RunResults
from suite.runs.labels import file_stem


def figure_captions(results: RunResults) -> dict[str, str]:
    """Return name of figure -> caption, in the order of the page: curves by metric, limits, qualitative sheets."""
    captions: dict[str, str] = {}
    points = results.points
    cells = list(points.groupby(["dataset", "channel"]).groups) if len(points) else []
    for metric in results.metrics:
        heading = results.info.metrics[metric].heading
        for dataset, channel in cells:
            stem, where = file_stem(dataset, channel, metric), f"on {dataset}, {channel}"
            over = "groups of images" if (dataset, channel) in results.comparison.grouped else "images"
            captions[f"snr_{stem}"] = f"{heading} over SNR {where}: a panel a CR, bands are 95 % intervals over {over}."
            captions[f"symbols_{stem}"] = (
                f"{heading} over all symbols sent an image {where}: a panel an SNR, fixed rates are single points."
            )
    for channel in sorted(results.records["channel"].unique()):
        captions[file_stem("limits", channel)] = (
            f"Limits over {channel}: what its capacity would carry, beside what the digital codecs did."
        )
    for dataset in sorted(results.records["dataset"].unique()):
        captions[f"qualitative_{file_stem(dataset)}"] = f"Images of {dataset}: the originals and what each method made of them."
    return captions
