"""What a run folder says of itself: read leniently, refused with the file and the key where it is broken."""

import json
from pathlib import Path

import pytest

from suite.errors import RunFolderError
from suite.runs.info import RunInfo, read_info
from suite.runs.layout import RunLayout


def described(folder: Path, content: object) -> RunLayout[Path]:
    layout = RunLayout(folder)
    layout.run_json.write_text(json.dumps(content), encoding="utf-8")
    return layout


def test_a_folder_without_a_description_has_none(tmp_path: Path) -> None:
    assert read_info(RunLayout(tmp_path)) is None


def test_keys_that_nobody_reads_are_kept_and_no_error(tmp_path: Path) -> None:
    content = {
        "name": "quick",
        "later": {"x": [1]},
        "grid": {"image_size": 64, "snr_db": [1], "metric_settings": {"clip_models": {"scenes": "there"}, "z": 1}},
        "metrics": {"psnr": {"title": "PSNR (dB)", "better": "higher", "unit": "dB"}},
    }
    info = read_info(described(tmp_path, content))
    assert info is not None and info.document == content
    assert info.grid.image_size == 64 and info.grid.link.rician_k == 4.0 and info.grid.ablations == ()
    assert info.grid.metric_settings.clip_models == {"scenes": "there"}
    assert info.metrics["psnr"].heading == "PSNR (dB) ↑"


def test_an_unclean_working_tree_is_found_at_any_start() -> None:
    clean, dirty = ({"git": {"commit": "a", "dirty": state}} for state in (False, True))
    assert not RunInfo.of({"starts": [clean, clean]}).dirty
    assert RunInfo.of({"starts": [clean, dirty]}).dirty


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{half", r"run\.json cannot be read: it is not JSON"),
        (b"\xff\xfe", r"run\.json cannot be read: it is not JSON"),
        (b"[1]", r"run\.json is not the run\.json of a run"),
        (b'{"metrics": {"psnr": {"title": "PSNR", "better": "up"}}}', r"run\.json cannot be read: metrics\.psnr\.better: "),
        (b'{"grid": {"image_size": "large"}}', r"run\.json cannot be read: grid\.image_size: "),
        (b'{"spending": {"calls": 3}}', r"run\.json cannot be read: spending\.calls: "),
    ],
)
def test_a_broken_description_is_one_sentence_with_file_and_key(tmp_path: Path, content: bytes, words: str) -> None:
    layout = RunLayout(tmp_path)
    layout.run_json.write_bytes(content)
    with pytest.raises(RunFolderError, match=words) as refused:
        read_info(layout)
    assert str(layout.run_json) in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="is not a folder"):
        read_info(RunLayout(tmp_path / "file"))
