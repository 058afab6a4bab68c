"""Readings of the link: rows of their own for the methods that they change, one row for all others, and growth as ever."""

import json

import pandas as pd
import pytest

import suite
from benchmarks.link.settings import LinkSettings
from methods.base import Method, Received, Refined, Signal, Traits
from methods.declaration import MethodSettings
from methods.registry import METHODS
from suite.config.readings import concerns
from suite.errors import SettingsError
from suite.runs.labels import series_label
from suite.runs.layout import RunLayout

FIXED, AS_BITS, DECREE = "16-QAM 1/2, Es/N0", "Eb/N0", "lossless"
READINGS = {FIXED: {}, AS_BITS: {"link": {"digital": {"snr_as": "eb_n0"}}}, DECREE: {"link": {"digital": {"mode": "lossless"}}}}
HARQ = {"HARQ": {"channels": ["rayleigh-block"], "link": {"digital": {"harq": True}}}}


class Talks(Method):
    """Sends an analog image and a text that its second stage alone reads: whole it brightens the image, damaged it darkens it."""

    Settings = MethodSettings

    @classmethod
    def traits(cls, settings: Settings) -> Traits:
        return Traits(refines=True, refine_only=frozenset({"digital"}))

    def encode(self, images, point, descriptions) -> Signal:
        plain = METHODS.get("blocks_for_tests")
        analog = plain(plain.Settings(), self.geometry).encode(images, point, None).analog
        return Signal(analog=analog, digital=[b"a red boat on a blue sea"] * len(images), text=True)

    def decode(self, received: Received, point):
        plain = METHODS.get("blocks_for_tests")
        return plain(plain.Settings(), self.geometry).decode(received, point)

    def refine(self, coarse, received, point) -> Refined:
        shift = coarse.new_tensor([0.1 if intact else -0.1 for intact in received.intact])
        return Refined((coarse + shift[:, None, None, None]).clamp(0, 1))


@pytest.fixture(autouse=True)
def _talks(_test_methods):
    METHODS.register("talks_for_tests")(Talks)
    yield
    METHODS._entries.pop("talks_for_tests")


@pytest.fixture
def evaluate(tmp_path, images, make_grid):
    def run(readings, out="out", limit=2, **changes) -> suite.report.results.RunResults:
        keys = {"methods": ["blocks_for_tests", "talks_for_tests"], "cr": ["1/12"], "channels": ["awgn"], "readings": readings}
        grid = make_grid(**{**keys, **changes})
        (tmp_path / "grid.yaml").write_text(grid.model_dump_json())
        return suite.evaluate(tmp_path / "grid.yaml", data_dir=images, limit=limit, out=tmp_path / out, executor="inline", quiet=True)

    return run


def worst(results, reading: str) -> str:
    own = results.records[results.records["variant"].eq(f"default [{reading}]") & results.records["snr_db"].eq(1)]
    return str(own.sort_values("psnr")["image"].iloc[0])


def rows(records: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(records["method"], records["variant"], strict=True))


def test_a_row_for_each_reading_and_one_for_what_no_reading_changes(evaluate):
    found = evaluate(READINGS).records
    assert rows(found) == {
        *(("blocks_for_tests", "default"), ("talks_for_tests", "default/stage-one")),
        *(("talks_for_tests", f"default [{label}]") for label in READINGS),
    }
    assert found["status"].eq("ok").all() and found.groupby(["method", "variant"]).size().eq(2 * 2).all()
    intact = found.dropna(subset=["text_ok"]).groupby(["variant", "snr_db"])["text_ok"].mean().unstack()
    assert intact.loc[f"default [{FIXED}]"].tolist() == [0, 1] == intact.loc[f"default [{AS_BITS}]"].tolist()
    assert intact.loc[f"default [{DECREE}]"].tolist() == [1, 1]


def test_tables_pairs_and_notes_show_the_labels(evaluate, tmp_path):
    results = evaluate(READINGS)
    labels = {method for _, method in results.table("psnr").index}
    assert {f"talks_for_tests [{label}]" for label in READINGS} <= labels and "talks_for_tests/stage-one" in labels
    assert f"talks_for_tests [{AS_BITS}]" in set(results.pairs["first"]) | set(results.pairs["second"])
    notes = next(iter(results.metric_tables.values())).notes
    told = [note for note in notes if note.startswith(f"[{AS_BITS}]")]
    assert told == [f"[{AS_BITS}]: link.digital.snr_as=eb_n0."]
    assert any(note.startswith(f"[{DECREE}]") and "by decree" in note for note in notes)
    results = suite.report.results.load_results(tmp_path / "out")
    assert {f"default [{label}]" for label in READINGS} <= set(results.points["variant"])


def test_a_reading_that_is_added_is_all_that_is_sent(evaluate, tmp_path, monkeypatch):
    from suite.evaluate.stages.transmit import Transmitter

    done = []
    work = Transmitter.__call__
    monkeypatch.setattr(Transmitter, "__call__", lambda self, task: done.append(task.unit.variant) or work(self, task))
    first = evaluate({}).records
    assert rows(first) == {("blocks_for_tests", "default"), ("talks_for_tests", "default"), ("talks_for_tests", "default/stage-one")}
    done.clear()
    more = {AS_BITS: READINGS[AS_BITS]}
    grown = evaluate(more).records
    assert set(done) == {f"default [{AS_BITS}]"}
    assert rows(grown) == {*rows(first), ("talks_for_tests", f"default [{AS_BITS}]")}
    done.clear()
    assert rows(evaluate(more).records) == rows(grown) and not done
    assert rows(evaluate({}).records) == rows(first) and not done


