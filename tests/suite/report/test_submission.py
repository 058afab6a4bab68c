"""Archives of runs: nothing is hidden or changed on the way, and many become one table."""

import hashlib
import json
import tomllib
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.common.hashing import digest
from benchmarks.common.project import PROJECT, REFERENCE
from helpers import synthetic_run
from suite.errors import RecordError
from suite.leaderboard import app as leaderboard
from suite.report.leaderboard import ranked, read_board
from suite.report.results import RunResults, load_results
from suite.report.submission import CONTENTS, cards, pack, problems, unpack
from suite.submit import app as submit

ALPHA, JPEG = ("alpha", "default"), ("digital", "jpeg")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    run_dir = synthetic_run.make_run(tmp_path_factory.mktemp("run"), metrics=("psnr",))
    document = json.loads((run_dir / "run.json").read_text())
    identifying = {"seed": 1, "image_size": 256, "link": {}}
    document |= {"identifying": identifying, "identity": digest("run", identifying), "ended": "2026-01-01T00:00:00+00:00"}
    document |= {
        "grid": {"snr_db": list(synthetic_run.SNRS), "channels": list(synthetic_run.CHANNELS), "repetitions": 2, "image_size": 256}
    }
    document |= {"datasets": {"kodak": {"pictures": 12, "fingerprint": "f"}}, "code": {"alpha/default": "c", "beta/sa": "d"}}
    training = {"minutes": 3.0, "steps": 10, "seed": 0, "data": "kodak", "parameters": 4_000}
    document |= {"trainings": {"alpha/default 1/24": training}, "weights": {"beta/sa 1/24": "w"}}
    (run_dir / "run.json").write_text(json.dumps(document))
    return load_results(run_dir)


@pytest.fixture
def archive(results: RunResults, tmp_path: Path) -> Path:
    (tmp_path / "board").mkdir()
    return pack(results, tmp_path / "board" / "demo.zip")


def without(results: RunResults, lost: pd.Series) -> list[str]:
    return list(problems(RunResults(results.layout, results.records[~lost], results.info)))


