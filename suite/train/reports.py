"""Reports of running trials, passed on in the driver.

Tune saves its callbacks with an experiment and brings the saved ones back when it restores it. A listener draws
progress bars and cannot be saved, so it is kept here, by process, and the callback itself is empty.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ray.tune import Callback

Listener = Callable[[Mapping[str, Any], Mapping[str, float]], None]

_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call ``listener`` with the configuration and the report of each trial while the context lasts."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class Reports(Callback):
    """Passes a trial's own values on, without what Tune adds to them."""

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        """Call the listeners."""
        if "seconds" not in result:
            return
        kept = {
            name: value
            for name, value in result.items()
            if name in ("step", "seconds", "learning_rate") or name.startswith(("loss/", "psnr", "diagnostics/"))
        }
        for listener in _listeners:
            listener(trial.config, kept)
