"""YAML that says something else than it seems to, or more than there is room for."""

import pytest

from helpers.places import ROOT
from suite.config.grid import Grid
from suite.config.reading import override, read_grid
from suite.config.yaml_text import load_yaml
from suite.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("snr_db: [1]\ncr: [1/12]\nsnr_db: [10]\n", "'snr_db' stands in line 1 and in line 3"),
        ("training:\n  steps: 4000\n  warmup: 5\n  steps: 10\n", "'steps' stands in line 2 and in line 4"),
        ("methods:\n  - name: deepjscc\n    training: {steps: 1, steps: 2}\n", "'steps' stands in line 3 and in line 3"),
    ],
)
def test_a_key_that_stands_twice_is_an_error_with_both_lines(text, lines, tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=lines) as refused:
        read_grid(str(path))
    assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)


def test_a_merge_key_may_be_overridden():
    assert load_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n", "g")["b"] == {"x": 3, "y": 2}


def test_a_suffix_in_capitals_is_a_grid_file_too(tmp_path):
    path = tmp_path / "GRID.YAML"
    path.write_text("snr_db: [1]\n")
    assert read_grid(str(path)) == {"snr_db": [1]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)), "by the anchors in it"),
        ("a: &a [*a]\n", "by the anchors in it"),
        ("[" * 5000, "nested too deeply"),
        ("x: " + "1" * 1_000_001, "longer than 1,000,000 bytes"),
        ("{a: b", "not readable YAML"),
        ("a: \0b", "not readable YAML"),
    ],
)
def test_what_never_ends_is_told_at_once(text, words, tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=words) as refused:
        read_grid(str(path))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


def test_text_that_is_no_utf8_and_what_is_no_file_are_told(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_bytes("description: Größe\n".encode("latin-1"))
    with pytest.raises(SettingsError, match="not UTF-8"):
        read_grid(str(path))


def test_an_assignment_is_read_by_the_same_rule():
    with pytest.raises(SettingsError, match=r"--set training=.*'steps' stands in line 1 and in line 1"):
        override({}, ["training={steps: 1, steps: 2}"])


def test_the_built_in_grids_are_read_as_before():
    for path in (ROOT / "benchmarks" / "grids").glob("*.yaml"):
        Grid.model_validate(read_grid(str(path)))
