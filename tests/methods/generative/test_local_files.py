"""Where the weights of local models are looked for, and what tells one from another."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
from safetensors.torch import load_file, save_file

from methods.generative import ModelUnavailableError
from methods.generative.backends.local_files import content_hash, find_model

TinyModel = Callable[..., Path]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub, without a connection."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def cached(hub: Path, model: Path, branch: str = "main") -> Path:
    """Lay a model into the cache as the Hub's own client does."""
    snapshot = hub / "models--acme--tiny" / "snapshots" / COMMIT
    shutil.copytree(model, snapshot)
    refs = hub / "models--acme--tiny" / "refs"
    refs.mkdir()
    (refs / branch).write_text(COMMIT)
    return snapshot


def test_the_identity_is_the_content_wherever_it_lies(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = tiny_model("blip")
    copy = shutil.copytree(folder, tmp_path / "some where" / "else")
    original = find_model(str(folder), "config.json").identity
    assert find_model(str(copy), "config.json").identity == original
    (copy / "README.md").write_text("a note")
    (copy / ".cache").mkdir()
    (copy / ".cache" / "lock").write_text("1")
    os.utime(copy / "config.json", (1, 1))
    assert content_hash(copy) == original.removeprefix("folder:")
    assert find_model(str(tiny_model("blip", seed=1)), "config.json").identity != original


def test_the_identity_sees_one_weight_one_name_and_one_setting(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = tiny_model("blip")
    changes: list[Callable[[Path], object]] = [
        lambda copy: (copy / "config.json").write_text((copy / "config.json").read_text() + " "),
        lambda copy: (copy / "model.safetensors").rename(copy / "weights.safetensors"),
        lambda copy: (copy / "added.json").write_text("{}"),
        _change_one_weight,
    ]
    seen = {content_hash(folder)}
    for number, change in enumerate(changes):
        copy = shutil.copytree(folder, tmp_path / str(number))
        change(copy)
        seen.add(content_hash(copy))
    assert len(seen) == len(changes) + 1


def _change_one_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_large_files_are_told_apart_by_size_ends_and_pieces_between(tmp_path: Path) -> None:
    size = 40 * 2**20
    path = tmp_path / "weights.safetensors"
    seen = set()
    for position in (None, 0, size // 2, size - 1):
        with path.open("wb") as file:
            file.truncate(size)
            if position is not None:
                # A training changes all of a matrix; the smallest of a model of this size spans some hundred kilobytes.
                file.seek(max(0, position - 200_000))
                file.write(b"\1" * min(400_000, size - max(0, position - 200_000)))
        assert path.stat().st_size == size
        seen.add(content_hash(tmp_path))
    with path.open("wb") as file:
        file.truncate(size + 1)
    assert len(seen | {content_hash(tmp_path)}) == 5


def test_a_model_of_the_hub_is_its_name_and_commit(tiny_model: TinyModel, hub: Path) -> None:
    snapshot = cached(hub, tiny_model("blip"))
    for revision in (None, "main", COMMIT):
        files = find_model("acme/tiny", "config.json", revision)
        assert files.identity == f"acme/tiny@{COMMIT}"
        assert files.folder.resolve() == snapshot.resolve()
    assert files.read_json("config.json")["model_type"] == "blip"
    with pytest.raises(ModelUnavailableError, match=r"acme/tiny at revision v2 is neither a folder nor in the cache"):
        find_model("acme/tiny", "config.json", "v2")


def test_a_model_of_the_hub_that_is_not_here(hub: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"hf download Qwen/Qwen-Image-Edit'.*access: \{download: true\}"):
        find_model("Qwen/Qwen-Image-Edit", "model_index.json")
    with pytest.raises(
        ModelUnavailableError, match=r"could not be fetched from the Hugging Face Hub: .*'hf download Qwen/Qwen-Image-Edit'"
    ):
        find_model("Qwen/Qwen-Image-Edit", "model_index.json", download=True)


@pytest.mark.parametrize("name", ["models", "../models/tiny", "a/b/c", "/srv/none", "~/none", "acme/..", "-/x"])
def test_a_name_that_can_be_no_model_of_the_hub_is_a_missing_folder(name: str, hub: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="there is no folder"):
        find_model(name, "config.json", download=True)


def test_folders_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"holds no model_index\.json, so it is no saved model"):
        find_model(str(tmp_path), "model_index.json")
    (tmp_path / "config.json").write_text("[]")
    files = find_model(str(tmp_path), "config.json")
    with pytest.raises(ModelUnavailableError, match="holds no JSON object"):
        files.read_json("config.json")
    with pytest.raises(ModelUnavailableError, match=r"there is no unet/config\.json"):
        files.read_json("unet/config.json")
