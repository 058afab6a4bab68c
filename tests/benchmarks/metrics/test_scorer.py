"""The table of metrics, quantisation, availability, and the scorer around them."""

import http.server
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from benchmarks.common.errors import MetricUnavailableError, PixelsError, UnknownNameError
from benchmarks.common.images import quantise
from benchmarks.metrics import METRICS, MetricImage, MetricSettings, Scorer, check, fetch, lookup
from benchmarks.metrics.weights import find
from helpers.places import ROOT


@pytest.fixture
def empty_caches(tmp_path, monkeypatch) -> Path:
    """A machine without any weight file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "hub"))
    yield tmp_path
    torch.hub.set_dir(before)


def image(seed: int, side: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def test_declarations_are_complete():
    assert {
        "psnr", "ssim", "ms_ssim", "lpips_alex", "lpips_vgg", "dists", "brisque_live", "niqe", "clip_score_vit_b_32",
        "clip_score_vit_b_16", "clip_score_vit_l_14", "clip_image_similarity_vit_b_32", "fsim", "vif", "gmsd", "fid_inception",
    } <= set(METRICS)  # fmt: skip
    assert len({spec.title for spec in METRICS.values()}) == len(METRICS)
    for name, spec in METRICS.items():
        assert spec.name == name and spec.better in ("higher", "lower") and spec.low < spec.high
        if spec.identical is not None and spec.better == "lower":
            assert spec.identical == spec.low


def test_declarations_agree_with_pyiqa():
    configs = pytest.importorskip("pyiqa.default_model_configs", reason="pyiqa is not installed").DEFAULT_CONFIGS
    for name in ("psnr", "ssim", "ms_ssim", "dists", "niqe", "fsim", "vif", "gmsd", "lpips", "lpips-vgg", "brisque", "fid"):
        ours = METRICS[{"lpips": "lpips_alex", "lpips-vgg": "lpips_vgg", "brisque": "brisque_live", "fid": "fid_inception"}.get(name, name)]
        assert (ours.better == "lower") == configs[name].get("lower_better", False), name
        assert ours.per == "cell" or ours.needs_reference == (configs[name]["metric_mode"] == "FR"), name


def test_reading_the_table_imports_no_network():
    code = "import sys, benchmarks.metrics; print(sorted({'torch', 'pyiqa', 'lpips', 'open_clip', 'skimage'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match=r"unknown metric 'ms-ssim'\. Did you mean 'ms_ssim'\?"):
        lookup(["psnr", "ms-ssim"])


def test_quantise_rounds_to_the_nearest_level():
    levels = torch.arange(256, dtype=torch.float32).view(1, 1, 16, 16).expand(1, 3, 16, 16) / 255
    expected = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), 3, axis=3)
    assert np.array_equal(quantise(levels), expected)
    noise = torch.rand(levels.shape, generator=torch.Generator().manual_seed(0)) * 0.98 - 0.49
    assert np.array_equal(quantise(levels + noise / 255), expected)
    moved = quantise((levels + 0.51 / 255).clamp(max=1))
    assert np.array_equal(moved[0, ..., 0].ravel()[:255], np.arange(1, 256))
    assert quantise(levels.to(torch.bfloat16)).shape == (1, 16, 16, 3)


def test_metrics_see_no_noise_below_half_a_level():
    scorer = Scorer(["psnr"])
    original = image(0)
    exact = torch.from_numpy(original).permute(2, 0, 1)[None].float() / 255
    noisy = exact + (torch.rand(exact.shape, generator=torch.Generator().manual_seed(1)) - 0.5) * 0.9 / 255
    assert scorer.score(scorer.reference("a", original), quantise(noisy)[0]) == {"psnr": 80.0}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.01, 1.01])
def test_quantise_refuses_what_is_no_image(value):
    images = torch.full((3, 3, 4, 4), 0.5)
    images[1, 2, 3, 0] = value
    with pytest.raises(PixelsError, match="image 1 of the batch"):
        quantise(images)


def test_pixels_of_another_type_or_shape_are_refused():
    for bad in (image(0).astype(np.float32), image(0)[..., 0], np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(PixelsError, match=r"uint8 pixels of shape \(H, W, 3\)"):
            MetricImage(bad)
    scorer = Scorer(["psnr"])
    with pytest.raises(PixelsError, match="cannot be scored against"):
        scorer.score(scorer.reference("a", image(0)), image(1)[:-1])


def test_references_are_kept_by_content_and_forgotten_in_order():
    scorer = Scorer(["psnr"], MetricSettings(reference_cache=2))
    first = scorer.reference("a", image(0))
    assert scorer.reference("a", image(0)) is first
    assert scorer.reference("a", image(1)) is not first and scorer.reference("a", image(0)) is first
    scorer.reference("b", image(2))
    assert scorer.reference("a", image(0)) is first
    scorer.reference("c", image(3))
    scorer.reference("d", image(4))
    assert scorer.reference("a", image(0)) is not first


def test_a_feature_is_computed_once():
    calls = []
    kept = MetricImage(image(0))
    assert [kept.feature("mean", lambda p: calls.append(1) or float(p.pixels.mean())) for _ in range(3)] == [kept.pixels.mean()] * 3
    assert calls == [1]


def test_columns_are_what_score_returns():
    scorer = Scorer(["psnr"])
    assert scorer.columns == tuple(scorer.score(scorer.reference("a", image(0)), image(1))) == ("psnr",)


def test_missing_weights_are_named_with_their_source(empty_caches):
    settings = MetricSettings(weights_dir=empty_caches / "mine")
    found = check(list(METRICS), settings, image_size=(256, 256))
    for name, spec in METRICS.items():
        # What comes inside a package or with the project is there.
        if spec.weights and spec.weights[0].origin not in ("wheel", "project"):
            sentence = found[name]
            assert sentence is not None and spec.weights[0].names[0] in sentence and spec.weights[0].address in sentence
            assert str(empty_caches / "mine" / spec.weights[0].folder) in sentence and "allow_download" in sentence
        else:
            assert found[name] is None
    with pytest.raises(MetricUnavailableError) as failure:
        Scorer(["psnr", "lpips_alex", "niqe"], settings)
    assert str(failure.value).count("\n") == 1 and "lpips_alex" in str(failure.value) and "niqe" in str(failure.value)
    assert not (empty_caches / "hub").exists()


def test_files_are_found_in_each_place(empty_caches):
    file = METRICS["niqe"].weights[0]
    for place in (
        empty_caches / "mine" / file.folder / file.names[0],
        empty_caches / "mine" / file.names[0],
        empty_caches / "hub" / "pyiqa" / file.names[0],
    ):
        settings = MetricSettings(weights_dir=empty_caches / "mine")
        assert check(["niqe"], settings)["niqe"] is not None and find(file, settings) is None
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        assert find(file, settings) == place
        place.unlink()


def test_a_generic_name_counts_in_the_models_own_folder_alone(empty_caches):
    settings = MetricSettings(weights_dir=empty_caches)
    (empty_caches / "open_clip_model.safetensors").touch()
    small, large = (METRICS[name].weights[0] for name in ("clip_score_vit_b_16", "clip_score_vit_b_32"))
    assert find(small, settings) is None
    (empty_caches / "clip" / "ViT-B-16").mkdir(parents=True)
    (empty_caches / "clip" / "ViT-B-16" / "open_clip_model.safetensors").touch()
    assert find(small, settings) is not None and find(large, settings) is None


def test_missing_package_names_the_extra(monkeypatch):
    import importlib.util

    original = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "pyiqa" else original(name, *rest))
    sentence = check(["ssim", "psnr"])
    assert sentence["psnr"] is None and "needs the package pyiqa" in str(sentence["ssim"]) and "'metrics'" in str(sentence["ssim"])
    with pytest.raises(MetricUnavailableError, match="extra 'metrics'"):
        Scorer(["ssim"])


def test_small_images_are_known_before_the_run():
    found = check(["ms_ssim", "psnr"], image_size=(128, 256))
    assert found["psnr"] is None and "161 px" in str(found["ms_ssim"]) and "128 x 256 px" in str(found["ms_ssim"])


def test_settings_refuse_unknown_keys_and_bad_names(tmp_path):
    with pytest.raises(ValidationError):
        MetricSettings(weight_dir=tmp_path)
    with pytest.raises(ValidationError):
        MetricSettings(clip_models={"ViT B": tmp_path})


DOWNLOAD = """
import json, sys
from benchmarks.common.errors import MetricUnavailableError, PixelsError, UnknownNameError
from benchmarks.metrics import MetricSettings, Scorer, check, fetch
import numpy as np
pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
try:
    Scorer(["brisque_live"])
