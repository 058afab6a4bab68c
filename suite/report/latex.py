"""Tables as LaTeX: a ``table*`` environment each, for the packages booktabs and amssymb and any font encoding."""

import re
from collections.abc import Sequence

from jinja2 import Environment

from suite.report.formats import LEGEND, Cell, MetricTable, PlainTable

# In the font encoding that LaTeX has by default, < > | " print as other signs; -- and a [ after a line's end mean something else.
_SPECIAL_TEXT = {
    "--": "-{}-",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",
    "]": "{]}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "–": "--",
    "…": r"\ldots{}",
    "×": r"$\times$",
    "✓": r"$\checkmark$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_SPECIAL = re.compile("|".join(re.escape(characters) for characters in _SPECIAL_TEXT))

_METRIC_LATEX = r"""\begin{table*}[t]
\centering
\caption{<< table.title|tex >>. << legend|tex >>}
\label{<< table.label >>}
\footnotesize
\setlength{\tabcolsep}{4pt}
\begin{tabular}{llr<< "c" * table.columns|length >>}
\toprule
CR & Method & Symbols<% for column in table.columns %> & << column|tex >><% endfor %> \\
<% for block in table.blocks %>
\midrule
<% for row in block.rows %>
<< block.label if loop.first >> & << row.label|tex >> & << row.symbols|tex >><% for cell in row.cells %> & << cell|cell >><% endfor %> \\
<% endfor %>
<% endfor %>
\bottomrule
\end{tabular}
<% if table.notes %>
\par\smallskip\parbox{0.95\textwidth}{\scriptsize << table.notes|join(" ")|tex >>}
<% endif %>
\end{table*}
"""
_PLAIN_LATEX = r"""\begin{table*}[t]
\centering
\caption{<< table.title|tex >>.}
\label{<< table.label >>}
\footnotesize
\setlength{\tabcolsep}{4pt}
\begin{tabular}{<% for name in table.header %><< "r" if loop.index0 in table.numeric else "l" >><% endfor %>}
\toprule
<% for name in table.header %><< name|tex >><< " & " if not loop.last else "" >><% endfor %> \\
\midrule
<% for row in table.rows %>
<% for value in row %><< value|tex >><< " & " if not loop.last else "" >><% endfor %> \\
<% endfor %>
\bottomrule
\end{tabular}
<% if table.notes %>
\par\smallskip\parbox{0.95\textwidth}{\scriptsize << table.notes|join(" ")|tex >>}
<% endif %>
\end{table*}
"""


def escape_latex(text: str) -> str:
    """Return text with every character escaped that LaTeX would interpret or print as another."""
    return _SPECIAL.sub(lambda match: _SPECIAL_TEXT[match.group()], text)


def _latex_cell(cell: Cell) -> str:
    styles = {"best": r"\textbf{%s}", "tie": r"\underline{%s}", "": "%s"}
    value = styles[cell.mark] % escape_latex(cell.value) if cell.value else ""
    return cell.text(value, rf"{{\scriptsize {cell.interval}}}" if cell.interval else "")


def to_latex(table: MetricTable | PlainTable) -> str:
    """Return a ``table*`` environment for the packages booktabs and amssymb."""
    environment = Environment(
        variable_start_string="<<", variable_end_string=">>", block_start_string="<%", block_end_string="%>",
        trim_blocks=False, lstrip_blocks=True, autoescape=False,
    )  # fmt: skip
    environment.filters.update(tex=escape_latex, cell=_latex_cell)
    template = _METRIC_LATEX if isinstance(table, MetricTable) else _PLAIN_LATEX
    rendered = environment.from_string(template).render(table=table, legend=LEGEND)
    return "\n".join(line for line in rendered.splitlines() if line.strip()) + "\n"


def notes_latex(notes: Sequence[str]) -> str:
    """Return the notes that hold for all tables of a file as a paragraph below them, "" without any."""
    return rf"\par\medskip\noindent\parbox{{\textwidth}}{{\scriptsize {escape_latex(' '.join(notes))}}}" + "\n" if notes else ""
