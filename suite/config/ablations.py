"""What ablations a grid asks for: a table for each question, the variants that answer it and what each of them has."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from benchmarks.common.validation import Settings
from benchmarks.link.settings import Decibel


def _row(value: Any) -> Any:
    """Accept ``method/variant`` and ``{method/variant: [components]}`` besides the full form of a row."""
    if isinstance(value, str):
        return {"series": value}
    if isinstance(value, Mapping) and len(value) == 1 and "series" not in value:
        ((series, has),) = value.items()
        return {"series": series, "has": has}
    return value


class AblationRow(Settings):
    """One variant of an ablation.

    Attributes:
        series: method/variant; ``method/variant/stage-one`` for the images before the edit of a variant with both stages.
        has: the components it has.
    """

    series: str
    has: tuple[str, ...] = ()


class Ablation(Settings):
    """One question: the variants that answer it and what each of them has.

    Attributes:
        name: of the files.
        title: heading of the table.
        components: parts that variants have or lack, one column each.
        rows: the variants in the order of the table.
        snr_db: SNRs that have a table each, beside that of the mean over all of the run.
        notes: sentences below the table.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+$")]
    title: str
    components: tuple[str, ...] = ()
    rows: tuple[Annotated[AblationRow, BeforeValidator(_row)], ...] = Field(min_length=1)
    snr_db: tuple[Decibel, ...] = ()
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> Self:
        for row in self.rows:
            if unknown := sorted(set(row.has) - set(self.components)):
                raise ValueError(
                    f"the row {row.series} names {', '.join(unknown)}, which is none of the components {', '.join(self.components)}"
                )
        return self
