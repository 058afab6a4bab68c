"""The grids in methods/generative/README.md are grids."""

import re

import pytest
import yaml

from helpers.places import ROOT
from methods.generative.backends.base import read_options
from methods.generative.backends.diffusers_options import DiffusersOptions
from methods.generative.backends.local_models import LocalAccess
from methods.generative.backends.openai_backend import ChatOptions, ImageOptions
from methods.generative.backends.openai_client import Access
from methods.generative.backends.transformers_backend import CaptionOptions
from suite.config.execution import EvaluationSettings, GenerativeSettings

README = ROOT / "methods" / "generative" / "README.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_read_as_it_stands(example: str) -> None:
    sections = yaml.safe_load(example)
    generative = GenerativeSettings.model_validate(sections.pop("generative"))
    EvaluationSettings.model_validate(sections.pop("evaluation", {}))
    assert not sections
    assert set(generative.models) == {"captioner", "generator", "editor"}
    for task, model in generative.models.items():
        chat = task == "captioner"
        options = {
            "openai": ChatOptions if chat else ImageOptions,
            "diffusers": DiffusersOptions,
            "transformers": CaptionOptions,
        }
        read_options(options[model.backend], model.options, model.model)
        read_options(Access if model.backend == "openai" else LocalAccess, model.access, model.model)
    if generative.max_cost is not None:
        assert set(generative.prices) == {model.model for model in generative.models.values()}


def test_there_are_three_examples() -> None:
    assert len(EXAMPLES) == 3
