"""The stored outputs of the authors' code: which of the two sets a test reads, and that the committed one is a part of the whole."""

from pathlib import Path

import pytest
import torch

from helpers import golden

COMMITTED = sorted(path.parent.relative_to(golden.COMMITTED).as_posix() for path in golden.COMMITTED.rglob("case.json"))


def test_a_case_is_read_from_the_whole_set_where_that_has_it(tmp_path, monkeypatch):
    monkeypatch.setenv(golden.VARIABLE, str(tmp_path))
    assert golden.find("sgdjscc/schedule") == golden.COMMITTED / "sgdjscc" / "schedule"
    (tmp_path / "sgdjscc" / "schedule").mkdir(parents=True)
    assert golden.find("sgdjscc/schedule") == tmp_path / "sgdjscc" / "schedule"


def test_what_is_in_neither_set_is_skipped_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv(golden.VARIABLE, str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=r"swinjscc/elsewhere is not among the committed outputs"):
        golden.card("swinjscc/elsewhere")


def test_a_variable_that_names_no_folder_is_an_error_and_not_a_skip(tmp_path, monkeypatch):
    monkeypatch.setenv(golden.VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match="SEMCOM_GOLDEN=.*absent is no folder"):
        golden.find("sgdjscc/schedule")


def test_the_committed_set_is_small_and_its_page_names_every_case():
    page = (golden.COMMITTED / "README.md").read_text(encoding="utf-8")
    assert len(COMMITTED) >= 6 and [name for name in COMMITTED if f"| `{name}` |" not in page] == []
    assert sum(path.stat().st_size for path in golden.COMMITTED.rglob("*") if path.is_file()) < 3_000_000


@pytest.mark.parametrize("name", COMMITTED)
@pytest.mark.skipif(not golden.whole().is_dir(), reason="the whole set of the authors' outputs is not here; SEMCOM_GOLDEN may name it")
def test_the_committed_set_is_a_part_of_the_whole(name, monkeypatch):
    parts = ("tensors", "taps", "state_dict")
    card, whole = golden.card(name), {part: golden.tensors(name, part) for part in parts}
    monkeypatch.setattr(golden, "whole", lambda: Path("absent"))
    assert golden.find(name).is_relative_to(golden.COMMITTED) and golden.card(name) == card
    committed = {part: golden.tensors(name, part) for part in parts}
    assert committed["tensors"]
    for part in parts:
        for key, tensor in committed[part].items():
            assert tensor.dtype == whole[part][key].dtype and torch.equal(tensor, whole[part][key]), key
