"""What keeps a method from some cells of a grid, told in a sentence before anything runs: files of others, ratios without weights."""

from collections.abc import Sequence
from fractions import Fraction

from suite.config.methods import ConfiguredMethod
from suite.errors import SettingsError


def missing_files(configured: ConfiguredMethod) -> str:
    """Return the sentence on the files of others that a method cannot do without and that are not here, "" where all are."""
    files = [file for file in configured.cls.published(configured.settings) if file.needed and not file.there]
    if not files:
        return ""
    # Parts of one published file are looked for apart.
    named = {file.name: f"{file.name} ({', '.join(part for part in (file.size, file.source) if part)})" for file in files}
    return (
        f"{configured.label} needs files that others published and that are not here: {', '.join(named.values())}; "
        f"`python -m suite.doctor --methods {configured.method}` says where each is looked for, and "
        f"methods/{configured.trained.method}/README.md what is to be done with it, or leave the method out."
    )


def ratios_left_out(configured: ConfiguredMethod, grid_ratios: Sequence[Fraction]) -> str:
    """Return the sentence on the grid's ratios that a method has no weights for, "" where there are none.

    Raises:
        SettingsError: it has weights for none of the grid's.
    """
    left_out = [str(ratio) for ratio in grid_ratios if configured.left_out(ratio)] if configured.traits.rates == "variable" else []
    if not left_out:
        return ""
    known = configured.traits.ratios
    if known is not None:
        serves, who = ", ".join(map(str, known)), f"{configured.label} has weights for CR"
    else:
        serves, who = ", ".join(map(str, configured.only)), f"{configured.label} is asked for at CR"
    if not configured.ratios(grid_ratios):
        raise SettingsError(f"{who} {serves} alone and the grid has {', '.join(left_out)}; add it to cr")
    return f"{who} {serves} alone: its cells at {', '.join(left_out)} are left out."
