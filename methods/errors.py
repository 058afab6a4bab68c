"""Errors a method can raise; each message names the bad value and the way out."""


class MethodError(Exception):
    """Base class of everything that goes wrong inside ``methods``."""


class UnknownNameError(MethodError, KeyError):
    """A name that is not in a registry; the message suggests the nearest one."""

    def __str__(self) -> str:
        return str(self.args[0])


class DuplicateNameError(MethodError):
    """Two definitions claim one name."""


class RateError(MethodError):
    """A compression ratio that a method cannot meet at this image size."""


class CheckpointMismatchError(MethodError):
    """Weights that do not fit the network they were given to."""


class MissingAssetError(MethodError):
    """A file or package that a method needs and that is not there."""
