"""The contract: every check with its name, and how they are gone through."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from methods.files import is_registered
from suite.check.devices import devices
from suite.check.independence import batch_mates, inputs, random_state, repeatable
from suite.check.learning import gradients, state_dict
from suite.check.receiver import separate
from suite.check.signals import damage, image, signal
from suite.check.subject import Fault, NotChecked, Subject

Outcome = Literal["passed", "failed", "not checked", "expected to fail", "passes unexpectedly"]

CONTRACT: Mapping[str, Callable[[Subject], None]] = {
    "signal": signal,
    "image": image,
    "inputs": inputs,
    "repeatable": repeatable,
    "random-state": random_state,
    "batch-mates": batch_mates,
    "receiver": separate,
    "damage": damage,
    "gradients": gradients,
    "state-dict": state_dict,
    "devices": devices,
}
# Those that need a graph of gradients.
_LEARNING = {"gradients"}


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: its name in :data:`CONTRACT`.
        outcome: what came of it.
        sentence: what is wrong and how to mend it, or why it was not checked; "" where it passed.
    """

    check: str
    outcome: Outcome
    sentence: str = ""

    @property
    def wrong(self) -> bool:
        """Whether the contract is broken, or a failure that was declared does not happen."""
        return self.outcome in ("failed", "passes unexpectedly")


def examine(subject: Subject) -> Iterator[Finding]:
    """Yield what each check of the contract finds.

    Example:
        >>> from suite.check import subjects
        >>> [found.check for found in examine(subjects("digital/jpeg")[0]) if found.wrong]
        []
    """
    for name in CONTRACT:
        yield tried(subject, name)


def tried(subject: Subject, name: str) -> Finding:
    """Return what one check finds, seen beside what the method's ``expected_failures`` declare."""
    reason = subject.configured.cls.expected_failures.get(name)
    try:
        with torch.inference_mode(name not in _LEARNING):
            CONTRACT[name](subject)
    except NotChecked as why:
        return Finding(name, "not checked", str(why))
    except Fault as fault:
        if reason is not None:
            return Finding(name, "expected to fail", f"{reason} ({fault})")
        return Finding(name, "failed", str(fault))
    if reason is not None:
        return Finding(name, "passes unexpectedly", f"expected_failures says '{reason}'; take '{name}' out of it")
    return Finding(name, "passed")


def registration(subject: Subject) -> str:
    """Return what to do so that a method is found without naming its file, "" where nothing is to be done."""
    name, cls = subject.configured.method, subject.configured.cls
    if is_registered(name):
        return ""
    return (
        f'{cls.__name__} is registered nowhere and known by its file alone; write @METHODS.register("{name}") above it, and give it an '
        "entry point or a place in methods/, to name it in any grid"
    )
