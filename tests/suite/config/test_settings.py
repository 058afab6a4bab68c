"""The grid: what it accepts, and the sentence a wrong key or value gets."""

from fractions import Fraction

import pytest

from benchmarks.common.errors import SemcomError, UnknownNameError
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.link import Link
from methods.base import Geometry
from suite.config.catalog import GRIDS
from suite.config.compose import compose
from suite.config.grid import Grid
from suite.config.identity import CHANGES_RESULTS, LEAVES_RESULTS
from suite.config.methods import resolve
from suite.config.reading import build_grid, override, read_grid
from suite.errors import SettingsError

MINIMAL = {
    "name": "tiny",
    "methods": ["deepjscc"],
    "datasets": ["photos"],
    "snr_db": [1, 10],
    "cr": ["1/24"],
    "channels": ["awgn"],
    "metrics": ["psnr"],
}


@pytest.mark.parametrize("name", GRIDS.names())
def test_every_built_in_grid_is_valid_and_names_methods_that_exist(name):
    grid = build_grid(read_grid(name))
    assert grid.name == name and grid.description
    assert resolve(grid)


def test_ratios_are_exact_however_they_are_written():
    grid = build_grid({**MINIMAL, "cr": ["1/24", " 1 / 48 ", 0.25]})
    assert grid.cr == (Fraction(1, 24), Fraction(1, 48), Fraction(1, 4))


def test_method_entries_have_short_forms():
    grid = build_grid(
        {**MINIMAL, "methods": ["deepjscc", "swinjscc/sa", {"swinjscc": ["base", "ra"]}, {"name": "deepjscc", "preset": "paper"}]}
    )
    assert [(entry.name, entry.variants, entry.preset) for entry in grid.methods] == [
        ("deepjscc", (), None),
        ("swinjscc", ("sa",), None),
        ("swinjscc", ("base", "ra"), None),
        ("deepjscc", (), "paper"),
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"chanels": ["awgn"]}, r"unknown key 'chanels'\. Did you mean 'channels'\?"),
        ({"training": {"stps": 3}}, r"unknown key 'training\.stps'\. Did you mean 'steps'\?"),
        ({"link": {"equaliser": "zf"}}, r"Did you mean 'equalizer'\?"),
        ({"snr_db": ["loud"]}, r"'snr_db\.0'.*valid number.*'loud'"),
        ({"snr_db": [float("nan")]}, r"'snr_db\.0'.*finite"),
        ({"cr": ["many"]}, r"a compression ratio is a number such as 1/24, not 'many'"),
        ({"cr": ["1/0"]}, r"a compression ratio is a number"),
        ({"cr": [-1]}, r"lies between 0 and 1"),
        ({"image_size": 4}, r"'image_size'.*greater than or equal to 8"),
        ({"methods": []}, r"'methods'.*at least 1"),
        ({"repetitions": 0}, r"'repetitions'"),
        ({"snr_db": [1, 1.0]}, r"'snr_db'.*twice"),
        ({"cr": ["1/24", "2/48"]}, r"'cr'.*twice"),
    ],
)
def test_a_wrong_key_or_value_gets_one_clear_sentence(change, sentence):
    with pytest.raises(SettingsError, match=sentence):
        build_grid({**MINIMAL, **change})


def test_a_missing_key_is_named():
    with pytest.raises(SettingsError, match="the key 'cr' is missing"):
        build_grid({key: value for key, value in MINIMAL.items() if key != "cr"})


def test_assignments_reach_into_sections_and_leave_the_original_alone():
    keys = {**MINIMAL, "training": {"steps": 100, "batch": 8}}
    changed = override(keys, ["training.steps=70", "cr=[1/12, 1/6]", "link.equalizer=zf"])
    grid = build_grid(changed)
    assert (grid.training.steps, grid.training.batch) == (70, 8)
    assert grid.cr == (Fraction(1, 12), Fraction(1, 6))
    assert grid.link.equalizer == "zf"
    assert keys["training"] == {"steps": 100, "batch": 8}


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [("training.steps", "KEY=VALUE"), ("name.steps=3", "is a value, not a section"), ("cr=[1/24", "not readable")],
)
def test_a_wrong_assignment_is_named(assignment, sentence):
    with pytest.raises(SettingsError, match=sentence):
        override(MINIMAL, [assignment])


