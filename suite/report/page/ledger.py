"""How a run was made, as tables of the page: its starts, the networks it sent with, what it left out and what it asked models for."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from suite.report.formats import PlainTable, shown_text
from suite.report.results import RunResults
from suite.report.training_figure import untrained_note

_SHOWN_VERSIONS = ("python", "torch", "ray", "sionna-no-rt", "diffusers", "transformers", "numpy")
_SHORT_COMMIT = 10
_COMMON = "psnr"


def ledger_tables(results: RunResults) -> list[PlainTable]:
    """Return the tables of how a run was made; those that would be empty are left out."""
    tables = (_starts(results), _networks(results), _left_out(results), _spending(results))
    return [table for table in tables if table.rows]


def grid_yaml(results: RunResults) -> str:
    """Return the grid of a run as YAML, "" where ``run.json`` does not say it."""
    grid = results.info.document.get("grid")
    return yaml.safe_dump(grid, sort_keys=False, allow_unicode=True, width=120) if grid else ""


def _starts(results: RunResults) -> PlainTable:
    """Return each command that worked on the folder: when, of which commit, on which machine, with which packages."""
    rows = [[str(start.get("at", "")), *_code_and_machine(start)] for start in results.info.starts]
    seeds = f"Seed of noise and fading: {results.info.document['seed']}." if "seed" in results.info.document else ""
    ended = results.info.document.get("ended")
    notes = [note for note in (seeds, f"Ended {ended}." if ended else "It has not ended.") if note]
    return PlainTable("Starts", "tab:starts", ["Started", "Commit", "Machine", "Versions"], rows, notes=notes if rows else [])


def _code_and_machine(start: Mapping[str, Any]) -> Iterator[str]:
    git, hardware, versions = (start.get(name) or {} for name in ("git", "hardware", "versions"))
    commit = git.get("commit") or git.get("sha")
    yield (str(commit)[:_SHORT_COMMIT] if commit else "unknown") + (", with changes" if git.get("dirty") else "")
    machine = [hardware.get("processor") or hardware.get("machine"), hardware.get("cpu_cores") and f"{hardware['cpu_cores']} cores"]
    yield ", ".join(map(str, filter(None, [*machine, *(hardware.get("gpus") or ["no GPU"])])))
    yield ", ".join(f"{name} {versions[name]}" for name in _SHOWN_VERSIONS if versions.get(name))


def _networks(results: RunResults) -> PlainTable:
    """Return the networks that a run sent with: how long they were trained, on what, by which seed."""
    rows = []
    for network, told in results.info.trainings.items():
        held_out = told.validation.get(_COMMON)
        rows.append(
            [network, f"{told.minutes:.1f}", f"{told.steps:,}", told.data, str(told.seed)]
            + ["–" if held_out is None else f"{held_out:.2f}", told.machine or "–"]
        )
    header = ["Network", "minutes", "steps", "data", "seed", "held-out PSNR (dB)", "machine"]
    notes = [*results.info.document.get("weights_notes", []), *filter(None, [untrained_note(results)])]
    return PlainTable("Trained networks", "tab:networks", header, rows, frozenset({1, 2, 4, 5}), notes)


def _left_out(results: RunResults) -> PlainTable:
    rows = [[name, shown_text(reason)] for name, reason in results.info.metrics_left_out.items()]
    return PlainTable("Metrics left out", "tab:left-out", ["Metric", "why"], rows)


def _spending(results: RunResults) -> PlainTable:
    spent = results.info.spending
    rows = [[model, f"{calls:,}", f"{spent.cost_usd.get(model, 0.0):.2f}"] for model, calls in spent.calls.items()]
    return PlainTable("Models asked", "tab:spending", ["Model", "calls", "US dollars"], rows, frozenset({1, 2}))
