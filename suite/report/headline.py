"""What a run found, in up to three sentences computed from its points: what was compared, who wins where, and who does elsewhere."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from suite.report.comparisons import at_capacity
from suite.report.points import of_one_network
from suite.report.results import RunResults
from suite.report.summary import CELL, Series, compared_metric, gain_text
from suite.runs.columns import WHOLE_CELL
from suite.runs.labels import cr_label, series_label


def headline(results: RunResults) -> list[str]:
    """Return the sentences at the head of the page; none where no metric has a value."""
    metric = compared_metric(results.comparison, results.info)
    if metric is None:
        return []
    points = results.points
    points = of_one_network(points[points["metric"].eq(metric)])
    points = points[~at_capacity(points)]
    # Fixed rates are a block of their own; a missing one would not group.
    points = points.assign(cr=points["cr"].fillna(0.0))
    met = points[points.groupby(CELL)["mean"].transform("count").gt(1)]
    sentences = [_compared(results, points, results.info.metrics[metric].title)]
    if points["mean"].isna().all():
        return [*sentences, "No cell has a value; the table of failures says why."]
    return sentences if met.empty else [*sentences, *_winners(results, met)]


def _compared(results: RunResults, points: pd.DataFrame, title: str) -> str:
    records = results.records[results.records["image"].ne(WHOLE_CELL)]
    images = records.groupby("dataset")["image"].nunique()
    of = listed(f"{count} {'image' if count == 1 else 'images'} of {name}" for name, count in images.items())
    count = len(points[["method", "variant"]].drop_duplicates())
    snrs = points["snr_db"]
    span = f"{snrs.min():g} dB" if snrs.nunique() == 1 else f"{snrs.min():g} to {snrs.max():g} dB"
    ratios = [f"at CR {listed(map(_rate, asked))}"] if len(asked := sorted(set(points["cr"]) - {0.0})) else []
    rates = listed([*ratios, *(["at fixed rates"] if points["cr"].eq(0.0).any() else [])])
    methods = "1 method was measured" if count == 1 else f"{count} methods were compared"
    return f"{methods} by {title} on {of}, over {listed(sorted(points['channel'].unique()))} at {span}, {rates}."


def _winners(results: RunResults, met: pd.DataFrame) -> list[str]:
    """Return who wins among the methods with a ratio, and then among those of a fixed rate, which are a comparison of their own."""
    shared, fixed = met[met["cr"].gt(0)], met[met["cr"].eq(0)]
    if shared.empty:
        return _leaders(results, fixed, "that methods share")
    sentences = _leaders(results, shared, "that methods share" if fixed.empty else "that methods share at a CR")
    if fixed.empty:
        return sentences
    of, counts = fixed.groupby(CELL).ngroups, _counted(fixed)
    wins = [f"{series_label(*series)} is significantly better than every other in {count}" for series, count in counts.items()]
    return [*sentences, f"Of the {of} cells at fixed rates {listed(wins) if wins else 'none has one that is significantly better'}."]


def _leaders(results: RunResults, met: pd.DataFrame, which: str) -> list[str]:
    cells = met.groupby(CELL).ngroups
    won, counts = met[met["mark"].eq("best")], _counted(met)
    if counts.empty or counts.iloc[0] * 2 < cells:
        ranked = results.summary.dropna(subset=["rank"])
        here = set(met[["method", "variant"]].itertuples(index=False, name=None))
        ranked = ranked[[series in here for series in ranked[["method", "variant"]].itertuples(index=False, name=None)]]
        leader = ranked.sort_values("rank", kind="stable").iloc[0]
        series = (leader["method"], leader["variant"])
        few = "In none" if counts.empty else f"In {int(counts.sum())}"
        first = f"{few} of the {cells} cells {which} is one significantly better than every other{_in_which(won, met, counts)}"
        rank = f"{leader['rank']:.1f} of {leader['ranked']:.3g}"
        return [f"{first}; {series_label(*series)} has the best mean rank, {rank}{_gain(results, series)}."]
    leader_series = counts.index[0]
    share = f"{counts.iloc[0]} of the {cells} cells {which}{_where(_of(won, leader_series), met)}"
    said = f"{series_label(*leader_series)} is significantly better than every other in {share}"
    others = [f"{series_label(*series)} is in {count}{_where(_of(won, series), met)}" for series, count in counts.iloc[1:].items()]
    if undecided := cells - int(counts.sum()):
        others.append(f"in {undecided} no method can be told from all others")
    rest = listed(others)
    return [f"{said}{_gain(results, leader_series)}.", *([f"{rest[0].upper()}{rest[1:]}."] if others else [])]


def _counted(met: pd.DataFrame) -> pd.Series:
    """Return in how many cells each method is significantly better than every other."""
    won = met[met["mark"].eq("best")]
    return won.groupby(["method", "variant"]).size().sort_values(ascending=False, kind="stable")


def _in_which(won: pd.DataFrame, met: pd.DataFrame, counts: pd.Series) -> str:
    wins = [f"{series_label(*series)} in {count}{_where(_of(won, series), met)}" for series, count in counts.items()]
    return f": {listed(wins)}" if wins else ""


def _of(won: pd.DataFrame, series: Series) -> pd.DataFrame:
    return won[won["method"].eq(series[0]) & won["variant"].eq(series[1])]


def _where(cells: pd.DataFrame, among: pd.DataFrame) -> str:
    """Return what all these cells have in common and not all of the others have, as in " (all on awgn, at CR 1/24)"."""
    dimensions: Sequence[tuple[str, str, Any]] = (
        ("dataset", "on", str),
        ("channel", "over", str),
        ("cr", "at CR", _rate),
        ("snr_db", "at", lambda snr: f"{snr:g} dB"),
    )
    parts = []
    for name, word, text in dimensions:
        values = sorted(cells[name].unique())
        if len(values) < among[name].nunique():
            parts.append(f"{word} {listed(map(text, values))}")
    return f" (all {', '.join(parts)})" if parts and len(cells) > 1 else f" ({', '.join(parts)})" if parts else ""


def _gain(results: RunResults, leader: Series) -> str:
    """Return the mean gain of the leader on the reference, or of the next one where it is the reference itself."""
    summary = results.summary
    base = (summary["reference_method"].iloc[0], summary["reference_variant"].iloc[0])
    others = summary[summary["gain"].notna()]
    if leader != base:
        others = others[others["method"].eq(leader[0]) & others["variant"].eq(leader[1])]
    if others.empty:
        return ""
    row = others.sort_values("rank", kind="stable").iloc[0].to_dict()
    unit = results.info.metrics[row["metric"]].title
    if leader == base:
        return f"; the next by rank, {series_label(row['method'], row['variant'])}, stands at {gain_text(row)} beside it in {unit}"
    return f"; its mean gain on {series_label(*base)} in {unit} is {gain_text(row)}"


def _rate(cr: float) -> str:
    return cr_label(cr or None)


def listed(texts: Iterable[str]) -> str:
    """Return texts as a list in a sentence.

    Example:
        >>> listed(["a"]), listed("ab"), listed("abc")
        ('a', 'a and b', 'a, b and c')
    """
    *head, last = [*texts] or [""]
    return f"{', '.join(head)} and {last}" if head else last
