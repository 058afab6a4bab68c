"""Archives, unpacked beside their place and moved into it when all of them is there; nothing of an archive gets out of its folder."""

import errno
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from suite.errors import AssetError


def unpack(archive: Path, place: Path) -> int:
    """Unpack a zip or tar archive into a folder, beside what is there, and return the number of its files.

    Raises:
        AssetError: it is no archive, is damaged, holds what leads out of its folder, or does not fit on the disk.
    """
    place.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".unpacking-", dir=place) as name:
        folder = Path(name)
        try:
            if zipfile.is_zipfile(archive):
                _unzip(archive, folder)
            elif tarfile.is_tarfile(archive):
                _untar(archive, folder)
            else:
                raise AssetError(f"{archive} is no zip and no tar archive; delete it and fetch it again")
        except (zipfile.BadZipFile, tarfile.ReadError, EOFError) as error:
            raise AssetError(f"{archive} is damaged ({error}); delete it and fetch it again") from error
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise AssetError(f"the disk of {place} is full; free space, and run the same command again") from error
        return _merge(folder, place)


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        entries = opened.infolist()
        _check_room(sum(entry.file_size for entry in entries), archive, folder)
        for entry in entries:
            _check_inside(entry.filename, archive)
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise _outside(entry.filename, archive)
        opened.extractall(folder)


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as opened:
        _check_room(sum(entry.size for entry in opened), archive, folder)
        for entry in opened:
            _check_inside(entry.name, archive)
        try:
            # Python's own rule: no absolute name, no link out of the folder, no device, no foreign owner or mode.
            opened.extractall(folder, filter="data")
        except tarfile.FilterError as error:
            raise _outside(error.tarinfo.name, archive) from error


def _check_inside(name: str, archive: Path) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in (path.parts[0] if path.parts else ""):
        raise _outside(name, archive)


def _outside(name: str, archive: Path) -> AssetError:
    return AssetError(
        f"{archive} holds '{name}', which leads out of its folder; it is not unpacked. Delete it, and fetch it from its publisher"
    )


def _check_room(needed: int, archive: Path, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise AssetError(f"{archive} unpacks to {needed / 1e6:,.0f} MB and {folder.parent} has {free / 1e6:,.0f} MB free; free space")


def _merge(folder: Path, place: Path) -> int:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in files:
        target = place / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
    return len(files)
