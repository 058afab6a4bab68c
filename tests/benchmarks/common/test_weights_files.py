"""Weights of others: read without running what a file says, and refused with one sentence where they are none."""

import io
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import nn

from benchmarks.common.errors import MetricUnavailableError, WeightsFileError
from benchmarks.common.weights_files import content, mismatch, state_dict
from benchmarks.metrics import METRICS, MetricSettings, Scorer, check, set_metric
from helpers.places import SHARED

FAULTS = SHARED / "faults"
WEIGHTS = {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = b"<!DOCTYPE html><html><head><title>Virus scan warning</title></head><body>Quota exceeded</body></html>"


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def saved(value: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def hostile_files(trace: Path) -> dict[str, bytes]:
    bad = Hostile(trace)
    return {
        "zip": saved(bad),
        "beside weights": saved({**WEIGHTS, "more": bad}),
        "legacy": saved(bad, _use_new_zipfile_serialization=False),
        "pickle": pickle.dumps(bad),
        "old pickle": pickle.dumps(bad, protocol=0),
    }


@pytest.mark.parametrize("kind", hostile_files(Path("/")))
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_a_pickle_says_is_never_done(tmp_path, kind, device):
    path, trace = tmp_path / "weights.pth", tmp_path / "trace"
    path.write_bytes(hostile_files(trace)[kind])
    with pytest.raises(WeightsFileError) as error:
        content(path, device)
    assert not trace.exists()
    assert str(path) in str(error.value) and len(str(error.value)) < 400 and "\n" not in str(error.value)


BROKEN = {
    "empty": (b"", "an empty file"),
    "page": (PAGE, "a web page"),
    "refused": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML page"),
    "pointer": (LFS, "a Git LFS pointer"),
    "cut": (saved(WEIGHTS)[:700], "cut short or damaged"),
    "cut legacy": (saved(WEIGHTS, _use_new_zipfile_serialization=False)[:-9], "cut short or damaged"),
    "cut safetensors": (save(WEIGHTS)[:-3], "cut short or damaged"),
    "cut header": (save(WEIGHTS)[:40], "cut short or damaged"),
    "text": (b"Too many requests", "a text file"),
    "noise": (bytes(range(256)), "no file of weights"),
    "module": (saved(nn.Linear(2, 3)), r"torch\.nn\.modules\.linear\.Linear.*save module\.state_dict\(\) alone"),
    "no tensors": (saved({"epoch": 3}), "dict with epoch and no state dict"),
    "list": (saved([1, 2]), "a list and no state dict"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_file_without_weights_is_named_with_its_cause(tmp_path, kind, device):
    path = tmp_path / "weights.pth"
    bytes_, cause = BROKEN[kind]
    path.write_bytes(bytes_)
    with pytest.raises(WeightsFileError, match=cause) as error:
        state_dict(path, device)
    assert str(path) in str(error.value) and len(str(error.value)) < 400 and "\n" not in str(error.value)


@pytest.mark.skipif(not FAULTS.is_dir(), reason="the faulty inputs are not here")
def test_the_page_that_came_instead_of_weights():
    with pytest.raises(WeightsFileError, match=r"page\.model' is a web page, not weights"):
        content(FAULTS / "page.model")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "absent.pth", tmp_path):
        with pytest.raises(WeightsFileError, match=f"the weights '{path}' cannot be read"):
            content(path)


WRAPPED = {
    "plain": WEIGHTS,
    "lightning": {"epoch": 3, "state_dict": WEIGHTS, "optimizer": {"lr": 0.1}},
    "model": {"model": WEIGHTS},
    "net": {"net": WEIGHTS},
    "twice": {"model": {"state_dict": WEIGHTS}},
    "parallel": {f"module.{name}": tensor for name, tensor in WEIGHTS.items()},
    "compiled in parallel": {f"module._orig_mod.{name}": tensor for name, tensor in WEIGHTS.items()},
}


@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.parametrize("legacy", [False, True])
def test_weights_come_out_of_their_wrapping(tmp_path, kind, legacy):
    path = tmp_path / "weights.pth"
    path.write_bytes(saved(WRAPPED[kind], _use_new_zipfile_serialization=not legacy))
    found = state_dict(path)
    assert found.keys() == WEIGHTS.keys() and all(torch.equal(found[name], WEIGHTS[name]) for name in found)
    assert {name: tensor.shape for name, tensor in state_dict(path, "meta").items()} == {name: t.shape for name, t in WEIGHTS.items()}


def test_safetensors_and_torchscript_are_known_by_their_content(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(save(WEIGHTS))
    assert torch.equal(state_dict(path)["weight"], WEIGHTS["weight"])
    layer = nn.Linear(2, 3)
    torch.jit.script(layer).save(str(path))
    assert torch.equal(state_dict(path)["weight"], layer.weight)
    with torch.device("meta"):
        assert state_dict(path)["weight"].device.type == "cpu" and state_dict(path, "meta")["weight"].shape == (3, 2)


def test_a_mismatch_names_three_of_each_kind():
    layers = nn.Sequential(*(nn.Linear(1, 1) for _ in range(9)))
    with pytest.raises(RuntimeError) as error:
        layers.load_state_dict({"0.weight": torch.ones(2, 1)} | {f"x{number}": torch.ones(1) for number in range(9)})
    told = mismatch(error.value)
    assert told == "lacks 0.bias, 1.weight, 1.bias and 14 more; has besides x0, x1, x2 and 6 more; has in another shape 0.weight"
    assert mismatch(RuntimeError("another thing")) == ""


# The project's own file, safetensors alone and held to its checksum, is read from the project and from nowhere else.
WITH_FILES = [(name, position) for name, spec in METRICS.items() for position, file in enumerate(spec.weights) if file.origin != "project"]


@pytest.mark.parametrize(("name", "position"), WITH_FILES)
def test_every_metric_refuses_hostile_and_broken_files_before_anything_runs(tmp_path, name, position):
    spec = METRICS[name]
    for package in spec.packages:
        pytest.importorskip(package)
    trace, settings = tmp_path / "trace", MetricSettings(weights_dir=tmp_path, allow_download=True)
    file = spec.weights[position]
    path = tmp_path / file.folder / file.names[0]
    path.parent.mkdir(parents=True)
    for bytes_ in (*hostile_files(trace).values(), PAGE, LFS, b"", saved(nn.Linear(2, 3)), saved(WEIGHTS)):
        path.write_bytes(bytes_)
        sentence = check([name], settings)[name]
        assert sentence is not None and name in sentence and str(path) in sentence
        assert len(sentence) < 600 and "\n" not in sentence
        build = set_metric if spec.per == "cell" else lambda metric, given: Scorer([metric], given)
        with pytest.raises(MetricUnavailableError, match=name):
            build(name, settings)
        assert not trace.exists()
