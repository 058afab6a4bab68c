"""Everything a grid can name, each kind behind the one registry, so that every unknown name gets the same answer."""

from pathlib import Path

import benchmarks.grids
from benchmarks.common.registry import Registry
from benchmarks.datasets import DATASETS as DATASET_TABLE
from benchmarks.link.settings import LinkSettings, channel_summaries
from benchmarks.metrics import METRICS as METRIC_TABLE
from methods.registry import METHODS

DATASETS = Registry("data set", DATASET_TABLE)
METRICS = Registry("metric", METRIC_TABLE)
GRIDS: Registry[Path] = Registry("grid", {path.stem: path for path in Path(benchmarks.grids.__file__).parent.glob("*.yaml")})

# As a grid has them that sets nothing; a grid's own link says how each is set up there.
CHANNELS = Registry("channel", channel_summaries(LinkSettings()))

__all__ = ["CHANNELS", "DATASETS", "GRIDS", "METHODS", "METRICS"]
