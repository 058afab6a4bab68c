"""The step matching of a trained network, on photographs it did not see."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.datasets import open_dataset
from helpers.places import ROOT
from methods.base import Geometry
from methods.sgdjscc import SGDJSCC
from methods.sgdjscc.sampler import unit_power
from methods.sgdjscc.schedule import matching_time, share_of_snr

SHIPPED = sorted((ROOT / "results" / "reference" / "checkpoints").glob("sgdjscc-default-*.safetensors"))
SNRS = (-5.0, 0.0, 5.0, 10.0, 15.0)


@pytest.mark.skipif(not SHIPPED, reason="no checkpoint of sgdjscc is in results/reference/checkpoints")
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@torch.no_grad()
def test_the_estimated_snr_gives_the_time_of_the_true_one(path: Path) -> None:
    card = json.loads(path.with_suffix(".json").read_text())
    side = int(card["crop"])
    settings = SGDJSCC.Settings.model_validate_json(json.dumps(card["settings"]))
    method = SGDJSCC(settings, Geometry(side, side, Fraction(card["cr"])))
    method.load_state_dict({name: w.float() if w.is_floating_point() else w for name, w in load_file(path).items()})
    method.eval()
    sample_images = open_dataset(card["data"] if card["data"] in ("photos", "scenes") else "photos", None, side, "test", "squash")
    images = torch.stack(
        [torch.from_numpy(sample_images.load(id).image.copy()).permute(2, 0, 1) / 255 for id in sample_images.items()[:12]]
    )
    latent = torch.cat(method.packing.map(images.float(), lambda tiles: unit_power(method.autoencoder.encode(tiles))))

    def times(snr_db: float) -> tuple[float, Tensor]:
        share = share_of_snr(torch.tensor(snr_db))
        noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(int(snr_db) + 100))
        amplitude = method.estimator(unit_power((1.0 - share).sqrt() * latent + share.sqrt() * noise)).squeeze(1)
        return float(matching_time(share)), matching_time((1.0 - amplitude.square()).clamp(1e-6, 1.0 - 1e-6))

    found = [times(snr_db) for snr_db in SNRS]
    for true, estimated in found:
        assert float((estimated - true).abs().mean()) < 0.1
    means = torch.tensor([float(estimated.mean()) for _, estimated in found])
    assert (means.diff() < 0).all(), "more noise must mean more time"
