"""What is listed of a method without importing it is what its class says."""

import sys

import pytest

from benchmarks.common.registry import Registry
from methods import catalog
from methods.registry import METHODS

NAMES = [name for name in METHODS.names() if METHODS.declared(name) is not None]


def of_class(name):
    cls = METHODS.get(name)
    traits = cls.traits(cls.Settings())
    return catalog.MethodEntry(name, list(cls.variants), list(cls.presets), traits.rates, traits.trainable, cls.paper)


@pytest.mark.parametrize("name", NAMES)
def test_the_source_states_what_the_class_says(name):
    assert catalog._stated(METHODS.declared(name)) == of_class(name)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a method whose class computes its variants, and one that states them through a base and another module."""
    folder = tmp_path / "troupe"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "tables.py").write_text("_FIRST = {'one': {}}\nTABLE = {**_FIRST, 'two': {'side': 2}}\n")
    (folder / "base.py").write_text(
        "from methods.declaration import MethodSettings, Traits\n"
        "class Base:\n"
        "    Settings, presets, paper = MethodSettings, {'compact': {}}, ''\n"
        "    @classmethod\n"
        "    def traits(cls, settings):\n        return Traits(rates='fixed')\n"
    )
    (folder / "plain.py").write_text(
        "from troupe.base import Base\nfrom troupe.tables import TABLE\nfrom troupe_registry import R\n"
        "@R.register('plain')\nclass Plain(Base):\n    variants = TABLE\n    presets = {'compact': {}}\n    paper = 'by ' 'nobody'\n"
    )
    (folder / "computed.py").write_text(
        "from troupe.base import Base\nfrom troupe_registry import R\n"
        "@R.register('computed')\nclass Computed(Base):\n    variants = {str(number): {} for number in range(2)}\n"
    )
    (tmp_path / "troupe_registry.py").write_text(
        "from benchmarks.common.registry import Registry\nR = Registry('method', package='troupe', decorator='R.register')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import troupe_registry

    monkeypatch.setattr(catalog, "METHODS", troupe_registry.R)
    yield
    for name in [name for name in sys.modules if name.startswith("troupe")]:
        del sys.modules[name]


def test_names_are_followed_through_bases_and_modules(package):
    assert catalog.entry("plain") == catalog.MethodEntry("plain", ["one", "two"], ["compact"], "fixed", False, "by nobody")
    assert "troupe.plain" not in sys.modules


def test_what_a_class_computes_is_asked_from_the_class(package):
    assert catalog.entry("computed") == catalog.MethodEntry("computed", ["0", "1"], ["compact"], "fixed", False, "")
    assert "troupe.computed" in sys.modules


def test_helpers_beside_the_methods_are_none():
    assert isinstance(METHODS, Registry)
    assert {"deepjscc", "digital", "gened_sc", "hosonuma25", "nam24", "sgdjscc", "swinjscc"} <= set(METHODS.names())
    assert not {"base", "catalog", "declaration", "errors", "generative", "layers", "messages", "published", "registry"} & set(
        METHODS.names()
    )
