"""What tests of the model backends share: a server on loopback that speaks the OpenAI interface."""

from collections.abc import Iterator

import pytest

from helpers.openai_double import KEY, Double


@pytest.fixture
def server(monkeypatch) -> Iterator[Double]:
    """A server that asks for its key, which the environment holds."""
    double = Double()
    monkeypatch.setenv("LOCAL_KEY", KEY)
    yield double
    double.close()
