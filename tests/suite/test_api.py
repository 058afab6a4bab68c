"""The Python API: a comparison from a notebook, without a console and without Ray."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import suite
from helpers.places import ROOT

SETTINGS = {"cr": ["1/48"], "channels": ["awgn"], "metrics": ["psnr", "clip_score_scenes"]}
ASKED = {"methods": ["deepjscc", "nam24"], "limit": 2, "settings": SETTINGS}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook") / "look"
    return suite.run("quick", **ASKED, out=folder, executor="inline", quiet=True)


def test_a_notebook_runs_a_comparison(results):
    assert set(results.records["method"]) == {"deepjscc", "nam24"}
    assert results.records["status"].eq("ok").all()
    table = results.table("psnr", dataset="scenes", channel="awgn")
    # DeepJSCC gains with every dB, the words alone do not.
    rows = results.points.query("method == 'deepjscc' and metric == 'psnr'").sort_values("snr_db")
    assert (np.diff(rows["mean"]) > 0).all()
    assert len(table)
    assert Path(str(results.report_path)).is_file()


def test_what_is_there_is_loaded_again(results):
    again = suite.load_results(Path(str(results.report_path)).parent)
    assert again.records.equals(results.records)


def test_evaluation_alone_resumes(results, capsys):
    folder = Path(str(results.report_path)).parent
    suite.evaluate("quick", **ASKED, out=folder, executor="inline")
    assert "0 are left" in capsys.readouterr().out


def test_the_names_of_commands_are_functions_whatever_was_imported_before():
    code = (
        "import suite.train.checkpoint, suite.evaluate.plan, suite.run, suite\n"
        "assert callable(suite.train) and callable(suite.run) and callable(suite.evaluate)\n"
        "from suite.evaluate import plan\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_importing_loads_neither_torch_nor_ray():
    code = "import sys, suite; print([name for name in ('torch', 'ray', 'pandas') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"
