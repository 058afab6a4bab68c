"""Errors of the metrics that the other parts of ``benchmarks`` do not share."""

from benchmarks.common.errors import BenchmarkError


class UnknownMetricError(BenchmarkError):
    """A metric name that is not in the table; the message suggests the nearest one."""


class DuplicateMetricError(BenchmarkError):
    """A CLIP model whose key would give its metrics the names of others."""


class FeaturesError(BenchmarkError):
    """Features from which no distance can be computed: too few, or of different lengths."""


class PixelsError(BenchmarkError):
    """Pixels that cannot be scored: not finite, out of range, or of the wrong type or shape."""
