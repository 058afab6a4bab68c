"""The report of a run: one self-contained HTML page made of the records, ``run.json`` and the figures that lie there.

::

    records ──> tables ──┐
    figures/*.png ───────┼──> report.html      (no script, no link: it can be mailed)
    run.json ────────────┘
"""

import base64
import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from jinja2 import Environment

from suite.report.ablations import ablation_tables, read_ablations
from suite.report.formats import write_bytes
from suite.report.points import Points, build_points, read_run_info
from suite.report.tables import failures_table, metric_tables, symbols_table
from suite.runs.records import load

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ name }}</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; font-size: 13px; margin: .5rem 0; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
thead th { border-bottom: 2px solid #555; }
tr.first td { border-top: 2px solid #999; }
.plain th, .plain td { text-align: left; white-space: normal; }
.tie { text-decoration: underline; }
small, .note { color: #666; }
.failed { color: #a00; }
.scroll { overflow-x: auto; }
img { max-width: 100%; }
pre { background: #f6f6f6; padding: 1rem; overflow: auto; max-height: 30rem; font-size: 12px; }
</style>
</head>
<body>
<h1>{{ name }}</h1>
<p>{{ rows }} records, <span{% if failed %} class="failed"{% endif %}>{{ failed }} failed</span>.
{% if spent %}Models asked: {{ spent }}.{% endif %}
{% if dirty %}<strong class="failed">The working tree was not clean: the commit alone does not reproduce this run.</strong>{% endif %}</p>
{% for warning in warnings %}
<p><strong class="failed">{{ warning }}</strong></p>
{% endfor %}
{% for table in tables %}
<h2>{{ table.title }}</h2>
<div class="scroll"><table>
<thead><tr><th>CR</th><th>Method</th>{% for column in table.columns %}<th>{{ column }}</th>{% endfor %}</tr></thead>
<tbody>
{% for block in table.blocks %}{% for row in block.rows %}
<tr{% if loop.first %} class="first"{% endif %}><td>{{ block.label if loop.first }}</td><td>{{ row.label }}</td>
{%- for cell in row.cells %}<td>
{%- if cell.mark == "best" %}<strong>{{ cell.value }}</strong>{% else %}<span class="{{ cell.mark }}">{{ cell.value }}</span>{% endif %}
 <small>{{ cell.interval }}</small> <span class="failed">{{ cell.failures }}</span></td>{% endfor %}</tr>
{% endfor %}{% endfor %}
</tbody></table></div>
<p class="note">{{ table.legend }} {{ table.notes|join(" ") }}</p>
{% endfor %}
{% for table in plain %}
<h2>{{ table.title }}</h2>
<div class="scroll"><table class="plain">
<thead><tr>{% for value in table.header %}<th>{{ value }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}<tr>{% for value in row %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<p class="note">{{ table.notes|join(" ") }}</p>
{% endfor %}
<h2>Figures</h2>
{% for figure in figures %}
<figure><img alt="{{ figure.name }}" src="data:image/png;base64,{{ figure.data }}">
<figcaption class="note">{{ figure.name }}</figcaption></figure>
{% endfor %}
<h2>How it was made</h2>
<pre>{{ provenance }}</pre>
</body>
</html>
"""


def _dirty(content: object) -> bool:
    """Return whether ``run.json`` says anywhere that the working tree was not clean."""
    if isinstance(content, dict):
        return any((key == "dirty" and value is True) or _dirty(value) for key, value in content.items())
    return isinstance(content, list) and any(map(_dirty, content))


def _spent(spending: dict[str, dict[str, float]] | None) -> str:
    """Return what ``run.json`` says of the calls of generative models, "" where none was made."""
    if not spending:
        return ""
    return ", ".join(f"{model} {calls} times for ${spending['cost_usd'].get(model, 0.0):.2f}" for model, calls in spending["calls"].items())


def write_report(
    run_dir: Path, records: pd.DataFrame | None = None, points: Points | None = None, made: Iterable[Path] | None = None
) -> Path:
    """Write ``report.html`` with the tables and the figures, and return its path.

    Args:
        run_dir: the run folder.
        records, points: of the run, if they are there already.
        made: files of the run, whose PNG figures are shown; by default all that lie under ``figures/``.

    Raises:
        RecordError: the folder holds no usable records or no ``run.json``.
    """
    run_dir = Path(run_dir)
    info = read_run_info(run_dir)
    records = load(run_dir) if records is None else records
    points = points or build_points(records, info)
    run = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    shown = sorted((run_dir / "figures").glob("*.png")) if made is None else sorted(path for path in made if path.suffix == ".png")
    figures = [{"name": path.stem, "data": base64.b64encode(path.read_bytes()).decode()} for path in shown]
    ablations = [table for ablation in read_ablations(run_dir) for table in ablation_tables(ablation, points, info)]
    page = Environment(autoescape=True, trim_blocks=True).from_string(_PAGE).render(
        name=str(records["run"].iloc[0]),
        rows=len(records),
        failed=int(records["status"].eq("failed").sum()),
        dirty=_dirty(run),
        warnings=info.warnings,
        spent=_spent(run.get("spending")),
        tables=metric_tables(points, info),
        plain=[*ablations, symbols_table(records, info.warnings), failures_table(records, info.warnings)],
        figures=figures,
        provenance=json.dumps(run, indent=2, ensure_ascii=False),
    )  # fmt: skip
    return write_bytes(run_dir / "report.html", page.encode())
