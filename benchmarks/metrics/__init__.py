"""How close a reconstruction comes to its original: metrics, each with its variant in its name."""

from benchmarks.metrics.base import ImageMetric, MetricImage, MetricSettings, MetricSpec, SetMetric
from benchmarks.metrics.catalog import METRICS, metric_table
from benchmarks.metrics.clip_catalog import clip_score_metric, clip_similarity_metric
from benchmarks.metrics.scorer import Scorer, check, fetch, lookup, set_metric

__all__ = [
    "METRICS",
    "ImageMetric",
    "MetricImage",
    "MetricSettings",
    "MetricSpec",
    "Scorer",
    "SetMetric",
    "check",
    "clip_score_metric",
    "clip_similarity_metric",
    "fetch",
    "lookup",
    "metric_table",
    "set_metric",
]
