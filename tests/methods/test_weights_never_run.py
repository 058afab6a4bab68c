"""Every loader of weights in ``methods``: a hostile or broken file is told in one sentence while methods are built, and nothing runs."""

import io
import json
import os
import pickle
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from methods.base import Geometry
from methods.errors import MethodError
from methods.gened_sc import GenEDSC, GenEDSCSettings
from methods.gened_sc.settings import PRESETS
from methods.gened_sc.vgg_features import check_vgg
from methods.generative.backends.base import check_ready
from methods.generative.settings import CaptionerSettings, GeneratorSettings
from methods.hosonuma25.regions import check_regions
from methods.hosonuma25.settings import HosonumaSettings
from methods.sgdjscc import SGDJSCC, SGDJSCCSettings
from methods.sgdjscc.networks.build import authors_part
from methods.sgdjscc.release.assets import ASSETS, CONVERTED
from methods.sgdjscc.release.convert import convert
from methods.sgdjscc.text import ClipText
from methods.swinjscc import SwinJSCC, SwinJSCCSettings

CR = Fraction(1, 24)
SIZE = Geometry(32, 32, CR)
CONFIG = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 1, "width": 32, "head_width": 16, "patch_size": 32},
    "text_cfg": {"context_length": 16, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
}


class Hostile:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


def bad_files(trace: Path) -> list[bytes]:
    """Pickles that would make a folder at ``trace``, a page, a pointer, nothing, a module pickled whole."""
    found = []
    for value in (Hostile(trace), {"state_dict": {"a": torch.ones(1)}, "more": Hostile(trace)}, torch.nn.Linear(1, 1)):
        file = io.BytesIO()
        torch.save(value, file)
        found.append(file.getvalue())
    return [
        *found,
        pickle.dumps(Hostile(trace), protocol=2),
        b"<!DOCTYPE html><html>",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"",
    ]


def swinjscc(path: Path) -> Any:
    sizes = {"dims": (8, 16), "depths": (2, 2), "heads": (2, 4), "window": 4, "patch": 4}
    return SwinJSCC(SwinJSCCSettings(**sizes, receiver_scale="sent", authors_checkpoint=str(path)), SIZE)


def sgdjscc_initial(path: Path) -> Any:
    sizes = {"tile": 32, "widths": (8, 8), "fold": 4, "groups": 4, "blocks": 1, "denoiser_width": 16, "denoiser_heads": 2}
    more = {"denoiser_depth": 2, "denoiser_decode": 1, "estimator_widths": (4, 4, 4, 4)}
    return SGDJSCC(SGDJSCCSettings(**sizes, **more, initial=str(path)), SIZE)


def clip_config(path: Path) -> str:
    import open_clip

    (path.parent / "tiny-hostile.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(path.parent / "tiny-hostile.json")
    return "tiny-hostile"


def gened_clip(model: str, weights: str | None) -> Any:
    settings = {**PRESETS["compact"], "score_supervision": "clip", "clip": model, "clip_weights": weights, "clip_width": 32}
    return GenEDSC(GenEDSCSettings(**settings), SIZE).check_trainable()


def in_folder(path: Path) -> str:
    folder = path.parent / "clip"
    folder.mkdir(exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
    shutil.copy(path, folder / "open_clip_pytorch_model.bin")
    return f"local-dir:{folder}"


def mask(path: Path) -> Any:
    named = {"mask_source": "segmentation", "mask_model": "torchvision:lraspp_mobilenet_v3_large"}
    return check_regions(HosonumaSettings(**named, mask_weights=path))


def segmentation_folder(path: Path) -> Any:
    folder = path.parent / "segformer"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "segformer"}))
    shutil.copy(path, folder / "pytorch_model.bin")
    return check_regions(HosonumaSettings(mask_source="segmentation", mask_model=f"transformers:{folder}"))


def released(path: Path) -> Any:
    (path.parent / "release").mkdir(exist_ok=True)
    shutil.copy(path, path.parent / "release" / ASSETS[-1].file)
    return convert(path.parent / "release", path.parent / "converted")


def converted(path: Path) -> Any:
    shutil.copy(path, path.parent / CONVERTED["edge_detector"])
    return authors_part(str(path.parent), "edge_detector")


