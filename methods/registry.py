"""The registry of methods; a method's file imports it and registers its class."""

from typing import TYPE_CHECKING

from benchmarks.common.registry import Registry

if TYPE_CHECKING:
    from methods.base import Method

METHODS: "Registry[type[Method]]" = Registry(
    "method",
    package="methods",
    infrastructure=("base", "catalog", "errors", "generative", "layers", "messages", "published", "registry"),
    group="semcom.methods",
)
