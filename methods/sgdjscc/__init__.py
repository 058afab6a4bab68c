"""SGD-JSCC: semantics-guided diffusion for deep joint source-channel coding.

:class:`SGDJSCC` is the method; :func:`load_authors` builds each of its networks from the authors' parameters, and
``python -m methods.sgdjscc.release.convert`` turns their files into safetensors. Heavy libraries load when a network is built.
"""

from typing import TYPE_CHECKING, Any

from benchmarks.common.lazy import lazy_attribute

if TYPE_CHECKING:
    from methods.sgdjscc.method import SGDJSCC
    from methods.sgdjscc.release.assets import ASSETS
    from methods.sgdjscc.release.authors import load_authors
    from methods.sgdjscc.settings import SGDJSCCSettings

__all__ = ["ASSETS", "SGDJSCC", "SGDJSCCSettings", "load_authors"]


def __getattr__(name: str) -> Any:
    return lazy_attribute(__name__, name, __all__, ("settings", "release.assets", "release.authors", "method"))
