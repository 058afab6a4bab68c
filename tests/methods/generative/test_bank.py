"""The response cache: answers come back bit for bit, the first one stands, and a bucket serves as well as a folder."""

import io
import json
import os
import pickle
import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from benchmarks.common.image_files import opened
from methods.generative.response_cache import CacheError, Kept, ResponseCache
from methods.generative.responses import RefusalError, Request, Response

DAMAGED = "is damaged"
NOISE = np.random.default_rng(3).integers(0, 256, (24, 16, 3), np.uint8)


def request(prompt: str = "paint", task: str = "edit", **more) -> Request:
    return Request(task, "openai:painter-1", prompt, NOISE, (24, 16), {"quality": "low"}, **more)


def found_damaged(bank: ResponseCache, asked: Request, caplog: pytest.LogCaptureFixture) -> str:
    """Return what is said of a damaged file, which is then made anew."""
    caplog.clear()
    assert bank.get(asked) is None
    (said,) = caplog.messages
    assert DAMAGED in said and "is asked again" in said and "delete" not in said and "\n" not in said
    kept = Response(text="a cat") if asked.task == "caption" else Response(pixels=255 - NOISE)
    assert bank.put(asked, kept) is kept and same(bank.get(asked), kept)
    return said


def same(one: Kept | None, other: Kept) -> bool:
    return (
        isinstance(one, Response)
        and isinstance(other, Response)
        and one.text == other.text
        and (one.pixels is None) == (other.pixels is None)
        and (one.pixels is None or np.array_equal(one.pixels, other.pixels))
    )


def test_answers_come_back_as_they_were_given(tmp_path):
    bank = ResponseCache(tmp_path / "bank")
    kept = Response(pixels=NOISE, cut="the end قطة 🌙", cost=0.04, metadata={"id": "r-1", "tokens": {"output_image": 7}})
    caption = Response(text="a cat\n🌙 \ud83d", cost=0.01, metadata={"model": "seer"})
    assert bank.get(request()) is None and request() not in bank
    bank.put(request(), kept)
    bank.put(request(task="caption"), caption)
    bank.put(request("no"), RefusalError("declined: قطة"))
    for each in (bank, ResponseCache(tmp_path / "bank"), pickle.loads(pickle.dumps(bank))):
        found = each.get(request())
        assert np.array_equal(found.pixels, NOISE) and (found.cut, found.cost, found.metadata) == (kept.cut, kept.cost, kept.metadata)
        assert each.get(request(task="caption")) == caption
        refusal = each.get(request("no"))
        assert isinstance(refusal, RefusalError) and str(refusal) == "declined: قطة"
        assert request() in each and request("other") not in each
    assert bank.put(request("empty", task="caption"), Response(text="")).text == ""
    assert bank.get(request("empty", task="caption")).text == ""


