"""The run in a bucket, against a real S3 server on the loopback device."""

import json
import logging
import os
import pickle
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

import benchmarks
from benchmarks.common.atomic import create_atomic, write_atomic
from benchmarks.common.errors import StorageError
from benchmarks.common.storage import RemotePath, local_copy, open_path, read_many, upload
from benchmarks.datasets import open_dataset
from methods.generative.response_cache import CacheError, ResponseCache
from methods.generative.responses import Request, Response
from suite.config.methods import resolve
from suite.errors import RecordError, RunFolderError
from suite.evaluate.executors.inline import inline
from suite.evaluate.plan import make_units
from suite.evaluate.runner import evaluate, remaining
from suite.report.results import load_results
from suite.report.rewrite import rewrite
from suite.run import app
from suite.runs.columns import KEY
from suite.runs.layout import RunLayout
from suite.runs.lock import at_work
from suite.runs.records import load, read_unit
from suite.train import state
from suite.train.curves import Curves

BUCKET = "semcom-tests"
ROOT = Path(benchmarks.__file__).parents[1]


@pytest.fixture(scope="module")
def server():
    """An S3 server of moto, which every process started from here finds by the environment."""
    from moto.server import ThreadedMotoServer

    with pytest.MonkeyPatch.context() as patch:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        running.start()
        host, port = running.get_host_and_port()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        yield boto3.client("s3"), port
        running.stop()


@pytest.fixture
def bucket(server, request) -> RemotePath:
    """A folder of its own for each test, in a bucket that is there."""
    client, _ = server
    client.create_bucket(Bucket=BUCKET)
    return open_path(f"s3://{BUCKET}/{request.node.name.replace('[', '-').replace(']', '')}")


def units(make_grid, images, metrics=("psnr",), **changes):
    grid = make_grid(**changes)
    dataset = open_dataset("folder", images, grid.image_size, "test", grid.fit)
    return make_units("run", grid, resolve(grid), {"folder": (dataset, images)}, {}, metrics, {})


def call(out, images):
    """Run the whole command on the tiniest grid that has tables."""
    settings = ("image_size=32", "metrics=[psnr]", "channels=[awgn]", "snr_db=[1, 10]", "cr=[1/12]", "sheet.images=1")
    assignments = [part for setting in settings for part in ("--set", setting)]
    arguments = ["--methods", "blocks_for_tests", "--datasets", "folder", "--data-dir", str(images), "--out", str(out)]
    return CliRunner().invoke(app, arguments + assignments)


def test_a_path_in_a_bucket_behaves_like_a_path(bucket):
    path = bucket / "records" / "a" / "x.parquet"
    assert not path.exists() and not (bucket / "records").is_dir() and list(bucket.rglob("*")) == []
    path.write_bytes(b"one")
    assert path.read_bytes() == b"one" and path.is_file() and (bucket / "records").is_dir() and not path.is_dir()
    assert (path.name, path.stem, path.with_suffix(".json").name, path.parent.name) == ("x.parquet", "x", "x.json", "a")
    assert path.relative_to(bucket) == Path("records/a/x.parquet")
    assert str(path).startswith(f"s3://{BUCKET}/") and open_path(str(path)) == path and pickle.loads(pickle.dumps(path)) == path
    (bucket / "y.parquet").write_bytes(b"two")
    assert sorted(bucket.rglob("*.parquet")) == [path, bucket / "y.parquet"] and list(bucket.glob("*.parquet")) == [bucket / "y.parquet"]
    assert read_many([path, bucket / "y.parquet"], RemotePath.read_bytes) == [b"one", b"two"]
    path.replace(bucket / "z")
    assert not path.exists() and (bucket / "z").read_text() == "one"
    with pytest.raises(FileNotFoundError):
        path.read_bytes()
    (bucket / "z").unlink()
    (bucket / "z").unlink(missing_ok=True)
    assert not (bucket / "z").exists()


def test_folders_travel_in_both_directions(bucket, tmp_path):
    for name in ("run.json", "records/a.parquet", "checkpoints/w.safetensors"):
        (bucket / name).write_bytes(name.encode())
    with local_copy(bucket, without=("checkpoints",)) as copy:
        assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()) == ["records/a.parquet", "run.json"]
        (copy / "tables").mkdir()
        (copy / "tables" / "t.csv").write_text("a,b\n")
        assert upload([copy / "tables" / "t.csv"], copy, bucket) == [bucket / "tables" / "t.csv"]
    assert (bucket / "tables" / "t.csv").read_text() == "a,b\n"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("s3x://bucket/run", "cannot be used"), ("s3://", "names no bucket"), ("s3://b/r?colour=red", "cannot be used")],
)
def test_a_name_that_is_none_gets_one_sentence(name, sentence):
    with pytest.raises(StorageError, match=sentence):
        open_path(name)


