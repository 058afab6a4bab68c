"""Work that no worker can even read: one sentence, and no worker after the other for ever."""

import os

import pytest

from suite.errors import EvaluationError, WorkerDiedError
from suite.evaluate.executors.team import Team
from suite.evaluate.model_access import Access


class Unreadable:
    """Work that does something where it is read."""

    def __init__(self, does, *arguments) -> None:
        self.does = does, arguments

    def __reduce__(self):
        return self.does


@pytest.mark.parametrize(
    ("work", "error", "sentence"),
    [
        (Unreadable(exec, "raise ValueError('written by another version')"), EvaluationError, "a worker failed: ValueError: written by"),
        (Unreadable(os._exit, 3), WorkerDiedError, r"died 3 times at this unit \(give up\)"),
    ],
)
def test_work_that_cannot_be_read_ends_the_run(work, error, sentence, tmp_path):
    team = Team(tmp_path, Access(tmp_path / "bank", 1), 0.0, 1, ())
    try:
        with pytest.raises(error, match=sentence):
            list(team.work([work], most=1))
    finally:
        team.dismiss()
