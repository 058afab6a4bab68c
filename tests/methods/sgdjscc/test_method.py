"""The method behind a link: counted symbols, sizes, channels, guidance, training stages."""

import sys
import types
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from methods.base import Geometry, OperatingPoint, Received, Signal, Targets
from methods.errors import CheckpointMismatchError, MethodError, MissingAssetError, RateError
from methods.generative.settings import CaptionerSettings
from methods.registry import METHODS
from methods.sgdjscc import SGDJSCC
from methods.sgdjscc.captions import by_tile, joined
from methods.sgdjscc.networks.autoencoder import Autoencoder
from methods.sgdjscc.networks.snr_estimator import SNREstimator
from methods.sgdjscc.packing import Packing
from methods.sgdjscc.receiver import control_strength, noise_share
from methods.sgdjscc.sampler import plan, unit_power
from methods.sgdjscc.schedule import matching_time, share_of_snr, snr_db_of_share
from methods.sgdjscc.schedule import noise_share as share_at
from methods.sgdjscc.tiles import cut, merge

CR = Fraction(1, 24)
TINY = {
    "steps": 2,
    "widths": (8, 16),
    "estimator_widths": (8, 8),
    "denoiser_width": 16,
    "denoiser_heads": 2,
    "denoiser_depth": 4,
    "noise_features": 8,
    "text_width": 8,
    "edge_dims": (8, 8, 16, 16),
    "edge_depths": (1, 2, 1, 1),
    "edge_heads": (2, 2, 2, 2),
}


def build(height: int = 64, width: int = 64, cr: Fraction = CR, **settings: object) -> SGDJSCC:
    torch.manual_seed(0)
    method = SGDJSCC(SGDJSCC.Settings.model_validate({**SGDJSCC.presets["compact"], **TINY, **settings}), Geometry(height, width, cr))
    # Zero-initialised projections would hide whatever does not arrive.
    with torch.no_grad():
        for name, weights in method.named_parameters():
            if not weights.any() and name.startswith("denoiser"):
                weights.normal_(std=0.05)
    return method.eval()


def link_provider(signal: Signal, snr_db: float, channel: str = "awgn", seed: int = 0) -> Received:
    """Unit power, optional Rayleigh fading with MMSE equalisation, one generator an image."""

    def stream(symbols: Tensor | None, salt: int) -> tuple[Tensor | None, Tensor | None]:
        if symbols is None:
            return None, None
        x = symbols / symbols.abs().square().mean(dim=1, keepdim=True).sqrt()
        rows = []
        for row in range(len(x)):
            generator = torch.Generator().manual_seed(1000 * seed + 10 * salt + row)
            rows.append(torch.randn(2, x.shape[1], dtype=torch.complex64, generator=generator))
        noise, gain = torch.stack(rows, dim=1)
        power = 10.0 ** (-snr_db / 10.0)
        if channel == "awgn":
            return x + power**0.5 * noise, torch.full(x.shape, power)
        variance = power / gain.abs().square()
        return (x + power**0.5 * noise / gain) / (1.0 + variance), variance

    analog, side = stream(signal.analog, 1), stream(signal.side, 2)
    return Received(*analog, *side, digital=signal.digital, intact=None if signal.digital is None else [True] * len(signal.digital))


def sample_images(count: int, height: int = 64, width: int = 64) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(3))


def point(snr_db: float | None = None, channel: str | None = None, cr: Fraction = CR) -> OperatingPoint:
    return OperatingPoint(cr, snr_db, channel)


def test_it_is_registered() -> None:
    assert METHODS.get("sgdjscc") is SGDJSCC


@torch.no_grad()
@pytest.mark.parametrize(("guidance", "side", "text"), [("none", 0, 0), ("text", 0, 1), ("edges", 1664, 0), ("both", 1664, 1)])
def test_counted_symbols_at_256(guidance: str, side: int, text: int) -> None:
    for tile, features in ((64, {}), (128, {"edge_window": 8})):
        method = build(256, 256, guidance=guidance, tile=tile, **features)
        signal = method.encode(sample_images(1, 256, 256), point(), ["a lighthouse"])
        assert signal.analog.shape == (1, 8192)
        assert (0 if signal.side is None else signal.side.shape[1]) == side
        assert (list(signal.digital), signal.text) == ([b"a lighthouse"], True) if text else signal.digital is None
        assert signal.uncharged == frozenset()
        torch.testing.assert_close(signal.analog.abs().square().mean(dim=1), torch.full((1,), 2.0))


