"""The commands that the project's pages show."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from helpers.places import ROOT
from suite.docs.sources import project_pages

_BLOCK = re.compile(r"^```(?:console|bash|sh)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_ANY_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
_FIRST = r"(?:\.venv/bin/)?python -m|semcom|make|pip|ray|hf|export|aws|sbatch|kubectl|git"
_STARTS = re.compile(rf"({_FIRST})(\s|$)")


@dataclass(frozen=True)
class Command:
    """A command as a page shows it, in one line."""

    page: Path
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def project(self) -> tuple[str, list[str]] | None:
        """The module and the arguments of what it runs of the project, ``None`` if it runs none; also inside ``ray exec`` and the like."""
        found = re.search(r"python -m ((?:suite|benchmarks|methods)[\w.]*)((?:\s.*)?)$", self.text)
        if found is None:
            return None
        text = found[2].removesuffix("'") if found[2].count("'") % 2 else found[2]
        return found[1], shlex.split(text)

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def commands() -> list[Command]:
    """Return every command of every page, each once a page."""
    found = []
    for page in project_pages():
        text = (ROOT / page).read_text(encoding="utf-8")
        lines = [line for block in _BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
        shown = [re.sub(r"\s\s+#.*", "", line).strip().removeprefix("$ ") for line in lines]
        shown += [code for code in _CODE.findall(_ANY_BLOCK.sub("", text))]
        found += [Command(page, " ".join(each.split()).removesuffix(" &")) for each in shown if _STARTS.match(each)]
    return list(dict.fromkeys(found))
