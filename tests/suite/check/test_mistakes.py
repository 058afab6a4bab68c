"""Typical mistakes in a method, each named by the check that is there for it, in a sentence that says how to mend it."""

import itertools
import pickle
import re
import subprocess
import sys

import pytest

from benchmarks.common.errors import DuplicateNameError
from methods import files
from methods.errors import MethodFileError
from methods.files import add_file
from methods.registry import METHODS
from suite.check import subjects
from suite.check.contract import CONTRACT, registration, tried

SOUND = """
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from methods.base import Method, MethodSettings, Received, Signal, TrainableMethod, Traits
from methods.layers.symbols import from_symbols, to_symbols
from methods.registry import METHODS

KEPT = {}

@METHODS.register("NAME")
class Sketch(TrainableMethod[MethodSettings]):
    # declared
    def __init__(self, settings, geometry):
        super().__init__(settings, geometry)
        self.gain = nn.Parameter(torch.ones(3, 1, 1))

    @classmethod
    def traits(cls, settings):
        return Traits(trainable=True)

    def encode(self, images, point, descriptions):
        budget = self.geometry.symbols(point.cr)
        means = F.avg_pool2d(images, 8) - 0.5
        means = means * self.gain
        # encoding
        return Signal(analog=to_symbols(means, budget))

    def decode(self, received, point):
        symbols = received.symbols()
        side = self.geometry.height // 8
        means = from_symbols(symbols, (len(symbols), 3, side, side))
        images = (F.interpolate(means * 0.3, scale_factor=8) + 0.5).clamp(0, 1)
        # decoding
        return images

    def loss(self, images, targets, link, point):
        means = self.encode(images, point, None)
        error = F.mse_loss(self.decode(link(means, point), point), images)
        return {"total": error}
"""
MISTAKES = {
    "wrong shape": ("decoding", "images = images[:, :, 1:]", "image", r"shape \(4, 3, 63, 64\) .*return \(B, 3, H, W\)"),
    "NaN": ("decoding", "images = images / 0 * 0", "image", "NaN or infinite pixels; look for a division by zero"),
    "out of range": ("decoding", "images = images * 2 - 1", "image", r"pixels from -1 to .*\.clamp\(0, 1\)"),
    "over budget": (
        "encoding",
        "budget = 2 * budget; means = F.interpolate(means, scale_factor=8)",
        "signal",
        "the budget is 256; send at most",
    ),
    "batch statistics": ("encoding", "means = F.batch_norm(means, None, None, training=True)", "batch-mates", "LayerNorm or GroupNorm"),
    "global randomness": ("encoding", "means = means + torch.randn_like(means)", "repeatable", r"torch\.randn"),
    "NumPy's randomness": ("decoding", "images = (images + np.random.rand()).clamp(0, 1)", "repeatable", r"numpy\.random"),
    "global seed": ("encoding", "torch.manual_seed(0)", "random-state", "encode moves the global generator of torch"),
    "wrong device": ("encoding", "means = means + torch.zeros(3, 1, 1)", "devices", r"encode mixes devices.*device=images\.device"),
    "in-place change": ("encoding", "images -= 0.1", "inputs", r"encode changes the images.*images\.clone\(\)"),
    "in-place change of what arrived": ("decoding", "symbols *= 2", "inputs", "decode changes analog of what it is given"),
    "decode that peeks": (
        "encoding",
        "KEPT[0] = images",
        "receiver",
        "find nothing that encode left on self, on the class or in the module",
    ),
    "receiver state": ("encoding", "self.last = images", "receiver", "a receiver in a process of its own fails"),
    "SNR at a sender that says it needs none": ("encoding", "means = means * point.snr_db", "signal", r"Traits\(uses_snr_at_sender=True\)"),
    "no gradient": ("encoding", "means = means.detach()", "gradients", "depends on no parameter; a detach"),
    "weights beside the state": ("encoding", "means = means * (1 + id(self) % 97)", "state-dict", "register_buffer"),
}
# What goes with a mistake elsewhere in the file.
BESIDE = {
    "decode that peeks": ("decoding", "images = KEPT[0]"),
    "receiver state": ("decoding", "images = self.last"),
}
numbers = itertools.count()


@pytest.fixture
def write(tmp_path):
    """Write a method's file, with lines in place of its marks, under a name that no other test takes."""

    def written(lines=(), text=SOUND):
        stem = f"sketch_{next(numbers)}"
        for mark, line in lines:
            text = text.replace(f"# {mark}", line)
        path = tmp_path / f"{stem}.py"
        path.write_text(text.replace("NAME", stem))
        return str(path)

    return written


def test_a_sound_method_passes_every_check_that_concerns_it(write):
    (subject,) = subjects(write())
    outcomes = {name: tried(subject, name).outcome for name in CONTRACT}
    assert outcomes == dict.fromkeys(CONTRACT, "passed") | {"damage": "not checked"}
    assert registration(subject) == ""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_the_way_to_mend_it(mistake, write):
    mark, line, check, sentence = MISTAKES[mistake]
    (subject,) = subjects(write([(mark, line), *([BESIDE[mistake]] if mistake in BESIDE else [])]))
    found = tried(subject, check)
    assert found.outcome == "failed" and found.wrong
    assert re.search(sentence, found.sentence), found.sentence
    assert "\n" not in found.sentence


