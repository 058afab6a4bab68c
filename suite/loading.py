"""A trained network, opened by its card, for code of one's own and for :func:`suite.transmit`.

::

    card beside the weights ──load_method──> Loaded ──network()──> the method, weights in it, ready to encode and decode
                                                └─────suite.transmit(loaded, image, snr_db=4)──> Transmitted

Example:
    >>> from benchmarks.common.project import REFERENCE
    >>> card = next((REFERENCE / "checkpoints").glob("deepjscc-default-1_24-*.json"))
    >>> loaded = load_method(card)
    >>> loaded.label, str(loaded.cr), loaded.size
    ('deepjscc/default', '1/24', 64)
    >>> type(loaded.network()).__name__
    'DeepJSCC'
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from benchmarks.common.storage import StoragePath, open_path
from methods.base import Method
from methods.files import add_files
from methods.generative import ModelClient
from suite.config.compose import compose
from suite.config.methods import ConfiguredMethod, resolve
from suite.errors import EvaluationError
from suite.evaluate.stages.networks import Networks
from suite.train import checkpoint
from suite.train.checkpoint import Card
from suite.train.jobs import load_card_settings

# Whose models and link a network is opened with.
GRID = "quick"


@dataclass(frozen=True)
class Loaded:
    """A trained method.

    Attributes:
        card: how it was trained.
        configured: the method with the settings that it was trained with.
        path: the weights.
        size: side of the images that it is built for, pixels.
        device: torch device of its network.
    """

    card: Card
    configured: ConfiguredMethod
    path: StoragePath
    size: int
    device: str = "cpu"

    @property
    def label(self) -> str:
        """``method/variant``."""
        return self.configured.label

    @property
    def cr(self) -> Fraction | None:
        """The compression ratio of the weights, ``None`` of a fixed-rate method and of one model for all ratios."""
        return None if self.card.cr is None else Fraction(self.card.cr)

    def network(self, cr: Fraction | None = None) -> Method:
        """Return the method with its weights, in evaluation; each call gives an instance of its own.

        Args:
            cr: compression ratio, for one model of all ratios; that of the card by default.

        Raises:
            CheckpointMismatchError, TrainingError: the weights do not fit, or are not those of the card.
        """
        method = self.configured.build(self.size, self.size, self.cr or cr)
        return Networks(self.device, ModelClient()).place(method, self.path)


def load_method(card: str | StoragePath, *, size: int | None = None, device: str = "cpu", method_file: str | Path | None = None) -> Loaded:
    """Open a trained method by its card.

    Args:
        card: the ``.json`` beside the weights, or the weights' file; in a run folder they lie in ``checkpoints/``.
        size: side of the images that it is to take, pixels; that of its training crops by default.
        device: torch device.
        method_file: file of the user's own that holds the method, ``PATH`` or ``PATH:CLASS``.

    Raises:
        EvaluationError: there is no readable card, or the weights beside it are missing or damaged.
        UnknownNameError: the method of the card is not known; a ``method_file`` may hold it.
    """
    path = open_path(card)
    found = checkpoint.read(path.with_suffix(".json"))
    if found is None:
        raise EvaluationError(f"{path} is no card of this suite; give the .json that lies beside the weights")
    if (problem := found.problem()) is not None:
        raise EvaluationError(f"{problem}; copy the file again, or train again")
    added = add_files([] if method_file is None else [str(method_file)])
    known = found.card
    grid = compose(GRID, f"{known.method}/{known.variant}", None, None, ("metrics=[]",), added)
    (configured,) = resolve(grid)
    return Loaded(known, load_card_settings(found, configured), found.path, size or known.crop, device)