except MetricUnavailableError:
    print("refused")
settings = MetricSettings(allow_download=True)
fetch(["brisque_live"], settings)
print(check(["brisque_live"], MetricSettings()))
scorer = Scorer(["brisque_live"], MetricSettings())
print(scorer.score(scorer.reference("a", pixels), pixels)["brisque_live"])
try:
    fetch(["niqe"], settings)
except MetricUnavailableError as failure:
    print("failed:", "niqe_modelparameters.mat" in str(failure) and "The download failed" in str(failure))
"""


def test_download_from_a_server(tmp_path):
    pytest.importorskip("pyiqa", reason="pyiqa is not installed")
    served = tmp_path / "served" / "chaofengc" / "IQA-PyTorch-Weights" / "resolve" / "main"
    served.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    model = (torch.randn(774, generator=generator), torch.randn(774, 36, generator=generator))
    torch.save(model, served / "brisque_svm_weights.pth")
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "served"))

        def log_message(self, format, *args):
            requests.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        environment = {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "TORCH_HOME": str(tmp_path / "torch"),
            "HOME": str(tmp_path),
            "OMP_NUM_THREADS": "1",
            "no_proxy": "127.0.0.1",
        }
        done = subprocess.run([sys.executable, "-c", DOWNLOAD], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    refused, available, value, failed = done.stdout.splitlines()
    assert refused == "refused" and available == "{'brisque_live': None}" and failed == "failed: True"
    assert math.isfinite(float(value))
    assert [path.rsplit("/", 1)[1] for path in requests if path.endswith(".pth")] == ["brisque_svm_weights.pth"]
    assert (tmp_path / "torch" / "hub" / "pyiqa" / "brisque_svm_weights.pth").is_file()


def test_a_download_without_a_network_says_so(empty_caches, monkeypatch):
    from urllib.error import URLError

    def unreachable(*_, **__):
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    settings = MetricSettings(allow_download=True)
    assert check(["lpips_alex"], settings)["lpips_alex"] is None
    with pytest.raises(MetricUnavailableError, match=r"alexnet-owt-7be5be79\.pth.*The download failed: .*no route to host"):
        fetch(["lpips_alex"], settings)


def test_the_page_lists_every_column_and_file():
    page = (ROOT / "benchmarks" / "metrics" / "README.md").read_text()
    for spec in METRICS.values():
        assert all(f"`{column}`" in page for column in spec.columns), spec.name
        assert all(f"`{file.names[0]}`" in page or f"`{file.folder}`" in page for file in spec.weights), spec.name


def test_the_same_pixels_are_measured_once_against_a_reference_and_by_each_scorer(monkeypatch):
    rng = np.random.default_rng(0)
    original, one, other = (rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(3))
    scorers = [Scorer(["psnr", "gmsd"]) for _ in range(2)]
    measured: list[tuple[int, bytes]] = []
    for number, scorer in enumerate(scorers):
        for metric in scorer.metrics[:1]:

            def noted(reference, image, number=number, measure=metric.measure):
                measured.append((number, image.pixels.tobytes()))
                return measure(reference, image)

            monkeypatch.setattr(metric, "measure", noted)
    reference = scorers[0].reference("original", original)
    first = [scorers[0].score(reference, each) for each in (one, other, one.copy())]
    assert first[0] == first[2] != first[1] and measured == [(0, one.tobytes()), (0, other.tobytes())]
    # What is done to a result is nobody else's; another scorer, or another reference, measures by itself.
    first[0].clear()
    assert scorers[0].score(reference, one) == first[2] == scorers[1].score(reference, one) and len(measured) == 3
    assert scorers[0].score(scorers[0].reference("another", other), one) != first[2] and len(measured) == 4
