"""Each network and the sampler against recorded outputs of the authors' modules (MauroZMJ/SGDJSCC, commit 2188acc)."""

import pytest
import torch
from torch import Tensor, nn

from helpers import golden
from methods.sgdjscc import load_authors
from methods.sgdjscc.networks.edge_codec import normalised
from methods.sgdjscc.sampler import plan, sample, unit_power
from methods.sgdjscc.schedule import guidance_weight, matching_time, noise_share, share_of_snr, snr_db_of_share
from methods.sgdjscc.tiles import cut, merge


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def case(name: str) -> dict[str, Tensor]:
    return golden.tensors(f"sgdjscc/{name}")


def network(part: str, name: str) -> nn.Module:
    state = golden.tensors(f"sgdjscc/{name}", "state_dict")
    exact = {key: value.float() if value.dtype == torch.float16 else value for key, value in state.items()}
    return load_authors(part, exact, golden.card(f"sgdjscc/{name}")["kwargs"])


def near(found: Tensor, expected: Tensor, within: float = 1e-4) -> None:
    torch.testing.assert_close(found.double(), expected.double(), rtol=0.0, atol=within)


def test_schedule_step_matching_and_guidance_weight() -> None:
    t = case("schedule")
    near(noise_share(t["t"]), t["s_of_t"], 1e-12)
    near(matching_time(t["s"]), t["t_of_s"], 1e-12)
    near(guidance_weight(t["t"], 4.0), t["w_of_t"], 1e-12)
    near(matching_time(share_of_snr(t["snr_db"])), t["t_of_snr_db"], 1e-12)
    near(noise_share(t["t"].float()), t["f32.s_of_t"], 1e-6)


def test_autoencoder() -> None:
    t = case("vae_4level_2res")
    vae = network("autoencoder", "vae_4level_2res")
    mean, log_variance = vae.moments(t["image"])
    near(mean, t["mean"])
    near(log_variance, t["logvar"])
    near(unit_power(mean), t["tx_unit_power"])
    near(vae.decode(t["tx_unit_power"]), t["recon"])


def test_snr_estimator_at_two_sizes() -> None:
    t = case("snr_net")
    estimator = network("snr_estimator", "snr_net")
    near(estimator(t["x"]), t["amplitude"])
    near(estimator(t["x8"]), t["amplitude8"])
    near(snr_db_of_share(1.0 - estimator(t["x"]).square()), t["snr_db"], 1e-3)


def test_denoiser_with_and_without_mask() -> None:
    t = case("mdt_small")
    denoiser = network("denoiser", "mdt_small")
    found = denoiser(t["x"], t["sigma"], t["text"])
    near(found, t["x0_pred"])
    assert (found - t["wrong_without_attention"]).abs().max() > 0.1
    near(denoiser(t["x"][:1], t["sigma"][1:2], t["text"][:1], t["mask.mask_token"]), t["mask.x0_pred"])


@pytest.mark.parametrize("name", ["control_small", "control_3in"])
def test_edge_control(name: str) -> None:
    t = case(name)
    denoiser = network("controlled_denoiser", name)
    given = (t["x"], t["sigma"], t["text"])
    near(denoiser(*given, t["control_latent"], t["strength"]), t["x0_pred"])
    near(denoiser(*given, t["control_latent"]), t["x0_pred_strength1"])
    near(denoiser(*given), t["x0_pred_no_control"])


@pytest.mark.parametrize("row", [0, 1])
def test_edge_codec_through_its_channel(row: int) -> None:
    t = case("edge_4stage")
    codec = network("edge_codec", "edge_4stage")
    rate = int(t["cr"][row])
    features = codec.encode(t["edge_uncertainty"][row : row + 1], rate)
    near(features, t["feature_masked"][row : row + 1, :, :rate])
    sent = normalised(features)
    near(sent, t["tx"][row].view(1, -1, codec.channels)[..., :rate])
    received = t["rx"][row].view(1, -1, codec.channels)
    arrived = normalised(received[..., :rate], power=received.square().sum(dim=(1, 2)))
    near(arrived, t["decoder_input"][row : row + 1, :, :rate])
    near(codec.decode(arrived, t["est_snr_db"][row : row + 1]), t["out"][row : row + 1])
    near(codec.decode(sent, t["est_snr_db"][row : row + 1]), t["out_noiseless"][row : row + 1])


def sampled(
    kind: str, denoiser: nn.Module, latent: Tensor, text: Tensor, negative: Tensor, control: Tensor | None, share: Tensor
) -> Tensor:
    strength = torch.full((len(latent),), 0.2)
    steps = plan(share.flatten(), 50, kind, 4.0)
    result = sample(latent, steps, lambda x, s: denoiser(x, s, text, control, strength), lambda x, s: denoiser(x, s, negative))
    result[:, [0, 3]] += 0.1
    return result


