"""The notebook runs as it stands, from any folder."""

import nbformat
import pytest
from nbclient import NotebookClient

from helpers.places import ROOT

NOTEBOOK = ROOT / "suite" / "docs" / "notebooks" / "first_look.ipynb"


@pytest.mark.slow
def test_the_notebook_runs_and_shows_images_a_curve_and_a_table(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.get("outputs") for cell in notebook.cells), "it is kept without outputs"
    done = NotebookClient(notebook, timeout=400, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in done.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    assert any("JPEG" in output.get("data", {}).get("text/html", "") for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)
