"""The contract of a method, tried on it: ``python -m suite.check``, and as tests in other packages.

::

    NAME or FILE ──> Subject(configured method, images, link) ──each of CONTRACT──> Finding(check, outcome, sentence)

Networks have the weights that their constructor draws: what is tried holds for any weights.
"""

from typing import Any

from benchmarks.common.lazy import lazy_attribute

__all__ = ["CONTRACT", "Finding", "Subject", "examine", "method_checks", "subjects"]


def __getattr__(name: str) -> Any:
    return lazy_attribute(__name__, name, __all__, ("subject", "contract", "testing"))
