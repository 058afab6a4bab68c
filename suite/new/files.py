"""The files of a new method, made from templates."""

import keyword
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from benchmarks.common.atomic import write_text
from methods.registry import METHODS
from suite.errors import SettingsError

Kind = Literal["plain", "trainable", "text"]


def write_new(name: str, kind: Kind, folder: Path, package: bool) -> list[Path]:
    """Write the files of a new method and return them.

    Args:
        name: of the method and its module: letters, digits, underscores.
        kind: what it begins from: no weights, weights to train, or a text and generative models.
        folder: where they are written, made if it is not there.
        package: whether ``pyproject.toml`` with the entry point comes too.

    Raises:
        SettingsError: the name is no module's or taken, or a file is there already.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower():
        raise SettingsError(f"'{name}' cannot be the name of a method and its file; take small letters, digits and underscores: my_codec")
    texts = {folder / file: text for file, text in rendered(name, kind, package).items()}
    if there := [path for path in texts if path.exists()]:
        raise SettingsError(f"{there[0]} is there already and stays as it is; take another name, or another folder with --folder")
    if name in sys.stdlib_module_names or (name not in METHODS and find_spec(name) is not None):
        raise SettingsError(f"'{name}' is the name of a Python module, which the file would hide; take another name")
    if name in METHODS:
        raise SettingsError(f"there is a method '{name}' already; take another name")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def rendered(name: str, kind: Kind, package: bool) -> Mapping[str, str]:
    """Return the texts of the files by name."""
    # Late: the help page needs none of it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), undefined=StrictUndefined, keep_trailing_newline=True
    )
    words = name.split("_")
    facts = {
        "name": name,
        "cls": "".join(word.capitalize() for word in words),
        "title": " ".join(words).capitalize(),
        "kind": kind,
        "test": f"test_{name}.py",
        "place": name if package else f"{name}.py",
        "subject": f'"{name}"' if package else f'str(Path(__file__).with_name("{name}.py"))',
    }
    templates = {f"{name}.py": f"{kind}.py.j2", f"test_{name}.py": "test.py.j2", f"{name}.yaml": "grid.yaml.j2"}
    if package:
        templates["pyproject.toml"] = "pyproject.toml.j2"
    return {file: environment.get_template(template).render(facts) for file, template in templates.items()}
