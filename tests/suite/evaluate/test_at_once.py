"""Streams at once: what comes first is heard first, and what one raises ends all."""

import threading

import pytest

from suite.evaluate.executors.at_once import at_once


def test_no_stream_waits_for_another_to_end():
    heard = threading.Event()

    def patient():
        yield "first of the patient"
        assert heard.wait(30)
        yield "last of the patient"

    def quick():
        yield from ("one", "two")

    events = []
    for event in at_once([patient, quick]):
        events.append(event)
        if {"one", "two"} <= set(events):
            heard.set()
    assert sorted(events) == ["first of the patient", "last of the patient", "one", "two"] and events[-1] == "last of the patient"


def test_an_error_of_one_is_raised_and_the_others_stop():
    over, ended = threading.Event(), threading.Event()

    def endless():
        try:
            while True:
                yield 1
                over.wait(0.01)
        finally:
            ended.set()

    def broken():
        yield 2
        raise OSError(28, "the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        list(at_once([endless, broken]))
    assert ended.wait(30)


def test_one_alone_stays_in_this_thread():
    assert list(at_once([lambda: iter([threading.current_thread()])])) == [threading.current_thread()]
