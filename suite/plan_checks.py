"""What a plan as a whole must not be: its parts are sound by themselves, and together they would tell or cost what nobody meant."""

from collections.abc import Mapping, Sequence

from benchmarks.metrics import lookup
from methods.generative.costs import UnpricedModelError
from methods.generative.settings import ModelSettings
from suite.config.grid import Grid
from suite.config.methods import ConfiguredMethod, is_remote, model_identity
from suite.errors import SettingsError
from suite.runs.labels import STAGE_ONE, series_label


def check_plan(grid: Grid, configured_methods: Sequence[ConfiguredMethod], names: Sequence[str], left_out: Mapping[str, str]) -> None:
    """Refuse what the methods and metrics of a grid cannot be together.

    Args:
        grid: what is measured.
        configured_methods: its methods.
        names: the metrics that are scored.
        left_out: those that are not, with the reason.

    Raises:
        SettingsError: two rows would be called alike, a method would be scored by its own text, a sheet shows failures of what is not
            there, or a cost has no price.
        UnknownNameError: a method says that it chooses by a metric that there is not.
    """
    _check_called(configured_methods)
    _check_measured(grid, configured_methods, names)
    _check_failures(grid, configured_methods, names, left_out)
    _check_prices(grid, configured_methods, names)


def _check_called(configured_methods: Sequence[ConfiguredMethod]) -> None:
    """Refuse two rows that a reader could not tell apart."""
    called: dict[str, str] = {}
    for configured in configured_methods:
        name = series_label(configured.method, configured.told_variant)
        if (other := called.setdefault(name, configured.label)) != configured.label:
            raise SettingsError(f"tables would call {other} and {configured.label} '{name}' both; change the display_names of one")


def _check_measured(grid: Grid, configured_methods: Sequence[ConfiguredMethod], names: Sequence[str]) -> None:
    """Refuse metrics of text by which a method would be scored with its own text, and choices by metrics that nobody knows.

    Raises:
        SettingsError: the reference captioner is the captioner of a method, with the same words to go by.
        UnknownNameError: a method says that it chooses by a metric that there is not.
    """
    captioner = grid.generative.reference_captioner
    of_text = any(spec.needs_caption for spec in lookup(names, grid.metric_settings))
    for configured in configured_methods:
        lookup(sorted(configured.traits.metrics_inside), grid.metric_settings)
        for model in configured.captioner_models if of_text and captioner is not None else ():
            if captioner is not None and _speaker(model) == _speaker(captioner):
                raise SettingsError(
                    f"generative.reference_captioner is {captioner.model}, which with the same prompt writes what {configured.label} "
                    "sends: the method would be scored by the text it was given; name another model, or another prompt_file"
                )


def _check_failures(grid: Grid, configured_methods: Sequence[ConfiguredMethod], names: Sequence[str], left_out: Mapping[str, str]) -> None:
    """Refuse a sheet of failures of a method or metric that the run does not have."""
    named = grid.sheet.failures
    if named is None:
        return
    series = [(each.method, each.variant) for each in configured_methods]
    series += [(each.method, f"{each.variant}/{STAGE_ONE}") for each in configured_methods if each.traits.refines and each.traits.coarse]
    if not any(named.of(*each) for each in series):
        known = ", ".join(each.label for each in configured_methods)
        raise SettingsError(f"sheet.failures.method is {named.method}, which the grid does not have; choose one of {known}")
    of_image = [spec.name for spec in lookup(names, grid.metric_settings) if spec.per == "image"]
    if named.metric not in of_image:
        why = f" ({left_out[named.metric]})" if named.metric in left_out else ""
        raise SettingsError(f"sheet.failures.metric is {named.metric}, which is not measured{why}; choose one of {', '.join(of_image)}")


def _speaker(model: ModelSettings) -> tuple[object, object]:
    """Return what decides whose words a caption is: the model and what it is told, whatever the length or the seed."""
    facts = model_identity(model)
    return facts["model"], facts["prompt"]


def _check_prices(grid: Grid, configured_methods: Sequence[ConfiguredMethod], names: Sequence[str]) -> None:
    """Refuse a limit of cost that could not be kept, because a model that is asked has no price."""
    asked: list[ModelSettings] = [
        model for configured in configured_methods for model in (*configured.captioner_models, *configured.refine_models)
    ]
    captioner = grid.generative.reference_captioner
    if captioner is not None and any(spec.needs_caption for spec in lookup(names, grid.metric_settings)):
        asked.append(captioner)
    for model in asked:
        if is_remote(model):
            try:
                grid.generative.limits.price(model.model)
            except UnpricedModelError as error:
                raise SettingsError(f"generative: {error}") from None