def test_grids_come_from_files_too(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\n")
    assert read_grid(str(file)) == {"name": "mine"}
    with pytest.raises(SettingsError, match="there is no grid file"):
        read_grid(str(tmp_path / "other.yaml"))
    file.write_text("[1, 2]")
    with pytest.raises(SettingsError, match="keys and values"):
        read_grid(str(file))
    file.write_text("a: [")
    with pytest.raises(SettingsError, match="not readable YAML"):
        read_grid(str(file))


def test_an_unknown_grid_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'quick'"):
        read_grid("quik")


@pytest.mark.parametrize(
    ("methods", "sentence"),
    [
        (["deepjscc/other"], r"unknown variant of deepjscc 'other'\. Known: default"),
        ([{"name": "deepjscc", "preset": "hughe"}], "unknown preset of deepjscc"),
        ([{"name": "deepjscc", "settings": {"kernl": 3}}], r"methods\.deepjscc\.settings: unknown key 'kernl'\. Did you mean 'kernel'"),
        ([{"name": "deepjscc", "training": {"steps": 0}}], r"methods\.deepjscc\.training: 'steps'"),
        (["deepjscc", "deepjscc/default"], "names deepjscc/default twice"),
    ],
)
def test_a_method_entry_that_cannot_be_configured_is_named(methods, sentence):
    with pytest.raises(SemcomError, match=sentence):
        resolve(build_grid({**MINIMAL, "methods": methods}))


def test_settings_are_laid_over_defaults_preset_and_variant():
    (configured,) = resolve(
        build_grid({**MINIMAL, "methods": [{"name": "deepjscc", "settings": {"kernel": 7}, "training": {"steps": 5, "warmup": 1}}]})
    )
    assert configured.settings.kernel == 7
    assert configured.settings.widths == (32, 48, 48, 48)
    assert configured.training.steps == 5


@pytest.mark.parametrize(("name", "reading"), [("paper", "16-QAM 1/2, Es/N0"), ("full", "16-QAM 1/2")])
def test_captions_of_the_paper_s_grids_take_the_share_of_the_symbols_that_figure_9_states(name, reading):
    grid = compose(name, "gened_sc,nam24,hosonuma25", None, None, ["generative.captioner=openai:any"])
    limits = {configured.settings.captioner.max_bytes for configured in resolve(grid)}
    assert limits == {106} == {grid.generative.captioner.max_bytes}
    draws, fixed = KeyedDraws(1, ["a"], "awgn", 10.0, 0), grid.readings[reading].over(grid.link)
    charged, overhead = (Link(fixed).send("awgn", 10.0, draws, digital=[bytes(size)], text=True).entries[0] for size in (106, 0))
    # An empty message is its header alone; a check of 24 bits comes with the first byte.
    check = 24 // 2
    assert overhead.symbols_total == 55 and charged.symbols_total == 55 + check + 424
    text = charged.symbols_total - overhead.symbols_total - check
    visual = [Geometry(256, 256).symbols(cr) for cr in grid.cr]
    assert visual == [4096, 5461, 8192, 16384]
    assert [100 * text / (symbols + text) for symbols in visual] == pytest.approx([9.5, 7.2, 4.9, 2.5], abs=0.15)
    assert [100 * charged.symbols_total / (symbols + charged.symbols_total) for symbols in visual] == pytest.approx(
        [10.7, 8.2, 5.7, 2.9], abs=0.05
    )


def test_a_grid_sets_the_budget_of_captions_where_the_captioner_has_none_of_its_own():
    def limit(**section) -> int:
        return build_grid({**MINIMAL, "generative": section}).generative.captioner.max_bytes

    assert limit(captioner="openai:any") == 512
    assert limit(captioner="openai:any", caption_bytes=106) == limit(caption_bytes=106, captioner={"model": "openai:any"}) == 106
    assert limit(captioner={"model": "openai:any", "max_bytes": 40}, caption_bytes=106) == 40
    with pytest.raises(SettingsError, match="caption_bytes"):
        limit(captioner="openai:any", caption_bytes=0)


@pytest.mark.parametrize(
    ("name", "framing"), [("paper", "resize"), ("full", "resize"), ("ablation", "resize"), ("quick", "crop"), ("photos", "crop")]
)
def test_the_paper_s_grids_train_on_what_they_test_on(name, framing):
    grid = compose(name, None, None, None, [])
    assert {configured.training.images for configured in resolve(grid)} == {framing}
    if framing == "resize":
        assert grid.fit == "squash" and grid.training.crop == grid.image_size


def test_every_field_of_a_grid_is_classified():
    unclassified = set(Grid.model_fields) - CHANGES_RESULTS - LEAVES_RESULTS
    assert not unclassified, f"say in benchmarks/common/hashing.py whether {sorted(unclassified)} change results"
    assert not CHANGES_RESULTS & LEAVES_RESULTS
    assert set(Grid.model_fields) >= CHANGES_RESULTS | LEAVES_RESULTS


def test_labels_of_readings_and_empty_lists_get_sentences():
    label = r"'readings': a label is a text of up to 40 letters, .* got 'a!'"
    with pytest.raises(SettingsError, match=label):
        build_grid({**MINIMAL, "readings": {"a!": {}}})
    with pytest.raises(SettingsError, match=r"'readings': a label is a text .* got ''"):
        build_grid({**MINIMAL, "readings": {"": {}}})
    with pytest.raises(SettingsError, match=r"'sheet\.snr_db': give at least 1 value, got \[\]"):
        build_grid({**MINIMAL, "sheet": {"snr_db": []}})


def test_an_unknown_codec_of_edited_is_told_what_else_may_stand_there():
    with pytest.raises(UnknownNameError, match=r"unknown variant of edited 'nosuch'\. Known: swinjscc.*as METHOD or METHOD/VARIANT"):
        resolve(build_grid({**MINIMAL, "methods": ["edited/nosuch"]}))
