"""The count of a run folder: shared by all commands that work on it, and believed only where it can be."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from filelock import FileLock

from methods.generative import SpendingLimitError
from methods.generative.costs import Limits, Price
from suite.errors import RunFolderError
from suite.evaluate import costs as spending
from suite.evaluate.costs import FolderSpending, SharedSpending, Spent, read_spending

MODEL = "openai:seer-1"
LIMITS = Limits(max_calls=4, max_cost=0.45, prices={MODEL: Price(call=0.1)})


def reserved(count: FolderSpending, estimate: float = 0.1) -> bool:
    try:
        count.reserve(MODEL, estimate)
    except SpendingLimitError:
        return False
    return True


def test_two_commands_on_one_folder_keep_one_limit(tmp_path):
    commands = [FolderSpending(LIMITS, tmp_path) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(reserved, commands * 6))
    assert sum(done) == 4 and read_spending(tmp_path) == Spent({MODEL: 4}, {MODEL: pytest.approx(0.4)})
    assert all(each.refused().startswith("max_calls is 4 ") for each in commands)
    commands[0].withdraw(MODEL, 0.1)
    assert not reserved(commands[1], 0.2) and reserved(commands[1])
    commands[0].settle(MODEL, 0.1, 0.15)
    assert read_spending(tmp_path).cost == {MODEL: pytest.approx(0.45)}


def test_a_count_that_is_removed_under_way_is_not_forgotten(tmp_path):
    count = FolderSpending(LIMITS, tmp_path)
    assert reserved(count) and reserved(count)
    (tmp_path / "spending.json").unlink()
    assert reserved(count) and read_spending(tmp_path).calls == {MODEL: 3}


@pytest.mark.parametrize(
    "content",
    [
        '{"calls": {"m": 3}, "cost_usd": {"m": NaN}}',
        '{"calls": {"m": 3}, "cost_usd": {"m": Infinity}}',
        '{"calls": {"m": 3}, "cost_usd": {"m": -5.0}}',
        '{"calls": {"m": -3}, "cost_usd": {"m": 1.0}}',
        '{"calls": {"m": 2.5}, "cost_usd": {"m": 1.0}}',
        '{"calls": {"m": "3"}, "cost_usd": {}}',
        '{"calls": {"m": null}, "cost_usd": {}}',
        '{"calls": {"m": 3}}',
        '{"calls": [], "cost_usd": {}}',
        "[]",
        "",
        "\x00\x00",
        '{"calls": ' * 5000,
    ],
)
def test_a_damaged_count_is_told_and_never_taken_for_nothing(tmp_path, content):
    path = tmp_path / "spending.json"
    path.write_text(content)
    for read in (
        lambda: read_spending(tmp_path),
        lambda: FolderSpending(LIMITS, tmp_path),
        lambda: SharedSpending.start(LIMITS, tmp_path),
    ):
        with pytest.raises(RunFolderError, match=r"spending\.json cannot be read .*: restore it, or write down what was spent") as caught:
            read()
        assert "\n" not in str(caught.value) and "delete" not in str(caught.value)
    example = str(caught.value).partition("such as ")[2]
    path.write_text(example)
    assert read_spending(tmp_path) == Spent({"openai:NAME": 12}, {"openai:NAME": 0.5})


def test_a_count_that_breaks_under_way_stops_the_calls(tmp_path, monkeypatch):
    count = FolderSpending(LIMITS, tmp_path)
    (tmp_path / "spending.json").write_text("{")
    with pytest.raises(SpendingLimitError, match=r"spending\.json cannot be read"):
        count.reserve(MODEL, 0.1)
    assert (tmp_path / "spending.json").read_text() == "{" and "cannot be read" in count.refused()
    (tmp_path / "spending.json").write_text(json.dumps(Spent({MODEL: 1}, {MODEL: 0.1}).content()))
    monkeypatch.setattr(spending, "_LONGEST_HOLD_S", 0.1)
    with FileLock(tmp_path / ".spending.lock"), pytest.raises(SpendingLimitError, match="is held by another command"):
        count.reserve(MODEL, 0.1)
    assert reserved(count) and read_spending(tmp_path).calls == {MODEL: 2}
