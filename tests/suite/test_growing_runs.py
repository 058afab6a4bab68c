"""A run grows by the command that made it: what is there stays, only what is missing is done, and tables hold what the grid names."""

import json

import pytest
from typer.testing import CliRunner

import suite
from suite.errors import SettingsError
from suite.evaluate.stages.transmit import Transmitter
from suite.report.qualitative import write_sheets
from suite.report.results import RunResults
from suite.run import app
from suite.runs.info import RunInfo
from suite.runs.layout import RunLayout

GRID = """
name: growing
image_size: 32
methods: [blocks_for_tests]
datasets: [folder]
snr_db: [1, 10]
cr: [1/12]
channels: [awgn]
metrics: [psnr]
evaluation: {batch: 1, unit: 2, workers: 1}
"""


@pytest.fixture
def sent(monkeypatch) -> list[int]:
    """How many reconstructions each unit decoded, as they are worked through."""
    done: list[int] = []
    work = Transmitter.__call__

    def counted(self, task):
        done.append(task.unit.reconstructions)
        return work(self, task)

    monkeypatch.setattr(Transmitter, "__call__", counted)
    return done


@pytest.fixture
def evaluate(tmp_path, images, sent):
    """Return a function that evaluates the grid with changes in one folder, or in a fresh one, and says how much was sent."""
    (tmp_path / "grid.yaml").write_text(GRID)

    def run(out: str = "out", limit: int | None = None, methods: str | None = None, **settings) -> tuple[RunResults, int]:
        before = sum(sent)
        results = suite.evaluate(
            tmp_path / "grid.yaml",
            methods=methods,
            data_dir=images,
            limit=limit,
            out=tmp_path / out,
            settings=settings,
            executor="inline",
            quiet=True,
        )
        return results, sum(sent) - before

    return run


def values(results: RunResults):
    return results.records.drop(columns=[name for name in results.records if name.startswith("seconds_")]).assign(run="")


GROWTH = [
    ({"snr_db": [1, 4, 10]}, 5),
    ({"snr_db": [4, 10, 1], "channels": ["awgn", "rayleigh"]}, 5 + 15),
    ({"channels": ["rayleigh", "awgn"]}, 10),
    ({"cr": ["1/12", "1/6"]}, 10),
    ({"repetitions": 2}, 20),
    ({"snr_db": [10]}, 0),
    ({"metrics": ["psnr", "ssim"]}, 10),
]


@pytest.mark.parametrize(("changes", "missing"), GROWTH, ids=[str(changes) for changes, _ in GROWTH])
def test_what_is_there_stays_and_the_rest_is_done(evaluate, changes, missing):
    # A sheet that shows another cell of what is there has that sent again, and a test of its own.
    unshown = {"sheet.images": 0}
    _, first = evaluate(**unshown)
    grown, again = evaluate(**changes, **unshown)
    assert (first, again) == (10, missing)
    fresh, _ = evaluate("fresh", **changes, **unshown)
    assert values(grown).equals(values(fresh))
    assert evaluate(**changes, **unshown)[1] == 0


def test_more_images_fewer_images_and_other_units(evaluate):
    _, first = evaluate(limit=3)
    more, second = evaluate(limit=5)
    assert (first, second) == (6, 4)
    fewer, none = evaluate(limit=1)
    assert none == 0 and len(fewer.records) == 2 and set(fewer.records["image"]) == {"picture0"}
    assert values(evaluate("fresh", limit=5)[0]).equals(values(more))
    assert evaluate(limit=5, **{"evaluation.unit": 3})[1] == 0


def test_a_method_joins_the_others(evaluate, tmp_path):
    evaluate()
    both, sent = evaluate(methods="blocks_for_tests,blocks_for_tests/inverted")
    assert sent == 10 and sorted(set(both.records["variant"])) == ["default", "inverted"]
    alone, sent = evaluate(methods="blocks_for_tests/inverted")
    assert sent == 0 and set(alone.records["variant"]) == {"inverted"}
    assert evaluate(methods="blocks_for_tests,blocks_for_tests/inverted")[1] == 0
    history = json.loads(RunLayout(tmp_path / "out").run_json.read_text())["history"]
    assert [len(each["identifying"]["methods"]) for each in history] == [1, 2, 1]


def test_a_cell_that_failed_is_done_again_wherever_it_stands(evaluate):
    first, _ = evaluate(methods="blocks_for_tests/late")
    assert first.failed == 5
    grown, sent = evaluate(methods="blocks_for_tests/late", snr_db=[1, 4, 10])
    # Of every image the cell that is new and the one that failed.
    assert sent == 10 and grown.failed == 5 and len(grown.records) == 15


