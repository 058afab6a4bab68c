"""SwinJSCC against stored outputs of the authors' code (github.com/semcomm/SwinJSCC, commit a6d0e6d)."""

import json

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers import golden
from helpers.places import SHARED
from methods.errors import CheckpointMismatchError
from methods.swinjscc import load_authors
from methods.swinjscc.authors import _translate
from methods.swinjscc.network import SwinJSCCNetwork

# With the activations of every stage, and without.
TAPPED = ("ra_4stage", "sa_4stage", "sara_4stage", "wo_4stage")
CASES = (*TAPPED, "wo_2stage_cifar", "wo_4stage_init")
KEYS = SHARED / "notes"
FULL_SIZE = {"wo_SAandRA": ("SwinJSCC_w/o_SAandRA", 96), "w_SA": ("SwinJSCC_w/_SA", 96)} | {
    "w_RA": ("SwinJSCC_w/_RA", None),
    "w_SAandRA": ("SwinJSCC_w/_SAandRA", None),
}


class Case:
    """One stored case with the network that carries its weights."""

    def __init__(self, name: str) -> None:
        stored = f"swinjscc/{name}"
        self.card = golden.card(stored)
        self.weights, self.tensors, self.taps = (golden.tensors(stored, part) for part in ("state_dict", "tensors", "taps"))
        self.network: SwinJSCCNetwork = load_authors(self.weights, self.card["encoder_kwargs"], self.card["decoder_kwargs"])
        self.snr_db, self.rate = self.card["snr_dB"], self.card["rate"]

    def encode(self, images: str = "image") -> tuple[Tensor, Tensor | None]:
        return self.network.encode_features(self.tensors[images], self.snr_db, self.rate)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


def close(actual: Tensor, expected: Tensor) -> None:
    assert actual.shape == expected.shape
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=1e-4)


@torch.no_grad()
def test_features_mask_and_noiseless_reconstruction(case: Case) -> None:
    features, mask = case.encode()
    close(features, case.tensors["feature"])
    if "mask" in case.tensors:
        assert mask is not None and torch.equal(mask, case.tensors["mask"])
    else:
        assert mask is None
    close(case.network.decode_features(features, case.snr_db), case.tensors["recon_noiseless"])


@torch.no_grad()
def test_other_image_size(case: Case) -> None:
    if "size0.image" not in case.tensors:
        assert not case.card["extra_sizes"]
        return
    features, _ = case.encode("size0.image")
    close(features, case.tensors["size0.feature"])
    height, width = case.tensors["size0.image"].shape[-2:]
    close(case.network.decode_features(features, case.snr_db, (height, width)), case.tensors["size0.recon_noiseless"])


def through_authors_channel(case: Case, features: Tensor, mask: Tensor | None, channel: str) -> Tensor:
    """Return the authors' decoder input in closed form, with the stored draws."""
    sent = features.numel() if mask is None else mask.sum() * features.shape[1]
    scale = (2.0 * features.square().sum() / sent).sqrt()
    real, imaginary = (features / scale).flatten().chunk(2)
    if channel == "rayleigh":
        gain = torch.hypot(case.tensors["rayleigh.h_a"], case.tensors["rayleigh.h_b"]) / 2**0.5
        real, imaginary = gain * real, gain * imaginary
    noise = torch.cat((case.tensors[f"{channel}.noise_re"], case.tensors[f"{channel}.noise_im"]))
    noiseless = torch.cat((real, imaginary)) * scale
    received = (noiseless + noise * scale).view_as(features)
    return received if mask is None else received * mask.unsqueeze(1)


@torch.no_grad()
@pytest.mark.parametrize("channel", ["awgn", "rayleigh"])
def test_through_the_authors_channel(case: Case, channel: str) -> None:
    features, mask = case.encode()
    received = through_authors_channel(case, features, mask, channel)
    close(received, case.tensors[f"{channel}.decoder_input"])
    close(case.network.decode_features(received, case.snr_db), case.tensors[f"{channel}.recon"])


