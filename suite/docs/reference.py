"""The pages of reference, made from the code at each build, so that none can fall behind it."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from benchmarks.datasets.captions import FIELDS
from benchmarks.link.settings import LinkSettings, channel_summaries
from methods.base import Method
from methods.names import display_name
from suite.__main__ import COMMANDS
from suite.config.catalog import DATASETS, METHODS, METRICS
from suite.config.grid import Grid
from suite.config.identity import GROWS, moves_results
from suite.docs.field_tables import Key, cell, keys_of, sections_of, summary_of, table

_NOT_GROWING = "yes, in a folder of its own"


def pages() -> Iterator[tuple[str, str]]:
    """Yield the path of each page in the site's sources and its Markdown."""
    yield "reference/grid.md", _grid()
    yield "reference/commands.md", _commands()
    yield "reference/datasets.md", _datasets()
    yield "reference/metrics.md", _metrics()
    yield "reference/channels.md", _channels()
    names = METHODS.names()
    for name in names:
        yield f"reference/methods/{name}.md", _method(name, METHODS.get(name))
    yield "reference/methods/index.md", _toc("Settings of the methods", names)


def _grid() -> str:
    parts = [
        "# Keys of a grid\n",
        "A grid is a YAML file of these keys; `--set KEY=VALUE` sets one, by its path: `--set training.steps=500`, `--set 'cr=[1/24]'`. "
        f'A key that moves results is part of what a result is found again by. "{_NOT_GROWING}" stands where a run folder holds one value '
        "alone, so that another needs another `--out`.\n",
    ]
    for path, model in sections_of(Grid):
        parts.append(f"## {'`' + '.'.join(path) + '`' if path else 'The grid itself'}\n\n{summary_of(model)}\n")
        parts.append(table(list(keys_of(model, path)), _effect, "moves results") + "\n")
    return "\n".join(parts)


def _effect(key: Key) -> str:
    if not moves_results(key.path):
        inner = key.model is not None and any(moves_results(each.path) for each in keys_of(key.model, key.path))
        return "some of it" if inner else "no"
    return "yes" if {key.path[0], ".".join(key.path)} & GROWS else _NOT_GROWING


def _method(name: str, cls: type[Method[Any]]) -> str:
    settings = cls.Settings
    traits = cls.traits(settings())
    parts = [
        f"# `{name}`: {display_name(name, next(iter(cls.variants))) or name}\n",
        f"{cls.paper}.\n" if cls.paper else "",
        f"- rates: {traits.rates}" + ("" if traits.ratios is None else f", at {', '.join(map(str, traits.ratios))}"),
        f"- weights to train: {'yes' if traits.trainable else 'no'}",
        f"- its sender is told the SNR: {'yes' if traits.uses_snr_at_sender else 'no'}",
        f"- a text at the sender: {'yes' if traits.describes else 'no'}; a generative stage at the receiver: "
        f"{'yes' if traits.refines else 'no'}\n",
        "These are of the default settings; a variant may differ.\n",
        "## Variants and presets\n",
        "Each is settings, laid over the defaults: the preset first, then the variant, then what a grid says under `settings`.\n",
        _laid("variant", cls.variants),
        _laid("preset", cls.presets),
        "## Settings\n",
    ]
    parts.append(table(list(keys_of(settings)), lambda key: _method_effect(settings, key.path[-1]), "moves") + "\n")
    parts.append(
        '"weights": another value is another training. "results": the same weights are evaluated anew. A setting that came later than '
        "others moves nothing at the value that is named.\n"
    )
    return "\n".join(parts)


def _method_effect(settings: Any, name: str) -> str:
    effect = "results" if name in settings.evaluation_only else "weights"
    first: Mapping[str, Any] = settings.first_values
    return f"{effect}, but not at `{first[name]}`" if name in first else effect