@torch.no_grad()
def test_guidance_may_go_uncharged() -> None:
    signal = build(guidance="both", charge_guidance=False).encode(sample_images(1), point(), ["words"])
    assert signal.uncharged == {"side", "digital"}


@pytest.mark.parametrize(("cr", "channels", "sent"), [((1, 48), 8, 4096), ((1, 36), 10, 5120), ((1, 24), 16, 8192), ((1, 12), 32, 16384)])
def test_latent_width_of_each_rate(cr: tuple[int, int], channels: int, sent: int) -> None:
    packing = Packing(Geometry(256, 256, Fraction(*cr)), 64, "partition")
    assert (packing.channels, sum(packing.symbols)) == (channels, sent)
    assert sum(packing.symbols) <= Geometry(256, 256, Fraction(*cr)).symbols()


def test_a_symbol_joins_two_channels_of_one_position() -> None:
    packing = Packing(Geometry(64, 64, CR), 64, "partition")
    latent = torch.randn(2, 16, 8, 8)
    symbols = packing.pack([latent]).view(2, 8, 8, 8)
    assert torch.equal(symbols[1, 3, 2, 5], torch.complex(latent[1, 3, 2, 5], latent[1, 11, 2, 5]))
    torch.testing.assert_close(packing.unpack(symbols.flatten(1) / 2**0.5)[0], latent)


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (8, 8), (72, 200), (136, 24)])
def test_any_multiple_of_eight(size: tuple[int, int]) -> None:
    method = build(*size, guidance="both")
    signal = method.encode(sample_images(2, *size), point(), ["one", "two"])
    assert signal.analog.shape[1] == size[0] * size[1] // 8
    restored = method.decode(link_provider(signal, 4.0), point(4.0, "awgn"))
    assert restored.shape == (2, 3, *size)
    assert restored.isfinite().all() and restored.min() >= 0.0 and restored.max() <= 1.0


@torch.no_grad()
@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
@pytest.mark.parametrize("noise_level", ["known", "estimated"])
def test_every_snr_and_batch_invariance(channel: str, noise_level: str) -> None:
    method = build(72, 64, guidance="both", noise_level=noise_level)
    images = sample_images(3, 72, 64)
    signal = method.encode(images, point(), ["a", "b c", ""])
    for snr_db in (1.0, 4.0, 7.0, 10.0):
        received = link_provider(signal, snr_db, channel)
        together = method.decode(received, point(snr_db, channel))
        assert torch.equal(together, method.decode(received, point(snr_db, channel)))
        alone = Received(
            *(part[1:2] for part in (received.analog, received.noise_variance, received.side, received.side_noise_variance)), [b"b c"]
        )
        torch.testing.assert_close(method.decode(alone, point(snr_db, channel)), together[1:2], rtol=0.0, atol=1e-4)
    torch.testing.assert_close(method.encode(images[1:2], point(), ["b c"]).analog, signal.analog[1:2], rtol=0.0, atol=1e-4)


@torch.no_grad()
def test_what_arrives_is_used_and_nothing_else() -> None:
    method = build(guidance="both")
    images = sample_images(1)
    received = link_provider(method.encode(images, point(), ["a red barn"]), 1.0)
    whole = method.decode(received, point(1.0, "awgn"))

    def change(**parts: object) -> float:
        fields = {name: getattr(received, name) for name in received.__dataclass_fields__}
        return float((method.decode(Received(**{**fields, **parts}), point(1.0, "awgn")) - whole).abs().max())

    assert change(digital=[b"a blue boat"]) > 1e-6
    assert change(side=received.side.flip(1)) > 1e-6
    assert change(digital=[None]) > 1e-6
    assert change(digital=[b"red barn, A"]) < 1e-6, "hashed words do not depend on order or case"


