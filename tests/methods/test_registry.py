"""The registry: duplicates, near names, lazy imports, files on disk, entry points."""

import sys
from importlib.metadata import EntryPoint

import pytest

import benchmarks.common.registry
from benchmarks.common.errors import DuplicateNameError, UnknownNameError, UnreadableSourceError
from benchmarks.common.names import suggestion
from benchmarks.common.registry import Registry


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
    folder = tmp_path / "contenders"
    (folder / "two").mkdir(parents=True)
    (folder / "__init__.py").write_text(
        "from benchmarks.common.registry import Registry\nR = Registry('method', package='contenders', decorator='R.register')\n"
    )
    (folder / "helper.py").write_text("raise RuntimeError('a file without the decorator is no entry')\n")
    (folder / "one.py").write_text("from contenders import R\n@R.register('one')\nclass One: ...\n")
    (folder / "two" / "__init__.py").write_text("")
    (folder / "two" / "method.py").write_text(
        "NAME = 'two'\nfrom contenders import R\n@R.register(NAME)\nclass Two: ...\nraise RuntimeError\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "contenders"]:
        del sys.modules[name]


def test_a_class_with_the_decorator_is_an_entry_and_is_imported_only_when_asked_for(package):
    import contenders

    assert contenders.R.names() == ["one", "two"]
    assert "contenders.one" not in sys.modules
    assert contenders.R.get("one").__name__ == "One"
    assert "contenders.two.method" not in sys.modules
    declared = contenders.R.declared("two")
    assert (declared.source.module, declared.node.name) == ("contenders.two.method", "Two")


def test_what_lies_beside_the_entries_is_none_of_them(package):
    import contenders

    with pytest.raises(UnknownNameError, match=r"unknown method 'helper'\. Known: one, two"):
        contenders.R.get("helper")


def test_a_name_that_two_files_claim_is_refused_before_either_is_imported(package):
    import contenders

    (package / "other.py").write_text("from contenders import R\n@R.register('one')\nclass Other: ...\n")
    with pytest.raises(DuplicateNameError, match=r"contenders\.one\.One and by contenders\.other\.Other"):
        contenders.R.get("one")
    assert "contenders.one" not in sys.modules


def test_a_file_that_is_no_python_is_named(package):
    import contenders

    (package / "broken.py").write_text("@R.register('broken')\nclass Broken\n")
    with pytest.raises(UnreadableSourceError, match=r"broken\.py is no valid Python: .*line 2; correct it"):
        contenders.R.names()


def test_an_entry_point_of_another_distribution_is_an_entry(monkeypatch):
    point = EntryPoint("outside", "fractions:Fraction", "semcom.methods")
    monkeypatch.setattr(benchmarks.common.registry, "entry_points", lambda group: [point] if group == "semcom.methods" else [])
    registry: Registry[type] = Registry("method", group="semcom.methods")
    assert "outside" in registry
    assert registry.get("outside").__name__ == "Fraction"


def test_a_name_that_its_own_module_does_not_register_is_told_and_never_suggested_for_itself(package):
    import contenders

    (package / "one.py").write_text("from contenders import R\nif False:\n    @R.register('one')\n    class One: ...\n")
    (package / "three.py").write_text("from contenders import R\n@R.register('three')\nclass Three: ...\nR._entries.clear()\n")
    with pytest.raises(UnknownNameError, match=r"contenders\.three registers no method 'three' when it is imported"):
        contenders.R.get("three")
    with pytest.raises(UnknownNameError) as error:
        Registry("method", {"two": 2}).get("twoo")
    assert "Did you mean 'two'?" in str(error.value)
    assert suggestion("same", ["same"]) == ""