def _laid(kind: str, named: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        f"| `{name}` | {cell(', '.join(f'`{key}: {value}`' for key, value in changes.items())) or 'the defaults'} |"
        for name, changes in named.items()
    ]
    return "\n".join([f"| {kind} | sets |", "| --- | --- |", *rows, ""])


def _datasets() -> str:
    parts = [
        "# Layouts of the data sets\n",
        "Paths are below `--data-dir`. Images are stretched to the grid's `image_size`, or cut (`fit`); [how]"
        "(../benchmarks/datasets/README.md#preparation). `python -m suite.doctor --grid GRID --data-dir DATA` says what is there.\n",
    ]
    for name, spec in DATASETS.items():
        parts.append(f"## `{name}`\n\n{spec.summary}. Splits: {', '.join(spec.splits)}. {spec.source}.\n")
        rows = [f"| `{part.path}` | {cell(part.holds)} | {'yes' if part.needed else 'no'} |" for part in spec.layout]
        parts.append("\n".join(["| path | holds | needed |", "| --- | --- | --- |", *rows, ""]) if rows else "It needs no folder.\n")
    rows = [f"| `{name}` | {cell(holds)} |" for name, holds in FIELDS.items()]
    parts.append("## `captions.jsonl`\n\nOne JSON object a line, as UTF-8; other keys are left alone.\n")
    parts.append("\n".join(["| key | holds |", "| --- | --- |", *rows, ""]))
    return "\n".join(parts)


def _metrics() -> str:
    lines = ["| column | title | definition | range | better | smallest side | source |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for name, spec in METRICS.items():
        span = f"{spec.low:g} to {spec.high:g}".replace("-inf", "−∞").replace("inf", "∞")
        values = (f"`{name}`", spec.title, spec.definition, span, spec.better, f"{spec.minimum_side} px", spec.source)
        lines.append(f"| {' | '.join(map(cell, values))} |")
    told = "What to know before reading a number stands with [the metrics](../benchmarks/metrics/README.md)."
    return f"# Metrics\n\nOne column of the records each, named with its variant. {told}\n\n" + "\n".join(lines) + "\n"


def _channels() -> str:
    rows = [f"| `{name}` | {cell(summary)} |" for name, summary in channel_summaries(LinkSettings()).items()]
    told = "As a grid has them that sets nothing; formulas stand with [the link](../benchmarks/link/README.md)."
    return "\n".join(["# Channels\n", f"{told}\n", "| channel | definition |", "| --- | --- |", *rows, ""])


def _commands() -> str:
    # Late: a page of the site alone needs it.
    import typer

    parts = [
        "# Commands\n",
        "`semcom NAME` is `python -m suite.NAME`; both work from any folder. Exit codes are [one table](../suite/SCALE.md).\n",
    ]
    for name, what in COMMANDS.items():
        parts.append(f"## `python -m suite.{name}`\n\n{what[0].upper()}{what[1:]}.\n")
        module = import_module(f"suite.{name}")
        # A package has its command in ``__main__``.
        app = getattr(module, "app", None) or import_module(f"suite.{name}.__main__").app
        command = typer.main.get_command(app)
        parts += [f"**{each}**\n\n{_options(inner)}" for each, inner in getattr(command, "commands", {}).items()] or [_options(command)]
    return "\n".join(parts)


def _options(command: Any) -> str:
    rows = []
    for option in command.params:
        if getattr(option, "hidden", False):
            continue
        names = " ".join([*option.opts, *option.secondary_opts]) if option.opts[0].startswith("-") else option.name.upper()
        default = "" if option.default in (None, False, ()) or callable(option.default) else f" Default: {option.default}."
        rows.append(f"| `{names}` | {cell((getattr(option, 'help', '') or '') + default)} |")
    return "\n".join(["| argument or option | |", "| --- | --- |", *rows, ""]) if rows else ""


def _toc(title: str, names: Sequence[str]) -> str:
    return "\n".join([f"# {title}\n", "```{toctree}", ":maxdepth: 1", "", *names, "```", ""])
