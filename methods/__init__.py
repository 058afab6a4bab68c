"""The methods: every method of the comparison, each a sender and a receiver that meet only on the link.

``METHODS`` finds them: a file ``methods/<name>.py`` (or a package of that name) whose class carries
``@METHODS.register("<name>")``, or an entry point in the group ``semcom.methods`` of another distribution.
"""

from typing import TYPE_CHECKING, Any

from benchmarks.common.lazy import lazy_attribute

if TYPE_CHECKING:
    from methods.base import Geometry, Method, OperatingPoint, Received, Signal, Targets, TrainableMethod, Traits
    from methods.registry import METHODS

__all__ = ["METHODS", "Geometry", "Method", "OperatingPoint", "Received", "Signal", "Targets", "TrainableMethod", "Traits"]


def __getattr__(name: str) -> Any:
    return lazy_attribute(__name__, name, __all__, ("registry", "base"))
