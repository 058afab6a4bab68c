"""Everything a grid can name, each kind behind the one registry, so that every unknown name gets the same answer."""

from pathlib import Path

import benchmarks.grids
from benchmarks.common.registry import Registry
from benchmarks.datasets import DATASETS as DATASET_TABLE
from benchmarks.metrics import METRICS as METRIC_TABLE
from methods.registry import METHODS

DATASETS = Registry("dataset", DATASET_TABLE)
METRICS = Registry("metric", METRIC_TABLE)
GRIDS: Registry[Path] = Registry("grid", {path.stem: path for path in Path(benchmarks.grids.__file__).parent.glob("*.yaml")})

__all__ = ["DATASETS", "GRIDS", "METHODS", "METRICS", "channel_names"]


def channel_names() -> Registry[str]:
    """Return the channels with their one-line definitions; builds them, so torch is imported here and not before."""
    from benchmarks.link.link import CHANNELS

    return Registry("channel", {name: channel.summary for name, channel in CHANNELS.items()})
