"""Spot checks of a method on the first images that a worker sends: what is no result at all, and what a reader must be warned of.

What the receiver decodes must come from the link alone, else its cells fail:

::

    encode A ─ decode A ──> image ─┬─ the same?  encode B, decode A again       (nothing is kept from the sender's last batch)
                                   ├─ the same?  A decoded beside other images   (nothing is taken from its batch mates)
                                   └─ the same?  with the method's modules as before encode A   (nothing is left there for it)

Sender and receiver are separate instances, so what one keeps on itself never reaches the other; this is for what they keep elsewhere.
Results that another run would not give, or that hang on the batch, are results still: every table tells it (:func:`warning_of`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from benchmarks.datasets import Sample
from suite.errors import TimeLimitError
from suite.evaluate.stages.cells import BatchSender
from suite.evaluate.stages.images import Batch, assemble
from suite.evaluate.stages.messages import UnitInput
from suite.evaluate.stages.module_state import ModuleState, state_at_first
from suite.evaluate.stages.outcomes import limit_of
from suite.evaluate.stages.random_state import random_states
from suite.evaluate.timeout import run_with_timeout
from suite.link.end_to_end import Transmission
from suite.link.signals import row_of, signals_apart

# Of 255, on average over an image: float rounding moves a decision here and there, another image moves everything.
LEVELS = 1.0
# The same of what differs by the method's own draws, where batches of one size meet kernels of one size.
SLIGHT = 0.02


def receiver_fault(
    task: UnitInput, sender: Callable[[Batch], BatchSender], samples: Mapping[str, Sample], ids: Sequence[str], device: str
) -> str | None:
    """Return what is wrong with a method's receiver in one sentence, "" if nothing is, ``None`` where there is nothing to compare.

    Args:
        task: a unit of the method.
        sender: makes the sender of a batch.
        samples: the unit's images.
        ids: those that can be sent.
        device: where networks run.

    Raises:
        TimeLimitError: the method did not answer in time.
    """
    unit = task.unit
    size, cell = unit.grid.evaluation.batch, unit.cells[0]
    if len(ids) < 2 or (not unit.configured.traits.coarse and unit.configured.traits.refines):
        return None

    def batch(of: Sequence[str]) -> Batch:
        return assemble(samples, list(of)[:size], size, device)

    def decoded(batch: BatchSender) -> Tensor | None:
        return run_with_timeout(limit_of(unit.grid), partial(batch.transmission, cell)).decoded

    # Its own filling is all the first has beside it; then it follows another image.
    state = state_at_first(unit.configured.cls)
    one, other = sender(batch(ids[:1])), sender(batch(ids[1::-1]))
    alone, beside, again = decoded(one), decoded(other), decoded(one)
    if alone is None or beside is None or again is None:
        return None
    what = ""
    if _apart(alone[0], again[0]):
        what = "once its sender has encoded others"
    elif size > 1 and _apart(alone[0], beside[1]):
        what = "beside other images of its batch"
    elif _reads_its_modules(state, partial(decoded, one), alone):
        what = "without what its sender left in a module or a class"
    if not what:
        return ""
    label = unit.configured.label
    return f"MethodError: the receiver of {label} decodes one signal to another image {what}; let decode read what arrived alone"


def warning_of(
    task: UnitInput, sender: Callable[[Batch], BatchSender], samples: Mapping[str, Sample], ids: Sequence[str], device: str
) -> str | None:
    """Return what readers of a method's numbers must know, a sentence, "" if there is nothing, ``None`` without an image.

    Args, Raises: as for :func:`receiver_fault`.
    """
    unit = task.unit
    if not ids:
        return None
    first, cell = list(ids[:2]), unit.cells[0]

    def sent(of: Sequence[str]) -> Transmission:
        return run_with_timeout(limit_of(unit.grid), partial(sender(assemble(samples, list(of), 2, device)).transmission, cell))

    alone_batch = assemble(samples, first[:1], 2, device)
    images, states = alone_batch.images.clone(), random_states()
    alone = run_with_timeout(limit_of(unit.grid), partial(sender(alone_batch).transmission, cell))
    moved = [name for name, state in random_states().items() if state != states[name]]
    # Whatever the method may draw from, it draws on.
    again, beside = sent(first[:1]), sent(first)
    found = {
        "gives other results when it is asked again, so another run has other numbers": _differ(alone, again),
        "gives an image another result beside other images of its batch": _differ(alone, beside) and not _differ(alone, again),
        "writes into the images that it is given": not torch.equal(images, alone_batch.images),
        f"moves the global random generator of {' and '.join(moved)}": bool(moved),
    }
    told = " and ".join(what for what, true in found.items() if true)
    return f"{unit.configured.label} {told}; python -m suite.check says how to mend it." if told else ""


def _differ(one: Transmission, other: Transmission) -> bool:
    """Return whether the first image was sent or decoded otherwise."""
    if signals_apart(row_of(one.signal, 0), row_of(other.signal, 0)):
        return True
    first, second = one.decoded, other.decoded
    return first is not None and second is not None and _apart(first[0], second[0], SLIGHT)


def _reads_its_modules(state: ModuleState, decode: Callable[[], Tensor | None], usual: Tensor) -> bool:
    """Return whether a receiver gives something else, or nothing, where its modules are as they were before its sender began."""
    try:
        with state.as_it_was():
            bare = decode()
    except TimeLimitError:
        raise
    # A method's own exception: what it looked for is not there.
    except Exception:
        return True
    return bare is None or _apart(usual[0], bare[0])


def _apart(one: Tensor, other: Tensor, levels: float = LEVELS) -> bool:
    return float((one.float() - other.float()).abs().mean()) * 255 > levels
