"""Nam24: words alone are sent, and the receiver paints an image of them.

::

    image ──captioner──> caption ──[head words]──> bytes ══ digital stream ══> text ──generator──> image

Source: H. Nam, J. Park, J. Choi, M. Bennis and S. Kim, "Language-oriented communication with semantic coding and knowledge
distillation for text-to-image generation", ICASSP 2024, arXiv 2309.11127; github.com/NamHyelin/Language-oriented-Semantic-Communiation,
commit 8ca8a3e. The default variant is what GenED-SC (arXiv 2606.04015, section V-B) compares with: the whole caption of the
comparison's own captioner, in UTF-8 over the link's coded stream, and the comparison's own generator.

``original`` sends what the authors send: the caption's head words in their order, 8 bits a character, uncoded 16-QAM. It differs in
four ways. The authors find heads by a dependency parser (CoreNLP), which needs a model of its own; :func:`head_words` is a rule on the
words alone. Their channel is a bit error rate by formula; here the bits cross the link, whose header and check are counted. Their longer
synonyms (semantic channel coding) and their paraphrases by a language model (semantic knowledge distillation) are left out. And the models
are the grid's; the authors' are BLIP and Stable Diffusion 1.5 with 50 steps.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

from torch import Tensor

from methods.base import Method, MethodSettings, OperatingPoint, Received, Refined, Signal, Traits
from methods.errors import MethodError
from methods.generative import UsesModels
from methods.generative.required import check_required, required
from methods.generative.settings import Captioning, Generation
from methods.layers.text import received_texts
from methods.registry import METHODS

# English words of the closed classes: determiners, pronouns, conjunctions, prepositions, auxiliaries, adverbs of degree.
_FUNCTION_WORD = re.compile(
    r"an?|the|this|that|these|those|some|any|each|every|no|all|both|either|neither|another|such|many|much|more|most|few|several|"
    r"i|you|he|she|it|we|they|me|him|her|us|them|my|your|his|its|our|their|mine|yours|hers|ours|theirs|(?:my|your|him|her|it)self|"
    r"(?:our|your|them)selves|who|whom|whose|which|what|there|here|"
    r"and|or|but|nor|so|yet|if|because|while|when|where|as|than|though|although|whether|"
    r"about|above|across|after|against|along|alongside|amid|among|around|at|atop|before|behind|below|beneath|besides?|between|beyond|by|"
    r"down|during|for|from|inside|into|in|near|next|of|off|on|onto|outside|out|over|past|per|throughout|through|towards?|to|underneath|under|"
    r"until|upon|up|via|within|without|with|"
    r"am|is|are|was|were|be|been|being|has|have|had|having|do|does|did|can|could|may|might|must|shall|should|will|would|not|"
    r"very|too|also|just|only|quite|rather",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*|[^\w\s]")
_INFLECTED = re.compile(r"(?:(?<![s'’])s|ing|ed)$", re.IGNORECASE)


class Nam24Settings(MethodSettings):
    """Settings of the method.

    Attributes:
        captioner: model that writes the caption.
        generator: model that paints the received text.
        words: the whole caption, or its ``head`` words alone.
        characters: ``utf-8``, or ``latin-1``, 8 bits each, a question mark for a character that has no code there.
        protection: how the link codes the text; ``None`` for what the grid sets.
    """

    evaluation_only: ClassVar[frozenset[str]] = frozenset({"captioner", "generator"})

    captioner: Captioning | None = None
    generator: Generation | None = None
    words: Literal["all", "head"] = "all"
    characters: Literal["utf-8", "latin-1"] = "utf-8"
    protection: Literal["ldpc", "adaptive", "lossless", "uncoded"] | None = None


@METHODS.register("nam24")
class Nam24(UsesModels, Method[Nam24Settings]):
    """A caption over the text link and an image of it at the receiver.

    A text that does not arrive leaves the generator an empty caption.
    """

    Settings = Nam24Settings
    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "original": {"words": "head", "characters": "latin-1", "protection": "uncoded"},
    }
    paper = (
        "Nam et al.: Language-Oriented Communication with Semantic Coding and Knowledge Distillation for Text-to-Image Generation, "
        "ICASSP 2024, arXiv 2309.11127"
    )
    display_names: ClassVar[dict[str, str]] = {"": "Nam et al."}

    @classmethod
    def traits(cls, settings: Nam24Settings) -> Traits:
        """One operating point; the image is made after the text has arrived."""
        return Traits(
            rates="fixed",
            coding_mode=settings.protection,
            describes=True,
            refines=True,
            uses_snr_at_refine=False,
            refine_only=frozenset({"digital"}),
            coarse=False,
            asks={"generator": 1},
        )

    def check_ready(self) -> None:
        """Raise a :class:`MethodError` unless both models are named and can be asked."""
        check_required("nam24", captioner=self.settings.captioner, generator=self.settings.generator)

    def describe(self, images: Tensor, captions: Sequence[str] | None = None) -> Sequence[str]:
        """Return the captioner's text of each image."""
        return self.model_client.caption(required(self.settings.captioner, "captioner", "nam24"), images, captions)

    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        """Return the captions, or their head words, as messages."""
        if descriptions is None:
            raise MethodError("nam24 sends captions and got none; describe the images first")
        texts = [head_words(text) if self.settings.words == "head" else text for text in descriptions]
        messages = [text.encode(self.settings.characters, errors="replace") for text in texts]
        return Signal(digital=messages, text=True, coding_mode=self.settings.protection)

    def decode(self, received: Received, point: OperatingPoint) -> None:
        """Return nothing: words are no image yet."""
        return

    def refine(self, coarse: Tensor | None, received: Received, point: OperatingPoint) -> Refined:
        """Return an image of each text as it arrived."""
        texts = received_texts(received, self.settings.characters)
        generator = required(self.settings.generator, "generator", "nam24")
        return self.model_client.generate(generator, texts, self.geometry.height, self.geometry.width)


def head_words(caption: str) -> str:
    """Return the head words of an English caption, in its order, separated by spaces.

    A phrase ends at a function word or a punctuation mark. Kept are its last word, since English phrases of nouns end with their head, and
    every word before an inflected one (-s, -ing, -ed), which may be its verb: "a small brown dog runs over the green grass" becomes
    "dog runs grass". A parser would drop the "wooden" of "two wooden boats" too, and finds heads that this rule cannot see.
    """
    kept: list[str] = []
    phrase: list[str] = []
    for word in [*_WORDS.findall(caption), "."]:
        if not word[0].isalnum() or _FUNCTION_WORD.fullmatch(word):
            kept += [first for first, second in pairwise(phrase) if _INFLECTED.search(second)] + phrase[-1:]
            phrase = []
        else:
            phrase.append(word)
    return " ".join(kept)
