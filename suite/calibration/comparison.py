"""One published number beside ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from suite.config.yaml_text import load_yaml

PUBLISHED = Path(__file__).resolve().parents[2] / "benchmarks" / "published.yaml"
State = Literal["agrees", "differs", "not comparable", "missing"]


@dataclass(frozen=True)
class Comparison:
    """A published number and ours.

    Attributes:
        what: what was measured, in a few words.
        source: who published it.
        published: the number.
        ours: what this machine gives; ``None`` where something is missing.
        tolerance: largest distance at which they agree; ``None`` where they are not of the same images, and only laid side by side.
        remark: what is missing, or why the two are not comparable.
        digits: decimals to print.
    """

    what: str
    source: str
    published: float
    ours: float | None
    tolerance: float | None = 0.0
    remark: str = ""
    digits: int = 2

    @property
    def difference(self) -> float | None:
        """Ours less the published number."""
        return None if self.ours is None else self.ours - self.published

    @property
    def state(self) -> State:
        """Whether the two agree."""
        if self.difference is None:
            return "missing"
        if self.tolerance is None:
            return "not comparable"
        return "agrees" if abs(self.difference) <= self.tolerance else "differs"


@cache
def published() -> Mapping[str, Any]:
    """Return the content of ``benchmarks/published.yaml``."""
    content: Mapping[str, Any] = load_yaml(PUBLISHED.read_text(encoding="utf-8"), str(PUBLISHED))
    return content