@torch.no_grad()
def test_without_denoiser_the_received_latent_is_decoded() -> None:
    method = build(denoise=False)
    signal = method.encode(sample_images(1), point(), None)
    received = link_provider(signal, 30.0)
    latent = unit_power(torch.cat((received.analog.real, received.analog.imag), dim=1).view(1, 16, 8, 8))
    torch.testing.assert_close(method.decode(received, point(30.0, "awgn")), method.autoencoder.decode(latent).clamp(0, 1))


def test_matched_time_grows_with_the_noise_and_inverts_the_schedule() -> None:
    snr_db = torch.linspace(15.0, -15.0, 61, dtype=torch.float64)
    time = matching_time(share_of_snr(snr_db))
    assert (time.diff() > 0).all()
    torch.testing.assert_close(snr_db_of_share(share_at(time)), snr_db, rtol=0.0, atol=1e-9)
    steps = plan(share_of_snr(snr_db), 10, "regular", 4.0)
    assert (steps.sigma.diff(dim=0) < 0).all() and (steps.sigma[0].diff() > 0).all()


@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
@pytest.mark.parametrize("snr_db", [-5.0, 1.0, 10.0, 15.0])
def test_the_matched_state_has_the_noise_it_is_said_to_have(channel: str, snr_db: float) -> None:
    """The unit-power received latent correlates with the sent one by sqrt(1 - s)."""
    method = build(128, 128)
    sent = unit_power(torch.randn(1, 16, 8, 32, generator=torch.Generator().manual_seed(1)))
    packing = Packing(Geometry(64, 256, CR), 256, "partition")
    received = link_provider(Signal(packing.pack([sent])), snr_db, channel)
    latent = unit_power(packing.unpack(received.analog)[0])
    share = noise_share(method.settings, method.networks, latent, received.noise_variance)
    assert float((latent * sent).mean()) == pytest.approx(float((1.0 - share).sqrt()), abs=0.02)
    assert float(share.sqrt()) == pytest.approx(float(plan(share, 5, "regular", 4.0).sigma[0]), abs=1e-6)


def test_a_zero_forced_fading_latent_is_noisier_than_it_is_taken_for() -> None:
    """Why the link must equalise by MMSE: the assumed level would be far too low."""
    method = build(128, 128)
    sent = unit_power(torch.randn(1, 16, 8, 32, generator=torch.Generator().manual_seed(1)))
    packing = Packing(Geometry(64, 256, CR), 256, "partition")
    received = link_provider(Signal(packing.pack([sent])), 1.0, "rayleigh")
    forced = received.analog * (1.0 + received.noise_variance)
    latent = unit_power(packing.unpack(forced)[0])
    share = noise_share(method.settings, method.networks, latent, received.noise_variance)
    assert float((latent * sent).mean()) < float((1.0 - share).sqrt()) - 0.2


def test_control_strength_goes_through_the_released_values() -> None:
    settings = build(control_strength=None).settings
    share = share_of_snr(torch.tensor([-20.0, -15.0, -10.0, -5.0, 0.0, 10.0]))
    torch.testing.assert_close(control_strength(settings, share), torch.tensor([0.05, 0.05, 0.10, 0.15, 0.20, 0.20]), rtol=0.0, atol=1e-5)


def test_tiles_partition_and_merge() -> None:
    sample_image = torch.rand(1, 3, 200, 136)
    for layout in ("partition", "released"):
        tiles = cut(200, 136, 128, layout)
        torch.testing.assert_close(merge([(tile, tile.of(sample_image)) for tile in tiles], 200, 136), sample_image)
    assert [(tile.top, tile.left, tile.height, tile.width) for tile in cut(200, 136, 128)] == [
        (0, 0, 128, 128),
        (0, 128, 128, 8),
        (128, 0, 72, 128),
        (128, 128, 72, 8),
    ]


