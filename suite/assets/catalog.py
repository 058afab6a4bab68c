"""The table of assets: files, addresses, digests that a source publishes, licences, and where each belongs."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.common.names import unknown
from benchmarks.datasets import DATASETS
from benchmarks.metrics import METRICS
from benchmarks.metrics.base import WeightFile
from benchmarks.metrics.weights import hub_folder, torch_files
from methods.sgdjscc.release.assets import ASSETS as SGDJSCC
from methods.sgdjscc.release.assets import CLIP_FILE, CLIP_SOURCE

Root = Literal["data", "torch", "pyiqa", "open_clip", "here"]
NO_LICENCE = "none is stated, so what you may do with it is yours to find out"
# Of torchvision's table of the archives (torchvision.datasets.voc).
_VOC = {
    "VOCtrainval_06-Nov-2007.tar": ("voc2007", "md5:c52e279531787c972589f7e41ab4ae64"),
    "VOCtest_06-Nov-2007.tar": ("voc2007", "md5:b6e924de25625d8de591ea690078ad9f"),
    "VOCtrainval_11-May-2012.tar": ("voc2012", "md5:6cd6e144f989b92b3379bac3b3de84fd"),
}
# File that metrics read -> name here, size.
_OF_METRICS = {
    "alexnet-owt-7be5be79.pth": ("lpips-alex", "233 MB"),
    "vgg16-397923af.pth": ("lpips-vgg", "528 MB"),
    "DISTS_weights-f5e65c96.pth": ("dists", ""),
    "pt_inception-2015-12-05-6726825d.pth": ("inception", "95 MB"),
    "brisque_svm_weights.pth": ("brisque", ""),
    "niqe_modelparameters.mat": ("niqe", ""),
    "ViT-B-32.pt": ("clip-vit-b-32", ""),
    "ViT-B-16.pt": ("clip-vit-b-16", ""),
    "ViT-L-14.pt": ("clip-vit-l-14", "933 MB"),
}
_LICENCES = {
    "torchvision": "BSD-3-Clause (torchvision); trained on ImageNet, whose terms are non-commercial research",
    "pyiqa": "PolyForm Noncommercial (pyiqa); the models' own terms besides",
    "open_clip": "MIT (github.com/openai/CLIP)",
}


@dataclass(frozen=True)
class RemoteFile:
    """A file that others publish.

    Attributes:
        name: its name.
        address: where it is published.
        digest: ``sha256:``, ``md5:`` or ``sha256-begins:`` and hexadecimal digits that the publisher states; "" where none does.
        unpack: whether it is an archive, of which the content and not the file belongs into the place.
        holds: what is there once it has been fetched, below the place; a file or a folder, "" for the file itself.
    """

    name: str
    address: str
    digest: str = ""
    unpack: bool = False
    holds: str = ""

    @property
    def trace(self) -> str:
        """What shows that it is here, below the place."""
        return self.holds or self.name


@dataclass(frozen=True)
class Asset:
    """Files that belong together.

    Attributes:
        name: how the command calls it.
        kind: data set or weights.
        summary: what it is and what needs it.
        licence: of its authors.
        source: citation or address.
        files: the files.
        root: where they belong: the data folder, the cache of a library, or the working folder.
        folder: below that.
        size: published size of all of it, "" where it is not stated.
        by_hand: what to do instead where no plain address serves it.
        then: the command that makes it usable, "" where there is none.
    """

    name: str
    kind: Literal["data set", "weights"]
    summary: str
    licence: str
    source: str
    files: tuple[RemoteFile, ...]
    root: Root
    folder: str = ""
    size: str = ""
    by_hand: str = ""
    then: str = ""

    def place(self, data_dir: Path, weights_dir: Path | None = None) -> Path:
        """Return the folder where its files belong.

        Args:
            data_dir: of data sets.
            weights_dir: of weights that metrics read, in the place of their library's cache.
        """
        if weights_dir is not None and self.root in ("torch", "pyiqa", "open_clip"):
            return weights_dir
        roots: Mapping[Root, Path] = {
            "data": data_dir,
            "torch": torch_files(),
            "pyiqa": hub_folder() / "pyiqa",
            "open_clip": Path("~/.cache/clip").expanduser(),
            "here": Path(),
        }
        return roots[self.root] / self.folder

    def missing(self, data_dir: Path, weights_dir: Path | None = None) -> list[RemoteFile]:
        """Return the files that are not where they belong."""
        place = self.place(data_dir, weights_dir)
        return [file for file in self.files if not (place / file.trace).exists()]


def find_asset(name: str) -> Asset:
    """Return the asset called ``name``.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest.
    """
    if name not in assets():
        raise unknown("asset", name, assets())
    return assets()[name]


def command_for(name: str, data_dir: Path | None = None, *, of_method: bool = False) -> str:
    """Return the command that fetches a data set or a weight file of this name, "" where there is none.

    Args:
        name: of an asset or a file.
        data_dir: where data sets belong.
        of_method: whether a method wants it, which looks elsewhere than a metric.
    """
    known = list(assets().values())
    for asset in reversed(known) if of_method else known:
        if name == asset.name or any(name == file.name for file in asset.files):
            folder = f" --data-dir {data_dir or 'DATA'}" if asset.root == "data" else ""
            return f"python -m suite.assets get {asset.name}{folder}"
    return ""


@functools.cache
def assets() -> dict[str, Asset]:
    """Return every asset by name, data sets first."""
    return {asset.name: asset for each in (_data_sets(), _of_metrics(), _of_methods()) for asset in each}


def _data_sets() -> Iterator[Asset]:
    duts = "http://saliencydetection.net/duts/download"
    parts = tuple(RemoteFile(f"{part}.zip", f"{duts}/{part}.zip", unpack=True, holds=part) for part in ("DUTS-TR", "DUTS-TE"))
    yield Asset("duts", "data set", DATASETS["duts"].summary, "academic use", DATASETS["duts"].source, parts, "data")
    years = {name: _voc(name, *entry) for name, entry in _VOC.items()}
    of_2007, of_2012 = tuple(years.values())[:2], tuple(years.values())[2:]
    terms, source = "images under Flickr's terms", DATASETS["voc"].source
    yield Asset("voc2007", "data set", DATASETS["voc2007"].summary, terms, source, of_2007, "data", size="0.9 GB")
    yield Asset("voc2012", "data set", "the images that `voc` has beside VOC2007's", terms, source, of_2012, "data", size="2.0 GB")
    names = [f"kodim{number:02d}.png" for number in range(1, 25)]
    kodak = tuple(RemoteFile(name, f"https://r0k.us/graphics/kodak/kodak/{name}") for name in names)
    yield Asset(
        "kodak",
        "data set",
        DATASETS["kodak"].summary,
        "released for unrestricted use",
        DATASETS["kodak"].source,
        kodak,
        "data",
        "kodak",
        "15 MB",
    )
    # Address and digest of torchvision.datasets.CIFAR10.
    cifar = RemoteFile(
        "cifar-10-python.tar.gz", "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", "md5:c58f30108f718f92721af3b95e74349a", True,
        "cifar-10-batches-py",
    )  # fmt: skip
    report = "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009"
    summary, terms = "60,000 images of 32 x 32 pixels, as torchvision reads them", "none is stated; cite the report"
    yield Asset("cifar10", "data set", summary, terms, report, (cifar,), "data", size="170 MB")


def _voc(name: str, year: str, digest: str) -> RemoteFile:
    # The two archives of 2007 share folders, so the list that each alone holds tells which is there.
    part = "test" if "test" in name else "trainval"
    trace = f"VOCdevkit/{year.upper()}/ImageSets/Main/{part}.txt"
    return RemoteFile(name, f"https://thor.robots.ox.ac.uk/pascal/VOC/{year}/{name}", digest, True, trace)


def _of_metrics() -> Iterator[Asset]:
    users: dict[str, list[str]] = {}
    files: dict[str, WeightFile] = {}
    for metric, spec in METRICS.items():
        for file in spec.weights:
            files[file.names[0]] = file
            users.setdefault(file.names[0], []).append(metric)
    for name, file in files.items():
        # What comes in a wheel or with the project is fetched by nobody.
        if name not in _OF_METRICS or file.origin in ("wheel", "project"):
            continue
        short, size = _OF_METRICS[name]
        remote = RemoteFile(name, file.address, _digest_in(file.address))
        root: Root = "torch" if file.origin == "torchvision" else "open_clip" if file.origin == "open_clip" else "pyiqa"
        needed = f"for {', '.join(users[name])}"
        yield Asset(short, "weights", needed, _LICENCES[file.origin], file.address.rpartition("/")[0], (remote,), root, size=size)
    vgg = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
    remote = RemoteFile("vgg19-dcbb9e9d.pth", vgg, _digest_in(vgg))
    yield Asset(
        "vgg19", "weights", "for GenED-SC's training", _LICENCES["torchvision"], vgg.rpartition("/")[0], (remote,), "torch", size="548 MB"
    )


def _of_methods() -> Iterator[Asset]:
    release, own = "sgdjscc-release", "sgdjscc-authors"
    files = [RemoteFile(each.file, f"{each.source}/resolve/main/{each.file}", holds=f"{release}/{each.file}") for each in SGDJSCC]
    # What the preset looks for beside the converted parts.
    files.append(RemoteFile(CLIP_FILE, CLIP_SOURCE, _digest_in(CLIP_SOURCE), holds=f"{own}/{CLIP_FILE}"))
    convert = f"python -m methods.sgdjscc.release.convert checkpoints/{release} checkpoints/{own}"
    summary, source = "the authors' SGD-JSCC, for preset authors", SGDJSCC[0].source
    yield Asset("sgdjscc-authors", "weights", summary, NO_LICENCE, source, tuple(files), "here", "checkpoints", "3.9 GB", then=convert)
    drive = "https://drive.google.com/drive/folders/1_EouRY4yYvMCtamX2ReBzEd5YBQbyesc"
    by_hand = f"open {drive} in a browser and save the .model file of the variant; a grid names it as authors_checkpoint"
    yield Asset(
        "swinjscc-authors", "weights", "the authors' SwinJSCC", NO_LICENCE, "github.com/semcomm/SwinJSCC", (), "here", by_hand=by_hand
    )


def _digest_in(address: str) -> str:
    """Return the digest that publishers write into addresses: OpenAI's whole SHA-256, and torchvision's first eight digits of it."""
    if whole := re.search(r"/([0-9a-f]{64})/", address):
        return f"sha256:{whole[1]}"
    begins = re.search(r"-([0-9a-f]{8})\.\w+$", address)
    return f"sha256-begins:{begins[1]}" if begins else ""
