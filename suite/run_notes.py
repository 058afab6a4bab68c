"""What every table of a run must tell beside its numbers, known before anything runs; ``run.json`` keeps it.

::

    Prepared ──run_notes──> ["... is lossless by decree ...", "Trained on awgn ..."] ──run.json──> under every table
"""

from collections import defaultdict
from collections.abc import Iterator

from suite.link.declared import LOSSLESS
from suite.prepare import Prepared

BY_DECREE = "is lossless by decree: its bytes always arrive, and the symbols of its fixed scheme are charged."


def run_notes(prepared: Prepared) -> list[str]:
    """Return the sentences that belong under every table of a run."""
    return [*_lossless(prepared), *_channels_not_met(prepared)]


def _lossless(prepared: Prepared) -> Iterator[str]:
    """Yield which digital streams the channel does nothing to."""
    if prepared.grid.link.digital.mode == LOSSLESS:
        yield f"The digital stream {BY_DECREE}"
        return
    own = [each.label for each in prepared.configured_methods if each.traits.coding_mode == LOSSLESS]
    if own:
        yield f"The digital stream of {', '.join(own)} {BY_DECREE}"


def _channels_not_met(prepared: Prepared) -> Iterator[str]:
    """Yield which networks are tested on channels that their training did not meet."""
    tested = prepared.grid.channels
    # By the job: what it names is what the card of its checkpoint says, since both bear one identity.
    met = {label: job.settings.channels for (label, _), job in prepared.jobs.items()}
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for label, channels in met.items():
        if new := tuple(channel for channel in tested if channel not in channels):
            groups[channels, new].append(label)
    for (channels, new), labels in groups.items():
        yield f"Trained on {', '.join(channels)} and tested on {', '.join(new)} without having met it in training: {', '.join(labels)}."
