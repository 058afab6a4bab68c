"""The site: Sphinx builds it without a warning, and its reference says what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.places import ROOT
from suite.config.catalog import DATASETS, METHODS
from suite.config.compose import compose
from suite.config.grid import Grid
from suite.config.identity import CHANGES_RESULTS, LEAVES_RESULTS, moves_results
from suite.config.training import LEAVES_WEIGHTS
from suite.docs.field_tables import keys_of, meanings_of, sections_of, type_of
from suite.docs.reference import pages
from suite.docs.sources import project_pages
from suite.prepare import prepare


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    return dict(pages())


def test_sphinx_builds_every_page_without_a_warning(tmp_path):
    """In a process of its own: autodoc imports libraries as type checkers see them, which other tests could not use any more."""
    done = subprocess.run([sys.executable, "-m", "suite.docs", "--out", str(tmp_path)], capture_output=True, text=True, timeout=500)
    first = tmp_path / "html" / "index.html"
    assert done.returncode == 0 and first.is_file(), done.stderr
    built = {path.relative_to(tmp_path / "html").with_suffix(".md") for path in (tmp_path / "html").rglob("*.html")}
    own = {page if page.name != "index.md" else Path("index.md") for page in project_pages()}
    assert own <= built, "a page is missing from the site"
    interface = (tmp_path / "html/suite/docs/pages/api/methods.html").read_text()
    assert "geometry.symbols(point.cr)" in interface
    assert "https://fonts" not in first.read_text(), "the site fetches nothing"


def test_every_key_of_a_grid_is_described(reference):
    for path, model in sections_of(Grid):
        meanings = meanings_of(model)
        for key in keys_of(model, path):
            assert meanings.get(key.path[-1]), f"the docstring of {model.__name__} does not say what {key.path[-1]} is"
            assert f"| `{key.path[-1]}` | " in reference["reference/grid.md"]
    assert "| `image_size` | integer ≥ 8 ≤ 4,096 | `256` | yes, in a folder of its own |" in reference["reference/grid.md"]
    assert "| `log_every` | integer ≥ 1 | `50` | no |" in reference["reference/grid.md"]


def test_every_setting_of_every_method_is_described(reference):
    for name in filter(METHODS.declared, METHODS.names()):
        cls = METHODS.get(name)
        meanings = meanings_of(cls.Settings)
        lacking = [field for field in cls.Settings.model_fields if not meanings.get(field)]
        assert not lacking, f"the docstring of {cls.Settings.__name__} does not say what {', '.join(lacking)} is"
        page = reference[f"reference/methods/{name}.md"]
        assert all(f"| `{variant}` |" in page for variant in cls.variants)


def test_every_data_set_with_a_folder_has_its_layout(reference):
    for name, spec in DATASETS.items():
        assert bool(spec.layout) == bool(spec.folder), f"the layout of {name} is not stated"
        assert all(f"`{part.path}`" in reference["reference/datasets.md"] for part in spec.layout)


def test_each_key_at_the_top_is_told_as_it_is_classified():
    for name in CHANGES_RESULTS - {"metric_settings", "generative", "training"}:
        assert moves_results([name])
    assert not any(moves_results([name]) for name in LEAVES_RESULTS)
    assert not any(moves_results(["training", name]) for name in LEAVES_WEIGHTS)


CHANGED = {
    "seed=9": True, "link.rician_k=2": True, "link.digital.iterations=9": True, "evaluation.batch=3": True, "evaluation.unit=4": False,
    "evaluation.workers=3": False, "evaluation.time_limit_s=9": False, "training.steps=77": True, "training.log_every=9": False,
    "training.stored=float32": True, "sheet.images=1": False, "description=other": False, "generative.concurrency=3": False,
    "generative.max_calls=9": False, "metric_settings.reference_cache=4": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def identities():
    def of(*assignments: str) -> set[str]:
        few = ("cr=[1/24]", "metrics=[psnr]", "snr_db=[4]", "channels=[awgn]", "evaluation.unit=4", *assignments)
        prepared = prepare(compose("quick", "deepjscc", None, 4, few), None, None)
        units = prepared.units("run", {}, dict.fromkeys(prepared.jobs.values(), "not trained"))
        return {unit.identity for unit in units} | {job.identity for job in prepared.jobs.values()}

    return of


def test_what_the_page_says_moves_results_moves_identities(identities):
    before = identities()
    for assignment, moves in CHANGED.items():
        assert (identities(assignment) != before) == moves, assignment
        assert moves_results(assignment.partition("=")[0].split(".")) == moves, assignment


def test_types_are_words():
    assert type_of(dict[str, int]) == "mapping of integer"
    assert type_of(tuple[float, str]) == "list of number and text"


def test_links_of_pages_lead_somewhere():
    for page in project_pages():
        text = (ROOT / page).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
            if not re.match(r"[a-z]+:|/", link):
                assert ((ROOT / page).parent / link).exists(), f"{page} links to {link}"
