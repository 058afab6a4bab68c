"""The digital stream: bytes over the same channel as the analog symbols, really coded, modulated, decoded and counted."""

from typing import TYPE_CHECKING, Any

from benchmarks.common.lazy import lazy_attribute

if TYPE_CHECKING:
    from benchmarks.link.digital.reception import DigitalReception
    from benchmarks.link.digital.settings import DigitalSettings
    from benchmarks.link.digital.stream import DigitalStream
    from benchmarks.link.digital.text import char_error_rate, chrf, readable

__all__ = ["DigitalReception", "DigitalSettings", "DigitalStream", "char_error_rate", "chrf", "readable"]


def __getattr__(name: str) -> Any:
    return lazy_attribute(__name__, name, __all__, ("settings", "text", "reception", "stream"))
