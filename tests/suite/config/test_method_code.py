"""Records belong to the code that made them; what does not change what a method does changes nothing."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import methods
from methods.registry import METHODS
from suite.config import method_code
from suite.config.method_code import method_code as code_of
from suite.report.page.write import write_report
from suite.report.results import load_results
from suite.run import app
from suite.runs.layout import RunLayout
from suite.runs.records import load
from suite.train.checkpoint import find
from suite.train.jobs import code_note

PACKAGE = {
    "__init__.py": "",
    "method.py": '''"""A method."""
from typing import TYPE_CHECKING

from . import helper
if TYPE_CHECKING:
    from own_package import types_only

class Method:
    """Its class."""
    def decode(self):
        # as is
        from own_package.late import VALUE
        return helper.twice(VALUE)
''',
    "helper.py": "def twice(x):\n    return 2 * x\n",
    "late.py": "VALUE = 3\n",
    "types_only.py": "X = 1\n",
    "apart.py": "Y = 1\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "own_package"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_package"]:
        del sys.modules[name]


def forget() -> None:
    """Read files anew, as another process does."""
    code_of.cache_clear()
    method_code._read.cache_clear()


def digest_of(module: str) -> str:
    forget()
    return code_of(importlib.import_module(module).Method)


@pytest.mark.parametrize(
    ("file", "old", "new", "matters"),
    [
        ("method.py", "# as is", "# as it was, and\n        # longer", False),
        ("method.py", '"""Its class."""', '"""Its class, described."""', False),
        ("method.py", '"""Its class."""', 'display_names = {"": "Mine"}\n    legend_names: dict = {}', False),
        ("method.py", '"""Its class."""', 'other_names = {"": "Mine"}', True),
        ("method.py", "helper.twice(VALUE)", "helper.twice(\n            VALUE,\n        )", False),
        ("method.py", "helper.twice(VALUE)", "helper.twice(VALUE + 1)", True),
        ("helper.py", "2 * x", "3 * x", True),
        ("late.py", "3", "4", True),
        ("__init__.py", "", "import own_package.apart\n", True),
        ("types_only.py", "1", "2", False),
        ("apart.py", "1", "2", False),
    ],
)
def test_what_a_method_does_is_in_its_digest_and_nothing_else(file, old, new, matters, package):
    before = digest_of("own_package.method")
    text = (package / file).read_text()
    (package / file).write_text(text.replace(old, new, 1))
    assert (digest_of("own_package.method") != before) is matters


def test_a_file_by_itself_reaches_the_modules_beside_it(package, monkeypatch):
    (package / "alone.py").write_text("import helper\n\nclass Method:\n    value = helper.twice(2)\n")
    monkeypatch.syspath_prepend(package)
    before = digest_of("alone")
    (package / "late.py").write_text("VALUE = 9\n")
    assert digest_of("alone") == before
    (package / "helper.py").write_text("def twice(x):\n    return x\n")
    assert digest_of("alone") != before
    del sys.modules["alone"], sys.modules["helper"]


def test_methods_that_ask_models_reach_the_backends_they_may_load():
    forget()
    where = method_code._where(METHODS.get("nam24"), Path(methods.__file__).parent / "nam24.py")
    reached = method_code._reached({"methods.nam24": where.find("methods.nam24")}, where)
    assert {"methods.generative.backends.openai_backend", "methods.generative.client", "methods.base", "methods"} <= reached.keys()
    assert not any(name.startswith(("methods.swinjscc", "suite", "torch")) for name in reached)


def test_reading_code_loads_no_library():
    code = (
        "import sys, suite.config.method_code as m; from pathlib import Path; p = Path('methods/swinjscc/method.py'); "
        "assert len(m._reached({'methods.swinjscc.method': p}, m._Where({'methods': (Path('methods'),)}, None))) > 10; "
        "assert not {'torch', 'numpy', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(methods.__file__).parents[1])


SOURCE = '''"""A method of the user's own."""
from methods.base import Method, Signal
from methods.registry import METHODS
from methods.layers.symbols import from_symbols, to_symbols
from torch.nn import functional as F


