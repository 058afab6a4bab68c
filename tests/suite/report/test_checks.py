"""The trends of a run: each claim holds on records that show it and does not on records that do not."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from suite.report.checks import caption_accuracy, trends
from suite.report.results import RunResults
from suite.runs.info import RunInfo
from suite.runs.layout import RunLayout
from suite.runs.records import write_unit
from suite.trends import app

SNRS = (1.0, 4.0, 7.0, 10.0)
BETTER = {"psnr": "higher", "gmsd": "lower"}


def rows(method, variant, psnr, *, gmsd=0.2, analog=512, crs=(1 / 48, 1 / 24), channel="awgn", sample_images=6):
    """Return a record an image, CR and SNR; ``psnr`` and ``gmsd`` are numbers or functions of (cr, snr)."""

    def value(of, cr, snr):
        return of(cr, snr) if callable(of) else of

    wobble = np.random.default_rng(0).normal(0, 0.01, 10_000)
    cells = itertools.product(range(sample_images), crs, SNRS)
    return [
        {
            **{"run": "r", "method": method, "variant": variant, "dataset": "scenes", "image": f"scenes/{2_000_000 + image}"},
            **{"cr": cr, "channel": channel, "snr_db": snr, "repetition": 0, "status": "ok", "error": ""},
            **{"symbols_analog": analog, "symbols_digital": 0, "symbols_total": analog, "symbols_pilot": 0},
            "psnr": value(psnr, cr, snr) + wobble[number],
            "gmsd": value(gmsd, cr, snr) + wobble[number] / 10,
        }
        for number, (image, cr, snr) in enumerate(cells)
    ]


def verdicts(*parts):
    records = pd.DataFrame([row for part in parts for row in part])
    return {trend.claim: trend.holds for trend in trends(records, BETTER)}


def graceful(cr, snr):
    return 20 + 0.3 * snr + 50 * cr


def test_a_graceful_code_holds_every_claim():
    found = verdicts(rows("swinjscc", "base", graceful))
    assert found == {
        "swinjscc/base: PSNR rises with SNR": True,
        "swinjscc/base: no cliff": True,
        "swinjscc/base: PSNR rises with CR": True,
    }


@pytest.mark.parametrize(
    ("psnr", "broken"),
    [
        (lambda cr, snr: 25 - 0.1 * snr + 50 * cr, "PSNR rises with SNR"),
        (lambda cr, snr: (12 if snr < 4 else 25) + 0.1 * snr + 50 * cr, "no cliff"),
        (lambda cr, snr: 20 + 0.3 * snr - 50 * cr, "PSNR rises with CR"),
    ],
)
def test_each_claim_about_a_code_can_fail(psnr, broken):
    found = verdicts(rows("deepjscc", "default", psnr))
    assert [claim.split(": ")[1] for claim, holds in found.items() if not holds] == [broken]


def test_fixed_digital_schemes_fall_and_adaptive_ones_do_not():
    def cliff(cr, snr):
        return 10.0 if snr < 7 else 24.0

    found = verdicts(rows("digital", "webp", graceful, analog=0), rows("digital", "webp-fixed", cliff, analog=0))
    assert found == {"digital/webp on AWGN: no cliff": True, "digital/webp-fixed on AWGN: falls off its cliff": True}
    found = verdicts(rows("digital", "webp", cliff, analog=0), rows("digital", "webp-fixed", graceful, analog=0))
    assert not any(found.values()) and len(found) == 2


def test_stage_two_is_compared_image_by_image_with_stage_one():
    claim = "gened_sc/full: stage two improves gmsd over stage one"
    for second, expected in ((0.15, True), (0.25, False), (0.2, False)):
        found = verdicts(rows("gened_sc", "full", 22, gmsd=second), rows("gened_sc", "full/stage-one", graceful, gmsd=0.2))
        assert found[claim] is expected
        assert "gened_sc/full: PSNR rises with SNR" not in found and found["gened_sc/full/stage-one: PSNR rises with SNR"]


def test_side_information_is_compared_with_text_alone_whatever_the_rates():
    text = rows("nam24", "default", 12, gmsd=0.3, analog=0, crs=(math.nan,))
    guided = rows("hosonuma25", "default", 15, gmsd=0.2, analog=0, crs=(math.nan,))
    found = verdicts(text, guided, rows("gened_sc", "full", 22, gmsd=0.35))
    assert found["hosonuma25: better gmsd than text alone (nam24)"]
    assert not found["gened_sc: better gmsd than text alone (nam24)"]


def test_what_is_invented_is_told_for_each_method_and_compared_with_text_alone():
    """A crisp wrong image: text alone invents in every second image, the guided method in every fifth of its own."""

    def with_objects(found, invented, missing):
        return [
            row | {"scene_objects_invented": 0.5 if number % invented == 0 else 0.0, "scene_objects_missing": missing + number % 2 / 10}
            for number, row in enumerate(found)
        ]

    text = with_objects(rows("nam24", "default", 12, analog=0, crs=(math.nan,)), 2, 0.6)
    guided = with_objects(rows("hosonuma25", "default", 15, analog=0, crs=(math.nan,)), 5, 0.1)
    better = BETTER | {"scene_objects_invented": "lower", "scene_objects_missing": "lower"}
    found = {trend.claim: trend for trend in trends(pd.DataFrame([*text, *guided]), better)}
    told = {name: found[f"{name}/default: how often objects are invented"] for name in ("nam24", "hosonuma25")}
    assert all(trend.holds is None for trend in told.values())
    assert "in 50.0 % of 24 images" in told["nam24"].numbers and "missing 65.0 %" in told["nam24"].numbers
    assert "in 20.8 % of 24 images" in told["hosonuma25"].numbers
    assert found["hosonuma25: better scene_objects_missing than text alone (nam24)"].holds
    assert not [claim for claim in found if "scene_objects_invented than" in claim]


def test_failed_rows_and_other_metrics_take_no_part():
    broken = [row | {"status": "failed", "error": "x", "psnr": math.nan} for row in rows("swinjscc", "base", graceful)]
    assert verdicts(broken) == {}


def test_the_command_prints_every_trend_and_its_exit_status_tells(tmp_path):
    described = {name: {"title": name.upper(), "better": better} for name, better in BETTER.items()}
    (tmp_path / "run.json").write_text(json.dumps({"metrics": described}))
    write_unit(tmp_path / "records" / "a.parquet", rows("swinjscc", "base", graceful), ["psnr", "gmsd"])
    good = CliRunner().invoke(app, [str(tmp_path)])
    assert good.exit_code == 0 and good.output.count("holds") == 3
    write_unit(tmp_path / "records" / "b.parquet", rows("deepjscc", "default", 20.0), ["psnr", "gmsd"])
    bad = CliRunner().invoke(app, [str(tmp_path)])
    assert bad.exit_code == 1 and "DOES NOT" in bad.output
    assert CliRunner().invoke(app, [str(tmp_path / "nowhere")]).exit_code == 2


def test_caption_accuracy_asks_a_clip_about_the_kept_images(tmp_path, monkeypatch):
    """With an encoder that sees an image's mean colour and reads a number from each caption, right images are all found."""
    import torch

    from benchmarks.common.atomic import write_png
    from benchmarks.datasets import open_dataset
    from benchmarks.metrics import clip

    records = pd.DataFrame(rows("nam24", "default", 12, crs=(math.nan,), sample_images=8))
    records = records[records["snr_db"].eq(4.0)]
    captions = [open_dataset("scenes", image_size=64).load(image).caption for image in sorted(records["image"])]

    class Encoder:
        def text(self, sample_image):
            return torch.nn.functional.one_hot(torch.tensor(captions.index(sample_image.caption)), 8).float(), False

        def image(self, sample_image):
            return torch.nn.functional.one_hot(torch.tensor(int(sample_image.pixels[0, 0, 0]) // 10), 8).float()

    monkeypatch.setattr(clip, "load_encoder", lambda *_: Encoder())
    layout = RunLayout(tmp_path)
    for shift, holds in ((0, True), (1, False)):
        for number, row in enumerate(records.sort_values("image").to_dict("records")):
            write_png(layout.sample(row), np.full((64, 64, 3), 10 * ((number + shift) % 8), np.uint8))
        (trend,) = caption_accuracy(RunResults(layout, records, RunInfo()), tmp_path)
        assert trend.holds is holds and f"{8 * holds} of 8" in trend.numbers


def test_a_coarse_image_that_readings_share_stands_beside_the_final_one_of_each():
    found = verdicts(
        rows("gened_sc", "full/stage-one", graceful, gmsd=0.3),
        rows("gened_sc", "full [Eb/N0]", graceful, gmsd=0.2),
        rows("gened_sc", "full [lossless]", graceful, gmsd=0.4),
        rows("gened_sc", "full/stage-one [HARQ]", graceful, gmsd=0.5),
        rows("gened_sc", "full [HARQ]", graceful, gmsd=0.45),
    )
    claims = {claim: holds for claim, holds in found.items() if "stage two" in claim}
    assert claims == {
        "gened_sc/full [Eb/N0]: stage two improves gmsd over stage one": True,
        "gened_sc/full [lossless]: stage two improves gmsd over stage one": False,
        "gened_sc/full [HARQ]: stage two improves gmsd over stage one": True,
    }
    assert not any("full [Eb/N0]: PSNR" in claim for claim in found), "an image that was edited is no code's"
