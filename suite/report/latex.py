"""Tables as LaTeX: a ``table*`` environment each, for the packages booktabs and amssymb and any font encoding."""

import re
from collections.abc import Iterator, Sequence

from jinja2 import Environment

from suite.report.formats import LEGEND, Cell, MetricTable, PlainTable

_GREEK = ("alpha", "beta", "gamma", "delta", "lambda", "mu", "sigma", "Delta")
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
    **{sign: f"${text}$" for sign, text in zip("≥≤≈±·", (r"\geq", r"\leq", r"\approx", r"\pm", r"\cdot"), strict=True)},
    **{sign: f"$\\{text}$" for sign, text in zip("αβγδλμσΔ", _GREEK, strict=True)},
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
# Beyond ASCII, Latin letters and their punctuation, the fonts that LaTeX has by default hold nothing.
_NO_FONT = re.compile("[^\u0020-\u007e\u00a0-\u017f\u2013\u2014\u2018-\u201e\u2020-\u2022]+")
_WHITE = re.compile(r"\s")
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
    r"""Return text with every character escaped that LaTeX would interpret or print as another; without a font, its code point.

    Example:
        >>> escape_latex("50 % ≥ عر")
        '50 \\% $\\geq$ {[}U+0639 U+0631{]}'
    """
    return "".join(_escaped(part) for part in _parts(_WHITE.sub(" ", text)))


def _parts(text: str) -> Iterator[str]:
    """Yield text in pieces, each sign that has an escape of its own alone."""
    start = 0
    for match in _SPECIAL.finditer(text):
        yield from (text[start : match.start()], match.group())
        start = match.end()
    yield text[start:]


def _escaped(part: str) -> str:
    if part in _SPECIAL_TEXT:
        return _SPECIAL_TEXT[part]
    return _NO_FONT.sub(lambda match: "{[}" + " ".join(f"U+{ord(each):04X}" for each in match.group()) + "{]}", part)


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