def test_a_bucket_that_does_not_exist_is_named_before_anything_runs(server):
    result = CliRunner().invoke(app, ["--methods", "blocks_for_tests", "--datasets", "photos", "--out", "s3://no-such-bucket/run"])
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ") and "there is no bucket 'no-such-bucket'" in result.stderr and result.stderr.count("\n") == 1
    with pytest.raises(StorageError, match="there is no bucket 'no-such-bucket'; create it"):
        open_path("s3://no-such-bucket/run/file").write_bytes(b"x")


@pytest.fixture
def denied(server):
    """Forbid writing to the bucket, and to list it, for as long as a test lasts."""
    client, _ = server

    def forbid(action: str) -> None:
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": action,
            "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
        }
        client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    yield forbid
    client.delete_bucket_policy(Bucket=BUCKET)


def test_denied_access_is_one_sentence_and_never_a_damaged_file(bucket, denied, make_grid, images):
    work = units(make_grid, images)
    list(inline(work[:1], bucket))
    denied("s3:PutObject")
    result = call(bucket / "new", images)
    assert result.exit_code == 2 and "access is denied" in result.stderr and result.stderr.count("\n") == 1, result.output
    denied("s3:GetObject")
    # A record that may not be read must not pass for one that is damaged and is to be computed again.
    with pytest.raises(StorageError, match="access is denied"):
        remaining(work, bucket)


def test_a_run_in_a_bucket_equals_one_in_a_folder(bucket, make_grid, images, tmp_path, without_ray, draft_figures):
    tables = {}
    for out in (bucket, tmp_path / bucket.name):
        result = call(out, images)
        assert result.exit_code == 0, result.output
        assert str(out / "report.html") in result.output
        tables[out] = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if "tables/" in str(path)}
        # Seconds are measured anew by each run.
        assert all(tables[out].pop(f"tables/{name}") for name in ("times.csv", "summary.csv", "summary.md", "summary.tex"))
        assert (out / "report.html").exists() and any(out.rglob("*.png")) and json.loads((out / "run.json").read_text())["failed"] == 0
    remote, local = tables.values()
    assert remote == local and len(local) >= 8
    pd.testing.assert_frame_equal(load(bucket)[list(KEY)], load(tmp_path / bucket.name)[list(KEY)])
    listed = json.loads(RunLayout(bucket).made.read_text())["files"]
    RunLayout(bucket).made.write_bytes(json.dumps({"files": [*listed, "tables/stale.csv"]}).encode())
    for name in ("stale.csv", "mine.csv"):
        (bucket / "tables" / name).write_bytes(b"from an earlier state, or somebody else's")
    rewrite(load_results(str(bucket)))
    assert not (bucket / "tables" / "stale.csv").exists() and (bucket / "tables" / "pairs.csv").exists()
    assert (bucket / "tables" / "mine.csv").exists()


def test_a_bucket_folder_of_somebody_else_is_refused(bucket, images):
    (bucket / "figures" / "photo.png").write_bytes(b"mine")
    result = call(bucket, images)
    assert result.exit_code == 2 and "holds figures; choose another --out" in result.stderr
    assert [path.name for path in bucket.rglob("*")] == ["photo.png"]


class Cutter(threading.Thread):
    """Stands between client and server and closes the connection once ``allowed`` bytes have gone up."""

    def __init__(self, port: int, allowed: int) -> None:
        super().__init__(daemon=True)
        self._server, self._allowed, self._listener = port, allowed, socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._server)) as server:
            threading.Thread(target=self._back, args=(server, client), daemon=True).start()
            while data := client.recv(65536):
                self._allowed -= len(data)
                if self._allowed < 0:
                    client.shutdown(socket.SHUT_RDWR)
                    return
                server.sendall(data)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(65536):
                client.sendall(data)
        except OSError:
            return

    def close(self) -> None:
        self._listener.close()


def test_an_upload_that_is_cut_off_leaves_what_was_there(server, bucket):
    _, port = server
    (bucket / "unit.parquet").write_bytes(b"the earlier file")
    noise = np.random.default_rng(1).integers(0, 256, (1200, 1200, 3), np.uint8)
    asked, answer = Request("edit", "openai:painter-1", "paint"), Response(pixels=noise)
    cutters = [Cutter(port, allowed=300_000) for _ in range(2)]
    for cutter in cutters:
        cutter.start()
    file, bank = (
        open_path(f"{bucket}/{name}?endpoint_override=127.0.0.1:{cutter.port}&scheme=http")
        for name, cutter in zip(("unit.parquet", "bank"), cutters, strict=True)
    )
    assert file.read_bytes() == b"the earlier file"
    # At once, since each waits for the repetitions of the library.
    with ThreadPoolExecutor(2) as pool:
        written = pool.submit(write_atomic, file, lambda file: file.write(os.urandom(8_000_000)))
        kept = pool.submit(ResponseCache(bank).put, asked, answer)
    for cutter in cutters:
        cutter.close()
    with pytest.raises(StorageError, match=r"cannot write .*unit\.parquet"):
        written.result()
    with pytest.raises(CacheError, match=r"cannot write .*\.png"):
        kept.result()
    assert (bucket / "unit.parquet").read_bytes() == b"the earlier file" and list((bucket / "bank").rglob("*")) == []
    cache = ResponseCache(bucket / "bank")
    assert asked not in cache and cache.put(asked, answer) is answer and np.array_equal(cache.get(asked).pixels, noise)


