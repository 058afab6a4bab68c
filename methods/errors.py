"""Errors a method can raise; each message names the bad value and the way out."""

from benchmarks.common.errors import SemcomError


class MethodError(SemcomError):
    """Base class of everything that goes wrong inside ``methods``."""


class RateError(MethodError):
    """A compression ratio that a method cannot meet at this image size."""


class MethodFileError(MethodError):
    """A user's file from which no method can be taken."""


class CheckpointMismatchError(MethodError):
    """Weights that do not fit the network they were given to."""


class MissingAssetError(MethodError):
    """A file or package that a method needs and that is not there."""
