"""``python -m suite.shipping FILE.zip``: the code as it travels to the nodes of a cluster, and nothing that lies beside it.

::

    git checkout    the files that git tracks, as they are now, without tests ──┐
    anything else   the packages and the shipped weights ───────────────────────┴── less what may hold a key ──> FILE.zip
"""

import logging
import subprocess
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import typer

from benchmarks.common.project import PROJECT
from suite.cli import guarded
from suite.errors import SuiteError

PACKAGES = ("suite", "methods", "benchmarks")
# The built-in grid reads its small models and weights there.
PARTS = (*PACKAGES, "results/reference")
LEFT_OUT = ("tests",)
# Names of files and folders that may hold keys; rsync_exclude of cluster.yaml has them too.
KEY_LIKE = (
    *(".env*", ".netrc", ".pypirc", ".npmrc", ".git-credentials", ".aws", ".ssh", ".gnupg", ".kube", "kubeconfig"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*"),
    *("*.token", "auth_token*", "credentials", "*credentials*.json", "*credentials*.y*ml", "secrets.*", "*secret*.json", "*secret*.y*ml"),
)
# A zip archive knows no earlier time; with one time for all, the same files make the same bytes, which a cluster keeps once.
TIME = (1980, 1, 1, 0, 0, 0)
log = logging.getLogger(__name__)
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


class ShippingError(SuiteError):
    """A file that is to travel and cannot."""


def package(target: Path, extra: Sequence[Path] = (), project: Path = PROJECT) -> Path:
    """Write a zip archive of the code for the nodes of a cluster and return its path.

    Args:
        target: the archive, a name that ends in ``.zip``.
        extra: more files, named one by one and so taken whatever they are called; they lie at the top under their own names.
        project: the folder that holds the packages.

    Raises:
        ShippingError: an extra file is not there, or two files would have one name.
        OSError: a file cannot be read, or the archive cannot be written.
    """
    names = {file: project / file for file in _files(project)}
    for path in extra:
        if not path.is_file():
            raise ShippingError(f"there is no file {path} to send to the cluster; give the path of a file")
        if path.name in {name.partition("/")[0] for name in names}:
            raise ShippingError(f"{path} would replace the project's own {path.name} on the cluster; rename it")
        names[path.name] = path
    # Nearly all of it are weights, which no compression makes smaller.
    with ZipFile(target, "w", ZIP_STORED) as archive:
        for name, path in sorted(names.items()):
            member = ZipInfo(name, TIME)
            member.external_attr = (0o644 | path.stat().st_mode & 0o111) << 16
            archive.writestr(member, path.read_bytes())
    return target


def _files(project: Path) -> Iterator[str]:
    """Yield the files that travel, relative to ``project``; say which of git's stay although they were asked for."""
    tracked = _tracked(project)
    walked = list(_walked(project))
    named = walked if tracked is None else tracked
    own = {path.resolve() for file in named if not (path := project / file).is_symlink()}
    for file in named:
        parts, path = file.split("/"), project / file
        # What a link leads to is the project's only where it travels itself.
        foreign = path.is_symlink() and path.resolve() not in own
        if parts[0] in LEFT_OUT or foreign or not path.is_file():
            continue
        if any(fnmatch(part.lower(), pattern) for part in parts for pattern in KEY_LIKE):
            log.warning("%s may hold a key by its name and does not go to the cluster; rename it if it holds none", file)
            continue
        yield file
    if tracked is None:
        return
    for file in walked:
        if file.endswith(".py") and file not in tracked:
            log.warning("%s is not tracked by git and does not go to the cluster; 'git add' it if the nodes need it", file)


def _tracked(project: Path) -> set[str] | None:
    """Return what git tracks of the project, ``None`` where it does not track the project."""
    try:
        listed = subprocess.run(("git", "-C", str(project), "ls-files", "-z"), capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    files = {name for name in listed.stdout.decode(errors="surrogateescape").split("\0") if name}
    # An installed package may lie in a folder of somebody else's repository.
    return files if f"{PACKAGES[0]}/__init__.py" in files else None


def _walked(project: Path) -> Iterator[str]:
    for part in PARTS:
        for path in (project / part).rglob("*"):
            file = path.relative_to(project)
            if path.is_file() and "__pycache__" not in file.parts and not any(name.startswith(".") for name in file.parts):
                yield file.as_posix()


@app.command()
@guarded
def main(target: Annotated[Path, typer.Argument(help="The archive to write, such as semcom.zip.")]) -> None:
    """Write the code for a cluster as a zip archive, for `ray job submit --working-dir FILE.zip`."""
    if target.suffix != ".zip":
        raise ShippingError(f"{target} must end in .zip; Ray knows archives by their names")
    print(package(target))


if __name__ == "__main__":
    app()
