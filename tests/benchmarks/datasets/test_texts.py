"""Captions, lists and annotations: every legal spelling is read, anything else is one sentence with the file."""

import json
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.common.errors import DatasetError, ImageError
from benchmarks.datasets import open_dataset
from helpers.places import SHARED

FAULTS = SHARED / "faults"


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 8)).save(path, format="PNG")
    return path


def entry(file: str, caption: str = "something") -> str:
    return json.dumps({"file": file, "caption": caption}, ensure_ascii=False)


def captioned(root: Path, text: str | bytes, *names: str):
    for name in names or ("a.png",):
        image(root / name)
    (root / "captions.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())
    return open_dataset("folder", root, 8)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\u000b", "\u001e"])
def test_a_line_ends_at_a_line_feed_alone(tmp_path, separator):
    caption = f"one{separator}two"
    # Control characters below a space have to be escaped in JSON.
    text = json.dumps({"file": "a.png", "caption": caption}, ensure_ascii=separator < " ")
    dataset = captioned(tmp_path, "\ufeff" + text + "\r\n\r\n" + entry("b.png", "other"), "a.png", "b.png")
    assert [dataset.load(id).caption for id in "ab"] == [caption, "other"]
    assert not dataset.notes


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"file": "a.png", "caption": "a"}\n{"file": "b.png", "caption": "caf\xe9"}', "line 2: byte 0xe9 is not UTF-8"),
        (entry("a.png").encode("utf-16"), "line 1: byte 0xff is not UTF-8"),
        (entry("a.png").encode("utf-16-le"), "line 1: holds a zero byte"),
        (b'{"file": "a\\u0000.png", "caption": "a"}', "line 1: holds a character that no text can"),
        (b'{"file": "a.png", "caption": "\\ud83d"}', "line 1: holds a character that no text can"),
        (b"[" * 100_000, "line 1: not JSON"),
        (b'{"file": ' + b"1" * 5000 + b"}", "line 1: not JSON"),
    ],
    ids=["latin-1", "utf-16", "utf-16 without mark", "zero", "surrogate", "deep", "long number"],
)
def test_what_is_no_text_is_one_sentence_with_the_file(tmp_path, content, sentence):
    with pytest.raises(DatasetError) as caught:
        captioned(tmp_path, content)
    assert f"{tmp_path / 'captions.jsonl'}, {sentence}" in str(caught.value) and "\n" not in str(caught.value)


def test_names_match_in_either_form_and_with_either_slash(tmp_path):
    names = ("café.png", "crème.png", "deep/er/b.png")
    forms = (unicodedata.normalize("NFC", names[0]), unicodedata.normalize("NFD", names[1]), names[2])
    others = (unicodedata.normalize("NFD", names[0]), unicodedata.normalize("NFC", names[1]), "deep\\er\\b.png")
    dataset = captioned(tmp_path, "\n".join(entry(name, str(index)) for index, name in enumerate(others)), *forms)
    assert {dataset.load(id).caption for id in dataset.items()} == {"0", "1", "2"}
    assert not dataset.notes


def test_entries_and_images_that_lack_each_other_are_told(tmp_path):
    text = "\n".join(map(entry, ("a.png", "gone.png", "lost.png", f"{'n' * 300}.png")))
    notes = captioned(tmp_path, text, "a.png", "b.png", "c.png").notes
    source = tmp_path / "captions.jsonl"
    assert f"3 entries of {source} match no image; the first is 'gone.png'" in notes
    assert f"2 of 3 images have no caption in {source}; the first is b.png" in notes


def test_captions_of_other_folders_and_parts_are_no_matter(tmp_path):
    for name in ("set/test/a.png", "set/train/b.png", "other/c.png"):
        image(tmp_path / name)
    lines = "\n".join(map(entry, ("set/test/a.png", "set/train/b.png", "other/c.png")))
    (tmp_path / "captions.jsonl").write_text(lines)
    assert not open_dataset("folder", tmp_path / "set", 8).notes
    (tmp_path / "captions.jsonl").write_text(entry("other/c.png"))
    assert not open_dataset("folder", tmp_path / "set", 8).notes


