"""A method in a user's own file, known without being installed or registered anywhere.

::

    "folder/my_codec.py[:Class]" ──add_file──> module my_codec, imported ──> METHODS: names that it registers, or my_codec
                                                 the file's folder stays on the search path, for what lies beside it
"""

import importlib
import importlib.util
import inspect
import keyword
import sys
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from benchmarks.common.errors import SemcomError, sentence_of
from methods.errors import MethodFileError
from methods.registry import METHODS

PROJECT_PACKAGES = {"suite", "methods", "benchmarks"}
# Folders of installed packages.
INSTALLED = {"site-packages", "dist-packages"}
# Name of a method -> its file.
_FILES: dict[str, Path] = {}
_IMPORTED: dict[Path, "_Import"] = {}
# File -> names that its own decorators gave when it was imported.
_REGISTERED: dict[Path, dict[type, str]] = {}


@dataclass(frozen=True)
class _Import:
    """When a file was imported, in what state, and what was there before it."""

    at: int
    changed: int
    before: frozenset[str]

    def beside(self, folder: Path) -> dict[str, Path]:
        """Return the modules that came since and lie in the file's folder, the file's own among them, however late it imported them."""
        return {each: file for each in {*sys.modules} - self.before if (file := _beside(each, folder)) is not None}

    def stale(self, path: Path) -> bool:
        """Return whether the file or what came with it has another state now."""
        return _time(path) != self.changed or any(_time(file) > self.at for file in self.beside(path.parent).values())


def add_file(place: str) -> list[str]:
    """Make the methods of a file known and return their names.

    Args:
        place: ``PATH`` or ``PATH:CLASS``. A class that the file registers goes by the name it has there, another one by the file's. A file
            that has changed since it was added, or a module beside it, is imported again.

    Raises:
        MethodFileError: there is no such file, its name is no module's or taken, it cannot be imported, or it is not told which class.
        DuplicateNameError: the name of a method is taken.
    """
    path, wanted = _parted(place)
    module = _imported(path)
    own = {name: cls for name, cls in vars(module).items() if _is_method(cls) and cls.__module__ == module.__name__}
    if wanted and wanted not in own:
        raise MethodFileError(f"{path} defines no method {wanted}; {_choice(own)}")
    registered = _REGISTERED[path]
    chosen = [own[wanted]] if wanted else list(registered) or list(own.values())
    if len(chosen) != 1 and not registered:
        raise MethodFileError(f"{path} defines {'no method' if not own else f'{len(own)} methods and registers none'}; {_choice(own)}")
    names = []
    for cls in chosen:
        if missing := sorted(getattr(cls, "__abstractmethods__", ())):
            raise MethodFileError(f"{cls.__name__} of {path} has no {' and no '.join(missing)}; define what every method has")
        name = registered.get(cls, path.stem)
        METHODS.register(name)(cls)
        METHODS.check_alone(name)
        _FILES[name] = path
        names.append(name)
    return sorted(names)


def add_files(places: Iterable[str]) -> list[str]:
    """Make the methods of several files known, as :func:`add_file` does, and return their names in this order."""
    return [name for place in places for name in add_file(place)]


def file_of(name: str) -> Path | None:
    """Return the file that a method was added from, ``None`` for one of the project or of another distribution."""
    return _FILES.get(name)


def is_registered(name: str) -> bool:
    """Return whether a method registers itself, so that it needs no naming of its file once it lies where it is looked for."""
    return name in _REGISTERED[_FILES[name]].values() if name in _FILES else True


def files() -> list[Path]:
    """Return the files that were added, each once."""
    return sorted(set(_FILES.values()))


def _parted(place: str) -> tuple[Path, str]:
    before, colon, after = place.rpartition(":")
    named, wanted = (before, after) if colon and after.isidentifier() and before.endswith(".py") else (place, "")
    path = Path(named).expanduser().resolve()
    # On a node of a cluster the file lies in the working folder.
    path = path if path.is_file() or not Path(path.name).is_file() else Path(path.name).resolve()
    if path.suffix != ".py" or not path.is_file():
        raise MethodFileError(f"there is no Python file {named}; give the path of the file that holds the method, or PATH:CLASS")
    if not path.stem.isidentifier() or keyword.iskeyword(path.stem):
        raise MethodFileError(f"{path.name} cannot be imported under its name; take letters, digits and underscores, as in my_codec.py")
    return path, wanted


def _imported(path: Path) -> ModuleType:
    name, loaded = path.stem, sys.modules.get(path.stem)
    if loaded is not None and path in _IMPORTED:
        if not _IMPORTED[path].stale(path):
            return loaded
        METHODS.forget(name)
        for each in _IMPORTED[path].beside(path.parent):
            del sys.modules[each]
    elif loaded is not None or _elsewhere(name, path):
        other = getattr(loaded, "__file__", None) or "another module"
        raise MethodFileError(f"{path.name} bears the name of {other}, and one would hide the other; rename the file")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    importlib.invalidate_caches()
    state = _Import(time.time_ns(), _time(path), frozenset(sys.modules))
    try:
        module = importlib.import_module(name)
    except SemcomError:
        raise
    # Foreign code, which may do anything; only what asks this process to end goes on.
    except (Exception, SystemExit) as error:
        raise MethodFileError(f"{path} cannot be imported: {sentence_of(error)}{_line(error, path)}; mend it") from error
    _IMPORTED[path] = state
    _REGISTERED[path] = {cls: name for name, cls in METHODS.here().items() if cls.__module__ == module.__name__}
    return module


def _beside(module: str, folder: Path) -> Path | None:
    """Return the file of a module that lies in ``folder`` or below it, ``None`` for one of the project or of an installed package."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or module.partition(".")[0] in PROJECT_PACKAGES or INSTALLED & set(Path(file).parts):
        return None
    path = Path(file).resolve()
    return path if path.is_relative_to(folder) else None


def _time(file: Path) -> int:
    return file.stat().st_mtime_ns if file.is_file() else 0


def _elsewhere(name: str, path: Path) -> bool:
    found = importlib.util.find_spec(name)
    return found is not None and (found.origin is None or Path(found.origin).resolve() != path)


def _line(error: BaseException, path: Path) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return f" (line {lines[-1]})" if lines else ""


def _is_method(value: object) -> bool:
    # Late: the registry is asked for names where no network is needed.
    from methods.base import Method

    return inspect.isclass(value) and issubclass(value, Method)


def _choice(own: dict[str, type]) -> str:
    if not own:
        return "derive a class from methods.base.Method or TrainableMethod"
    return f"say which as PATH:CLASS, among {', '.join(sorted(own))}"
