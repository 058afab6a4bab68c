"""The files of a run's tables, made from its records alone, and the main one for the terminal.

::

    records/**/*.parquet + run.json ──> points ──> tables/<dataset>_<channel>.{csv,md,tex}   methods x SNR, a section a metric
                                                   tables/pairs.csv                          every two methods compared
                                                   tables/summary.{csv,md,tex}               a row a method: gain, rank, costs
                                                   tables/gains.{csv,md,tex}                 beside the reference, on average over SNR
                                                   tables/ranks.{csv,md,tex}                 mean ranks, critical differences
                                                   tables/bd.{csv,md,tex}                    Bjontegaard deltas over symbols
                                                   tables/paper.{csv,md,tex}                 the paper's numbers, and ours
                                                   tables/symbols.{csv,md,tex}               what was put on the air
                                                   tables/failures.{csv,md,tex}              what went wrong, and why
                                                   tables/<ablation>.{csv,md,tex}            the ablations that the grid asks for
                                                   tables/times.csv                          seconds of the stages
"""

from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from suite.errors import RecordError
from suite.report.ablations import ablation_texts
from suite.report.formats import LEGEND, csv_text, notes_markdown, to_markdown, to_rich, write_bytes
from suite.report.latex import notes_latex, to_latex
from suite.report.plain_tables import failure_points, time_points
from suite.report.results import RunResults
from suite.runs.labels import file_stem
from suite.runs.layout import RunLayout


def main_table(results: RunResults, metric: str | None = None) -> RenderableType:
    """Return the tables of one metric for the terminal, one for each dataset and channel.

    Args:
        results: of the run.
        metric: the metric to show; the first one of ``run.json`` that was computed by default.

    Raises:
        RecordError: the metric is not among the records.
    """
    points, info = results.points, results.info
    if points.empty:
        return Text("The records hold no metric.")
    available = results.metrics
    chosen = metric or available[0]
    if chosen not in available:
        raise RecordError(f"the records hold no metric {chosen!r}; choose one of {', '.join(available)}")
    tables = [table for (_, _, name), table in results.metric_tables.items() if name == chosen]
    counts = points.loc[points["n"] > 0, "n"]
    lines = ["Means; bold is significantly better than every other row of its CR, underlined is not distinguishable from the best."]
    if len(counts):
        lines.append(f"n = {counts.min()} images a cell at least; intervals and every other metric are in tables/.")
    else:
        lines = ["Every cell failed; tables/failures.md says why."]
    lines += info.below
    if info.metrics_left_out:
        lines.append(f"Left out for want of weights or captions: {', '.join(info.metrics_left_out)}; the tables say what each needs.")
    return Group(*(to_rich(table) for table in tables), Text("\n".join(lines), style="dim"))


def write_tables(results: RunResults, layout: RunLayout[Path]) -> list[Path]:
    """Write every table of a run below ``tables/`` of ``layout`` and return the paths."""
    texts: dict[str, str] = {}
    for (dataset, channel), group in results.points.groupby(["dataset", "channel"]) if len(results.points) else []:
        stem = file_stem(dataset, channel)
        tables = [table for key, table in results.metric_tables.items() if key[:2] == (dataset, channel)]
        notes = results.notes[dataset, channel]
        texts[f"{stem}.csv"] = csv_text(group)
        sections = [*map(to_markdown, tables), notes_markdown([LEGEND, *notes])]
        texts[f"{stem}.md"] = f"# {dataset}, {channel}\n\n" + "\n".join(sections)
        texts[f"{stem}.tex"] = "\n".join(to_latex(table) for table in tables) + notes_latex(notes)
    for stem, table, frame in (
        ("summary", results.summary_table, results.summary),
        ("symbols", results.symbols_table, results.symbols),
        ("failures", results.failures_table, failure_points(results.records, results.info.flags)),
    ):
        texts |= {f"{stem}.csv": csv_text(frame), f"{stem}.md": to_markdown(table, level=1), f"{stem}.tex": to_latex(table)}
    texts |= ablation_texts(results.ablations, results.comparison)
    for stem, frame in (("gains", results.gains), ("ranks", results.ranks), ("bd", results.bjontegaard), ("paper", results.paper)):
        if stem == "paper" and frame.empty:
            continue
        texts[f"{stem}.csv"] = csv_text(frame)
        shown = results.comparison_tables.get(stem, ())
        texts |= {f"{stem}.md": "\n".join(to_markdown(table, level=1) for table in shown)} if shown else {}
        texts |= {f"{stem}.tex": "\n".join(to_latex(table) for table in shown)} if shown else {}
    texts["pairs.csv"] = csv_text(results.pairs)
    texts["times.csv"] = csv_text(time_points(results.records))
    return [write_bytes(layout.tables / name, text.encode()) for name, text in sorted(texts.items())]
