"""What every table of a run tells: what was lossless by decree, and channels that no training met."""

from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks.common.errors import UnknownNameError
from methods.nam24 import Nam24
from suite.config.compose import compose
from suite.errors import SettingsError
from suite.options import GridOptions
from suite.prepare import prepare
from suite.run_notes import run_notes
from suite.runs.info import read_info
from suite.session import Session

NETWORKS = "deepjscc/default, swinjscc/base"


def notes(*changes: str, methods: str | None = "deepjscc,swinjscc/base,digital/jpeg") -> list[str]:
    return run_notes(prepare(compose("quick", methods, None, 2, ["metrics=[psnr]", *changes])))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([], [f"Trained on awgn and tested on rayleigh without having met it in training: {NETWORKS}."]),
        (["channels=[awgn]"], []),
        (["training.channels=[awgn,rayleigh]"], []),
        (["training.channels=[rayleigh]"], [f"Trained on rayleigh and tested on awgn without having met it in training: {NETWORKS}."]),
    ],
)
def test_networks_that_are_tested_on_channels_that_they_were_not_trained_on_are_named(changes, told):
    assert notes(*changes) == told


def test_networks_of_other_trainings_are_named_apart_and_methods_without_weights_not_at_all():
    own = "methods=[{name: deepjscc, training: {channels: [awgn, rician]}}, swinjscc, digital]"
    assert notes(own, "channels=[rician,awgn]", methods=None) == [
        "Trained on awgn and tested on rician without having met it in training: swinjscc/base."
    ]
    assert notes(methods="digital/jpeg,nam24") == []


TITLE = "CLIP-Score (scenes)"
JUDGE = "transformers:results/reference/scene_models/captioner"
OF_TEXT = ("metrics=[psnr, clip_score_scenes]", "channels=[awgn]")


def test_the_texts_that_metrics_compare_with_are_told_where_no_method_was_given_them(tmp_path):
    own = f"{TITLE}: compared with the data set's own caption of the image"
    assert notes(*OF_TEXT, methods="digital/jpeg") == [f"{own}, which no method is given."]
    # The quick grid's methods send the data set's captions.
    assert notes(*OF_TEXT, methods="nam24") == []
    written = f"{own}, and where it has none with what {JUDGE} writes for the metric alone; no method is given that text."
    assert notes(*OF_TEXT, f"generative.reference_captioner={JUDGE}", methods="nam24") == [written]
    (tmp_path / "brief.txt").write_text("In one sentence.")
    other = f"{{model: openai:judge, prompt_file: {tmp_path / 'brief.txt'}, access: {{base_url: 'http://127.0.0.1:9/v1'}}}}"
    assert "what openai:judge, told by brief.txt writes" in notes(*OF_TEXT, f"generative.reference_captioner={other}", methods="digital")[0]


def test_a_metric_of_text_is_left_out_without_texts_of_its_own(images):
    def metrics(*changes: str):
        keys = ["metrics=[psnr, 'clip_score_scenes?']", "image_size=32", "cr=[1/6]", *changes]
        return prepare(compose("quick", "digital/jpeg", "folder", 2, keys), images).metrics

    why = metrics("generative.captioner=openai:NAME").left_out["clip_score_scenes"]
    assert "folder comes without captions; name a model in generative.reference_captioner" in why
    assert metrics(f"generative.reference_captioner={JUDGE}").names == ("psnr", "clip_score_scenes")
    why = metrics("generative.reference_captioner=transformers:no/such-captioner").left_out["clip_score_scenes"]
    assert "generative.reference_captioner cannot be asked: no/such-captioner is neither a folder" in why
    with pytest.raises(SettingsError, match=r"generative\.reference_captioner=null"):
        notes(*OF_TEXT, "generative.reference_captioner=transformers:no/such-captioner")


def test_a_reference_that_says_what_a_method_sends_is_refused():
    own = f"generative.captioner={{model: '{JUDGE}', max_bytes: 60}}"
    with pytest.raises(SettingsError, match=r"with the same prompt writes what nam24/default sends.*name another model"):
        notes(*OF_TEXT, own, f"generative.reference_captioner={JUDGE}", methods="nam24")
    with pytest.raises(SettingsError, match="the data set's own captions come first in any case"):
        notes("generative.reference_captioner=dataset")
    assert notes("metrics=[psnr]", "channels=[awgn]", own, f"generative.reference_captioner={JUDGE}", methods="nam24") == []


def test_a_metric_by_which_a_method_chooses_is_told(monkeypatch):
    real = Nam24.traits.__func__

    def chooses_by(metric: str) -> None:
        monkeypatch.setattr(Nam24, "traits", classmethod(lambda cls, own: replace(real(cls, own), metrics_inside=frozenset({metric}))))

    chooses_by("clip_score_scenes")
    assert notes(*OF_TEXT, methods="nam24,digital/jpeg") == [
        f"{TITLE} does not measure nam24/default from outside: the method chooses by it, or learnt from what it looks at."
    ]
    assert notes("channels=[awgn]", methods="nam24") == [], "a metric that nobody reads"
    chooses_by("clip_scor")
    with pytest.raises(UnknownNameError, match="clip_scor"):
        notes("channels=[awgn]", methods="nam24")


def test_what_is_told_stands_in_the_run_and_under_its_tables(tmp_path):
    options = GridOptions("quick", "deepjscc", limit=1, out=str(tmp_path / "run"), set_=["metrics=[psnr]", "cr=[1/24]"])
    session = Session(options, console=Console(quiet=True))
    session.evaluate("inline")
    told = "Trained on awgn and tested on rayleigh without having met it in training: deepjscc/default."
    info = read_info(session.folder.layout)
    assert info is not None and info.notes == (told,)
    assert all(told in table.notes for table in session.results.metric_tables.values())


def test_a_reading_that_changes_no_row_is_told_and_not_explained():
    # The quick grid's texts go by adaptive schemes, which have no fixed SNR to read.
    readings = "readings={Eb/N0: {link: {digital: {snr_as: eb_n0}}}}"
    told = notes(readings, "channels=[awgn]", methods="nam24")
    assert told == ["[Eb/N0]: no row, since no method of this grid, on its channels, would be sent otherwise."]


def test_two_rows_of_one_name_are_refused(monkeypatch):
    monkeypatch.setattr("suite.plan_checks.series_label", lambda method, variant: "Same")
    with pytest.raises(SettingsError, match="tables would call deepjscc/default and swinjscc/base 'Same' both; change the display_names"):
        notes(methods="deepjscc,swinjscc/base")
