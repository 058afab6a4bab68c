"""A bit that flips in a file that a run reads back is noticed, by the file's name, or changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from benchmarks.common.atomic import write_sealed_json
from benchmarks.datasets import open_dataset
from suite.config.methods import resolve
from suite.errors import RecordError, RunFolderError, SuiteError, TrainingError
from suite.evaluate import runner as work
from suite.evaluate.costs import Spent, read_spending
from suite.evaluate.plan import make_units
from suite.evaluate.scheduling import RuntimeEstimates
from suite.evaluate.stages import set_metrics as cells
from suite.evaluate.stages.captions import Caption, Captions, _read
from suite.evaluate.stages.set_metrics import DamagedFeaturesError
from suite.report.results import load_results
from suite.runs.layout import RunLayout
from suite.runs.records import load, read_unit, write_unit
from suite.train import checkpoint, curves, state

FLIPS = 150
QUIET = Console(quiet=True)


def every_flip(path: Path, read: Callable[[], Any], expected: Any, error: type[Exception]) -> int:
    """Flip one bit after another in a file, and return how many were noticed; the others must change nothing."""
    whole, noticed = path.read_bytes(), 0
    for position in np.linspace(0, len(whole) - 1, FLIPS).astype(int):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << int(position) % 8
        path.write_bytes(bytes(flipped))
        try:
            assert read() == expected, f"byte {position} of {path.name} changed what was read"
        except error as refused:
            assert path.name in str(refused) and "\n" not in str(refused)
            noticed += 1
    path.write_bytes(whole)
    assert read() == expected
    return noticed


def record(**changes: Any) -> dict[str, Any]:
    key = {"run": "r", "method": "m", "variant": "default", "dataset": "d", "cr": 1 / 24, "channel": "awgn", "snr_db": 4.0}
    sent = {"symbols_analog": 10, "symbols_digital": 2, "symbols_total": 12, "text_ok": True}
    return {**key, "image": "a", "repetition": 0, "status": "ok", "error": "", "psnr": 25.0, **sent, **changes}


def test_record_files(tmp_path):
    path = tmp_path / "unit.parquet"
    write_unit(path, [record(image=str(number), psnr=number / 7) for number in range(20)], ["psnr"], "u", "w", "c")
    expected = read_unit(path, "u").to_pylist()
    assert every_flip(path, lambda: read_unit(path, "u").to_pylist(), expected, RecordError) > FLIPS / 2


def test_a_record_file_of_before_there_were_digests_is_read(tmp_path):
    path = tmp_path / "unit.parquet"
    write_unit(path, [record()], ["psnr"], "u")
    table = pq.read_table(path)
    notes = {name: value for name, value in table.schema.metadata.items() if name in (b"rows", b"unit", b"version")}
    pq.write_table(table.replace_schema_metadata(notes), path)
    assert read_unit(path, "u").to_pylist() == table.to_pylist()


def test_captions_are_read_as_written_or_made_again(tmp_path, caplog):
    captions = Captions(tmp_path)
    captions.add([Caption("d", str(number), "m", "v", "model", f"a cat, {number}", 0.5, "", f"id{number}") for number in range(20)])
    captions.write()
    path = tmp_path / "captions.parquet"

    def read() -> list[Caption]:
        caplog.clear()
        rows = _read(path)
        if caplog.messages:
            raise RecordError(caplog.messages[0])
        return rows

    assert every_flip(path, read, _read(path), RecordError) > FLIPS / 2
    path.write_bytes(b"PAR1")
    assert Captions(tmp_path)._rows == {}


def test_costs_and_spending(tmp_path):
    RuntimeEstimates({"a/b": 1.5, "c/d": 2.25}, {"a/b": 3, "c/d": 4}).write(tmp_path)
    assert (
        every_flip(RunLayout(tmp_path).costs, lambda: RuntimeEstimates.read(tmp_path), RuntimeEstimates.read(tmp_path), RunFolderError)
        > FLIPS / 2
    )
    write_sealed_json(RunLayout(tmp_path).spending, Spent({"openai:x": 31}, {"openai:x": 1.25}).content())
    assert every_flip(RunLayout(tmp_path).spending, lambda: read_spending(tmp_path), read_spending(tmp_path), RunFolderError) > FLIPS / 2
    RunLayout(tmp_path).spending.write_text('{"calls": {"openai:x": 5}, "cost_usd": {"openai:x": 0.5}}')
    assert read_spending(tmp_path).calls == {"openai:x": 5}


@pytest.mark.parametrize("text", ["null", "[]", "3", '{"seconds": {"a": "long"}, "records": {"a": 1}}', '{"seconds": 1, "records": []}'])
def test_damaged_costs_end_no_run(text, make_grid, images, tmp_path, without_ray, capsys):
    RunLayout(tmp_path).costs.write_text(text)
    units = plan(make_grid, images, ("psnr",))[:1]
    assert work.evaluate(units, tmp_path, units[0].grid.evaluation, Console(width=300)).records > 0
    assert "costs.json" in capsys.readouterr().out and RuntimeEstimates.read(tmp_path).records


def test_the_state_of_a_training(tmp_path):
    network = torch.nn.Linear(4, 3)
    path = tmp_path / "resume.pt"
    state.save(path, "id", state.Progress(7, 1.5, {"total": 0.25}, 2), {"method": network})

    def read() -> Any:
        other = torch.nn.Linear(4, 3)
        progress = state.load(path, "id", {"method": other}, "cpu")
        return progress, {name: value.tolist() for name, value in other.state_dict().items()}

    assert every_flip(path, read, read(), TrainingError) > FLIPS / 2
    torch.save({"identity": "id", "progress": {"step": 3}, "method": network.state_dict()}, path)
    assert read()[0].step == 3


def test_a_damaged_card_is_left_aside(tmp_path, caplog):
    """Its settings, by which the network is built, must be those that the weights were trained with."""
    fields = {name: {} if "dict" in str(field.annotation) else "1" for name, field in checkpoint.Card.model_fields.items()}
    (tmp_path / "one.json").write_text(json.dumps(fields | {"rates": ["1/24"], "settings": {"width": 64}, "code": None}))
    card = checkpoint.read(tmp_path / "one.json").card
    path = tmp_path / "two.json"
    write_sealed_json(path, card.model_dump(mode="json"))

    def read() -> Any:
        caplog.clear()
        found = checkpoint.read(path)
        if found is None:
            raise SuiteError(" ".join(caplog.messages[0].split()) if caplog.messages else f"{path} is no card")
        return found.card

    assert every_flip(path, read, card, SuiteError) > FLIPS / 2


def test_a_damaged_row_of_the_curves_is_left_out_and_told(tmp_path, caplog):
    (tmp_path / "curves.csv").write_bytes(b"step,series,value\n1,loss,0.5\n\xff2,loss,0.25\n3,loss\n4,loss,0.125\n")
    assert curves.read(tmp_path / "curves.csv") == [(1, "loss", 0.5), (4, "loss", 0.125)]
    assert len(caplog.messages) == 2 and "curves.csv" in caplog.messages[0]


def plan(make_grid, folder, metrics):
    grid = make_grid(methods=["blocks_for_tests"], cr=["1/12"], snr_db=[10], channels=["awgn"])
    dataset = open_dataset("folder", folder, grid.image_size, "test", grid.fit)
    return make_units("run", grid, resolve(grid), {"folder": (dataset, folder)}, {}, metrics, {})


class Colours:
    """A metric of whole cells that needs no weights."""

    def features(self, pixels: np.ndarray) -> np.ndarray:
        return np.asarray(pixels, np.float32).mean(axis=(0, 1))

    def reduce(self, references: np.ndarray, candidates: np.ndarray) -> float:
        return float(np.abs(references - candidates).mean())


@pytest.fixture
def with_cells(make_grid, images, tmp_path, monkeypatch, without_ray):
    """Return a run's plan, folder and counter of units, with a metric of whole cells in the place of FID."""
    monkeypatch.setattr(cells, "set_metric", lambda name, settings, device="cpu": Colours())
    units = plan(make_grid, images, ("psnr", "fid_inception"))
    work.evaluate(units, tmp_path, units[0].grid.evaluation, QUIET)
    return units, tmp_path, without_ray


