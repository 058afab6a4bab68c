"""The contract as tests of a package of one's own.

Example:
    In a test file, with a name or ``my_codec.py``; ``pytest`` then runs one test a check and variant, and names what it found:

    >>> from suite.check import method_checks
    >>> @method_checks("deepjscc")
    ... def test_deepjscc_keeps_the_contract(check):
    ...     check()
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from suite.check.contract import CONTRACT, tried
from suite.check.subject import Subject, subjects


def method_checks(*places: str, without: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Any]:
    """Parametrise a test over the checks of the methods that ``places`` name; its argument ``check`` is called without arguments.

    A check that does not concern a method, or cannot be made here, skips the test with the reason.

    Args:
        places: as for :func:`suite.check.subjects`.
        without: checks that are left out.
    """
    # Late: a part of the tests, which a run does without.
    import pytest

    cases = [
        pytest.param(partial(_checked, subject, name), id=f"{subject.configured.label}-{name}")
        for place in places
        for subject in subjects(place)
        for name in CONTRACT
        if name not in without
    ]
    return pytest.mark.parametrize("check", cases)


def _checked(subject: Subject, name: str) -> None:
    import pytest

    found = tried(subject, name)
    if found.outcome == "not checked":
        pytest.skip(found.sentence)
    if found.outcome == "expected to fail":
        pytest.xfail(found.sentence)
    if found.wrong:
        pytest.fail(f"{name}: {found.sentence}", pytrace=False)
