"""Hours and dollars of a grid on given machines, against sums by hand."""

import pytest
from typer.testing import CliRunner

from benchmarks.common.errors import SemcomError
from suite.errors import SettingsError
from suite.machines import KINDS, Work, forecast, machines_of
from suite.run import app

ASK = CliRunner()
L4 = KINDS["l4"]


def test_trainings_last_as_long_as_the_longest_and_evaluation_as_its_slower_side():
    hour = round(L4.trained_an_hour)
    work = Work(records={"a": 36_000, "b/full": 3_000}, answers={"b/full": 3_000}, trainings=[10 * hour, hour, hour])
    told = list(forecast(work, {"l4": 2, "h100": 1}, {}))
    # The H100 takes the long training in 10 h x 121 / 989 = 73 min, an L4 each short one;
    # 36,000 and 3,000 scores of 0.2 s on two L4; 3,000 edits of 6.6 s.
    assert told[0].startswith("trainings: 73 min")
    assert "images by large models: 5 h 30 min on 1 H100, 6 machine hours" in told
    assert "transmitting and scoring: 65 min on 2 L4, 2 machine hours" in told
    assert any(sentence.endswith("most of it is images by large models") for sentence in told)
    assert "answers of models 0.4 GB" in told[-1]


def test_two_equal_machines_take_half_the_time():
    work = Work(records={"a": 360_000}, trainings=[round(L4.trained_an_hour)] * 4)
    one, two = (list(forecast(work, {"l4": count}, {})) for count in (1, 2))
    assert one[0].startswith("trainings: 4 h 0 min") and two[0].startswith("trainings: 2 h 0 min")
    assert one[1].startswith("transmitting and scoring: 20 h 0 min") and two[1].startswith("transmitting and scoring: 10 h 0 min")
    assert (
        next(each for each in one if each.startswith("cost")) == "cost: $24 for the hours of work, $24 if all machines are held to the end"
    )


def test_what_was_measured_goes_before_the_sums():
    told = list(forecast(Work(records={"a": 100, "b": 100}), {"l4": 1}, {"a": 36.0}))
    assert told[0].startswith("measured before in this run folder: a;") and "transmitting and scoring: 60 min on 1 L4" in told[1]


@pytest.mark.parametrize("text", ["h100", "h100=0", "l4=-1", "l4=2.5", "", "tpu=4"])
def test_a_wrong_list_of_machines_is_told(text):
    with pytest.raises(SemcomError, match="machine"):
        machines_of(text)


def test_a_large_model_needs_a_machine_that_holds_it():
    with pytest.raises(SettingsError, match="b/full ask large models that none of these machines holds; add some of h100"):
        list(forecast(Work(records={"b/full": 1}, answers={"b/full": 1}), {"l4": 4}, {}))


def test_the_full_grid_says_what_holds_it_up():
    shown = ASK.invoke(app, ["--grid", "full", "--dry-run", "--machines", "h100=8,l4=64"])
    assert shown.exit_code == 0, shown.output
    assert "most of it is images by large models" in shown.output and "on 64 L4" in shown.output
    refused = ASK.invoke(app, ["--machines", "l4=1"])
    assert refused.exit_code == 2 and "belongs to --dry-run" in refused.output
