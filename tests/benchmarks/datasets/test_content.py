"""A fingerprint follows what files hold, and files that have not changed are not read again."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.datasets import digests as module
from benchmarks.datasets import open_dataset
from benchmarks.datasets.digests import ABSENT, UNREADABLE, digests


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "user cache"
    monkeypatch.setattr(module, "user_cache_path", lambda name, ensure_exists: folder.mkdir(exist_ok=True) or folder)
    return folder


@pytest.fixture
def reads(monkeypatch) -> list[Path]:
    """The files that were read."""
    read, known = [], module._digest
    monkeypatch.setattr(module, "_digest", lambda path: read.append(path) or known(path))
    return read


def flat(path: Path, value: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 12, 3), value, np.uint8)).save(path)
    return path


@pytest.fixture
def settled(monkeypatch) -> None:
    monkeypatch.setattr(module, "SETTLED_S", -1.0)


@pytest.mark.parametrize("split", ["test", "train"])
@pytest.mark.parametrize("changed", ["a.bmp", "masks/a.png"])
def test_an_edit_of_the_same_size_is_another_data_set(tmp_path, split, changed, settled):
    root = tmp_path / "mine"
    for name in ("a.bmp", "b.bmp", "masks/a.png", "masks/b.png"):
        flat(root / name, 10)
    before = open_dataset("folder", root, 8, split).fingerprint()
    assert open_dataset("folder", root, 8, split).fingerprint() == before
    times, size = os.stat(root / changed), (root / changed).stat().st_size
    # Beyond the tick of the clock of files.
    time.sleep(0.05)
    content = bytearray((root / changed).read_bytes())
    content[-5] ^= 1
    (root / changed).write_bytes(content)
    os.utime(root / changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (root / changed).stat().st_size == size
    assert open_dataset("folder", root, 8, split).fingerprint() != before


def test_images_that_change_places_are_another_data_set(tmp_path, settled):
    root = tmp_path / "mine"
    one, other = flat(root / "a.bmp", 10), flat(root / "b.bmp", 20)
    before = open_dataset("folder", root, 8).fingerprint()
    one.rename(root / "c")
    other.rename(one)
    (root / "c").rename(other)
    assert open_dataset("folder", root, 8).fingerprint() != before


def test_a_copy_elsewhere_is_the_same_data_set(tmp_path):
    flat(tmp_path / "here/a.bmp", 10)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    assert open_dataset("folder", tmp_path / "here", 8).fingerprint() == open_dataset("folder", tmp_path / "there", 8).fingerprint()


def test_what_has_not_changed_is_read_once(tmp_path, reads, settled):
    files = [flat(tmp_path / f"{index}.bmp", index) for index in range(20)]
    first = digests(files)
    assert sorted(reads) == sorted(files) and len(set(first.values())) == 20
    assert digests(files) == first and len(reads) == 20
    flat(files[3], 99)
    assert digests(files)[files[3]] != first[files[3]] and reads[20:] == [files[3]]


def test_a_file_that_was_just_written_is_read_again(tmp_path, reads):
    path = flat(tmp_path / "a.bmp", 1)
    assert digests([path]) == digests([path])
    assert reads == [path, path]


def test_files_that_are_gone_or_closed_have_words(tmp_path, monkeypatch):
    assert digests([tmp_path / "gone.bmp"]) == {tmp_path / "gone.bmp": ABSENT}
    path = flat(tmp_path / "a.bmp", 1)
    opened = Path.open

    def closed_to_us(self: Path, *arguments, **named):
        if self == path:
            raise PermissionError("closed")
        return opened(self, *arguments, **named)

    monkeypatch.setattr(Path, "open", closed_to_us)
    assert digests([path]) == {path: UNREADABLE}


def test_a_damaged_or_missing_cache_costs_time_alone(tmp_path, cache, monkeypatch, settled):
    path = flat(tmp_path / "a.bmp", 1)
    first = digests([path])
    (cache / module.FILE).write_bytes(b"no database" * 500)
    assert digests([path]) == first
    digests([path])
    assert (cache / module.FILE).read_bytes().startswith(b"SQLite format 3")
    monkeypatch.setattr(module, "user_cache_path", lambda *_, **__: (_ for _ in ()).throw(PermissionError("read-only")))
    assert digests([path]) == first


def test_photographs_of_the_package_keep_their_identities():
    known = {"train": "6ded2fa938e0e2803ca9d242a362e657", "test": "5e9935a86d774d04184ad26198cf9162"}
    assert {split: open_dataset("photos", None, 256, split).fingerprint() for split in known} == known
