"""Fetching from a mirror on the loopback device: cut-off downloads, wrong files, hostile archives, a full disk; and the table's facts."""

import errno
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from benchmarks.datasets import open_dataset
from benchmarks.metrics import METRICS, MetricSettings
from benchmarks.metrics.weights import find
from suite.assets import catalog, download, unpack
from suite.assets import get as getting
from suite.assets.__main__ import app
from suite.assets.catalog import Asset, RemoteFile, assets, command_for, find_asset
from suite.assets.get import Options, get
from suite.errors import AssetError

CONTENT = bytes(range(256)) * 4096


class Mirror(ThreadingHTTPServer):
    """Serves ``files``; breaks off after ``cut`` bytes of each answer as often as ``breaks`` says, and notes the ranges asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.cut, self.breaks = 300_000, 0
        self.ranges: list[str | None] = []
        self.tag = '"one"'

    def handle_error(self, *_: object) -> None:
        """Say nothing of the connections that it broke itself."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Mirror = self.server  # type: ignore[assignment]
        content = server.files.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.headers.get("If-Range") == server.tag else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", server.tag)
        self.end_headers()
        body = content[start:]
        if server.breaks > 0:
            server.breaks -= 1
            self.wfile.write(body[: server.cut])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    server = Mirror()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def own_ledger(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "user" / "assets.json"
    monkeypatch.setattr(getting, "ledger", lambda: path)
    return path


def one(digest: str = "", name: str = "weights.bin", **more: object) -> Asset:
    file = RemoteFile(name, f"http://publisher.invalid/{name}", digest, **more)  # type: ignore[arg-type]
    return Asset("thing", "weights", "a thing", "MIT", "somewhere", (file,), "data")


def fetched(asset: Asset, mirror: Mirror, folder: Path, **more: object) -> list[str]:
    said: list[str] = []
    get(asset, Options(folder, mirror=mirror.url, **more), said.append, lambda file: lambda done, total: None)  # type: ignore[arg-type]
    return said


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_arrives_whole_is_noted_and_not_fetched_again(mirror, tmp_path, own_ledger):
    mirror.files["weights.bin"] = CONTENT
    said = fetched(one(), mirror, tmp_path)
    assert (tmp_path / "weights.bin").read_bytes() == CONTENT and not (tmp_path / ".downloads").exists()
    assert any("states no checksum" in line and sha256(CONTENT) in line for line in said)
    assert json.loads(own_ledger.read_text())["http://publisher.invalid/weights.bin"]["sha256"] == sha256(CONTENT)
    assert any("all of it was there" in line for line in fetched(one(), mirror, tmp_path)) and len(mirror.ranges) == 1


def test_what_was_recorded_first_holds_the_next_time(mirror, tmp_path):
    mirror.files["weights.bin"] = CONTENT
    fetched(one(), mirror, tmp_path / "a")
    mirror.files["weights.bin"] = CONTENT + b"more"
    with pytest.raises(AssetError, match="another file than the one whose sha256"):
        fetched(one(), mirror, tmp_path / "b")
    assert not (tmp_path / "b" / "weights.bin").exists()


@pytest.mark.parametrize("digest", [f"sha256:{'0' * 64}", f"md5:{'0' * 32}", "sha256-begins:00000000"])
def test_a_wrong_checksum_leaves_nothing_behind(mirror, tmp_path, digest):
    mirror.files["weights.bin"] = CONTENT
    with pytest.raises(AssetError, match="another file"):
        fetched(one(digest), mirror, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    right = {"sha256": sha256(CONTENT), "md5": hashlib.md5(CONTENT).hexdigest(), "sha256-begins": sha256(CONTENT)[:8]}
    kind = digest.partition(":")[0]
    fetched(one(f"{kind}:{right[kind]}"), mirror, tmp_path)
    assert (tmp_path / "weights.bin").read_bytes() == CONTENT


def test_a_download_that_is_cut_off_goes_on_where_it_was(mirror, tmp_path):
    mirror.files["weights.bin"] = CONTENT
    mirror.breaks = 2
    fetched(one(f"sha256:{sha256(CONTENT)}"), mirror, tmp_path)
    assert (tmp_path / "weights.bin").read_bytes() == CONTENT
    assert mirror.ranges[0] is None and len(mirror.ranges) == 3 and all(asked != "bytes=0-" for asked in mirror.ranges[1:])


def test_a_server_that_breaks_off_again_and_again_is_told_and_the_next_command_goes_on(mirror, tmp_path):
    mirror.files["weights.bin"] = CONTENT
    mirror.breaks, mirror.cut = download.TRIES, 200_000
    with pytest.raises(AssetError, match="run the same command again to go on"):
        fetched(one(), mirror, tmp_path)
    part = tmp_path / ".downloads" / "weights.bin.part"
    have = part.stat().st_size
    assert 0 < have < len(CONTENT)
    fetched(one(), mirror, tmp_path)
    assert mirror.ranges[-1] == f"bytes={have}-" and (tmp_path / "weights.bin").read_bytes() == CONTENT


def test_a_part_of_a_file_that_has_changed_is_not_gone_on_with(mirror, tmp_path):
    mirror.files["weights.bin"] = CONTENT
    mirror.breaks = download.TRIES
    mirror.cut = 100_000
    with pytest.raises(AssetError):
        fetched(one(), mirror, tmp_path)
    mirror.files["weights.bin"], mirror.tag = CONTENT[::-1], '"two"'
    fetched(one(), mirror, tmp_path)
    assert (tmp_path / "weights.bin").read_bytes() == CONTENT[::-1]


def test_a_file_that_is_not_there_and_a_server_that_is_not(mirror, tmp_path):
    with pytest.raises(AssetError, match=r"answers 404 .*--mirror"):
        fetched(one(), mirror, tmp_path)
    mirror.server_close()
    asset = one()
    with pytest.raises(AssetError, match="cannot be reached"):
        get(asset, Options(tmp_path, mirror="http://127.0.0.1:9"), lambda line: None, lambda file: lambda done, total: None)


def test_a_full_disk_is_told_and_what_came_is_kept(mirror, tmp_path, monkeypatch):
    mirror.files["weights.bin"] = CONTENT
    real = requests.models.Response.iter_content

    def full(self: requests.models.Response, size: int) -> Iterator[bytes]:
        for number, block in enumerate(real(self, 65_536)):
            if number == 3:
                raise OSError(errno.ENOSPC, "No space left on device")
            yield block

    monkeypatch.setattr(requests.models.Response, "iter_content", full)
    with pytest.raises(AssetError, match=r"the disk of .* is full; free space"):
        fetched(one(), mirror, tmp_path)
    assert (tmp_path / ".downloads" / "weights.bin.part").stat().st_size == 3 * 65_536
    monkeypatch.setattr(requests.models.Response, "iter_content", real)
    fetched(one(), mirror, tmp_path)
    assert mirror.ranges[-1] == f"bytes={3 * 65_536}-" and (tmp_path / "weights.bin").read_bytes() == CONTENT


def test_what_does_not_fit_is_told_before_a_byte_comes(mirror, tmp_path, monkeypatch):
    mirror.files["weights.bin"] = CONTENT
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: type("usage", (), {"free": 1000})())
    with pytest.raises(AssetError, match="takes 1 MB more and .* has 0 MB free"):
        fetched(one(), mirror, tmp_path)


def zipped(**files: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def tarred(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for entry, data in entries:
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def link(name: str, target: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    return entry


HOSTILE = {
    "zip, up": zipped(**{"../escaped": b"x"}),
    "zip, absolute": zipped(**{"/escaped": b"x"}),
    "tar, up": tarred((tarfile.TarInfo("set/../../escaped"), b"x")),
    "tar, absolute": tarred((tarfile.TarInfo("/escaped"), b"x")),
    "tar, link": tarred((link("set/out", "../../.."), b"")),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_an_archive_that_leads_out_of_its_folder_is_not_unpacked(tmp_path, content):
    archive, place = tmp_path / "archive", tmp_path / "deep" / "place"
    archive.write_bytes(content)
    with pytest.raises(AssetError, match="leads out of its folder"):
        unpack.unpack(archive, place)
    assert [path for path in tmp_path.rglob("*") if path.name == "escaped"] == [] and list(place.iterdir()) == []


def test_a_damaged_archive_and_one_of_another_kind_are_told(tmp_path):
    (tmp_path / "text").write_bytes(b"no archive at all")
    with pytest.raises(AssetError, match="is no zip and no tar"):
        unpack.unpack(tmp_path / "text", tmp_path / "place")
    whole = zipped(**{"set/a": CONTENT})
    (tmp_path / "cut").write_bytes(whole[:200] + b"\0" * 50 + whole[250:])
    with pytest.raises(AssetError, match="is damaged"):
        unpack.unpack(tmp_path / "cut", tmp_path / "place")


def test_archives_of_one_data_set_come_together_in_their_genuine_layout(mirror, tmp_path, monkeypatch):
    from PIL import Image

    picture = io.BytesIO()
    Image.new("RGB", (20, 16), "teal").save(picture, "png")
    for part in ("DUTS-TR", "DUTS-TE"):
        inside = {f"{part}/{part}-Image/{number}.jpg": picture.getvalue() for number in range(2)}
        inside |= {f"{part}/{part}-Mask/{number}.png": picture.getvalue() for number in range(2)}
        mirror.files[f"{part}.zip"] = zipped(**inside)
    called = CliRunner().invoke(app, ["get", "duts", "--data-dir", str(tmp_path / "data"), "--mirror", mirror.url])
    assert called.exit_code == 0, called.output
    assert "academic use" in called.output and "4 files" in called.output
    assert [len(open_dataset("duts", tmp_path / "data", 32, split)) for split in ("train", "test")] == [2, 2]
    assert "duts" in (listed := CliRunner().invoke(app, ["list", "--data-dir", str(tmp_path / "data")])).output and listed.exit_code == 0
    assert not (tmp_path / "data" / ".downloads").exists()


def test_what_states_no_licence_or_no_address_is_not_fetched_by_itself(tmp_path):
    ask = CliRunner()
    unlicensed = ask.invoke(app, ["get", "sgdjscc-authors"])
    assert unlicensed.exit_code == 2 and "states no licence" in unlicensed.stderr and "--unlicensed" in unlicensed.stderr
    by_hand = ask.invoke(app, ["get", "swinjscc-authors"])
    assert by_hand.exit_code == 2 and "in a browser" in by_hand.stderr
    assert "Did you mean 'kodak'?" in ask.invoke(app, ["get", "kodac"]).stderr


def test_addresses_and_digests_are_those_of_torchvision():
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.voc import DATASET_YEAR_DICT
    from torchvision.models import VGG19_Weights

    from methods.gened_sc.vgg_features import ADDRESS

    known = {entry["url"]: f"md5:{entry['md5']}" for entry in DATASET_YEAR_DICT.values()}
    for file in (*find_asset("voc2007").files, *find_asset("voc2012").files):
        assert known[file.address] == file.digest
    (cifar,) = find_asset("cifar10").files
    assert (cifar.address, cifar.digest) == (CIFAR10.url, f"md5:{CIFAR10.tgz_md5}")
    (vgg,) = find_asset("vgg19").files
    assert vgg.address == VGG19_Weights.IMAGENET1K_V1.url == ADDRESS and vgg.digest == "sha256-begins:dcbb9e9d"
    (clip,) = find_asset("clip-vit-b-32").files
    assert clip.digest.removeprefix("sha256:") in clip.address and len(clip.digest) == 7 + 64


def test_every_file_that_a_metric_needs_has_an_asset_whose_place_the_metric_looks_into(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "torch" / "hub"))
    catalog.assets.cache_clear()
    for spec in METRICS.values():
        # What lies in a wheel or in the project is installed, not fetched.
        for file in (file for file in spec.weights if file.origin not in ("wheel", "project")):
            command = command_for(file.names[0])
            assert command, f"{spec.name} needs {file.names[0]}, which no asset fetches"
            asset = find_asset(command.split()[-1])
            place = asset.place(tmp_path)
            place.mkdir(parents=True, exist_ok=True)
            (place / file.names[0]).touch()
            assert find(file, MetricSettings()) == place / file.names[0]
            assert asset.missing(tmp_path) == []
            assert find(file, MetricSettings(weights_dir=tmp_path / "own")) is not None
    assert len(assets()) == len({asset.name for asset in assets().values()})