@pytest.mark.parametrize("write", [write_atomic, create_atomic])
@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_a_writer_that_fails_half_way_publishes_nothing(place, write, bucket, tmp_path):
    def fail(file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    folder = bucket if place == "bucket" else tmp_path
    with pytest.raises(OSError, match="No space left"):
        write(folder / "x.json", fail)
    assert list(folder.rglob("*")) == []


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_what_is_there_is_not_created_again(place, bucket, tmp_path):
    path = (bucket if place == "bucket" else tmp_path) / "claim"
    assert [create_atomic(path, lambda file, who=who: file.write(who)) for who in (b"first", b"second")] == [True, False]
    assert path.read_bytes() == b"first" and [each.name for each in path.parent.iterdir()] == ["claim"]


def test_nobody_but_the_storage_opens_a_stream_to_a_bucket():
    sources = [path for package in ("benchmarks", "methods", "suite") for path in (ROOT / package).rglob("*.py")]
    assert [path.name for path in sources if "open_output_stream" in path.read_text("utf-8")] == ["storage.py"]


@pytest.mark.parametrize("left", [0.5, 0.0])
def test_a_half_written_object_is_recomputed_and_reported(left, bucket, make_grid, images, without_ray, capsys):
    work = units(make_grid, images)
    list(inline(work, bucket))
    whole = load(bucket)
    half = bucket / "records" / work[2].file
    content = half.read_bytes()
    half.write_bytes(content[: int(left * len(content))])
    with pytest.raises(RecordError, match="cannot be read"):
        read_unit(half, work[2].identity)
    assert remaining(work, bucket).units == [work[2]]
    evaluate(work, bucket, work[0].grid.evaluation, Console())
    assert "recomputing: the record file" in " ".join(capsys.readouterr().out.split())
    assert remaining(work, bucket).units == []
    values = [*KEY, "psnr", "measured_snr_db"]
    pd.testing.assert_frame_equal(load(bucket)[values], whole[values], check_exact=True)


def test_units_of_another_plan_are_moved_aside_and_back(bucket, make_grid, images, without_ray):
    console, sent = Console(quiet=True), []
    for limit, there in ((None, 5), (1, 2), (None, 5)):
        work = units(make_grid, images, limit=limit, evaluation={"unit": 2, "batch": 1})
        evaluate(work, bucket, work[0].grid.evaluation, console)
        assert load(bucket)["image"].nunique() == there
        assert any((bucket / "superseded").rglob("*.parquet")) == (limit is not None)
        sent.append(len(without_ray))
    assert sent[0] == sent[-1]


def test_one_writer_a_bucket_folder(bucket, monkeypatch):
    said: list[str] = []
    with at_work(bucket, said.append):
        with pytest.raises(RunFolderError, match="is in use by process"), at_work(bucket, said.append):
            pass
        theirs = json.loads(RunLayout(bucket).lock.read_text()) | {"host": "elsewhere", "seen": "2020-01-01T00:00:00Z", "token": "theirs"}
    assert not RunLayout(bucket).lock.exists() and said == []
    RunLayout(bucket).lock.write_bytes(json.dumps(theirs).encode())
    with at_work(bucket, said.append):
        assert json.loads(RunLayout(bucket).lock.read_text())["host"] != "elsewhere"
    assert "gave no sign of life for" in said[0] and not RunLayout(bucket).lock.exists()


def test_training_state_and_curves_live_in_a_bucket(bucket):
    import torch

    parts = {"method": torch.nn.Linear(3, 2)}
    state.save(bucket / "resume.pt", "id", state.Progress(step=7), parts)
    other = {"method": torch.nn.Linear(3, 2)}
    assert state.load(bucket / "resume.pt", "id", other, "cpu").step == 7
    assert torch.equal(other["method"].weight, parts["method"].weight)
    with Curves(bucket / "job", 0) as curves:
        curves.write(1, {"loss/total": 0.5})
        curves.publish()
        assert "loss/total" in (bucket / "job" / "curves.csv").read_text()
        curves.write(2, {"loss/total": 0.25})
    with Curves(bucket / "job", 1) as curves:
        curves.write(2, {"loss/total": 0.125})
    text = (bucket / "job" / "curves.csv").read_text().splitlines()
    assert text == ["step,series,value", "1,loss/total,0.5", "2,loss/total,0.125"]
    assert any("tfevents" in path.name for path in bucket.rglob("*"))