def test_what_nothing_could_be_kept_of_is_refused_with_the_key(evaluate, tmp_path, images):
    evaluate()
    arguments = ["--grid", str(tmp_path / "grid.yaml"), "--data-dir", str(images), "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(app, [*arguments, "--dry-run", "--set", "seed=2", "--set", "snr_db=[1]"])
    assert refused.exit_code == 2
    assert "(it differs in seed, of which nothing could be kept); choose another --out, or set it as it was" in refused.stderr
    grows = CliRunner().invoke(app, [*arguments, "--dry-run", "--set", "snr_db=[1, 4]"])
    assert "had another grid (snr_db); what both name is kept" in " ".join(grows.stdout.split())
    assert "units left to do: 3, of 5 reconstructions" in grows.stdout


def test_files_of_before_it_was_noted_what_their_cells_depend_on_are_done_again(evaluate, tmp_path, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr("suite.evaluate.plan.WorkUnit.context", "")
        evaluate()
    assert evaluate()[1] == 0
    grown, sent = evaluate(snr_db=[1, 4, 10])
    assert sent == 15 and len(grown.records) == 15 and len(RunLayout(tmp_path / "out").superseded_files()) == 3


def test_the_sheet_shows_what_the_grid_has_and_another_choice_sends_those_cells_alone(evaluate, tmp_path):
    layout = RunLayout(tmp_path / "out")

    def kept() -> set[str]:
        return {path.stem.rpartition("__")[2] for path in layout.samples.rglob("*__awgn__*.png")}

    evaluate()
    assert kept() == {"1"}
    shown, sent = evaluate(**{"sheet.snr_db": 10})
    assert sent == 4 and kept() == {"1", "10"} and len(shown.records) == 10
    assert evaluate(**{"sheet.snr_db": 10})[1] == 0
    assert evaluate(**{"sheet.snr_db": 7, "sheet.images": 5})[1] == 1


def files(tmp_path, pattern: str) -> set[str]:
    return {path.name for path in RunLayout(tmp_path / "out").samples.rglob(pattern)}


def test_a_sheet_of_several_snrs_is_kept_by_the_run_and_cells_in_other_files_are_sent_again_for_it(evaluate, tmp_path):
    several = {"sheet.snr_db": [1, 10], "sheet.cr": ["1/12"]}
    _, sent = evaluate(cr=["1/12", "1/6"], **several)
    assert sent == 20 and {path.rpartition("__")[2] for path in files(tmp_path, "*__awgn__*.png")} == {"1.png", "10.png"}
    assert not files(tmp_path, "*__1-6__*") and evaluate(cr=["1/12", "1/6"], **several)[1] == 0
    sheet = json.loads(RunLayout(tmp_path / "out").run_json.read_text())
    assert sheet["datasets"]["folder"]["sheet"] == [f"picture{number}" for number in range(4)]
    assert RunInfo.of(sheet).grid.sheet.cells(["awgn"], [1.0, 10.0]) == (("awgn", 1.0), ("awgn", 10.0))
    # The cells of 1/12 are now held by files of an earlier grid, and the sheet is to show one more image.
    grown, sent = evaluate(snr_db=[1, 4, 10], **{"sheet.snr_db": [1, 10], "sheet.images": 5})
    assert sent == 5 + 2 and len(grown.records) == 15
    fresh, _ = evaluate("fresh", snr_db=[1, 4, 10])
    assert values(grown).equals(values(fresh))
    assert evaluate(snr_db=[1, 4, 10], **{"sheet.snr_db": [1, 10], "sheet.images": 5})[1] == 0


def test_cells_that_a_part_or_a_unit_has_alone_are_sent_again_too(evaluate, tmp_path):
    evaluate()
    evaluate(snr_db=[1, 4, 10], **{"sheet.snr_db": 1})
    # All of the first units' cells at 4 dB are those of a unit of their own, and nothing of them was kept.
    _, sent = evaluate(snr_db=[1, 4, 10], **{"sheet.snr_db": 4})
    assert sent == 4 and len(list(RunLayout(tmp_path / "out").samples.rglob("*__4.png"))) == 4
    one = {"snr_db": [1], "sheet.images": 0}
    evaluate("single", **one)
    results, sent = evaluate("single", **one | {"sheet.images": 4})
    assert sent == 4 and len(results.records) == 5 and evaluate("single", **one | {"sheet.images": 4})[1] == 0


def worst_of(results, images: int) -> set[str]:
    rows = results.records.query("snr_db == 1 and cr < 0.1").sort_values("psnr")
    return set(rows["image"].head(images))


def test_the_worst_cases_are_kept_as_they_come_or_sent_again_when_they_are_asked_for_later(evaluate, tmp_path):
    asked = {"sheet.images": 0, "sheet.failures": {"method": "blocks_for_tests", "metric": "psnr", "snr_db": 0, "images": 2}}
    results, sent = evaluate(cr=["1/12", "1/6"], **asked)
    kept = {path.parent.name for path in RunLayout(tmp_path / "out").samples.rglob("*__1-12__awgn__1.png")}
    # Three units of two images and one keep two each at most.
    assert sent == 20 and worst_of(results, 2) <= kept and not files(tmp_path, "*__1-6__*") and not files(tmp_path, "*__10.png")
    assert evaluate(cr=["1/12", "1/6"], **asked)[1] == 0
    later, sent = evaluate("out", cr=["1/12", "1/6"], **{"sheet.images": 0, "sheet.failures": asked["sheet.failures"] | {"snr_db": 9}})
    assert sent == 2, "the worst two of all, whose values are known"
    grown, sent = evaluate(snr_db=[1, 4, 10], **{"sheet.images": 0, "sheet.failures": asked["sheet.failures"] | {"snr_db": 4}})
    assert sent == 5 and files(tmp_path, "*__1-12__awgn__4.png") and values(grown).equals(values(evaluate("fresh", snr_db=[1, 4, 10])[0]))
    names = {path.stem for path in write_sheets(later, RunLayout(tmp_path / "out"))}
    assert names == {"failures_folder_blocks-for-tests_default"}


def test_a_sheet_of_failures_of_what_is_not_there_is_refused(evaluate):
    for failures, words in (
        ({"method": "digital/jpeg", "metric": "psnr"}, "does not have; choose one of blocks_for_tests/default"),
        ({"method": "blocks_for_tests/default/stage-one", "metric": "psnr"}, "does not have"),
        ({"method": "blocks_for_tests", "metric": "ssim"}, "sheet.failures.metric is ssim, which is not measured; choose one of psnr"),
    ):
        with pytest.raises(SettingsError, match=words):
            evaluate(**{"sheet.failures": failures})
