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

from jinja2 import Environment

from suite.report.formats import LEGEND, write_bytes
from suite.report.results import RunResults
from suite.runs.info import SpendingInfo
from suite.runs.layout import RunLayout

_PAGE = """{% macro plain_table(table) %}
<h2>{{ table.title }}</h2>
<div class="scroll"><table class="plain">
<thead><tr>{% for value in table.header %}<th>{{ value }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}<tr>{% for value in row %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<p class="note">{{ table.notes|join(" ") }}</p>
{% endmacro %}
<!doctype html>
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
{{ plain_table(summary) }}
{% for table in tables %}
<h2>{{ table.title }}</h2>
<div class="scroll"><table>
<thead><tr><th>CR</th><th>Method</th><th>Symbols</th>{% for column in table.columns %}<th>{{ column }}</th>{% endfor %}</tr></thead>
<tbody>
{% for block in table.blocks %}{% for row in block.rows %}
<tr{% if loop.first %} class="first"{% endif %}><td>{{ block.label if loop.first }}</td><td>{{ row.label }}</td><td>{{ row.symbols }}</td>
{%- for cell in row.cells %}<td>
{%- if cell.mark == "best" %}<strong>{{ cell.value }}</strong>{% else %}<span class="{{ cell.mark }}">{{ cell.value }}</span>{% endif %}
 <small>{{ cell.interval }}</small> <span class="failed">{{ cell.failures }}</span></td>{% endfor %}</tr>
{% endfor %}{% endfor %}
</tbody></table></div>
<p class="note">{{ table.notes|join(" ") }}</p>
{% endfor %}
{% if notes %}
<h2>Notes</h2>
<ul class="note">
{% for note in notes %}<li>{{ note }}</li>
{% endfor %}</ul>
{% endif %}
{% for table in plain %}{{ plain_table(table) }}{% endfor %}
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


def _spent(spending: SpendingInfo) -> str:
    """Return what ``run.json`` says of the calls of generative models, "" where none was made."""
    return ", ".join(f"{model} {calls} times for ${spending.cost_usd.get(model, 0.0):.2f}" for model, calls in spending.calls.items())


def _notes(results: RunResults) -> list[str]:
    """Return what is said of all the tables: once what holds for each of them, the rest with where it does."""
    if not results.notes:
        return []
    everywhere = [note for note in next(iter(results.notes.values())) if all(note in notes for notes in results.notes.values())]
    own = [(key, note) for key, notes in results.notes.items() for note in notes if note not in everywhere]
    return [LEGEND, *everywhere, *(f"{dataset}, {channel}: {note}" for (dataset, channel), note in own)]


def write_report(results: RunResults, layout: RunLayout[Path], made: Iterable[Path]) -> Path:
    """Write the page of ``layout`` with the tables and the PNG figures among the files ``made``, and return its path."""
    drawn = sorted(path for path in made if path.suffix == ".png")
    figures = [{"name": path.stem, "data": base64.b64encode(path.read_bytes()).decode()} for path in drawn]
    ablations = [table for tables in results.ablations.values() for table in tables]
    page = Environment(autoescape=True, trim_blocks=True).from_string(_PAGE).render(
        name=results.name,
        rows=len(results.records),
        failed=results.failed,
        dirty=results.info.dirty,
        warnings=results.info.warnings,
        spent=_spent(results.info.spending),
        tables=list(results.metric_tables.values()),
        notes=_notes(results),
        summary=results.summary_table,
        plain=[*ablations, results.symbols_table, results.failures_table],
        figures=figures,
        provenance=json.dumps(results.info.document, indent=2, ensure_ascii=False),
    )  # fmt: skip
    return write_bytes(layout.report, page.encode())
