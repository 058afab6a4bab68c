"""The authors' weights inside the method."""

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from methods.base import Geometry, OperatingPoint
from methods.errors import CheckpointMismatchError, MissingAssetError
from methods.swinjscc import SwinJSCC, SwinJSCCSettings

TINY = {"dims": (8, 16), "depths": (2, 2), "heads": (2, 4), "window": 4, "patch": 4, "snr_adaptive": True}
CR = Fraction(1, 24)
POINT = OperatingPoint(CR, 10.0, "awgn")


def build() -> SwinJSCC:
    torch.manual_seed(11)
    return SwinJSCC(SwinJSCCSettings(**TINY), Geometry(32, 32, CR)).eval()


def authors_style(method: SwinJSCC) -> dict[str, Tensor]:
    """Return a method's weights under the authors' names, for a model with an SNR gate alone."""
    renamed = {}
    for key, value in method.network.state_dict().items():
        key = key.replace(".head.", ".head_list.").replace(".snr_gate.token_layers.", ".sm_list.")
        if ".snr_gate.conditions." in key:
            side, index, rest = key.replace(".snr_gate.conditions", "").split(".", 2)
            key = f"{side}.bm_list.{index}.fc.{rest}"
        renamed[key] = value
    return renamed


@pytest.mark.parametrize("suffix", [".model", ".safetensors"])
@torch.no_grad()
def test_authors_checkpoint_from_a_file(tmp_path: Path, suffix: str) -> None:
    source, path = build(), tmp_path / f"weights{suffix}"
    weights = authors_style(source)
    save_file(weights, path) if suffix == ".safetensors" else torch.save(weights, path)
    torch.manual_seed(99)
    settings = SwinJSCCSettings(**TINY, receiver_scale="sent", authors_checkpoint=str(path))
    loaded = SwinJSCC(settings, Geometry(32, 32, CR)).eval()
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(
        loaded.encode(images, POINT, None).analog,
        source.encode(images, POINT, None).analog,
    )
    with pytest.raises(CheckpointMismatchError, match="16 channels, which is CR 1/24; CR 1/48 needs 8"):
        SwinJSCC(settings, Geometry(32, 32, CR / 2))


def test_missing_authors_checkpoint_says_where_it_is_published(tmp_path: Path) -> None:
    with pytest.raises(MissingAssetError, match=r"drive\.google\.com"):
        build().load_authors_checkpoint(tmp_path / "absent.model")
