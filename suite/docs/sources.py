"""The sources of the site: every page at the place that it has in the project, so that links hold in both."""

import re
import shutil
from pathlib import Path

from benchmarks.common.project import PROJECT
from suite.docs.reference import pages
from suite.errors import DocsError

OWN = Path("suite/docs/pages")
# The folders whose pages belong to the site; those of pytest's and Ray's work do not.
FOLDERS = ("benchmarks", "methods", "suite", "results/reference", "tests/golden")
TOP = ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md", "results/README.md")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def project_pages() -> list[Path]:
    """Return every page of the project, relative to it.

    Raises:
        DocsError: the project's repository is not here.
    """
    if not (PROJECT / OWN / "index.md").is_file():
        raise DocsError(f"{OWN} is not in {PROJECT}: the pages come with the project's repository; clone it and build there")
    found = [page.relative_to(PROJECT) for folder in FOLDERS for page in sorted((PROJECT / folder).rglob("*.md"))]
    return [*(Path(name) for name in TOP if (PROJECT / name).is_file()), *found]


def gather(folder: Path) -> None:
    """Write the sources of the site into an empty folder: pages, what they show or link to, and the reference.

    Args:
        folder: is there, and empty.

    Raises:
        DocsError: as :func:`project_pages`, or a link leads nowhere.
    """
    for page in project_pages():
        text = (PROJECT / page).read_text(encoding="utf-8")
        target = folder / page
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        for link in _LINK.findall(text):
            if not re.match(r"[a-z]+:", link) and not link.startswith("/"):
                _bring(page, link, folder)
    for name, text in pages():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    # Sphinx begins at the top.
    (folder / "index.md").write_text((PROJECT / OWN / "index.md").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / OWN / "index.md").unlink()


def _bring(page: Path, link: str, folder: Path) -> None:
    """Copy the file that a page shows or links to, where it is no page itself."""
    source = (PROJECT / page).parent / link
    if not source.exists():
        raise DocsError(f"{page} links to {link}, which is not there; mend the link")
    if source.is_file() and source.suffix != ".md":
        target = folder / source.resolve().relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
