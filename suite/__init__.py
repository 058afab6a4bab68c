"""The suite: trains, evaluates and compares methods of semantic image communication, from Python as from the command line.

Example:
    One image through one method over one draw of the link; then a small comparison, in this process::

        import suite

        sent = suite.transmit("swinjscc", image, cr="1/24", snr_db=4, channel="awgn")
        run = suite.run("quick", methods=["deepjscc", "nam24"], limit=4, out="results/look")
        run.table("psnr", dataset="scenes", channel="awgn")

Importing it loads neither torch nor Ray.
"""

import sys
from types import ModuleType
from typing import Any

__all__ = ["evaluate", "load_results", "run", "train", "transmit"]


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _function(self.__name__.rpartition(".")[2])(*args, **kwargs)


def callable_as_function(module: str) -> None:
    """Let a submodule that bears the name of a function of the API be called as that function.

    ``python -m suite.train`` and ``suite.train(...)`` share a name, and whichever is imported last would hide the other.
    """
    sys.modules[module].__class__ = _CallableModule


def _function(name: str) -> Any:
    # Late: what a run needs takes seconds to import.
    from suite import api

    return getattr(api, name)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'suite' has no attribute '{name}'")
    return _function(name)


def __dir__() -> list[str]:
    return sorted(__all__)
