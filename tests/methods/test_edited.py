"""Any codec with GenED-SC's stage two behind it: the codec and the stage stay what they are, and captions are counted."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.common.errors import UnknownNameError
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.link import Link
from methods.base import Geometry, Method, OperatingPoint, Received
from methods.edited import Edited, EditedSettings
from methods.errors import MethodError, MissingAssetError
from methods.gened_sc.stage_two import StageTwo
from methods.registry import METHODS
from suite.config.methods import ConfiguredMethod, resolve
from suite.config.reading import build_grid, read_grid
from suite.config.training import TrainingSettings
from suite.link.adapter import operating_point
from suite.link.end_to_end import Ends, Sending, Source, Transmission

CR = Fraction(1, 24)
SIZE = 32
TINY: dict[str, dict[str, Any]] = {
    "swinjscc": {"dims": (8, 16), "depths": (1, 2), "heads": (2, 4), "window": 4, "patch": 4},
    "deepjscc": {"widths": (4, 4, 4, 4), "kernel": 3},
    "digital": {},
}
CAPTION = "a brown dog leaps over a wooden fence"


def settings_of(codec: str, models: dict[str, Any] | None = None, **more: Any) -> EditedSettings:
    name, _, variant = codec.partition("/")
    own = {} if models is None else {name: models[name] for name in ("captioner", "editor")}
    return EditedSettings(codec=name, codec_variant=variant, preset="compact", codec_settings=TINY.get(name, {}), **own, **more)


def build(codec: str, models: dict[str, Any] | None = None) -> Edited:
    torch.manual_seed(7)
    method = Edited(settings_of(codec, models), Geometry(SIZE, SIZE, CR))
    return method.eval()


def sample_images(count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def sent(method: Method, captions: list[str] | None = None, snr_db: float = 10.0) -> Transmission:
    link = Link()
    draws = KeyedDraws(3, ["image"], "awgn", snr_db, 0)
    sending = Sending(Ends(method, method, "variant"), Source(sample_images(), None, captions))
    return sending.send(link, draws, operating_point(link, CR, snr_db, "awgn"))


@pytest.mark.parametrize("codec", ["swinjscc", "swinjscc/ra", "deepjscc", "digital"])
@torch.no_grad()
def test_the_codec_sends_and_decodes_as_by_itself_and_the_caption_is_counted_on_top(codec, models):
    method = build(codec, models)
    alone = METHODS.get(method.settings.codec)(method.settings.codec_complete, Geometry(SIZE, SIZE, CR))
    if isinstance(alone, torch.nn.Module):
        alone.load_state_dict(method.state_dict())
        alone.eval()
    with_text, by_itself = sent(method, [CAPTION]), sent(alone)
    assert with_text.received.texts == (CAPTION.encode(),) and with_text.received.digital == by_itself.received.digital
    assert with_text.decoded_from.texts is None and torch.equal(with_text.decoded, by_itself.decoded)
    (entry,), (coarse,), (bill,) = with_text.entries, with_text.decoded_entries, by_itself.entries
    assert coarse == bill and entry.symbols_analog == bill.symbols_analog
    assert entry.symbols_digital > bill.symbols_digital and entry.text_bytes_sent == len(CAPTION)


@torch.no_grad()
def test_stage_two_is_that_of_gened_sc_on_the_same_picture_and_caption(models, asked):
    from methods.gened_sc import GenEDSC, GenEDSCSettings
    from methods.gened_sc.settings import PRESETS

    tiny = {
        **PRESETS["compact"],
        "features": 8,
        "dims": (8, 16),
        "depths": (1, 2),
        "heads": (2, 4),
        "score_width": 4,
        "importance_patch": 2,
    }
    own = {name: models[name] for name in ("captioner", "editor")}
    sizes = {"dims": (8, 16), "depths": (1, 2), "heads": (2, 4), "background_dims": (4, 8), "background_heads": (1, 2)}
    theirs = GenEDSC(GenEDSCSettings(**{**tiny, **sizes, **own, "stage_two": True}), Geometry(SIZE, SIZE, CR)).eval()
    method, images = build("swinjscc", models), sample_images()
    assert isinstance(method, StageTwo) and isinstance(theirs, StageTwo)
    assert method.describe(images) == theirs.describe(images)
    ours, other = (sent(each, [CAPTION], snr_db=4.0) for each in (method, theirs))
    # Damaged alike, since both meet the same noise, and charged alike.
    assert ours.received.texts == other.received.digital and ours.received.texts[0] != CAPTION.encode()
    assert ours.entries[0].symbols_digital == other.entries[0].symbols_digital
    results = [each.refine(images, there.received, OperatingPoint(CR)).images for each, there in ((method, ours), (theirs, other))]
    assert torch.equal(*results)
    edits = [request for request in asked.requests if request.task == "edit"]
    assert len({request.prompt for request in edits}) == 1 and all(np.array_equal(edits[0].pixels, each.pixels) for each in edits)


def test_a_variant_names_any_codec_and_nothing_else(models):
    assert dict(Edited.variants["digital/webp"]) == {"codec": "digital", "codec_variant": "webp"}
    assert "swinjscc/sa" in Edited.variants and "gened_sc" in Edited.variants
    for name in ("edited", "nobody", "swinjscc/nothing", "gened_sc/stage-one"):
        assert name not in Edited.variants
    keys = {**read_grid("quick"), "methods": ["edited/nobody"]}
    with pytest.raises(UnknownNameError, match="variant of edited"):
        resolve(build_grid(keys))
    with pytest.raises(MethodError, match="of its own"):
        Edited(EditedSettings(codec="nam24", preset="compact"), Geometry(SIZE, SIZE, CR))
    with pytest.raises(MethodError, match="no preset 'huge'"):
        Edited(EditedSettings(preset="huge"), Geometry(SIZE, SIZE, CR))
    with pytest.raises(MissingAssetError, match=r"edited has no captioner"):
        build("swinjscc").check_ready()


def test_what_enters_an_identity_is_the_codec_whatever_it_was_made_of():
    plain = settings_of("swinjscc").identity_fields()
    named = settings_of("swinjscc/base").identity_fields()
    assert plain == named and plain["codec_settings"] == settings_of("swinjscc").codec_complete.identity_fields()
    assert settings_of("swinjscc/sa").identity_fields() != plain
    chosen = METHODS.get("swinjscc").Settings(**{**TINY["swinjscc"], "mlp_ratio": 2.0})
    assert Edited.with_codec(settings_of("swinjscc"), chosen).codec_complete == chosen


def test_the_weights_are_the_codecs_own():
    who = ConfiguredMethod("edited", "swinjscc", "compact", settings_of("swinjscc"), TrainingSettings())
    assert (who.trained.method, who.trained.variant, who.trained.settings) == ("swinjscc", "base", who.settings.codec_complete)
    assert not who.traits.trainable and who.trained.traits.trainable and who.code not in ("", who.trained.code)
    names = set(build("swinjscc").state_dict())
    assert names == set(METHODS.get("swinjscc")(who.settings.codec_complete, Geometry(SIZE, SIZE, CR)).state_dict())
    assert build("digital").state_dict() == {}


@torch.no_grad()
def test_beside_a_file_the_caption_meets_noise_of_its_own_and_a_lost_one_is_empty(models, asked):
    method = build("digital", models)
    there = sent(method, [CAPTION], snr_db=1.0)
    assert there.signal.digital is not None and there.signal.texts == [CAPTION.encode()]
    draws = KeyedDraws(3, ["image"], "awgn", 1.0, 0)
    assert not torch.equal(*(each.complex_normal("digital/noise", 1, 8) for each in (draws, draws.later("texts"))))
    lost = Received(digital=[b"file"], texts=[None], texts_intact=[False])
    method.refine(there.decoded, lost, OperatingPoint(CR))
    assert CAPTION not in asked.requests[-1].prompt and "file" not in asked.requests[-1].prompt
    with pytest.raises(MethodError, match="describe the images first"):
        sent(method)
