"""Any codec with GenED-SC's stage two behind it: what the editor is worth whoever sends the image.

::

    image ──codec──> its streams ══ the link ══> codec ──> coarse image ──┐
      └──captioner──> text ══════════ texts ═══════════> text' ───────────┴─ editor ──> image

Source: S. Wang et al., arXiv 2606.04015, section IV-D; the paper has no such control. Captioner, prompts, editor and what becomes of a
damaged caption are :class:`methods.gened_sc.stage_two.StageTwo`'s, the very code of ``gened_sc/full``, and the codec is a method of the
registry as it is, with the weights that were trained for it alone. So the two differ in stage one and in nothing else.

The variant names the codec: ``edited/swinjscc``, ``edited/swinjscc/sa``, ``edited/digital/webp``, or a method of one's own.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from methods.base import Geometry, Method, OperatingPoint, Received, Refined, Signal, Traits
from methods.declaration import Codec, MethodSettings
from methods.errors import MethodError
from methods.gened_sc.stage_two import StageTwo
from methods.generative.settings import Captioning, Editing
from methods.published import PublishedFile
from methods.registry import METHODS


class EditedSettings(MethodSettings):
    """Settings of the method.

    Attributes:
        codec, codec_variant: method and variant that send and decode the image; an empty variant is the method's first one.
        preset: of the codec.
        codec_settings: settings of the codec, over its preset and variant.
        captioner, editor: models of stage two.

    Example:
        >>> EditedSettings(codec="swinjscc", codec_variant="sa", preset="compact").codec_complete.dims
        (48, 96)
    """

    codec: str = "swinjscc"
    codec_variant: str = ""
    preset: str = "paper"
    codec_settings: dict[str, Any] = {}
    captioner: Captioning | None = None
    editor: Editing | None = None

    @property
    def stage_two(self) -> bool:
        """Whether there is a stage two: always."""
        return True

    @property
    def variant(self) -> str:
        """The codec's variant, by name."""
        return self.codec_variant or next(iter(METHODS.get(self.codec).variants))

    @property
    def multiple(self) -> int:
        """The codec's."""
        return int(self.codec_complete.multiple)

    @property
    def codec_complete(self) -> Any:
        """The codec's complete settings.

        Raises:
            MethodError: the codec has no such variant or preset.
        """
        cls = METHODS.get(self.codec)
        for kind, name, table in (("variant", self.variant, cls.variants), ("preset", self.preset, cls.presets)):
            if name not in table:
                raise MethodError(f"edited: {self.codec} has no {kind} '{name}'; choose among {', '.join(table)}")
        return cls.Settings.model_validate({**cls.presets[self.preset], **cls.variants[self.variant], **self.codec_settings})

    def identity_fields(self, without: Collection[str] = ()) -> dict[str, Any]:
        """Return the fields that enter an identity, the codec's as they enter its own."""
        own = super().identity_fields({*without, "preset", "codec_variant", "codec_settings"})
        return own | {"codec_variant": self.variant, "codec_settings": self.codec_complete.identity_fields()}


class _AnyCodec(dict[str, Mapping[str, Any]]):
    """Variants by the names of codecs: those listed, and whatever else the registry knows, as ``method`` or ``method/variant``.

    A variant called stage-one is its method's first one or has no name here: records of coarse images end in that word.
    """

    def __contains__(self, name: object) -> bool:
        method, _, variant = str(name).partition("/")
        if method == "edited" or method not in METHODS or variant == "stage-one":
            return False
        return not variant or variant in METHODS.get(method).variants

    def __missing__(self, name: str) -> Mapping[str, Any]:
        method, _, variant = name.partition("/")
        return {"codec": method, "codec_variant": variant}


