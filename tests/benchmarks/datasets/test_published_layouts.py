"""CIFAR-10, CLIC, Tecnick and COCO Captions from small folders in their genuine layouts, and what is wrong with others."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from benchmarks.common.errors import DatasetError
from benchmarks.datasets import open_dataset

NAMES = [b"airplane", b"automobile", b"bird"]


def painted(path, side=40, level=90):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side, 3), level, np.uint8)).save(path)


@pytest.fixture
def cifar(tmp_path):
    """Six images in two files, each a ramp of its own, pickled as Python 2 did."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    def batch(name, first):
        rows = np.stack([np.roll(np.arange(3072) % 251, number).astype(np.uint8) for number in range(first, first + 3)])
        content = {b"data": rows, b"labels": [0, 1, 2], b"filenames": [b"x.png"] * 3, b"batch_label": b"a batch"}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))

    for number in range(1, 6):
        batch(f"data_batch_{number}", 3 * number)
    batch("test_batch", 0)
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": NAMES}, protocol=2))
    return tmp_path


def test_cifar10_reads_planes_of_red_green_and_blue(cifar):
    dataset = open_dataset("cifar10", cifar, 32)
    sample = dataset.load("cifar10/test/00001")
    planes = np.roll(np.arange(3072) % 251, 1).astype(np.uint8).reshape(3, 32, 32)
    assert np.array_equal(sample.image, np.moveaxis(planes, 0, -1)) and sample.label == "automobile"
    assert np.array_equal(dataset.native("cifar10/test/00001").image, sample.image)
    assert len(dataset) == 3 and len(open_dataset("cifar10", cifar, split="train")) == 15
    assert open_dataset("cifar10", cifar, fit="native").size("cifar10/test/00000") == (32, 32)
    assert open_dataset("cifar10", cifar, 64).load("cifar10/test/00002").image.shape == (64, 64, 3)
    with pytest.raises(DatasetError, match="no item 'cifar10/test/7'"):
        dataset.load("cifar10/test/7")


class _Calls:
    def __reduce__(self):
        return print, ("something else ran",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps({b"data": _Calls()}), "it asks for builtins.print"),
        (b"\x80\x02}q\x00.", "it has no 'data'"),
        (b"not a pickle", "is no file of CIFAR-10"),
        (pickle.dumps([1]), "it holds a list"),
        (pickle.dumps({b"data": np.zeros((2, 10), np.uint8), b"labels": [0, 0]}, protocol=2), "data are not uint8"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [9]}, protocol=2), "the label 9 of 3 classes"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]}, protocol=2), "2 images and 1 labels"),
    ],
)
def test_cifar10_calls_nothing_that_a_file_names(cifar, capsys, content, words):
    (cifar / "cifar-10-batches-py" / "test_batch").write_bytes(content)
    with pytest.raises(DatasetError, match=words):
        open_dataset("cifar10", cifar).items()
    assert "something else ran" not in capsys.readouterr().out


def test_cifar10_says_what_is_missing(cifar):
    (cifar / "cifar-10-batches-py" / "test_batch").unlink()
    with pytest.raises(DatasetError, match=r"expects test_batch in .*; unpack cifar-10-python.tar.gz"):
        open_dataset("cifar10", cifar)


def test_clic_parts_are_folders_by_their_names(tmp_path):
    painted(tmp_path / "clic" / "professional_valid_2020" / "valid" / "one.png")
    painted(tmp_path / "clic" / "mobile_valid_2020" / "valid" / "one.png", level=20)
    painted(tmp_path / "clic" / "professional_train_2020" / "train" / "two.png")
    validation = open_dataset("clic", tmp_path, 32, "validation")
    assert validation.items() == ("clic/mobile_valid_2020/valid/one", "clic/professional_valid_2020/valid/one")
    assert open_dataset("clic", tmp_path, split="train").items() == ("clic/professional_train_2020/train/two",)
    test = open_dataset("clic", tmp_path)
    assert test.items() == validation.items() and "no folder of test images" in test.notes[0]
    painted(tmp_path / "clic" / "test_2021" / "three.png")
    assert open_dataset("clic", tmp_path).items() == ("clic/test_2021/three",)


def test_tecnick_takes_the_originals_alone(tmp_path):
    folder = tmp_path / "tecnick" / "RGB" / "RGB_OR_1200x1200"
    painted(folder / "RGB_OR_1200x1200_001.png")
    painted(tmp_path / "tecnick" / "RGB" / "RGB_OR_0600x0600" / "RGB_OR_0600x0600_001.png")
    dataset = open_dataset("tecnick", tmp_path)
    assert dataset.items() == ("tecnick/RGB/RGB_OR_1200x1200/RGB_OR_1200x1200_001",) and "1 of the 100 images" in dataset.notes[0]


@pytest.mark.parametrize("name", ["clic", "tecnick"])
def test_folders_without_their_images_say_what_is_expected(tmp_path, name):
    painted(tmp_path / name / "other" / "cat.png")
    with pytest.raises(DatasetError, match=f"'{name}' expects .* which holds other/"):
        open_dataset(name, tmp_path)


@pytest.fixture
def coco(tmp_path):
    """Two captioned images and one that nobody captioned."""
    for number in (9, 139, 7):
        painted(tmp_path / "coco" / "val2017" / f"{number:012d}.jpg")
    images = [{"id": number, "file_name": f"{number:012d}.jpg"} for number in (139, 9, 7)]
    told = [(30, 139, "A second sentence."), (12, 139, " A room\nwith a lamp. "), (40, 9, "A dog.")]
    annotations = [{"id": id, "image_id": image, "caption": caption} for id, image, caption in told]
    (tmp_path / "coco" / "annotations").mkdir()
    path = tmp_path / "coco" / "annotations" / "captions_val2017.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return tmp_path, path


def test_coco_takes_the_first_sentence_of_each_captioned_image(coco):
    dataset = open_dataset("coco-captions", coco[0], 32)
    assert dataset.items() == ("coco/val2017/000000000009", "coco/val2017/000000000139")
    assert [dataset.load(id).caption for id in dataset.items()] == ["A dog.", "A room with a lamp."]
    assert open_dataset("coco-captions", coco[0] / "coco").items() == dataset.items()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content["images"][0].update(file_name="../../secret.jpg"), "is no name of a file"),
        (lambda content: content.pop("images"), "KeyError"),
        (lambda content: content["annotations"][0].update(image_id=5), "captions the image 5, which it does not list"),
        (lambda content: content["annotations"][0].update(image_id="x"), "no number of an image"),
    ],
)
def test_coco_refuses_other_annotations(coco, change, words):
    content = json.loads(coco[1].read_text())
    change(content)
    coco[1].write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=words):
        open_dataset("coco-captions", coco[0])


def test_coco_says_which_files_it_expects(tmp_path):
    (tmp_path / "coco").mkdir()
    with pytest.raises(DatasetError, match=r"captions_val2017.json and the folder .*val2017"):
        open_dataset("coco-captions", tmp_path)
