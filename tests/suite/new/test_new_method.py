"""What ``suite.new`` writes works at once: it is short, keeps the contract, and comes to a row of a table."""

import itertools
import tomllib

import pytest
import yaml
from typer.testing import CliRunner

import suite
from suite.check import subjects
from suite.check.contract import registration, tried
from suite.errors import SettingsError
from suite.new.__main__ import app
from suite.new.files import write_new

numbers = itertools.count()
CHECKS = ("signal", "image", "repeatable", "batch-mates", "gradients", "state-dict", "devices")


@pytest.fixture
def name():
    """A name of a module that no other test takes."""
    return f"beginning_{next(numbers)}"


@pytest.mark.parametrize("kind", ["plain", "trainable", "text"])
def test_what_is_written_is_short_and_keeps_the_contract(kind, name, tmp_path):
    method, test, grid = write_new(name, kind, tmp_path / "mine", False)
    text = method.read_text()
    assert len(text.splitlines()) < 60 and max(map(len, text.splitlines())) <= 140
    assert "method_checks" in test.read_text() and name in yaml.safe_load(grid.read_text())["methods"]
    for subject in subjects(str(method)):
        outcomes = {check: tried(subject, check) for check in CHECKS}
        assert {found.outcome for found in outcomes.values()} <= {"passed", "not checked"}, outcomes
        assert outcomes["gradients"].outcome == ("passed" if kind == "trainable" else "not checked")
        assert registration(subject) == ""


def test_its_grid_sets_it_beside_baselines(name, tmp_path):
    method, _, grid = write_new(name, "plain", tmp_path, False)
    few = {"snr_db": [4], "cr": ["1/24"], "metrics": ["psnr"]}
    run = suite.run(grid, method_files=[method], limit=1, settings=few, out=tmp_path / "run", executor="inline", quiet=True)
    assert run.failed == 0 and list(run.table("psnr", dataset="scenes", channel="awgn").index.get_level_values(1)) == [
        name.replace("_", " ").capitalize(),
        "DeepJSCC",
        "JPEG + LDPC, adaptive",
    ]


def test_a_method_file_joins_the_grid_where_no_methods_are_chosen(name, tmp_path):
    from methods.files import add_file
    from suite.config.compose import compose

    method, *_ = write_new(name, "plain", tmp_path, False)
    grid = compose("quick", None, None, None, [], add_file(str(method)))
    assert [entry.name for entry in grid.methods][-1] == name and grid.methods[0].name == "deepjscc"


def test_a_package_has_the_entry_point(name, tmp_path):
    project = write_new(name, "plain", tmp_path, True)[-1]
    points = tomllib.loads(project.read_text())["project"]["entry-points"]["semcom.methods"]
    module, _, cls = points[name].partition(":")
    assert module == name and f"class {cls}(Method" in (tmp_path / f"{module}.py").read_text()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("my-codec", "small letters, digits and underscores"),
        ("deepjscc", "there is a method"),
        ("json", "Python module"),
        ("suite", "Python module"),
    ],
)
def test_a_name_that_cannot_be_is_told(wrong, sentence, tmp_path):
    with pytest.raises(SettingsError, match=sentence):
        write_new(wrong, "plain", tmp_path, False)


def test_nothing_that_is_there_is_overwritten(name, tmp_path):
    (tmp_path / f"{name}.yaml").write_text("mine")
    result = CliRunner().invoke(app, [name, "--folder", str(tmp_path)])
    assert result.exit_code == 2 and "is there already and stays as it is" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.yaml"] and (tmp_path / f"{name}.yaml").read_text() == "mine"