def test_each_reading_has_worst_cases_of_its_own(evaluate, tmp_path):
    readings = {FIXED: {}, DECREE: READINGS[DECREE]}
    evaluate(readings, limit=5, **{"sheet": {"images": 0}})
    failures = {"method": "talks_for_tests", "metric": "psnr", "snr_db": 1, "images": 1}
    results = evaluate(readings, limit=5, sheet={"images": 0, "failures": failures})
    assert worst(results, FIXED) != worst(results, DECREE), "a darkened image and a brightened one are bad elsewhere"
    layout = RunLayout(tmp_path / "out")
    for reading in readings:
        of_it = {"dataset": "folder", "method": "talks_for_tests", "variant": f"default [{reading}]", "cr": 1 / 12}
        assert layout.sample(of_it | {"channel": "awgn", "snr_db": 1.0, "image": worst(results, reading)}).is_file()


def test_what_was_said_and_what_arrived_stands_beside_a_kept_image(evaluate, tmp_path):
    results = evaluate({FIXED: {}, DECREE: READINGS[DECREE]})
    layout, sent = RunLayout(tmp_path / "out"), "a red boat on a blue sea"
    kept = results.records[results.records["snr_db"].eq(1)]
    for row in kept.to_dict("records"):
        path = layout.sample_texts(row)
        if row["method"] != "talks_for_tests" or row["variant"].endswith("stage-one"):
            assert layout.sample(row).is_file() and not path.exists(), "no text went into this image"
            continue
        told = json.loads(path.read_text())
        assert told["sent"] == sent and (told["received"] == sent) == bool(row["text_ok"])
    assert set(kept["text_ok"].dropna()) == {0.0, 1.0}


def test_slow_fading_that_is_added_leaves_what_is_there(evaluate, monkeypatch):
    from suite.evaluate.stages.transmit import Transmitter

    done = []
    work = Transmitter.__call__
    monkeypatch.setattr(Transmitter, "__call__", lambda self, task: done.append(task.unit.grid.channels) or work(self, task))
    adaptive = {"link": {"digital": {"mode": "adaptive"}}}
    first = evaluate({}, **adaptive).records
    done.clear()
    grown = evaluate({}, channels=["awgn", "rayleigh-block"], **adaptive).records
    assert set(done) == {("rayleigh-block",)} and len(grown) == 2 * len(first)
    kept = grown[grown["channel"].eq("awgn")].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, first)


def test_a_reading_of_the_analog_link_concerns_every_method_on_its_channels_alone(evaluate):
    found = evaluate(HARQ, channels=["awgn", "rayleigh-block"], link={"digital": {"mode": "ldpc"}}).records
    labelled = found[found["variant"].str.endswith("[HARQ]")]
    assert rows(labelled) == {
        *(("blocks_for_tests", "default [HARQ]"), ("talks_for_tests", "default [HARQ]"), ("talks_for_tests", "default/stage-one [HARQ]")),
    }
    assert set(labelled["channel"]) == {"rayleigh-block"} and set(found["channel"]) == {"awgn", "rayleigh-block"}
    # On a narrowed grid that it has no channel of it is of no interest, and nobody is told of it.
    elsewhere = evaluate(HARQ, "elsewhere", channels=["awgn"])
    assert not elsewhere.records["variant"].str.contains("HARQ").any() and not any("HARQ" in note for note in elsewhere.info.notes)


def test_a_method_with_a_coding_of_its_own_is_not_sent_twice():
    own, other = LinkSettings(), LinkSettings(digital={"mode": "lossless"})
    assert concerns(Traits(describes=True), own, other) and not concerns(Traits(), own, other)
    assert not concerns(Traits(coding_mode="robust"), own, other) and not concerns(Traits(coding_mode="uncoded"), own, other)
    assert concerns(Traits(coding_mode="uncoded"), own, LinkSettings(digital={"snr_as": "eb_n0"}))
    assert concerns(Traits(), own, LinkSettings(equalizer="zf")) and not concerns(Traits(coding_mode="capacity"), own, other)


@pytest.mark.parametrize(
    ("readings", "reason"),
    [
        ({"a": {"link": {"digital": {"snr": 1}}}}, "the reading 'a': unknown key 'digital.snr'"),
        ({"a": {}, "b": {"link": {"equalizer": "mmse"}}}, "the readings 'a' and 'b' are one"),
        ({"a b": {"link": {"equalizer": "zf"}}, "a/b": {}}, "are one"),
        ({"a": {"channels": ["mars"]}}, "names the channels mars; there are awgn"),
        ({"a [b]": {}}, "a \\[b\\]"),
    ],
)
def test_readings_that_cannot_be_told_apart_are_refused(make_grid, readings, reason):
    with pytest.raises(SettingsError, match=reason):
        make_grid(readings=readings)


def test_a_label_stands_behind_the_name():
    assert series_label("gened_sc", "full [Eb/N0]") == "GenED-SC [Eb/N0]"
    assert series_label("gened_sc", "full/stage-one [HARQ]") == "GenED-SC, stage one [HARQ]"