def test_features(with_cells):
    units, run_dir, _ = with_cells
    path = RunLayout(run_dir).features(units[0].file)

    def read() -> Any:
        return {name: array.tolist() for name, array in cells._features(units[0], RunLayout(run_dir), ["fid_inception"]).items()}

    assert every_flip(path, read, read(), DamagedFeaturesError) > FLIPS / 2


def test_damaged_features_and_cells_are_made_again(with_cells, capsys):
    units, run_dir, done = with_cells
    before, count = load(run_dir), len(done)
    (target,) = (run_dir / "records").rglob("cells-*")
    path = RunLayout(run_dir).features(units[1].file)
    path.write_bytes(b"PK half")
    target.write_bytes(target.read_bytes()[:100])
    work.evaluate(units, run_dir, units[0].grid.evaluation, Console(width=400))
    assert done[count:] == [units[1].identity] and f"recomputing: the features {path} cannot be read" in capsys.readouterr().out
    assert load(run_dir)["fid_inception"].equals(before["fid_inception"])


@pytest.mark.parametrize("text", ["null", "[]", '"x"', "3", '{"metrics": null}', '{"metrics": {}, "grid": null}'])
def test_a_run_json_of_something_else_is_one_sentence_for_the_tables(text, tmp_path):
    from suite.report.rewrite import rewrite

    write_unit(tmp_path / "records" / "u.parquet", [record()], ["psnr"])
    (tmp_path / "run.json").write_text(text)
    with pytest.raises((RecordError, RunFolderError), match=r"run\.json") as refused:
        rewrite(load_results(tmp_path))
    assert "\n" not in str(refused.value) and json.loads(text) != {}
