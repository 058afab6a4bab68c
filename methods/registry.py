"""The registry of methods; a method's file imports it and registers its class."""

from typing import TYPE_CHECKING, Any

from benchmarks.common.registry import Registry

if TYPE_CHECKING:
    from methods.base import Method

METHODS: "Registry[type[Method[Any]]]" = Registry(
    "method",
    package="methods",
    decorator="METHODS.register",
    group="semcom.methods",
    besides="A method in a file of your own is made known by --method-file PATH.",
)
