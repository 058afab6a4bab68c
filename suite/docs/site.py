"""Sphinx over the gathered sources: MyST for Markdown, autodoc for docstrings, furo for the look; nothing is fetched."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

from benchmarks.common.project import PROJECT
from suite.docs.sources import gather
from suite.errors import DocsError

SETTINGS: dict[str, Any] = {
    "project": "The reference benchmark of semantic image communication",
    "author": "the project",
    "extensions": ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"],
    "html_theme": "furo",
    "html_title": "Semantic image communication",
    "html_show_sphinx": False,
    # Of headings up to the third level: pages link to them.
    "myst_heading_anchors": 3,
    "myst_links_external_new_tab": True,
    "napoleon_custom_sections": [("Class attributes", "params_style")],
    "napoleon_use_ivar": True,
    "napoleon_use_rtype": False,
    "autodoc_typehints": "description",
    "autodoc_typehints_description_target": "documented",
    "autodoc_member_order": "bysource",
    "autodoc_class_signature": "separated",
    "autodoc_default_options": {"members": True, "show-inheritance": True},
    # Examples of pages are no Python of a whole file, and neither are grids with NAMES in capitals.
    "suppress_warnings": ["misc.highlighting_failure"],
}


def build(out: Path, *, strict: bool = True) -> Path:
    """Build the site and return its first page.

    Args:
        out: folder for sources and HTML; what a build left there is replaced.
        strict: a warning is an error.

    Raises:
        DocsError: Sphinx or one of its parts is not installed, a link leads nowhere, or Sphinx warned.
    """
    try:
        import furo
        import myst_parser
        from sphinx.application import Sphinx
        from sphinx.util.docutils import docutils_namespace, patch_docutils
    except ModuleNotFoundError as error:
        raise DocsError(f"{error.name} is not installed; the site takes `pip install 'semcom-suite[dev]'`") from error
    del furo, myst_parser
    sources, site = out / "sources", out / "html"
    for folder in (sources, site):
        # Only what a build of this command makes.
        shutil.rmtree(folder, ignore_errors=True)
    sources.mkdir(parents=True)
    gather(sources)
    settings = SETTINGS | {"release": tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]}
    with patch_docutils(str(PROJECT)), docutils_namespace():
        sphinx = Sphinx(
            sources,
            None,
            site,
            out / "doctrees",
            "html",
            settings,
            status=None,
            warningiserror=strict,
            exception_on_warning=False,
            parallel=1,
        )
        sphinx.build(force_all=True)
    if strict and sphinx.statuscode:
        raise DocsError("Sphinx warned, as the lines above say; mend the pages")
    return site / "index.html"