class WritesBrightness:
    """A model client whose captioner tells the brightness of an image and the caption that came with it."""

    def caption(self, settings: CaptionerSettings, images: Tensor, captions: list[str] | None = None) -> list[str]:
        assert settings.model == "dataset"
        given = [""] * len(images) if captions is None else captions
        return [f"{caption}\nlevel {round(float(image.mean()) * 10)}" for image, caption in zip(images, given, strict=True)]


def test_descriptions_come_from_the_desk() -> None:
    images = torch.cat((torch.zeros(1, 3, 64, 128), torch.ones(1, 3, 64, 128)))
    images[0, :, :, 64:] = 0.5
    named = {"guidance": "text", "captioner": "dataset"}

    def described(given: list[str] | None = None, **settings: object) -> list[str]:
        method = build(64, 128, **settings)
        method.model_client = WritesBrightness()
        return method.describe(images, given)

    assert described(captions="tile", **named) == ["level 0\nlevel 5", "level 10\nlevel 10"]
    assert described(captions="image", **named) == ["level 2", "level 10"]
    assert described(["a", "b"], captions="tile", **named) == ["a level 0\na level 5", "b level 10\nb level 10"]
    assert described() is None
    given = ["a dog", "a cat"]
    assert build(guidance="text", captions="image", captioner="dataset").describe(images[..., :64], given) == given
    with pytest.raises(MissingAssetError, match=r"generative\.captioner"):
        build(guidance="text").check_ready()
    build().check_ready()


@torch.no_grad()
def test_another_edge_detector_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("detector_of_the_test")
    module.blank = lambda images: torch.zeros(len(images), 2, *images.shape[-2:])
    monkeypatch.setitem(sys.modules, module.__name__, module)
    blank = build(guidance="edges", edge_detector="detector_of_the_test:blank")
    one, two = (blank.encode(images, point(), None).side for images in (sample_images(1), 1.0 - sample_images(1)))
    assert torch.equal(one, two)
    assert not torch.equal(build(guidance="edges").encode(sample_images(1), point(), None).side, one)


def test_canny_finds_a_step_and_is_surer_of_it_than_of_a_faint_one() -> None:
    from methods.sgdjscc.edges import canny_edges

    sample_image = torch.zeros(1, 3, 32, 48)
    sample_image[..., 16:] = 0.9
    sample_image[..., 32:] = 0.97
    edges, sure = canny_edges(sample_image, 1.5)[0]
    assert edges[8:24, 14:18].any(dim=1).all() and not edges[:, :12].any()
    # At some widths the step falls between two pixels, so its certainty may be shared by both.
    assert (sure[8:24, 14:18].sum(dim=1) > 0.99).all()
    assert sure[8:24, 30:34].mean() < sure[8:24, 14:18].mean()


def test_captions_by_tile() -> None:
    message = joined(["a dog ", "two\ncats"]).encode()
    assert by_tile(message, "tile", 3) == ["a dog", "two cats", ""]
    assert by_tile(b"a dog", "image", 2) == ["a dog", "a dog"]
    assert by_tile(None, "tile", 2) == ["", ""]
    assert by_tile(b"\xff", "image", 1) == ["�"]


@pytest.mark.parametrize(
    ("stage", "losses", "learns"),
    [
        ("autoencoder", {"mse"}, {"autoencoder"}),
        ("denoiser", {"denoiser", "masked", "estimator"}, {"estimator", "denoiser"}),
        ("all", {"mse", "denoiser", "masked", "estimator"}, {"autoencoder", "estimator", "denoiser"}),
    ],
)
def test_stages_train_their_networks_and_no_other(stage: str, losses: set[str], learns: set[str]) -> None:
    method = build(stage=stage, mask_ratio=0.3).train()
    found = method.loss(sample_images(4), Targets(), lambda signal, at: link_provider(signal, at.snr_db), point(4.0, "awgn"))
    assert set(found) == losses | {"total"}
    found["total"].backward()
    moved = {name.split(".")[0] for name, weights in method.named_parameters() if weights.grad is not None}
    assert moved == learns
    unmoved = [name for name, weights in method.named_parameters() if weights.requires_grad and weights.grad is None]
    assert not unmoved, "a parameter that an optimiser holds got no gradient"


