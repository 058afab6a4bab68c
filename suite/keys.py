"""Keys of generative models: kept out of what Ray's processes inherit, handed to the actors that ask and to nobody else.

::

    environment of the command ──kept_back──> Ray's processes: none of the keys
              └──────────────────Keys──────> argument of the actor that asks ──> environment of its process
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from suite.config.grid import Grid
    from suite.config.methods import ConfiguredMethod

OPENAI_KEY = "OPENAI_API_KEY"
# Of the hub that local models may be fetched from; it is known under its former name too.
HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def key_names(grid: "Grid", configured_methods: Iterable["ConfiguredMethod"]) -> tuple[str, ...]:
    """Return the environment variables that may hold keys of servers: the usual one, and those that the models of a grid name."""
    models = [*grid.generative.models.values(), *(model for configured in configured_methods for model in configured.models.values())]
    named = (model.access.get("api_key_env") for model in models)
    return tuple(dict.fromkeys((OPENAI_KEY, *(str(name) for name in named if name))))


class Keys:
    """Values of environment variables on their way to another process.

    No dataclass and no mapping: Ray writes those into its logs with all they hold.

    Args:
        names: environment variables; those that are not set are left out.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._values = {name: os.environ[name] for name in names if name in os.environ}

    def __repr__(self) -> str:
        return f"Keys({', '.join(self._values)})"

    def give(self) -> None:
        """Put them into the environment of this process."""
        os.environ.update(self._values)


@contextmanager
def kept_back(names: Iterable[str] = ()) -> Iterator[None]:
    """Take the usual keys and ``names`` out of this process's environment while others are started, which would inherit them."""
    taken = {name: os.environ.pop(name) for name in {OPENAI_KEY, *HUB_TOKENS, *names} if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