@METHODS.register("edited")
class Edited(StageTwo[EditedSettings], Method[EditedSettings], nn.Module):
    """A codec, a caption beside its streams, and an editor behind it.

    Args:
        settings: codec and models.
        geometry: image size and CR.

    Raises:
        MethodError: the codec decodes no image, or has captions or a generative stage of its own.
    """

    Settings = EditedSettings
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "swinjscc": {"codec": "swinjscc"},
        "deepjscc": {"codec": "deepjscc"},
        "digital": {"codec": "digital"},
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"compact": {"preset": "compact"}, "paper": {"preset": "paper"}}
    paper = "stage two of S. Wang et al., arXiv 2606.04015 (section IV-D), behind any codec: a control that the paper does not have"
    display_names: ClassVar[Mapping[str, str]] = {"": "Edited", "*": "{}, edited"}
    registered = "edited"

    def __init__(self, settings: EditedSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        traits = METHODS.get(settings.codec).traits(settings.codec_complete)
        if traits.describes or traits.refines or not traits.coarse:
            raise MethodError(
                f"edited: {settings.codec}/{settings.variant} has captions or a generative stage of its own; "
                "name a codec that decodes an image from its symbols alone"
            )
        self.inner: Any = METHODS.get(settings.codec)(settings.codec_complete, geometry)

    @classmethod
    def traits(cls, settings: EditedSettings) -> Traits:
        """Return the codec's traits with stage two's on top; nothing is trained here, since the codec's weights serve."""
        own = METHODS.get(settings.codec).traits(settings.codec_complete)
        kept = {each.name: getattr(own, each.name) for each in fields(own)}
        stage_two = {"describes": True, "refines": True, "uses_snr_at_refine": False, "refine_only": frozenset({"texts"})}
        stage_two |= {"asks": {"editor": 1}, "trainable": False}
        return Traits(**{**kept, **stage_two})

    @classmethod
    def codec(cls, settings: EditedSettings) -> Codec:
        """Return the codec, whose weights serve."""
        return Codec(settings.codec, settings.variant, settings.codec_complete)

    @classmethod
    def with_codec(cls, settings: EditedSettings, codec: MethodSettings) -> EditedSettings:
        """Return the settings with others of the codec, those that its weights were trained with."""
        return settings.model_copy(update={"codec_settings": codec.model_dump()})

    @classmethod
    def assets(cls, settings: EditedSettings) -> Sequence[Path]:
        """Return the codec's files."""
        return METHODS.get(settings.codec).assets(settings.codec_complete)

    @classmethod
    def published(cls, settings: EditedSettings) -> Sequence[PublishedFile]:
        """Return the files of others that the codec can use."""
        return METHODS.get(settings.codec).published(settings.codec_complete)

    def check_ready(self) -> None:
        """Raise a :class:`MethodError` unless the models of stage two and what the codec needs are there."""
        super().check_ready()
        self.inner.check_ready()

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the codec's weights under the codec's own names."""
        return self.inner.state_dict(*args, **kwargs) if isinstance(self.inner, nn.Module) else {}

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load the weights of a codec that was trained by itself."""
        return self.inner.load_state_dict(state_dict, *args, **kwargs) if isinstance(self.inner, nn.Module) else None

    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        """Return the codec's signal and the captions beside it."""
        return self._with_texts(self.inner.encode(images, point, None), descriptions)

    def encode_with_masks(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None, masks: Tensor | None) -> Signal:
        """Return the signal of a codec that is told the true masks, and the captions beside it."""
        return self._with_texts(self.inner.encode_with_masks(images, point, None, masks), descriptions)

    def decode(self, received: Received, point: OperatingPoint) -> Tensor | None:
        """Return what the codec decodes."""
        return self.inner.decode(received, point)

    def refine(self, coarse: Tensor | None, received: Received, point: OperatingPoint) -> Refined:
        """Return the editor's images from the codec's and the captions that arrived."""
        return super().refine(coarse, Received(digital=received.texts, intact=received.texts_intact), point)

    def maps(self, images: Tensor, masks: Tensor | None = None) -> Mapping[str, Tensor]:
        """Return what the codec's sender sees."""
        return self.inner.maps(images, masks)

    def _with_texts(self, signal: Signal, descriptions: Sequence[str] | None) -> Signal:
        return replace(signal, texts=self.messages(descriptions))


# Listings read the variants above from the source; who asks the class may name any codec.
Edited.variants = _AnyCodec(Edited.variants)
