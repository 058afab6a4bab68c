"""The identity of a generative model holds the prompts that the model may be told, and no others."""

import shutil

import pytest

from methods.generative import prompts
from methods.generative.backends.base import GenerativeOptionsError
from methods.generative.prompts import PROMPTS, filled_prompt
from methods.generative.settings import CaptionerSettings, EditorSettings, GeneratorSettings
from suite.config import methods as config
from suite.config.methods import model_identity

MODELS = {
    "captioner": CaptionerSettings(model="openai:seer-1"),
    "generator": GeneratorSettings(model="openai:painter-1"),
    "editor": EditorSettings(model="openai:painter-1"),
}


@pytest.fixture
def identities(tmp_path, monkeypatch):
    """Return a function that gives every model's identity after ``change`` edited a fresh copy of the prompts."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody")

    def ask(change=lambda folder: None):
        folder = tmp_path / f"prompts-{len(list(tmp_path.iterdir()))}"
        shutil.copytree(PROMPTS, folder)
        change(folder)
        monkeypatch.setattr(prompts, "PROMPTS", folder)
        config._facts.cache_clear()
        return {task: model_identity(model) for task, model in MODELS.items()}

    yield ask
    config._facts.cache_clear()


@pytest.mark.parametrize(
    ("file", "readers"),
    [("caption", {"captioner"}), ("generate", {"generator"}), ("edit", {"editor"}), ("mask", {"editor"}), ("palette", {"editor"})],
)
def test_an_edited_prompt_changes_those_that_may_read_it(identities, file, readers):
    before = identities()
    after = identities(lambda folder: (folder / f"{file}.txt").write_text("Say {caption} in other words."))
    assert {task for task in MODELS if before[task] != after[task]} == readers


def test_a_file_beside_the_prompts_changes_nothing(identities):
    assert identities() == identities(lambda folder: (folder / "note.txt").write_text("for nobody"))


def test_every_prompt_belongs_to_a_task():
    assert {path.stem for path in PROMPTS.iterdir()} == {name for names in prompts._OF_TASK.values() for name in names}


def test_a_prompt_that_no_identity_holds_is_not_read():
    with pytest.raises(GenerativeOptionsError, match=r"a generator has no prompt 'mask'\. Known: generate"):
        filled_prompt(MODELS["generator"], "mask", "a red cat")


def test_a_file_of_ones_own_stands_for_all_of_them(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("Describe.")
    model = MODELS["captioner"].model_copy(update={"prompt_file": file})
    assert model_identity(model)["prompt"] != model_identity(MODELS["captioner"])["prompt"]


def test_captions_of_the_data_set_depend_on_no_prompt():
    assert model_identity(CaptionerSettings(model="dataset"))["prompt"] == {}