def test_a_failure_may_be_declared_and_must_then_happen(write):
    declared = "expected_failures = {'image': 'its images are of another project'}"
    (fails,) = subjects(write([("declared", declared), ("decoding", "images = images * 2")]))
    assert tried(fails, "image").outcome == "expected to fail"
    (passes,) = subjects(write([("declared", declared)]))
    found = tried(passes, "image")
    assert found.outcome == "passes unexpectedly" and found.wrong and "take 'image' out of it" in found.sentence


def test_a_method_that_is_registered_nowhere_is_known_by_its_file_and_told(write):
    path = write(text=SOUND.replace('@METHODS.register("NAME")', ""))
    (subject,) = subjects(path)
    assert "@METHODS.register(" in registration(subject)
    # Asked again, it has not become registered by having been known.
    assert add_file(f"{path}:Sketch") == [subject.configured.method] and "@METHODS.register(" in registration(subject)


def test_a_node_of_a_cluster_finds_the_file_in_its_working_folder(write, tmp_path, monkeypatch):
    path = tmp_path / write()
    monkeypatch.chdir(tmp_path)
    assert add_file(f"/on/another/machine/{path.name}:Sketch") == [path.stem]


def test_a_worker_takes_up_the_file_before_the_method(write):
    (subject,) = subjects(write())
    content = pickle.dumps(subject.configured)
    module = sys.modules.pop(subject.configured.method)
    METHODS.forget(module.__name__)
    (files._IMPORTED.clear(), files._FILES.clear())
    assert pickle.loads(content) == subject.configured and subject.configured.method in METHODS


def test_an_edited_file_is_taken_as_it_is_now(write, tmp_path):
    path = write()
    (subject,) = subjects(path)
    assert tried(subject, "image").outcome == "passed"
    text = (tmp_path / path).read_text()
    (tmp_path / path).write_text(text.replace("# decoding", "images = images * 2"))
    (subject,) = subjects(path)
    assert tried(subject, "image").outcome == "failed"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("gone.py", None, "there is no Python file .*gone.py; give the path"),
        ("my-codec.py", SOUND, "cannot be imported under its name; take letters, digits and underscores"),
        ("json.py", SOUND, "json.py bears the name of .*one would hide the other; rename the file"),
        ("nothing_in_it.py", "x = 1", "defines no method; derive a class from"),
        ("broken_one.py", "def f(:", r"broken_one.py cannot be imported: SyntaxError"),
        ("raises_one.py", "\nraise KeyError('x')", r"raises_one.py cannot be imported: KeyError: 'x' \(line 2\); mend it"),
        (
            "half_one.py",
            "from methods.base import Method\nclass Half(Method):\n    def encode(self, images, point, descriptions): ...",
            "Half of .*half_one.py has no decode; define what every method has",
        ),
    ],
)
def test_a_file_that_gives_no_method_is_one_sentence(name, text, sentence, tmp_path):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(MethodFileError, match=sentence):
        add_file(str(tmp_path / name))


def test_a_method_that_ends_the_process_is_told_with_the_check(write):
    path = write([("decoding", "import os; os._exit(0)")])
    done = subprocess.run([sys.executable, "-m", "suite.check", path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "signal       passed" in done.stdout
    assert re.match(r"sketch_\d+/default, check 'image': the method ended the process \(exit code 0\)", done.stderr)


def test_what_lies_beside_a_file_is_taken_as_it_is_now_and_counts_as_its_code(write, tmp_path):
    helper = tmp_path / f"beside_{next(numbers)}.py"
    helper.write_text("GAIN = 1")
    path = write([("decoding", f"from {helper.stem} import GAIN; images = images * GAIN")])
    (subject,) = subjects(path)
    before = subject.configured.code
    assert tried(subject, "image").outcome == "passed" and subjects(path)[0].configured.cls is subject.configured.cls
    helper.write_text("GAIN = 20")
    (edited,) = subjects(path)
    assert tried(edited, "image").outcome == "failed" and edited.configured.code != before


def test_every_variant_is_checked_unless_one_is_named(write):
    path = write([("declared", "variants = {'default': {}, 'other': {}}")])
    assert [subject.configured.variant for subject in subjects(path)] == ["default", "other"]
    assert [subject.configured.variant for subject in subjects(f"{path}/other")] == ["other"]
    assert [subject.configured.variant for subject in subjects(f"{path}:Sketch/other")] == ["other"]


def test_a_name_that_is_taken_is_refused(tmp_path):
    (tmp_path / "taken_name.py").write_text(SOUND.replace("NAME", "deepjscc"))
    with pytest.raises(DuplicateNameError, match="'deepjscc'"):
        add_file(str(tmp_path / "taken_name.py"))
    assert "methods.deepjscc" in subjects("deepjscc")[0].configured.cls.__module__


def test_what_a_method_prints_is_counted_and_does_not_flood_the_terminal(write):
    path = write([("decoding", "print('x' * 300); print('and again')")])
    done = subprocess.run([sys.executable, "-m", "suite.check", path, "--no-cost"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    assert re.search(r"output +note: its code prints, [\d,]+ lines here, the first 'x{80}'", done.stdout)
    assert "and again" not in done.stdout and len(done.stdout.splitlines()) < len(CONTRACT) + 5
