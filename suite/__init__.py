"""The suite: trains, evaluates and compares methods of semantic image communication, from Python as from the command line.

Example:
    One image through one method over one draw of the link; then a small comparison, in this process:

    >>> import numpy as np
    >>> import suite
    >>> image = np.linspace(0, 1, 64 * 64 * 3).reshape(64, 64, 3)
    >>> sent = suite.transmit("deepjscc", image, cr="1/24", snr_db=4, channel="awgn")
    >>> sent.reconstruction.shape, sent.symbols
    ((64, 64, 3), 512)
    >>> results = suite.run(
    ...     "quick", methods=["deepjscc", "digital/jpeg"], limit=1, settings={"cr": ["1/24"], "metrics": ["psnr"]},
    ...     out="results/first", executor="inline", quiet=True,
    ... )
    >>> table = results.table("psnr", dataset="scenes", channel="awgn")  # mean PSNR in dB: a row a method, a column an SNR
    >>> table.shape, table.index.tolist()
    ((2, 4), [('1/24', 'DeepJSCC'), ('1/24', 'JPEG + LDPC, adaptive')])

Importing it loads neither torch nor Ray.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_SIBLINGS = ("methods", "benchmarks")

__all__ = ["evaluate", "load_method", "load_results", "run", "train", "transmit"]


def _check_siblings() -> None:
    """Say so where another folder's package bears the name of one of the project's, and would be imported in its place.

    Raises:
        ImportError: in a program; a command ends with the sentence.
    """
    for name in _SIBLINGS:
        found = find_spec(name)
        if found is None or found.origin is None or Path(found.origin).parents[1] != Path(__file__).parents[1]:
            other = "is missing beside it" if found is None else f"is {found.origin or list(found.submodule_search_locations or ())}"
            sentence = f"error: the project's package '{name}' {other}; run the command from another folder, or rename that one"
            if sys.argv[:1] != ["-m"]:
                raise ImportError(sentence)
            print(sentence, file=sys.stderr)
            raise SystemExit(2)


_check_siblings()


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
