"""How close a reconstruction comes to its original: metrics, each with its variant in its name."""

from benchmarks.metrics.base import CellMetric, ImageMetric, MetricSettings, MetricSpec, Picture
from benchmarks.metrics.catalog import METRICS, clip_score_metric, clip_similarity_metric, metric_table
from benchmarks.metrics.pixels import quantise
from benchmarks.metrics.scorer import Scorer, cell_metric, check, fetch, lookup

__all__ = [
    "METRICS",
    "CellMetric",
    "ImageMetric",
    "MetricSettings",
    "MetricSpec",
    "Picture",
    "Scorer",
    "cell_metric",
    "check",
    "clip_score_metric",
    "clip_similarity_metric",
    "fetch",
    "lookup",
    "metric_table",
    "quantise",
]