@METHODS.register("reworked")
class Edited(Method):
    def encode(self, images, point, descriptions):
        return Signal(analog=to_symbols(F.avg_pool2d(images, 8) - 0.5, self.geometry.symbols(point.cr)))

    def decode(self, received, point):
        symbols = received.symbols()
        means = from_symbols(symbols, (len(symbols), 3, self.geometry.height // 8, self.geometry.width // 8))
        # a comment
        return (F.interpolate(means * 0.3, scale_factor=8) + 0.5).clamp(0, 1)
'''


class Session:
    """Calls of the command on one folder, each reading the method's file as a process of its own would."""

    def __init__(self, folder: Path, images: Path) -> None:
        self.file, self.out = folder / "reworked.py", folder / "run"
        self.images = images

    def __call__(self, source: str, *more: str) -> str:
        self.file.write_text(source)
        METHODS._entries.pop("reworked", None)
        sys.modules.pop("methods.reworked", None)
        importlib.invalidate_caches()
        forget()
        arguments = ["--methods", "reworked", "--datasets", "folder", "--data-dir", str(self.images), "--out", str(self.out)]
        for assignment in ("image_size=32", "metrics=[psnr]", "cr=[1/12]", "snr_db=[10]", "channels=[awgn]", "evaluation.unit=2"):
            arguments += ["--set", assignment]
        result = CliRunner().invoke(app, [*arguments, "--limit", "2", *more])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    @property
    def psnr(self) -> pd.Series:
        return load(self.out)["psnr"]


@pytest.fixture
def session(tmp_path, images, monkeypatch, without_ray, draft_figures):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    yield Session(tmp_path, images)
    METHODS._entries.pop("reworked", None)
    sys.modules.pop("methods.reworked", None)
    forget()


def test_edited_code_is_evaluated_anew_and_a_comment_is_not(session):
    assert "0 of 1 units are done" in session(SOURCE)
    good = session.psnr
    assert "1 of 1 units are done" in session(SOURCE.replace("# a comment", "# another comment"))
    broken = SOURCE.replace("means * 0.3", "means * -3")
    assert "0 of 1 units are done" in session(broken)
    assert (session.psnr < good - 3).all() and len(session.psnr) == 2
    assert "1 of 1 units are done" in session(SOURCE)
    pd.testing.assert_series_equal(session.psnr, good)


def test_what_is_kept_although_the_code_changed_says_so_everywhere(session):
    session(SOURCE)
    good = session.psnr
    broken = SOURCE.replace("means * 0.3", "means * -3")
    said = session(broken, "--set", "evaluation.code_changed=keep")
    assert "1 of 1 units are done" in said and "records of reworked/default were kept although the code of the method has changed" in said
    pd.testing.assert_series_equal(session.psnr, good)
    tables = [*(session.out / "tables").glob("*.md"), *(session.out / "tables").glob("*.tex"), session.out / "report.html"]
    assert len(tables) >= 7
    assert [path.name for path in tables if "Code changed: records of reworked/default" not in path.read_text()] == []
    session(broken)
    assert (session.psnr < good - 3).all()
    assert "Code changed" not in (session.out / "report.html").read_text()
    # Set aside meanwhile, and still not lost to who would rather keep it.
    assert "1 of 1 units are done" in session(SOURCE, "--set", "evaluation.code_changed=keep")
    pd.testing.assert_series_equal(session.psnr, good)
    assert json.loads((session.out / "run.json").read_text())["code_changed"] == []


def test_a_checkpoint_of_other_code_is_used_and_told(tmp_path):
    from suite.config.compose import compose
    from suite.prepare import SHIPPED, prepare

    grid = compose("quick", "deepjscc", None, 1, ["cr=[1/24]"])
    (job,) = prepare(grid).jobs.values()
    found = find(job.identity, [SHIPPED])
    assert found is not None, "the shipped checkpoint must be found whatever its method's code"
    assert code_note(job, found) is None

    def of_code(code):
        return type(found)(found.path, found.card.model_copy(update={"code": code}))

    assert code_note(job, of_code(code_of(job.configured.cls))) is None
    assert "deepjscc/default 1/24 were trained before the method's code changed" in code_note(job, of_code("0" * 24))


def test_the_page_warns_of_a_start_from_an_unclean_tree(session):
    session(SOURCE)
    path = session.out / "run.json"
    run = json.loads(path.read_text())
    for dirty, warned in ((True, True), (False, False)):
        starts = [{**start, "git": {"commit": "1", "dirty": dirty}} for start in run["starts"]]
        path.write_text(json.dumps(run | {"starts": starts}))
        assert ("working tree was not clean" in write_report(load_results(session.out), RunLayout(session.out), []).read_text()) is warned
