"""What people call the methods: stated by the class, read without importing it, and each of its own."""

import subprocess
import sys

import pytest

from benchmarks.common.registry import Registry
from helpers.places import ROOT
from methods import names
from methods.names import MethodNames, display_name
from methods.registry import METHODS

NAMES = [name for name in METHODS.names() if METHODS.declared(name) is not None]


@pytest.mark.parametrize("name", NAMES)
def test_the_source_states_the_names_of_the_class(name):
    cls = METHODS.get(name)
    assert names._names(METHODS, name, None) == MethodNames(cls.display_names, cls.legend_names, list(cls.variants))
    assert cls.display_names[""], "a built-in method has a name for people"
    assert {*cls.display_names, *cls.legend_names} - {"", "*"} <= set(cls.variants), "a name of a variant that is none is never shown"


@pytest.mark.parametrize("legend", [False, True])
def test_no_two_variants_are_called_alike(legend):
    shown = [(display_name(name, variant, legend), f"{name}/{variant}") for name in NAMES for variant in METHODS.get(name).variants]
    assert len({called for called, _ in shown}) == len(shown)
    assert all(called and "_" not in called for called, _ in shown)


def test_a_variant_that_is_another_method_is_called_after_it():
    called = [display_name("edited", variant) for variant in ("swinjscc", "swinjscc/sa", "digital", "digital/webp", "mine/own")]
    assert called[:2] == ["SwinJSCC, edited", "SwinJSCC (SA), edited"]
    assert called[2:] == ["JPEG + LDPC, adaptive, edited", "WebP + LDPC, adaptive, edited", "mine/own, edited"]
    assert display_name("edited", "digital/webp", legend=True) == "WebP, edited"


def test_a_listing_of_names_imports_nothing():
    code = "import sys; from suite.runs.labels import series_label as s; assert s('gened_sc', 'full') == 'GenED-SC'; "
    code += "assert not {'torch', 'ray', 'methods.gened_sc.method'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """A package of another distribution, which cannot be imported and whose entry points name its classes."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (folder / "base.py").write_text("class Base:\n    display_names = {'': 'Theirs', 'b': 'Theirs (B)'}\n")
    (folder / "stated.py").write_text("from foreign.base import Base\nclass Own(Base):\n    variants = {'a': {}, 'b': {}, 'c-d': {}}\n")
    (folder / "computed.py").write_text("class Own:\n    display_names = dict(a='x')\n")
    info = tmp_path / "foreign-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1\n")
    points = "stated = foreign.stated:Own\ncomputed = foreign.computed:Own\ngone = foreign.gone:Own\nnowhere = not_there.gone:Own\n"
    (info / "entry_points.txt").write_text(f"[test.methods]\n{points}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(names, "METHODS", Registry("method", group="test.methods"))


def test_a_plug_in_is_named_without_being_imported(plug_in):
    assert [display_name("stated", variant) for variant in ("a", "b", "c-d")] == ["Theirs", "Theirs (B)", "Theirs, c d"]
    assert [display_name(name, "default") for name in ("computed", "gone", "nowhere", "unknown")] == [None] * 4


def test_a_class_of_this_process_alone_is_asked_itself(monkeypatch):
    registry = Registry("method")
    monkeypatch.setattr(names, "METHODS", registry)
    assert display_name("mine", "default") is None

    @registry.register("mine")
    class Mine:
        display_names = {"": "Mine, all mine"}
        legend_names = {"": "Mine"}

    assert display_name("mine", "default") == "Mine, all mine" and display_name("mine", "x", legend=True) == "Mine, x"