def test_control_stage_trains_the_copies_and_the_codec() -> None:
    method = build(guidance="both", stage="control").train()
    targets = Targets(captions=["a", "b"])
    found = method.loss(sample_images(2), targets, lambda signal, at: link_provider(signal, at.snr_db), point(4.0, "awgn"))
    found["total"].backward()
    moved = {".".join(name.split(".")[:2]) for name, weights in method.named_parameters() if weights.grad is not None}
    assert {name for name in moved if name.startswith("denoiser")} == {"denoiser.in_copies", "denoiser.out_copies"}
    assert any(name.startswith("edge_codec") for name in moved)
    assert not any(name.startswith(("autoencoder", "estimator")) for name in moved)


def test_a_run_of_all_stages_enters_them_in_turn() -> None:
    method = build(guidance="edges", stage_shares=(0.5, 0.3, 0.2), stage_rates=(1.0, 0.5, 0.5)).train()
    phases = method.phases()
    assert [(phase.name, phase.share, phase.rate) for phase in phases] == [
        ("autoencoder", 0.5, 1.0),
        ("denoiser", 0.3, 0.5),
        ("control", 0.2, 0.5),
    ]
    assert [phase.name for phase in build().phases()] == ["autoencoder", "denoiser"]
    assert [phase.name for phase in build(stage="denoiser").phases()] == ["denoiser"]

    def learning() -> set[str]:
        return {".".join(name.split(".")[:2]) for name, weights in method.named_parameters() if weights.requires_grad}

    before = learning()
    seen: set[str] = set()
    for phase, losses in zip(phases, ({"mse"}, {"denoiser", "estimator"}, {"edges", "denoiser"}), strict=True):
        method.enter(phase, begins=True)
        seen |= learning()
        found = method.loss(sample_images(2), Targets(), lambda signal, at: link_provider(signal, at.snr_db), point(4.0, "awgn"))
        assert set(found) == losses | {"total"}
    assert seen == before, "an optimiser that is built before the first phase must hold whatever learns in any"


def test_the_control_branch_starts_from_the_trained_denoiser_and_only_once() -> None:
    method = build(guidance="edges").train()
    denoiser, control = method.phases()[1:]
    method.enter(denoiser, begins=True)
    with torch.no_grad():
        method.denoiser.base.in_blocks[0].mlp.fc1.weight.add_(1.0)
    method.enter(control, begins=True)
    copied = method.denoiser.in_copies[0].block.mlp.fc1.weight
    assert torch.equal(copied, method.denoiser.base.in_blocks[0].mlp.fc1.weight)
    with torch.no_grad():
        copied.add_(1.0)
    method.enter(control, begins=False)
    assert not torch.equal(copied, method.denoiser.base.in_blocks[0].mlp.fc1.weight)


def test_variants_that_share_their_weights() -> None:
    settings = SGDJSCC.Settings

    def trained(variant: str) -> dict[str, object]:
        return settings.model_validate({**SGDJSCC.presets["compact"], **SGDJSCC.variants[variant]}).model_dump(
            exclude=set(settings.evaluation_only)
        )

    assert trained("default") == trained("no-denoiser")
    assert trained("both") == trained("both-uncharged") != trained("edges")


def test_the_linear_shortcut_is_where_the_autoencoder_starts() -> None:
    torch.manual_seed(0)
    autoencoder = Autoencoder(4, (8, 16), 1, 4, 4, shortcut=True)
    images = sample_images(2)
    blocks = (2.0 * images - 1.0).unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).flatten(3)
    latent = blocks @ autoencoder.analysis.weight.flatten(1).T + autoencoder.analysis.bias
    torch.testing.assert_close(autoencoder.encode(images), latent.permute(0, 3, 1, 2), rtol=0.0, atol=1e-5)
    restored = torch.einsum("bhwc,cdpq->bdhpwq", latent, autoencoder.synthesis.weight).reshape(2, 3, 64, 64)
    restored = (restored + autoencoder.synthesis.bias[:, None, None] + 1.0) / 2.0
    torch.testing.assert_close(autoencoder.decode(latent.permute(0, 3, 1, 2)), restored, rtol=0.0, atol=1e-5)


