"""The models a method cannot do without."""

from typing import TypeVar

from methods.errors import MissingAssetError
from methods.generative.backends.base import check_ready
from methods.generative.settings import CaptionerSettings, EditorSettings, GeneratorSettings, ModelSettings

M = TypeVar("M", CaptionerSettings, EditorSettings, GeneratorSettings)


def required(model: M | None, field: str, method: str) -> M:
    """Return the model that the settings of ``method`` name in ``field``.

    Raises:
        MissingAssetError: they name none.
    """
    if model is None:
        raise MissingAssetError(f"{method} has no {field}; name a model in the grid's generative.{field}, such as openai:NAME")
    return model


def check_required(method: str, **models: ModelSettings | None) -> None:
    """Raise a :class:`MethodError` unless every model, given by the name of its field, is named and can be asked."""
    for field, model in models.items():
        if model is None:
            required(None, field, method)
        else:
            check_ready(model)