def test_an_archive_comes_back_as_it_went_and_is_the_same_bytes_each_time(results: RunResults, archive: Path, tmp_path: Path) -> None:
    back = unpack(archive, tmp_path / "back")
    pd.testing.assert_frame_equal(back.records, results.records)
    assert pack(results, tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_a_failed_cell_cannot_be_left_out(results: RunResults) -> None:
    assert list(problems(results)) == []
    (said,) = without(results, results.records["status"].eq("failed"))[:1]
    assert said == "beta/sa at CR 1/48 on kodak lacks 4 of 192 rows"
    whole_cell = results.records["variant"].eq("jpeg") & results.records["channel"].eq("rayleigh") & results.records["snr_db"].eq(1)
    assert any("digital/jpeg at CR 1/24 on kodak lacks 24 of 192" in each for each in without(results, whole_cell))
    assert "alpha/default is in the grid and has no row" in without(results, results.records["method"].eq("alpha"))
    assert "11 of the 12 images of kodak have records" in without(results, results.records["image"].eq("set/03"))


def test_a_run_that_has_not_ended_or_says_another_identity_is_refused(results: RunResults, tmp_path: Path) -> None:
    document = results.info.document | {"ended": None, "identity": "0" * 24}
    broken = RunResults(results.layout, results.records, type(results.info).of(document))
    with pytest.raises(RecordError, match=r"has not ended.*another identity"):
        pack(broken, tmp_path / "no.zip")


def changed(archive: Path, name: str, content: bytes, extra: str = "") -> Path:
    """Write the archive with one file changed, or one more."""
    other = archive.with_name("changed.zip")
    with zipfile.ZipFile(archive) as before, zipfile.ZipFile(other, "w") as after:
        for each in before.namelist():
            after.writestr(each, content if each == name else before.read(each))
        if extra:
            after.writestr(extra, b"")
    return other


def test_what_was_changed_added_or_is_no_archive_is_refused(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"run\.json was changed"):
        unpack(changed(archive, "run.json", b"{}"), tmp_path / "a")
    with pytest.raises(RecordError, match="its files are not those that it lists"):
        unpack(changed(archive, "", b"", extra="../evil"), tmp_path / "b")
    told = json.loads(zipfile.ZipFile(archive).read(CONTENTS))
    outside = json.dumps(told | {"files": {"../evil": told["files"]["run.json"]}}).encode()
    with pytest.raises(RecordError, match="its files are not those"):
        unpack(changed(archive, CONTENTS, outside), tmp_path / "c")
    fewer = json.dumps(told | {"failed": 0}).encode()
    with pytest.raises(RecordError, match="other records than it says"):
        unpack(changed(archive, CONTENTS, fewer), tmp_path / "d")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(RecordError, match="is no submission"):
        unpack(tmp_path / "text.zip", tmp_path / "e")
    assert not (tmp_path / "evil").exists()


def test_cards_say_training_contamination_failures_and_what_exceeds_a_budget(results: RunResults) -> None:
    by_name = {(card["method"], card["variant"]): card for card in cards(results)}
    alpha = by_name["alpha", "default"]
    assert alpha["contamination"] == "trained on kodak, tested on kodak: of kodak two splits, as the data set cuts them"
    assert alpha["networks"]["alpha/default 1/24"]["steps"] == 10 and alpha["over_budget"] == []
    assert "does not say on what" in by_name["beta", "sa"]["contamination"] and by_name["beta", "sa"]["failed"] == 8
    assert "not known" in by_name["fixed", "default"]["contamination"]
    more = results.records.assign(symbols_analog=9000)
    said = next(card for card in cards(RunResults(results.layout, more, results.info)) if card["method"] == "alpha")["over_budget"]
    assert said == [
        "9000 analogue symbols at CR 1/48, where the budget is 4096",
        "9000 analogue symbols at CR 1/24, where the budget is 8192",
    ]


def test_cards_say_licence_and_size_of_the_projects_own_methods_and_networks_and_that_others_are_not_known(results: RunResults) -> None:
    own = max((REFERENCE / "checkpoints").glob("deepjscc-*.safetensors"))
    sha = hashlib.sha256(own.read_bytes()).hexdigest()
    document = results.info.document | {"weights": {"alpha/default 1/24": "w", "digital/jpeg 1/24": sha}}
    found = cards(RunResults(results.layout, results.records, type(results.info).of(document)))
    alpha, jpeg = (next(card for card in found if (card["method"], card["variant"]) == each) for each in (ALPHA, JPEG))
    assert alpha["parameters"] == {"alpha/default 1/24": 4_000} and jpeg["parameters"] == {}
    licence = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["license"]
    assert jpeg["licence"] == licence and jpeg["weights_licence"] == {"digital/jpeg 1/24": licence}
    assert "not stated" in alpha["licence"] and "not stated" in alpha["weights_licence"]["alpha/default 1/24"]


def test_a_board_ranks_the_rows_of_all_submissions_and_says_who_was_refused(results: RunResults, archive: Path) -> None:
    better = results.records.assign(psnr=results.records["psnr"] + 1)
    worse = RunResults(results.layout, better, results.info)
    points, metrics, refused = read_board(archive.parent)
    assert refused == [] and list(metrics) == ["psnr"]
    again = pd.concat([points, points.assign(submission="other", mean=worse.points["mean"].iloc[: len(points)].to_numpy())])
    found = ranked(again, metrics)
    block = found.query("channel == 'awgn' and cr > 0.04")
    assert len(block) == 10 and block["rank"].tolist() == sorted(block["rank"]) and block["submission"].iloc[0] == "other"
    expected = results.points.query("channel == 'awgn' and cr > 0.04 and method == 'alpha'")["mean"].mean()
    assert block.query("submission == 'demo' and method == 'alpha'")["value"].iloc[0] == pytest.approx(expected)
    (archive.parent / "broken.zip").write_text("nothing")
    done = CliRunner().invoke(leaderboard, [str(archive.parent), "--metric", "psnr"])
    assert done.exit_code == 1 and "broken.zip is no submission" in done.output and "PSNR (dB) on kodak" in done.output
    assert len(pd.read_csv(archive.parent / "leaderboard.csv")) == 2 * 2 * 5 + 2


def test_commands_say_what_went_into_the_archive_and_what_is_missing(results: RunResults, tmp_path: Path) -> None:
    done = CliRunner().invoke(submit, [str(results.layout.path), "--out", str(tmp_path / "x.zip")])
    assert done.exit_code == 0 and "alpha: 400 rows, 0 failed; trained on kodak" in done.output and (tmp_path / "x.zip").is_file()
    nobody = CliRunner().invoke(leaderboard, [str(tmp_path / "empty")])
    assert nobody.exit_code == 2