def test_a_later_stage_starts_from_an_earlier_one(tmp_path) -> None:
    from safetensors.torch import save_file

    first = build(stage="autoencoder")
    save_file({name: tensor.clone() for name, tensor in first.state_dict().items()}, tmp_path / "first.safetensors")
    torch.manual_seed(9)
    later = SGDJSCC(
        SGDJSCC.Settings.model_validate(
            {**first.settings.model_dump(), "guidance": "edges", "initial": str(tmp_path / "first.safetensors")}
        ),
        Geometry(64, 64, CR),
    )
    assert torch.equal(later.denoiser.base.embed.weight, first.denoiser.embed.weight)
    assert torch.equal(later.denoiser.in_copies[0].block.mlp.fc1.weight, first.denoiser.in_blocks[0].mlp.fc1.weight)
    wider = {**first.settings.model_dump(), "denoiser_width": 32, "initial": str(tmp_path / "first.safetensors")}
    with pytest.raises(CheckpointMismatchError, match=r"denoiser\.\S+, .* and \d+ more; build both stages with the same sizes"):
        SGDJSCC(SGDJSCC.Settings.model_validate(wider), Geometry(64, 64, CR))


def test_errors_name_the_way_out(tmp_path) -> None:
    with pytest.raises(RateError, match="multiples of 8"):
        build(60, 64)
    with pytest.raises(RateError, match="1/192"):
        build(cr=Fraction(1, 400))
    with pytest.raises(RateError, match="layout: partition"):
        build(192, 192, tile=128, layout="released")
    with pytest.raises(MethodError, match="text_encoder"):
        build(guidance="text", text_encoder="none")
    with pytest.raises(MissingAssetError, match="text_weights"):
        build(guidance="text", text_encoder="clip", text_weights=str(tmp_path / "clip.pt"))
    with pytest.raises(MissingAssetError, match=r"methods\.sgdjscc\.release\.convert"):
        build(checkpoint="authors", authors_folder=str(tmp_path))
    with pytest.raises(CheckpointMismatchError, match="1/24"):
        build(checkpoint="authors", cr=Fraction(1, 48))
    with pytest.raises(RateError, match="CR 1/48"):
        build().encode(sample_images(1), point(cr=Fraction(1, 48)), None)
    with pytest.raises(RateError, match="got 32 x 64"):
        build().encode(sample_images(1, 32, 64), point(), None)


def test_an_estimator_learns_the_matching_time() -> None:
    """On smooth latents, from -5 to 15 dB, a briefly trained estimator finds the true SNR's time within 0.06 on average."""
    torch.manual_seed(0)
    estimator = SNREstimator(4, (16, 16))
    optimiser = torch.optim.Adam(estimator.parameters(), lr=5e-3)

    def noisy(snr_db: Tensor) -> tuple[Tensor, Tensor]:
        smooth = torch.nn.functional.interpolate(torch.randn(len(snr_db), 4, 3, 3), size=(12, 12), mode="bilinear")
        share = share_of_snr(snr_db)
        level = share[:, None, None, None]
        return unit_power((1.0 - level).sqrt() * unit_power(smooth) + level.sqrt() * torch.randn_like(smooth)), share

    for _ in range(200):
        latent, share = noisy(20.0 * torch.rand(32) - 5.0)
        loss = (estimator(latent).squeeze(1) - (1.0 - share).sqrt()).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    estimator.eval()
    snr_db = torch.linspace(-5.0, 15.0, 11).repeat_interleave(16)
    latent, share = noisy(snr_db)
    with torch.no_grad():
        found = matching_time((1.0 - estimator(latent).squeeze(1).square()).clamp(1e-6, 1.0 - 1e-6))
    error = (found - matching_time(share)).abs().view(11, 16).mean(dim=1)
    assert error.max() < 0.06
    assert (found.view(11, 16).mean(dim=1).diff() < 0).all(), "more noise must mean more time"
