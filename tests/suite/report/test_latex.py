"""Every table of a run typesets, whatever its names and reasons hold; skipped by name where there is no pdflatex."""

import shutil
import subprocess
from pathlib import Path

import pytest

from helpers import synthetic_run
from suite.report.results import RunResults, load_results
from suite.report.tables import write_tables
from suite.runs.layout import RunLayout

PDFLATEX = shutil.which("pdflatex")
HEAD = r"""\documentclass[10pt]{article}
\usepackage[utf8]{inputenc}\usepackage[T1]{fontenc}\usepackage{booktabs,amssymb,textcomp,graphicx}
\usepackage[margin=1cm,landscape]{geometry}
\begin{document}
"""
NASTY = r"a <b> & 50 % of_the {\undefined} $x^2$ #1 ~ \input{/etc/passwd} “é” ≥ 3 عربي 図"


@pytest.mark.skipif(PDFLATEX is None, reason="there is no pdflatex here: the LaTeX tables are not typeset")
def test_all_tables_of_a_run_typeset(tmp_path: Path) -> None:
    results = load_results(synthetic_run.make_run(tmp_path / "run"))
    records = results.records.replace({"error": {synthetic_run.REASON: NASTY}, "method": {"beta": "b_e^ta & {co}"}})
    written = write_tables(RunResults(results.layout, records, results.info), RunLayout(tmp_path / "run"))
    tables = sorted(path for path in written if path.suffix == ".tex")
    assert {"kodak_awgn", "summary", "gains", "ranks", "symbols", "failures"} <= {path.stem for path in tables}
    for path in tables:
        shutil.copy(path, tmp_path / path.name)
    (tmp_path / "all.tex").write_text(HEAD + "\n".join(rf"\input{{{path.stem}}}\clearpage" for path in tables) + "\n\\end{document}\n")
    command = [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)
    log = (tmp_path / "all.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "Missing character" not in log and "undefined" not in log.lower().replace(r"\undefined", "")
    assert (tmp_path / "all.pdf").read_bytes().startswith(b"%PDF")