def test_a_file_says_what_was_asked_and_opens_as_an_image(tmp_path):
    ResponseCache(tmp_path).put(request(seed=5), Response(pixels=NOISE))
    digest = request(seed=5).digest
    path = tmp_path / digest[:2] / f"{digest}.png"
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), NOISE)
        asked = json.loads(image.info["answer"])["request"]
    assert asked == {
        "task": "edit",
        "model": "openai:painter-1",
        "prompt": "paint",
        "size": [24, 16],
        "settings": {"quality": "low"},
        "seed": 5,
        "variation": 0,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "Paint"},
        {"task": "generate"},
        {"model": "openai:painter-2"},
        {"size": (16, 24)},
        {"settings": {"quality": "high"}},
        {"seed": 2},
        {"variation": 1},
        {"pixels": NOISE ^ np.eye(24, 16, dtype=np.uint8)[..., None]},
        {"pixels": NOISE.reshape(16, 24, 3)},
        {"pixels": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_all_that_shapes_an_answer_is_part_of_its_name(tmp_path, change):
    bank = ResponseCache(tmp_path)
    bank.put(request(), Response(pixels=NOISE))
    base = {
        "task": "edit",
        "model": "openai:painter-1",
        "prompt": "paint",
        "pixels": NOISE,
        "size": (24, 16),
        "settings": {"quality": "low"},
    }
    assert Request(**base) in bank and Request(**(base | change)) not in bank


def test_of_many_writers_the_first_stands(tmp_path):
    bank = ResponseCache(tmp_path)
    responses = [Response(text=f"caption {writer}") for writer in range(16)]
    with ThreadPoolExecutor(16) as pool:
        stood = list(pool.map(lambda response: bank.put(request(task="caption"), response), responses))
    assert {each.text for each in stood} == {bank.get(request(task="caption")).text}
    assert len(list(tmp_path.rglob("*"))) == 2


def test_writers_of_other_processes_get_the_same_answer(tmp_path):
    with get_context("fork").Pool(3) as pool:
        stood = pool.starmap(_put, [(str(tmp_path), writer) for writer in range(12)])
    assert len(set(stood)) == 1 and not list(tmp_path.rglob("*.partial"))


def _put(root: str, writer: int) -> str:
    return ResponseCache(root).put(request(task="caption"), Response(text=f"caption {writer}")).text


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    def link(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", link)
    bank = ResponseCache(tmp_path)
    bank.put(request(), Response(pixels=NOISE))
    assert np.array_equal(bank.get(request()).pixels, NOISE) and len(list(tmp_path.rglob("*"))) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\x89PNG\r\n\x1a\n"])
@pytest.mark.parametrize("task", ["caption", "edit"])
def test_a_damaged_file_is_told_and_made_anew(tmp_path, task, content, caplog):
    bank = ResponseCache(tmp_path)
    bank.put(request(task=task), Response(text="a cat") if task == "caption" else Response(pixels=NOISE))
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    path.write_bytes(content)
    assert str(path) in found_damaged(bank, request(task=task), caplog)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_postscript_in_a_bank_reaches_no_other_program(tmp_path, caplog):
    bank = ResponseCache(tmp_path)
    bank.put(request(), Response(pixels=NOISE))
    [path] = tmp_path.rglob("*.png")
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    started = []
    sys.addaudithook(lambda event, arguments: started.append(arguments) if event == "subprocess.Popen" else None)
    found_damaged(bank, request(), caplog)
    assert not started


def test_an_image_cut_short_is_damaged(tmp_path, caplog):
    bank = ResponseCache(tmp_path)
    bank.put(request(), Response(pixels=NOISE))
    [path] = tmp_path.rglob("*.png")
    path.write_bytes(path.read_bytes()[:-200])
    found_damaged(bank, request(), caplog)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=f"cannot write {tmp_path / 'file'}/.*mend this"):
        ResponseCache(tmp_path / "file").put(request(), Response(pixels=NOISE))
    with pytest.raises(CacheError, match="'nowhere://bucket/bank' cannot be used"):
        ResponseCache("nowhere://bucket/bank")


def test_a_disk_that_fills_up_half_way_keeps_nothing(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    bank = ResponseCache(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(CacheError, match=r"cannot write .*\.png: No space left"):
        patch.setattr(os, "fsync", full)
        bank.put(request(), Response(pixels=NOISE))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()] and request() not in bank
    bank.put(request(), Response(pixels=NOISE))
    assert np.array_equal(bank.get(request()).pixels, NOISE)


@pytest.mark.parametrize("cost", ["NaN", "-1.0", "1e999", '"much"'])
def test_a_kept_cost_that_cannot_be_is_damage(tmp_path, cost, caplog):
    bank = ResponseCache(tmp_path)
    bank.put(request(), Response(pixels=NOISE, cost=0.5))
    [path] = tmp_path.rglob("*.png")
    with Image.open(path) as image:
        words = image.info["answer"].replace('"cost": 0.5', f'"cost": {cost}')
        info = PngInfo()
        info.add_text("answer", words)
        image.save(path, pnginfo=info)
    assert f"{path} is damaged" in found_damaged(bank, request(), caplog)


def test_what_else_lies_in_the_place_of_a_kept_image_is_damage(tmp_path, caplog):
    bank = ResponseCache(tmp_path)
    bank.put(request(), Response(pixels=NOISE))
    [path] = tmp_path.rglob("*.png")
    for content, words in ((encoded("BMP"), "cannot be read as PNG"), (header(13_000), "an image of 13000x13000")):
        path.write_bytes(content)
        assert words in found_damaged(bank, request(), caplog)


def encoded(name: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(NOISE).save(buffer, name)
    return buffer.getvalue()


def header(side: int) -> bytes:
    """A PNG of which the size alone is there."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(side)))]
    packed = (struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("name", ["EPS", "TIFF", "BMP", "GIF", "PPM", "JPEG"])
def test_an_image_is_opened_as_what_it_may_be_alone(name):
    if name != "EPS":
        assert np.asarray(opened(encoded(name), (name,)).convert("RGB")).shape == NOISE.shape
    with pytest.raises(ValueError, match="cannot be read as PNG or WEBP"):
        opened(encoded(name), ("PNG", "WEBP"))


@pytest.mark.parametrize("side", [9_000, 13_000, 30_000])
def test_an_image_is_decoded_only_where_its_header_says_that_it_can_be_held(side):
    with pytest.raises(ValueError, match="an image of "):
        opened(header(side), ("PNG",))
    assert opened(encoded("PNG"), ("PNG",), NOISE.shape[0] * NOISE.shape[1]).size == NOISE.shape[1::-1]
    with pytest.raises(ValueError, match="too large to be read"):
        opened(encoded("PNG"), ("PNG",), NOISE.shape[0] * NOISE.shape[1] - 1)


def test_a_bucket_serves_as_well(monkeypatch):
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        address = "{}:{}".format(*server.get_host_and_port())
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3", endpoint_url=f"http://{address}").create_bucket(Bucket="bank")
        root = f"s3://bank/a/folder?endpoint_override={address}&scheme=http"
        bank = ResponseCache(root)
        assert bank.get(request()) is None and request() not in bank
        bank.put(request(), Response(pixels=NOISE, cost=0.5))
        assert bank.put(request(), Response(pixels=255 - NOISE)).cost == 0.5
        bank.put(request("no"), RefusalError("declined"))
        other = pickle.loads(pickle.dumps(bank))
        assert np.array_equal(other.get(request()).pixels, NOISE) and request() in other
        assert isinstance(other.get(request("no")), RefusalError)
        keys = [each["Key"] for each in boto3.client("s3", endpoint_url=f"http://{address}").list_objects_v2(Bucket="bank")["Contents"]]
        assert f"a/folder/{request().digest[:2]}/{request().digest}.png" in keys and len(keys) == 2
        hidden = ResponseCache(root.replace("s3://bank", "s3://test:secret@bank"))
        assert np.array_equal(hidden.get(request()).pixels, NOISE)
        with pytest.raises(CacheError, match=r"cannot write s3://test:\*\*\*@missing/bank/.*there is no bucket 'missing'") as caught:
            ResponseCache(f"s3://test:secret@missing/bank?endpoint_override={address}&scheme=http").put(request(), Response(pixels=NOISE))
        assert "secret" not in str(caught.value) + repr(hidden.root)
    finally:
        server.stop()


@pytest.mark.parametrize("task", ["caption", "edit"])
def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path, task, caplog):
    bank = ResponseCache(tmp_path)
    small = NOISE[:8, :8]
    kept = (
        Response(text="a cat on a mat", cost=0.25, metadata={"model": ("x", 1)}) if task == "caption" else Response(pixels=small, cost=0.25)
    )
    bank.put(request(task=task), kept)
    [path] = [path for path in tmp_path.rglob("*") if path.is_file()]
    whole, noticed = path.read_bytes(), 0
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(bytes(flipped))
        caplog.clear()
        if (found := bank.get(request(task=task))) is None:
            assert path.name in caplog.text
            noticed += 1
            continue
        assert (found.text, found.cost) == (kept.text, 0.25) and (kept.pixels is None or np.array_equal(found.pixels, small))
    assert noticed > len(whole) / 2


def test_an_entry_of_before_there_were_checksums_is_read(tmp_path):
    bank = ResponseCache(tmp_path)
    bank.put(request(task="caption"), Response(text="a cat"))
    [path] = tmp_path.rglob("*.json")
    words = json.loads(path.read_text())
    del words["checksum"]
    path.write_text(json.dumps(words))
    assert bank.get(request(task="caption")).text == "a cat"
