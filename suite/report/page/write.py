"""The report of a run: one self-contained HTML page made of the records, ``run.json`` and the figures that lie there.

::

    records ──> tables ──┐
    figures/*.png ───────┼──> report.html      (no script, no link: it can be mailed, read at night, on a telephone and on paper)
    run.json ────────────┘
"""

import base64
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment
from PIL import Image

from suite.report.captions import caption_of, figure_captions
from suite.report.formats import LEGEND, write_bytes
from suite.report.headline import headline
from suite.report.results import RunResults
from suite.runs.info import SpendingInfo
from suite.runs.layout import RunLayout

_PAGE = """{% macro plain_table(table) %}
<h2>{{ table.title }}</h2>
<div class="scroll" role="region" aria-label="{{ table.title }}" tabindex="0"><table class="plain">
<thead><tr>{% for value in table.header %}
<th class="{{ "" if loop.index0 in table.numeric else "text" }}">{{ value }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}<tr>{% for value in row %}
<td class="{{ "" if loop.index0 in table.numeric else "text" }}">{{ value }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<p class="note">{{ table.notes|join(" ") }}</p>
{% endmacro %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ name }}</title>
<style>
:root { color-scheme: light dark; }
:root { --ink: #222; --faint: #595959; --line: #ddd; --rule: #767676; --bad: #a00; --ground: #fff; --block: #f6f6f6; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e4; --faint: #a8a8a8; --line: #3a3a3a; --rule: #8a8a8a; --bad: #ff8a80; --ground: #161616; --block: #222; }
}
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
body { color: var(--ink); background: var(--ground); }
h1, h2, p, li, figcaption { overflow-wrap: anywhere; }
.lead { font-size: 1.1em; max-width: 50rem; }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: 13px; margin: .5rem 0; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child, .metric th:nth-child(2), .metric td:nth-child(2) { text-align: left; }
thead th { border-bottom: 2px solid var(--rule); }
tr.first td { border-top: 2px solid var(--rule); }
.plain .text { text-align: left; white-space: normal; min-width: 6rem; max-width: 36rem; overflow-wrap: anywhere; }
.tie { text-decoration: underline; }
small, .note { color: var(--faint); }
.failed { color: var(--bad); }
figure { margin: 1.5rem 0; }
img { max-width: 100%; height: auto; background: #fff; }
pre { background: var(--block); padding: 1rem; overflow: auto; max-height: 30rem; font-size: 12px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 30rem) { body { margin: 1rem auto; padding: 0 .7rem; } h1 { font-size: 1.5em; } h2 { font-size: 1.15em; } }
@media print {
  :root { --ink: #000; --faint: #444; --line: #bbb; --rule: #555; --bad: #a00; --ground: #fff; --block: #fff; }
  body { max-width: none; margin: 0; padding: 0; font-size: 10pt; }
  .scroll { overflow: visible; }
  table { font-size: 7pt; }
  th, td { padding: .1rem .25rem; white-space: normal; }
  thead { display: table-header-group; }
  tr, figure { break-inside: avoid; }
  h2 { break-after: avoid; }
  pre { max-height: none; font-size: 7pt; }
}
</style>
</head>
<body>
<h1>{{ name }}</h1>
{% if headline %}
<p class="lead">{{ headline|join(" ") }}</p>
{% endif %}
<p>{{ rows }} records, <span{% if failed %} class="failed"{% endif %}>{{ failed }} failed</span>.
{% if spent %}Models asked: {{ spent }}.{% endif %}
{% if dirty %}<strong class="failed">The working tree was not clean: the commit alone does not reproduce this run.</strong>{% endif %}</p>
{% for warning in warnings %}
<p><strong class="failed">{{ warning }}</strong></p>
{% endfor %}
{{ plain_table(summary) }}
{% for table in tables %}
<h2>{{ table.title }}</h2>
<div class="scroll" role="region" aria-label="{{ table.title }}" tabindex="0"><table class="metric">
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
<figure id="{{ figure.name }}">
<img alt="{{ figure.caption }}" loading="lazy" decoding="async" width="{{ figure.width }}" height="{{ figure.height }}"
 src="data:image/png;base64,{{ figure.data }}">
<figcaption class="note">{{ figure.caption }}</figcaption></figure>
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


def _figures(results: RunResults, drawn: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the figures in the order of their captions, with what the page needs of each."""
    captions = figure_captions(results)
    order = {name: index for index, name in enumerate(captions)}
    figures = []
    for path in sorted(drawn, key=lambda path: (order.get(path.stem, len(order)), path.stem)):
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
        data = base64.b64encode(content).decode()
        figures.append({"name": path.stem, "caption": caption_of(captions, path.stem), "data": data, "width": width, "height": height})
    return figures


def write_report(results: RunResults, layout: RunLayout[Path], made: Iterable[Path]) -> Path:
    """Write the page of ``layout`` with the tables and the PNG figures among the files ``made``, and return its path."""
    drawn = [path for path in made if path.suffix == ".png"]
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
        figures=_figures(results, drawn),
        headline=headline(results),
        provenance=json.dumps(results.info.document, indent=2, ensure_ascii=False),
    )  # fmt: skip
    return write_bytes(layout.report, page.encode())