def voc(root: Path, names: bytes, suffix: str = ".jpg") -> Path:
    year = root / "VOCdevkit/VOC2012"
    for name in ("000001", "000002"):
        image(year / "JPEGImages" / f"{name}{suffix}")
    (year / "ImageSets/Main").mkdir(parents=True)
    (year / "ImageSets/Main/trainval.txt").write_bytes(names)
    (year / "Annotations").mkdir()
    return year


def labels(root: Path) -> dict[str, str]:
    sides = [open_dataset("voc", root, 8, split) for split in ("train", "test")]
    return {id: side.load(id).label for side in sides for id in side.items()}


@pytest.mark.parametrize(("suffix", "annotation"), [(".JPG", ".XML"), (".png", ".xml"), (".jpeg", ".xml")])
def test_voc_files_of_other_suffixes(tmp_path, suffix, annotation):
    year = voc(tmp_path, b"\xef\xbb\xbf000001 1\r\n000002 -1\r\n", suffix)
    for name in ("000001", "000002"):
        (year / f"Annotations/{name}{annotation}").write_text("<annotation><object><name>cat</name></object></annotation>")
    assert labels(tmp_path) == {"VOC2012/000001": "cat", "VOC2012/000002": "cat"}


@pytest.mark.parametrize(
    ("declared", "stored", "name"),
    [
        ("utf-8", "utf-8-sig", "chat"),
        ("utf-16", "utf-16", "chat"),
        ("gb2312", "gb2312", "猫"),
        ("latin-1", "latin-1", "bébé"),
        ("none", "utf-8", "é"),
    ],
)
def test_voc_annotations_in_other_encodings(tmp_path, declared, stored, name):
    year = voc(tmp_path, b"000001\n000002\n")
    head = "" if declared == "none" else f'<?xml version="1.0" encoding="{declared}"?>\n'
    text = f"{head}<annotation><folder>é</folder><object><name>{name}</name></object></annotation>"
    for number in ("000001", "000002"):
        (year / f"Annotations/{number}.xml").write_bytes(text.replace("<folder>é</folder>", "").encode(stored))
    assert set(labels(tmp_path).values()) == {name}


def test_voc_annotations_with_bytes_that_are_no_text(tmp_path):
    year = voc(tmp_path, b"000001\n000002\n")
    whole = b"<annotation><folder>caf\xe9</folder><object><name>%s</name></object></annotation>"
    for number in ("000001", "000002"):
        (year / f"Annotations/{number}.xml").write_bytes(whole % b"cat")
    assert set(labels(tmp_path).values()) == {"cat"}
    for number in ("000001", "000002"):
        (year / f"Annotations/{number}.xml").write_bytes(whole % b"b\xe9b\xe9")
    with pytest.raises(ImageError, match=r"Annotations/00000\d\.xml is not in the encoding"):
        labels(tmp_path)


@pytest.mark.parametrize("names", [b"000001\0\n", b"caf\xe9\n", "000001\n".encode("utf-16")], ids=["zero", "latin-1", "utf-16"])
def test_a_voc_list_that_is_no_text_is_one_sentence(tmp_path, names):
    voc(tmp_path, names)
    with pytest.raises(DatasetError, match=r"Main/trainval\.txt, line 1.*save the file as UTF-8"):
        labels(tmp_path)


@pytest.mark.skipif(not FAULTS.is_dir(), reason="the inputs in ../shared/faults are not here")
def test_captions_that_broke_the_product(tmp_path):
    assert captioned(tmp_path / "u", (FAULTS / "captions_u2028.jsonl").read_bytes()).load("a").caption
    with pytest.raises(DatasetError, match=r"captions\.jsonl, line 1: byte 0x.. is not UTF-8"):
        captioned(tmp_path / "l", (FAULTS / "captions_latin1.jsonl").read_bytes())
