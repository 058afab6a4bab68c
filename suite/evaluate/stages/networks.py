"""Networks and links of the units that a worker meets, built once and kept as long as the next unit needs the same."""

import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch

from benchmarks.common.storage import StoragePath
from benchmarks.link.link import Link
from methods.base import Method, OperatingPoint
from methods.generative import ModelClient, UsesModels
from suite.config.grid import Grid
from suite.config.methods import ConfiguredMethod
from suite.errors import EvaluationError
from suite.evaluate.plan import WorkUnit
from suite.link.adapter import operating_point
from suite.link.end_to_end import Ends
from suite.train import checkpoint


class Networks:
    """Builds what units need; keeps the last network, since units of one network come in a row. Safe for several threads.

    Args:
        device: where networks run.
        model_client: given to the methods that ask generative models.
    """

    def __init__(self, device: str = "cpu", model_client: ModelClient | None = None) -> None:
        self.device = device
        self.model_client = model_client
        self._kept: tuple[Any, Any] | None = None
        self._describing: dict[tuple[str, tuple[int, int]], Method] = {}
        self._links: dict[str, Link] = {}
        self._lock = threading.Lock()

    def ends(self, unit: WorkUnit) -> Ends:
        """Return the unit's network with its weights, as a sender and a receiver."""
        made: Ends = self._keep("ends", unit, lambda: self.build(unit.configured, unit.padded, unit.cr, unit.weights))
        return made

    def method(self, unit: WorkUnit) -> Method:
        """Return the unit's network with its weights, once, for work that only one side does."""
        made: Method = self._keep("method", unit, lambda: self.place(unit.configured.build(*unit.padded, unit.cr), unit.weights))
        return made

    def build(self, configured: ConfiguredMethod, size: tuple[int, int], cr: Fraction | None, weights: StoragePath | None) -> Ends:
        """Return a sender and a receiver for images of ``size``, height and width, ready for use."""
        sender = self.place(configured.build(*size, cr), weights)
        ends = Ends.apart(sender, lambda: configured.build(*size, cr), configured.variant)
        self.place(ends.receiver, None)
        return ends

    def describing(self, configured: ConfiguredMethod, size: tuple[int, int], grid: Grid, identity: str) -> Method:
        """Return a method's network for images of ``size`` without its weights, which ``describe`` knows nothing of.

        Args:
            configured: the method.
            size: height and width in pixels.
            grid: names the ratios.
            identity: what it is kept under, with the size.
        """
        with self._lock:
            kept, name = self._describing, (identity, size)
            if name not in kept:
                kept[name] = self.place(configured.build(*size, configured.ratios(grid.cr)[0]), None)
            return kept[name]

    def place(self, method: Method, weights: StoragePath | None) -> Method:
        """Return ``method`` ready for use: weights loaded, on the device, with the model client."""
        if isinstance(method, torch.nn.Module):
            if weights is not None:
                _load_weights(method, weights)
            method.eval().to(self.device)
        if isinstance(method, UsesModels) and self.model_client is not None:
            method.model_client = self.model_client
        return method

    def forget(self) -> None:
        """Let go of every network, and of the lock, of which a thread that hangs may have one or the other for good."""
        self._kept = None
        self._describing = {}
        self._lock = threading.Lock()

    def link(self, unit: WorkUnit) -> Link:
        """Return the link of the unit's grid."""
        name = unit.grid.link.model_dump_json()
        with self._lock:
            if name not in self._links:
                self._links[name] = Link(unit.grid.link)
            return self._links[name]

    def point(self, unit: WorkUnit, channel: str, snr_db: float) -> OperatingPoint:
        """Return the operating point as the receiver knows it."""
        return operating_point(self.link(unit), unit.cr, snr_db, channel)

    def _keep(self, kind: str, unit: WorkUnit, make: Callable[[], Any]) -> Any:
        key = (kind, unit.configured, unit.weights_hash, unit.cr, unit.padded)
        with self._lock:
            kept = self._kept
            if kept is None or kept[0] != key:
                # Let go first, so that two networks never lie in memory at once.
                kept = self._kept = None
                kept = self._kept = (key, make())
            return kept[1]


def _load_weights(method: torch.nn.Module, path: StoragePath) -> None:
    found = checkpoint.read(path.with_suffix(".json"))
    if found is None:
        raise EvaluationError(f"the weights {path} have no readable card beside them; train the method again")
    found.load_into(method)
