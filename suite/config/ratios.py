"""Compression ratios as grids write them: "1/24"."""

from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator


def _fraction(value: Any) -> Fraction:
    try:
        ratio = Fraction(str(value).replace(" ", ""))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"a compression ratio is a number such as 1/24, not {value!r}") from None
    if not 0 < ratio <= 1:
        raise ValueError(f"a compression ratio lies between 0 and 1, not {value!r}")
    return ratio


Ratio = Annotated[Fraction, BeforeValidator(_fraction)]