@torch.no_grad()
@pytest.mark.parametrize("case", TAPPED, indirect=True)
def test_intermediate_activations(case: Case) -> None:
    seen: dict[str, Tensor] = {}
    network = case.network
    places = {"tap.enc.patch_embed": network.encoder.patch_embed, "tap.enc.norm": network.encoder.norm}
    places |= {f"tap.enc.layer{i}": layer for i, layer in enumerate(network.encoder.layers)}
    places |= {f"tap.dec.layer{i}": layer for i, layer in enumerate(network.decoder.layers)}

    def keep(name: str):
        return lambda module, inputs, output: seen.setdefault(name, []).append(output.flatten(1, 2))

    hooks = [module.register_forward_hook(keep(name)) for name, module in places.items()]
    network.decode_features(case.encode()[0], case.snr_db)
    for hook in hooks:
        hook.remove()
    compared = [name for name in places if name in case.taps]
    assert len(compared) >= 9
    for name in compared:
        close(torch.cat(seen[name]), case.taps[name])


def test_gradients_through_the_authors_channel(case: Case) -> None:
    features, mask = case.encode()
    output = case.network.decode_features(through_authors_channel(case, features, mask, "awgn"), case.snr_db)
    loss = F.mse_loss(output.clamp(0, 1) * 255, case.tensors["image"] * 255)
    loss.backward()
    torch.testing.assert_close(loss.detach(), case.tensors["awgn.mse_loss"][0], rtol=1e-4, atol=0.0)
    parameters = dict(case.network.named_parameters())
    compared = 0
    for key, norm in case.card["grad_norm_per_param"].items():
        name = _translate(key, case.card["official_model"])
        if name is None:
            assert norm is None
            continue
        gradient = parameters.pop(name).grad
        compared += 1
        if norm is None:
            assert gradient is None or not gradient.any(), key
        else:
            assert gradient is not None
            assert float(gradient.norm()) == pytest.approx(norm, rel=2e-3, abs=1e-2), key
    assert compared > 50 and not parameters


@torch.no_grad()
@pytest.mark.skipif(not KEYS.is_dir(), reason="the lists of the released files' names in ../shared/notes are not here")
@pytest.mark.parametrize("variant", sorted(FULL_SIZE))
def test_full_size_keys_load(variant: str) -> None:
    listed = json.loads((KEYS / f"swinjscc_base_keys_SwinJSCC_{variant}.json").read_text())
    model, channels = FULL_SIZE[variant]
    weights = {key: torch.full((), 0.01).expand(shape) for key, (shape, _) in listed.items()}
    common = {"model": model, "img_size": (256, 256), "C": channels, "window_size": 8, "mlp_ratio": 4.0, "qkv_bias": True}
    encoder = common | {"embed_dims": [128, 192, 256, 320], "depths": [2, 2, 6, 2], "num_heads": [4, 6, 8, 10]}
    decoder = common | {"embed_dims": [320, 256, 192, 128], "depths": [2, 6, 2, 2], "num_heads": [10, 8, 6, 4]}
    network = load_authors(weights, encoder, decoder)
    used = sum(parameter.numel() for parameter in network.parameters())
    assert used == {"wo_SAandRA": 28203024 - 9864640, "w_SA": 28203024, "w_RA": 23208848, "w_SAandRA": 33073488}[variant]
    assert all(bool((parameter == 0.01).all()) for parameter in network.parameters())


def test_checkpoint_of_another_image_size_loads() -> None:
    case = Case("wo_4stage")
    weights = {key: value.repeat(6, 1, 1) if key.endswith("attn_mask") else value for key, value in case.weights.items()}
    weights["distortion_loss.dist.window"] = torch.zeros(3, 1, 1, 11)
    case.network = load_authors(weights, case.card["encoder_kwargs"], case.card["decoder_kwargs"])
    with torch.no_grad():
        close(case.encode()[0], case.tensors["feature"])


def test_wrong_checkpoints_are_named() -> None:
    case = Case("sa_4stage")
    encoder, decoder = case.card["encoder_kwargs"], case.card["decoder_kwargs"]
    weights = dict(case.weights)
    del weights["encoder.norm.weight"]
    weights["encoder.sm_list1.0.weight"] = torch.zeros(2)
    weights["decoder.head_list.weight"] = torch.zeros(24, 13)
    with pytest.raises(CheckpointMismatchError) as error:
        load_authors(weights, encoder, decoder)
    message = str(error.value)
    assert "missing: encoder.norm.weight" in message
    assert "unexpected: encoder.sm_list1.0.weight" in message
    assert "decoder.head_list.weight is (24, 13), not (24, 12)" in message
    with pytest.raises(CheckpointMismatchError, match="must be the same one"):
        load_authors(case.weights, encoder, decoder | {"model": "SwinJSCC_w/_RA"})
    with pytest.raises(CheckpointMismatchError, match="qk_scale"):
        load_authors(case.weights, encoder | {"qk_scale": 0.5}, decoder)