LOADERS: dict[str, Callable[[Path], Any]] = {
    "swinjscc": swinjscc,
    "sgdjscc, earlier stage": sgdjscc_initial,
    "sgdjscc, release": released,
    "sgdjscc, converted": converted,
    "sgdjscc, CLIP": lambda path: ClipText(clip_config(path), str(path), 32),
    "gened_sc, CLIP": lambda path: gened_clip(clip_config(path), str(path)),
    "gened_sc, CLIP folder": lambda path: gened_clip(in_folder(path), None),
    "gened_sc, VGG": lambda path: check_vgg(str(path)),
    "hosonuma25, torchvision": mask,
    "hosonuma25, transformers": segmentation_folder,
}


@pytest.mark.parametrize("suffix", [".pt", ".model"])
@pytest.mark.parametrize("loader", LOADERS)
def test_a_hostile_or_broken_file_is_refused_with_a_sentence(tmp_path, loader, suffix):
    path, trace = tmp_path / f"weights{suffix}", tmp_path / "trace"
    for content in bad_files(trace):
        path.write_bytes(content)
        with pytest.raises(MethodError) as error:
            LOADERS[loader](path)
        assert not trace.exists()
        assert len(str(error.value)) < 1000 and "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "kind"), [("blip", CaptionerSettings), ("stable-diffusion", GeneratorSettings)])
def test_a_generative_folder_with_a_hostile_pickle_is_refused_before_it_is_asked(tmp_path, tiny_model, name, kind):
    folder, trace = tmp_path / "model", tmp_path / "trace"
    shutil.copytree(tiny_model(name), folder)
    library = "transformers" if kind is CaptionerSettings else "diffusers"
    path = next(iter(sorted(folder.rglob("*model.safetensors"))))
    path.unlink()
    check = kind(model=f"{library}:{folder}", access={"device": "cpu"})
    with pytest.raises(MethodError, match="holds no weights"):
        check_ready(check)
    for content in bad_files(trace):
        path.with_name(f"{'diffusion_' if library == 'diffusers' else ''}pytorch_model.bin").write_bytes(content)
        with pytest.raises(MethodError, match="cannot be used") as error:
            check_ready(check)
        assert not trace.exists() and "\n" not in str(error.value)


def test_code_that_a_folder_brings_is_not_run(tmp_path, tiny_model):
    from methods.generative.backends.transformers_backend import TransformersCaptioner

    folder, trace = tmp_path / "model", tmp_path / "trace"
    shutil.copytree(tiny_model("blip"), folder)
    (folder / "evil.py").write_text(f"import os\nos.mkdir({str(trace)!r})\nclass Evil:\n    pass\n")
    for path in (*folder.glob("*config.json"), folder / "processor_config.json"):
        content = json.loads(path.read_text()) if path.is_file() else {}
        kinds = ("AutoProcessor", "AutoImageProcessor", "AutoModelForImageTextToText")
        content["auto_map"] = dict.fromkeys(kinds, "evil.Evil") | {"AutoTokenizer": ["evil.Evil", None]}
        content.pop("processor_class", None)
        path.write_text(json.dumps(content))
    captioner = TransformersCaptioner(CaptionerSettings(model=f"transformers:{folder}", access={"device": "cpu"}))
    try:
        captioner._loaded()
    except MethodError as error:
        assert "\n" not in str(error)
    assert not trace.exists()


def test_a_mismatch_of_many_names_stays_short(tmp_path):
    path = tmp_path / "weights.model"
    torch.save({f"module.encoder.layers.{number}.weight": torch.ones(1) for number in range(500)}, path)
    with pytest.raises(MethodError, match="and 497 more") as error:
        swinjscc(path)
    assert len(str(error.value)) < 1000 and "module." not in str(error.value)


def test_a_resumable_state_is_read_without_running_it(tmp_path):
    from suite.errors import TrainingError
    from suite.train.state import load

    path, trace = tmp_path / "resume.pt", tmp_path / "trace"
    for content in bad_files(trace):
        path.write_bytes(content)
        with pytest.raises(TrainingError) as error:
            load(path, "identity", {}, "cpu")
        assert not trace.exists() and "weights_only" not in str(error.value) and len(str(error.value)) < 700
