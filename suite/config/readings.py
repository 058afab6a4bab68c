"""Readings: the same grid over the link set otherwise, as rows of their own where several settings are each worth a look.

::

    readings: {"Eb/N0": {link: {digital: {snr_as: eb_n0}}}, ...}
        ──laid over the grid's link──> a link ──which methods does it concern?──> their cells once more, "GenED-SC [Eb/N0]"

A reading without changes names the grid's own link. A method that a reading cannot change is evaluated once, without a label.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, ValidationError

from benchmarks.common.names import slug
from benchmarks.common.validation import Settings, sentences
from benchmarks.link.digital.settings import CAPACITY, DigitalSettings, Mode
from benchmarks.link.settings import LinkSettings, channel_summaries
from methods.declaration import Traits

LONGEST = 40


def _label(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 .,/+-]*", value) and len(value) <= LONGEST:
        return value
    raise ValueError(
        f"a label is a text of up to {LONGEST} letters, digits, spaces and . , / + - that begins with a letter or a digit, as in 16-QAM 1/2"
    )


Label = Annotated[str, BeforeValidator(_label)]


class Reading(Settings):
    """Link settings that differ from the grid's.

    Attributes:
        link: keys of the grid's ``link`` with other values; none for the grid's own.
        channels: those of the grid's that it is of interest on; ``None`` for all.
    """

    link: dict[str, Any] = {}
    channels: tuple[str, ...] | None = None

    def among(self, channels: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of a grid's channels that it is of interest on, perhaps none."""
        return channels if self.channels is None else tuple(channel for channel in channels if channel in self.channels)

    def over(self, link: LinkSettings) -> LinkSettings:
        """Return ``link`` with this reading's changes.

        Raises:
            pydantic.ValidationError: a key or a value is wrong.
        """
        return LinkSettings.model_validate(_laid_over(link.model_dump(), self.link))


def _laid_over(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _laid_over(values[key], change) if isinstance(change, Mapping) and isinstance(values.get(key), Mapping) else change
        for key, change in changes.items()
    }
    return {**values, **both}


def check_readings(readings: Mapping[str, Reading], link: LinkSettings) -> None:
    """Check the readings of a grid.

    Raises:
        ValueError: a key or value of the link is wrong, two readings are of one link or of one file name, or there is no such channel.
    """
    known = channel_summaries(link)
    found: dict[str, str] = {}
    for label, reading in readings.items():
        try:
            laid = reading.over(link)
        except ValidationError as error:
            raise ValueError(f"the reading '{label}': {'; '.join(sentences(error, LinkSettings))}") from None
        for same in (laid.model_dump_json(), slug(label)):
            if same in found:
                raise ValueError(f"the readings '{found[same]}' and '{label}' are one; leave one out or give it other settings and name")
            found[same] = label
        if foreign := [channel for channel in reading.channels or () if channel not in known]:
            raise ValueError(f"the reading '{label}' names the channels {', '.join(foreign)}; there are {', '.join(known)}")


def concerns(traits: Traits, own: LinkSettings, other: LinkSettings) -> bool:
    """Return whether a method so declared may come to other results over one link than over another."""
    return traits.coding_mode != CAPACITY and (not same_analog(own, other) or _messages(traits, own) != _messages(traits, other))


def same_analog(own: LinkSettings, other: LinkSettings) -> bool:
    """Return whether analog streams meet the same link."""
    # Where messages are sent again, analog streams are spread over as many fades.
    return own.digital.harq == other.digital.harq and own.model_copy(update={"digital": other.digital}) == other


def _messages(traits: Traits, link: LinkSettings) -> dict[str, Any]:
    digital: DigitalSettings = link.digital
    return digital.matters(cast(Mode, traits.coding_mode or digital.mode)) if traits.sends_messages else {}
