"""GenED-SC's stage two: a caption beside the symbols, and an editor that restores I_r by it (IV-D).

::

    I_o ──captioner──> p ──UTF-8──> digital stream ══> p' ──┐
    I_r ─────────────────────────────────────────────────────┴─ editor ──> I_g

The caption comes on top of the CR's budget; what it costs shows in ``symbols_total``. A caption that does not arrive is an empty one, a
damaged one is used as it is. :mod:`methods.edited` puts the same stage behind any other codec.
"""

from collections.abc import Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

from torch import Tensor

from methods.base import OperatingPoint, Received, Refined
from methods.errors import MethodError
from methods.generative import CaptionerSettings, EditorSettings, UsesModels
from methods.generative.required import check_required, required
from methods.layers.text import received_texts


class StageTwoSettings(Protocol):
    """What stage two reads of a method's settings."""

    @property
    def stage_two(self) -> bool: ...

    @property
    def captioner(self) -> CaptionerSettings | None: ...

    @property
    def editor(self) -> EditorSettings | None: ...


T = TypeVar("T", bound=StageTwoSettings)


class StageTwo(UsesModels, Generic[T]):
    """What stage two adds to a method whose settings say ``stage_two``; without it nothing is described, sent or refined.

    Class attributes:
        registered: the method's name, for messages.
    """

    registered: ClassVar[str] = "gened_sc"
    settings: T

    def check_ready(self) -> None:
        """Raise a :class:`MethodError` unless the models of stage two, where it runs, are named and can be asked."""
        if self.settings.stage_two:
            check_required(self.registered, captioner=self.settings.captioner, editor=self.settings.editor)

    def describe(self, images: Tensor, captions: Sequence[str] | None = None) -> Sequence[str] | None:
        """Return the captioner's text p of each image."""
        if not self.settings.stage_two:
            return None
        return self.model_client.caption(required(self.settings.captioner, "captioner", self.registered), images, captions)

    def messages(self, descriptions: Sequence[str] | None) -> list[bytes] | None:
        """Return the captions as they are sent, ``None`` without stage two.

        Raises:
            MethodError: stage two has no captions to send.
        """
        if not self.settings.stage_two:
            return None
        if descriptions is None:
            raise MethodError(f"stage two of {self.registered} sends captions and got none; describe the images first")
        return [text.encode() for text in descriptions]

    def refine(self, coarse: Tensor | None, received: Received, point: OperatingPoint) -> Refined:
        """Return I_g, the editor's images from I_r and the captions that arrived.

        Raises:
            MethodError: this GenED-SC has no stage two, or there is no I_r or no digital stream.
        """
        if not self.settings.stage_two:
            raise MethodError(f"this {self.registered} has no stage two to refine with; take the variant full, or set stage_two: true")
        if coarse is None:
            raise MethodError(f"stage two of {self.registered} edits I_r and got none; decode first")
        return self.model_client.edit(required(self.settings.editor, "editor", self.registered), coarse, received_texts(received))
