"""Progress of long work: lines that come in time, times that people read, and listings in a narrow terminal."""

import io
import threading
import time

from rich.console import Console

from suite.bars import Bars, Pulse, time_left
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


def test_no_word_is_broken_at_any_width():
    address = "https://example.org/" + "a" * 70
    shown = columns([("a", f"get it from {address} now"), ("a long name that takes the line", "short")], width=60)
    assert address in shown and max(len(line) for line in shown.splitlines() if address not in line) <= 60
