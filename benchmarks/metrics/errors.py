"""Errors of the metrics that the other parts of ``benchmarks`` do not share."""

from benchmarks.common.errors import BenchmarkError


class MetricKindError(BenchmarkError):
    """A metric with a value an image where one with a value a cell is asked for, or the other way round."""


class DuplicateMetricError(BenchmarkError):
    """A CLIP model whose key would give its metrics the names of others."""


class FeaturesError(BenchmarkError):
    """Features from which no distance can be computed: too few, or of different lengths."""
