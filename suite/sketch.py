"""What a grid comes to, from what is published of its data sets alone: a dry run on a machine without the data.

::

    grid ──methods x ratios x readings x cells──> a count an image ──x published sizes──> images, questions, trainings, hours, dollars
"""

from collections.abc import Iterator
from fractions import Fraction

from suite.bars import time_left
from suite.config.catalog import DATASETS
from suite.config.grid import Grid
from suite.config.methods import ConfiguredMethod, resolve
from suite.errors import SettingsError
from suite.evaluate.readings import read_grids
from suite.machines import KINDS, Work

H100, L4 = KINDS["h100"], KINDS["l4"]


def sketch_of(grid: Grid) -> Iterator[str]:
    """Yield what a run of a grid comes to, a sentence each.

    Raises:
        SettingsError: nobody has published how many images a data set has.
        UnknownNameError, SettingsError: a method is not known, or a setting is wrong.
    """
    configured_methods = resolve(grid)
    sizes = {name: _published(name) for name in grid.datasets}
    images = sum(min(size, grid.limit or size) for size in sizes.values())
    for name, size in sizes.items():
        yield f"data set {name}: {min(size, grid.limit or size):,} of the {size:,} images that are published"
    cells = {configured.label: _cells(configured, grid) for configured in configured_methods}
    scored = images * sum(cells.values())
    yield f"reconstructions: {scored:,}, {sum(cells.values()):,} of an image"
    hours = scored * L4.seconds_a_score / 3600
    yield f"scoring by every metric: about {time_left(hours * 3600)} of one L4, ${hours * L4.usd_an_hour:,.0f}"
    yield from _asked(grid, configured_methods, cells, images)
    yield from _trained(grid, configured_methods)
    yield "these are estimates from published sizes and operation counts (suite/SCALE.md); with --data-dir the plan is exact"


def work_of(grid: Grid) -> Work:
    """Return what a run of a grid comes to with none of it done.

    Raises:
        SettingsError: nobody has published how many images a data set has.
    """
    methods = resolve(grid)
    sizes = [_published(name) for name in grid.datasets]
    images = sum(min(size, grid.limit or size) for size in sizes)
    cells = {configured.label: images * _cells(configured, grid) for configured in methods}
    answers = {each.label: questions * cells[each.label] for each in methods if (questions := own_questions(each))}
    return Work(cells, answers, list(_shown(grid, methods).values()))


def own_questions(configured: ConfiguredMethod) -> int:
    """Return how many images a method asks for a cell of models that are not somebody else's; a model that is not named yet counts."""
    asks = configured.traits.asks.items()
    return sum(n for name, n in asks if (model := configured.models.get(name)) is None or model.backend != "openai")


def _published(name: str) -> int:
    published = DATASETS.get(name).sizes.get("test")
    if published is None:
        raise SettingsError(f"how many images {name} has shows only in its folder; give --data-dir")
    return published


def _cells(configured: ConfiguredMethod, grid: Grid) -> int:
    """Return how many reconstructions an image has by a method, each reading and ratio counted."""
    parts = [read.grid for read in read_grids(configured, grid)]
    return len(configured.ratios(grid.cr)) * sum(len(part.channels) * len(part.snr_db) * part.repetitions for part in parts)


def _asked(grid: Grid, methods: tuple[ConfiguredMethod, ...], cells: dict[str, int], images: int) -> Iterator[str]:
    captions = {model.model_dump_json(): model for configured in methods for model in configured.captioner_models}
    for model in captions.values():
        if model.backend != "dataset":
            yield f"captions by {model.model}: {images:,}"
    made: dict[str, int] = {}
    prices: dict[str, float | None] = {}
    for configured in methods:
        for name, questions in configured.traits.asks.items():
            asked = configured.models.get(name)
            who = f"a model that is not named yet (generative.{name})" if asked is None else asked.model
            made[who] = made.get(who, 0) + questions * cells[configured.label] * images
            # By its name: whether a local one is here is another question.
            if asked is not None and asked.backend == "openai":
                price = grid.generative.limits.prices.get(asked.model)
                prices[who] = None if price is None else price.expected("edit" if name == "editor" else "generate")
    for who, count in made.items():
        if who in prices:
            price_of_one = prices[who]
            cost = "no price is given (generative.prices)" if price_of_one is None else f"at most about ${count * price_of_one:,.0f}"
            yield f"images by {who}: at most {count:,} calls, {cost}"
        else:
            hours = count * (H100.seconds_an_edit or 0.0) / 3600
            yield f"images by {who}: at most {count:,}; about {hours:,.0f} H100 hours at 8 steps, ${hours * H100.usd_an_hour:,.0f}"


def _shown(grid: Grid, methods: tuple[ConfiguredMethod, ...]) -> dict[tuple[str, Fraction | None], int]:
    """Return the images that each training is shown."""
    shown: dict[tuple[str, Fraction | None], int] = {}
    for configured in methods:
        own = configured.trained
        if own.traits.trainable:
            ratios = (None,) if own.traits.one_model_for_all_rates else own.ratios(grid.cr)
            shown |= {(own.label, cr): own.training.steps * own.training.batch for cr in ratios}
    return shown


def _trained(grid: Grid, methods: tuple[ConfiguredMethod, ...]) -> Iterator[str]:
    shown = _shown(grid, methods)
    hours = sum(shown.values()) / L4.trained_an_hour
    cost = f"at most about {hours:,.0f} L4 hours, ${hours * L4.usd_an_hour:,.0f}"
    yield f"trainings, as far as there are no checkpoints: {len(shown)}; {cost}"