def test_released_sampler_over_the_whole_loop() -> None:
    t = case("sampler_batched")
    denoiser = network("controlled_denoiser", "sampler_batched")
    given = (t["latent"], t["text"], t["negative"])
    found = sampled("released", denoiser, *given, t["control_latent"], t["s"])
    near(found, t["final_latent"], 1e-3)
    near(unit_power(found), t["final_unit_power"], 1e-3)
    near(sampled("released", denoiser, *given, None, t["s"]), t["nocontrol.final_latent"], 1e-3)
    steps = plan(t["s"].flatten(), 50, "released", 4.0)
    near(steps.sigma.T, t["sigma"], 1e-5)
    near(steps.weight, t["w_used"], 1e-5)


def test_regular_sampler_over_the_whole_loop() -> None:
    t = case("sampler_single")
    denoiser = network("controlled_denoiser", "sampler_batched")
    found = sampled("regular", denoiser, t["latent"], t["text"], t["negative"], t["control_latent"], t["s"])
    near(found, t["final_latent"], 1e-3)
    every = [t[f"all.{name}"] for name in ("latent", "text", "negative", "control_latent")]
    near(sampled("regular", denoiser, *every, t["all.s"]), t["final_latent_each"], 1e-3)
    pair = [values[[0, 2]] for values in every]
    near(sampled("regular", denoiser, *pair, t["all.s"][[1, 1]]), t["pair02.final_latent"], 1e-3)


def test_released_tiles() -> None:
    about, t = golden.card("sgdjscc/tiles"), case("tiles")
    for size, expected in about["other_sizes"].items():
        height, width = map(int, size.split("x"))
        tiles = cut(height, width, 128, "released")
        assert len(tiles) == expected["n"]
        assert len(set(tiles)) == expected["distinct"]
        assert sorted({tile.top for tile in tiles}) == expected["rows"]
        assert sorted({tile.left for tile in tiles}) == expected["cols"]
        assert {(tile.height, tile.width) for tile in tiles} == {tuple(expected["patch"])}
    for height, width in ((256, 256), (200, 300)):
        tiles = cut(height, width, 128, "released")
        assert [[tile.top, tile.left] for tile in tiles] == t[f"{height}x{width}.positions"].tolist()
        numbered = [(tile, torch.full((1, 1, 128, 128), float(number))) for number, tile in enumerate(tiles)]
        near(merge(numbered, height, width)[0, 0], t[f"{height}x{width}.merged_index"])


@pytest.mark.parametrize("snr_db", [1, -15])
def test_whole_path_of_a_tile(snr_db: int) -> None:
    """The parts in the order of the released script, with its noise."""
    every = case("end_to_end_tile32")
    t = {name.removeprefix(f"snr{snr_db}."): value for name, value in every.items() if name.startswith(f"snr{snr_db}.")}
    vae, estimator = network("autoencoder", "vae_4level_2res"), network("snr_estimator", "snr_net")
    codec, denoiser = network("edge_codec", "edge_4stage"), network("controlled_denoiser", "sampler_batched")
    mean = vae.encode(every["image"])
    near(mean, t["latent_mean"])
    received = unit_power(unit_power(mean) + 10.0 ** (-snr_db / 20.0) * t["noise_main_unit"])
    near(received, t["latent_rx_unit"])
    amplitude = estimator(received)
    near(amplitude, t["amplitude"])
    share = 1.0 - amplitude.square()
    estimated = snr_db_of_share(share)
    features = normalised(codec.encode(t["edge_in"], 13))
    noise = 10.0 ** (-snr_db / 20.0) * t["noise_edge_unit"].view(3, -1, codec.channels)
    power = (features + noise[..., :13]).square().sum(dim=(1, 2)) + noise[..., 13:].square().sum(dim=(1, 2))
    edges = codec.decode(normalised(features + noise[..., :13], power), estimated)
    near(edges, t["edge_out"])
    threshold = 0.35 if snr_db == -15 else 0.25
    kept = torch.where(estimated[:, :, None, None] <= -5.0, edges * (edges > threshold), edges)
    near(kept, t["edge_gated"])
    control = vae.encode(kept.expand(-1, 3, -1, -1)) / 15.45
    near(control, t["control_latent"])
    strength = torch.full((3,), 0.2 if snr_db == 1 else 0.05)
    steps = plan(share.flatten(), 50, "released", 4.0)
    last = sample(
        received, steps, lambda x, s: denoiser(x, s, every["text"], control, strength), lambda x, s: denoiser(x, s, every["negative"])
    )
    near(last, t["x0_last_before_tweak"], 1e-3)
    last[:, [0, 3]] += 0.1
    near(vae.decode(unit_power(last)), t["recon"], 1e-3)
