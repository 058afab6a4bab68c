"""GenED-SC's stage two: a caption beside the symbols, and an editor that restores I_r by it (IV-D).

::

    I_o ──captioner──> p ──UTF-8──> digital stream ══> p' ──┐
    I_r ─────────────────────────────────────────────────────┴─ editor ──> I_g

The caption comes on top of the CR's budget; what it costs shows in ``symbols_total``. A caption that does not arrive is an empty one, a
damaged one is used as it is.
"""

from collections.abc import Sequence

from torch import Tensor

from methods.base import OperatingPoint, Received, Refined
from methods.errors import MethodError
from methods.gened_sc.settings import GenEDSCSettings
from methods.generative import UsesModels
from methods.generative.required import check_required, required
from methods.layers.text import received_texts

NAME = "gened_sc"


class StageTwo(UsesModels):
    """What both stages add to a GenED-SC with ``stage_two``; without it nothing is described, sent or refined."""

    settings: GenEDSCSettings

    def check_ready(self) -> None:
        """Raise a :class:`MethodError` unless the models of stage two, where it runs, are named and can be asked."""
        if self.settings.stage_two:
            check_required(NAME, captioner=self.settings.captioner, editor=self.settings.editor)

    def describe(self, images: Tensor, captions: Sequence[str] | None = None) -> Sequence[str] | None:
        """Return the captioner's text p of each image."""
        if not self.settings.stage_two:
            return None
        return self.model_client.caption(required(self.settings.captioner, "captioner", NAME), images, captions)

    def messages(self, descriptions: Sequence[str] | None) -> list[bytes] | None:
        """Return the captions as they are sent, ``None`` without stage two.

        Raises:
            MethodError: stage two has no captions to send.
        """
        if not self.settings.stage_two:
            return None
        if descriptions is None:
            raise MethodError("GenED-SC's stage two sends captions and got none; describe the images first, or set stage_two: false")
        return [text.encode() for text in descriptions]

    def refine(self, coarse: Tensor | None, received: Received, point: OperatingPoint) -> Refined:
        """Return I_g, the editor's images from I_r and the captions that arrived.

        Raises:
            MethodError: this GenED-SC has no stage two, or there is no I_r or no digital stream.
        """
        if not self.settings.stage_two:
            raise MethodError("this GenED-SC has no stage two to refine with; take the variant full, or set stage_two: true")
        if coarse is None:
            raise MethodError("GenED-SC's stage two edits I_r and got none; decode first")
        return self.model_client.edit(required(self.settings.editor, "editor", NAME), coarse, received_texts(received))
