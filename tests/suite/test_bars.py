"""Progress of long work: lines that come in time, times that people read, and listings in a narrow terminal."""

import io
import threading
import time

from rich.console import Console

from suite import bars as shown
from suite.bars import Bars, Pulse, stages, time_left
from suite.narrow import columns


def test_times_are_said_as_people_say_them():
    told = [time_left(seconds) for seconds in (0, 89, 90, 5280, 5400, 7260)]
    assert told == ["0 s", "89 s", "2 min", "88 min", "1 h 30 min", "2 h 1 min"]


def test_silence_is_broken_and_what_is_said_counts():
    said = threading.Event()
    pulse = Pulse(said.set, seconds=0.05)
    with pulse.watching():
        assert said.wait(5)
    quiet = []
    pulse = Pulse(lambda: quiet.append(1), seconds=30)
    with pulse.watching():
        time.sleep(0.05)
    assert not quiet


def test_a_log_gets_lines_and_a_terminal_a_bar():
    log = io.StringIO()
    with Bars(Console(file=log, width=80)) as bars:
        assert list(bars.steps([1, 2, 3], "maps", 3)) == [1, 2, 3]
    assert log.getvalue() == "maps: 3 of 3\n"
    screen = io.StringIO()
    with Bars(Console(file=screen, width=80, force_terminal=True)) as bars:
        watch = bars.bytes("file.zip")
        watch(500_000, 1_000_000)
    assert "file.zip" in screen.getvalue() and "0.5/1.0 MB" in screen.getvalue()


def test_work_that_goes_on_is_counted_from_where_it_stopped():
    screen = io.StringIO()
    with Bars(Console(file=screen, width=80, force_terminal=True)) as bars:
        assert list(bars.steps([3, 4], "steps", 4, done=2)) == [3, 4]
    assert "4/4" in screen.getvalue() and "0/4" not in screen.getvalue()


def test_a_long_part_of_unknown_length_is_named_while_it_lasts(monkeypatch):
    monkeypatch.setattr(shown, "SECONDS_BETWEEN_LINES", 0.05)

    class Log(io.StringIO):
        said = threading.Event()

        def write(self, text: str) -> int:
            if "curves" in text:
                self.said.set()
            return super().write(text)

    log = Log()
    with stages("tables", Console(file=log, width=80)) as told:
        told("curves")
        assert log.said.wait(5)
    assert "tables: curves, 0 s so far\n" in log.getvalue()
    screen = io.StringIO()
    with stages("tables", Console(file=screen, width=80, force_terminal=True)) as told:
        told("curves")
    assert "tables" in screen.getvalue() and "0:00:0" in screen.getvalue()


def test_a_short_part_leaves_no_line():
    log = io.StringIO()
    with stages("tables", Console(file=log, width=80)) as told:
        told("curves")
    assert log.getvalue() == ""


def test_no_word_is_broken_at_any_width():
    address = "https://example.org/" + "a" * 70
    shown = columns([("a", f"get it from {address} now"), ("a long name that takes the line", "short")], width=60)
    assert address in shown and max(len(line) for line in shown.splitlines() if address not in line) <= 60
