"""The registry: duplicates, near names, lazy imports, files on disk, entry points."""

import sys
from importlib.metadata import EntryPoint

import pytest

import benchmarks.common.registry
from benchmarks.common.registry import Registry
from methods.errors import DuplicateNameError, UnknownNameError


def test_an_unknown_name_is_an_error_that_suggests_the_nearest():
    registry = Registry("method", {"swinjscc": 1, "deepjscc": 2})
    with pytest.raises(UnknownNameError, match=r"unknown method 'swinjsc'\. Did you mean 'swinjscc'\? Known: deepjscc, swinjscc"):
        registry.get("swinjsc")


def test_a_name_defined_twice_is_refused_and_both_places_are_named():
    registry: Registry[type] = Registry("method")

    class First: ...

    class Second: ...

    registry.register("same")(First)
    with pytest.raises(DuplicateNameError, match=r"First.*Second"):
        registry.register("same")(Second)
    assert registry.get("same") is First


def test_the_same_definition_may_register_again():
    registry: Registry[type] = Registry("method")

    class Only: ...

    registry.register("only")(Only)
    registry.register("only")(Only)
    assert registry.names() == ["only"]


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "contestants"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from benchmarks.common.registry import Registry\nR = Registry('method', package='methods', infrastructure=('base',))\n"
    )
    (folder / "base.py").write_text("raise RuntimeError('infrastructure is not an entry')\n")
    (folder / "one.py").write_text("from methods import R\n@R.register('one')\nclass One: ...\n")
    (folder / "two.py").write_text("raise RuntimeError('imported although nobody asked')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "contestants"
    for name in [name for name in sys.modules if name.partition(".")[0] == "contestants"]:
        del sys.modules[name]


def test_a_file_is_an_entry_and_is_imported_only_when_asked_for(package):
    import contestants

    assert contestants.R.names() == ["one", "two"]
    assert "contestants.one" not in sys.modules
    assert contestants.R.get("one").__name__ == "One"
    assert "contestants.two" not in sys.modules


def test_an_entry_point_of_another_distribution_is_an_entry(monkeypatch):
    point = EntryPoint("outside", "fractions:Fraction", "semcom.methods")
    monkeypatch.setattr(benchmarks.common.registry, "entry_points", lambda group: [point] if group == "semcom.methods" else [])
    registry: Registry[type] = Registry("method", group="semcom.methods")
    assert "outside" in registry
    assert registry.get("outside").__name__ == "Fraction"
