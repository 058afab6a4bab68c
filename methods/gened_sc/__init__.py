"""GenED-SC, stage one: semantic dual-branch JSCC."""

from typing import TYPE_CHECKING, Any

from benchmarks.common.lazy import lazy_attribute

if TYPE_CHECKING:
    from methods.gened_sc.method import GenEDSC
    from methods.gened_sc.settings import GenEDSCSettings

__all__ = ["GenEDSC", "GenEDSCSettings"]


def __getattr__(name: str) -> Any:
    return lazy_attribute(__name__, name, __all__, ("settings", "method"))
