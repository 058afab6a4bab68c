"""Files that once broke a run, each taken through ``python -m suite.run``; the handed inputs lie beside the project or are absent."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from helpers.places import ROOT, SHARED
from suite.report.results import load_results
from suite.run import app

FAULTS = SHARED / "faults"
pytestmark = pytest.mark.skipif(not FAULTS.is_dir(), reason="the inputs in ../shared/faults are not here")


def refused(*arguments: str) -> str:
    """Return the one sentence in which a run ends before it begins."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.fixture
def folder(tmp_path) -> Path:
    data = tmp_path / "data"
    (data / "masks").mkdir(parents=True)
    return data


def test_images_that_are_sound_give_their_cells_and_the_page(folder, tmp_path):
    named = {
        "price_$5_to_$6.png": "ids_1_2_3.png",
        "xres_minus1_over_0.jpg": "index_palette_voc.png",
        "itxt_compressed.png": "ids_1_2_3.png",
    }
    for image, mask in named.items():
        shutil.copy(FAULTS / image, folder / image)
        shutil.copy(FAULTS / "masks" / mask, folder / "masks" / f"{Path(image).stem}.png")
    # The photograph says that it is to be turned; a mask is drawn over what is seen.
    turned = folder / "masks" / "xres_minus1_over_0.png"
    Image.open(turned).transpose(Image.Transpose.ROTATE_90).save(turned)
    arguments = (
        "--grid",
        FAULTS / "tiny.yaml",
        "--data-dir",
        folder,
        "--out",
        tmp_path / "out",
        "--set",
        "metrics=[psnr, psnr_background]",
    )
    done = subprocess.run([sys.executable, "-m", "suite.run", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    results = load_results(tmp_path / "out")
    assert sorted(results.records["image"]) == sorted(Path(name).stem for name in named)
    assert results.failed == 0 and results.report_path.is_file()
    # Masks of instance numbers and of palettes are masks: the background is not the whole image.
    assert (results.records["psnr"] != results.records["psnr_background"]).all()


def test_a_caption_may_hold_what_other_programs_take_for_the_end_of_a_line(folder, tmp_path):
    Image.new("RGB", (64, 64), (9, 99, 199)).save(folder / "a.png")
    shutil.rmtree(folder / "masks")
    shutil.copy(FAULTS / "captions_u2028.jsonl", folder / "captions.jsonl")
    result = CliRunner().invoke(
        app, ["--grid", str(FAULTS / "tiny.yaml"), "--data-dir", str(folder), "--out", str(tmp_path / "o"), "--dry-run"]
    )
    assert result.exit_code == 0, result.output
    shutil.copy(FAULTS / "captions_latin1.jsonl", folder / "captions.jsonl")
    assert "captions.jsonl" in refused("--grid", FAULTS / "tiny.yaml", "--data-dir", folder, "--out", tmp_path / "o")


def test_a_page_is_not_weights(tmp_path):
    weights = f"methods=[{{name: swinjscc, settings: {{authors_checkpoint: {FAULTS / 'page.model'}, receiver_scale: sent}}}}]"
    told = refused("--set", weights, "--out", tmp_path / "o", "--limit", "1")
    assert "page.model" in told and "web page" in told


def test_a_key_that_stands_twice_is_told_with_both_lines(tmp_path):
    told = refused("--grid", FAULTS / "duplicate_keys.yaml", "--out", tmp_path / "o", "--dry-run")
    assert "'snr_db' stands in line 7 and in line 16" in told
