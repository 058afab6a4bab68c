"""What pages say of grids and of what is shipped is what grids, cards and commands say."""

import json
import re
import shlex
from pathlib import Path

import pytest

from methods.gened_sc.settings import GenEDSCSettings
from suite.config.catalog import GRIDS
from suite.config.compose import compose
from suite.config.grid import Grid
from suite.config.methods import resolve

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "benchmarks" / "grids" / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ((?:Fig\.|Table) [^:|]+):.*?\| `(--grid .*?)`", PAGE, re.MULTILINE)


def composed(command: str) -> Grid:
    words = shlex.split(command)
    given: dict[str, list[str]] = {}
    for option, value in zip(words[::2], words[1::2], strict=True):
        given.setdefault(option, []).append(value)
    assert given.keys() <= {"--grid", "--methods", "--datasets", "--set"}
    (methods,), (datasets,) = given.get("--methods", [None]), given.get("--datasets", [None])
    models = [f"generative.{task}=openai:any" for task in ("captioner", "editor", "generator")]
    return compose(given["--grid"][0], methods, datasets, None, [*given.get("--set", []), *models])


def test_every_plot_and_table_of_the_paper_has_a_row():
    assert [name for name, _ in ROWS] == [*(f"Fig. {number}" for number in range(6, 13)), "Table I", "Table II"]


@pytest.mark.parametrize(("name", "command"), ROWS, ids=[name for name, _ in ROWS])
def test_a_command_of_the_page_is_a_grid_of_the_figure_s_methods(name, command):
    grid = composed(command)
    labels = {configured.label for configured in resolve(grid)}
    assert "gened_sc/full" in labels
    assert all(configured.training.images == "resize" for configured in resolve(grid))


def test_the_page_names_every_grid():
    assert set(re.findall(r"^\| `([a-z]+)` \|", PAGE, re.MULTILINE)) == set(GRIDS.names())


def test_the_readme_says_what_the_gened_sc_of_its_figure_learned_from():
    cards = [json.loads(path.read_text()) for path in (ROOT / "results" / "reference" / "checkpoints").glob("gened_sc-*.json")]
    assert cards
    for card in cards:
        settings = GenEDSCSettings.model_validate_json(json.dumps(card["settings"]))
        assert card["preset"] == "compact" and card["training"]["channels"] == ["awgn"]
        assert settings.score_supervision == "saliency" and settings.mask_weight > 0
        assert not settings.needs_clip_to_train and settings.background_loss != "contextual"
    _, _, below = (ROOT / "README.md").read_text(encoding="utf-8").partition("figures/explorer.png)")
    caption = " ".join(below.strip().partition("\n\n")[0].split())
    assert all(words in caption for words in ("GenED-SC", "compact network", "supervision by the object masks", "without CLIP or VGG"))
