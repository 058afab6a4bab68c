"""A spot check of a method's receiver: what it decodes must come from the link alone.

::

    encode A ─ decode A ──> image ─┬─ the same?  encode B, decode A again       (nothing is kept from the sender's last batch)
                                   ├─ the same?  A decoded beside other images   (nothing is taken from its batch mates)
                                   └─ the same?  with the method's modules as before encode A   (nothing is left there for it)

Sender and receiver are separate instances, so what one keeps on itself never reaches the other; this is for what they keep elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from torch import Tensor

from benchmarks.datasets import Sample
from suite.errors import TimeLimitError
from suite.evaluate.stages.cells import BatchSender
from suite.evaluate.stages.images import Batch, assemble
from suite.evaluate.stages.messages import UnitInput
from suite.evaluate.stages.module_state import ModuleState, state_at_first
from suite.evaluate.stages.outcomes import limit_of
from suite.evaluate.timeout import run_with_timeout

# Of 255, on average over an image: float rounding moves a decision here and there, another image moves everything.
LEVELS = 1.0


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


def _apart(one: Tensor, other: Tensor) -> bool:
    return float((one.float() - other.float()).abs().mean()) * 255 > LEVELS
