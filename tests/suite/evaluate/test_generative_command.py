"""The command over a grid with generative models: what it foresees, where it stops, and what it reports of its calls."""

import json
import re

import pandas as pd
import pytest
import torch
import yaml
from typer.testing import CliRunner

from helpers.generative_runs import questions
from suite.run import app

torch.set_num_threads(1)


@pytest.fixture
def grid_file(server, tmp_path) -> str:
    access = {"base_url": server.url, "retries": 0}
    models = {"captioner": {"model": "openai:seer-1", "access": access}, "generator": {"model": "openai:painter-1", "access": access}}
    keys = {"name": "cli", "image_size": 32, "methods": ["nam24", "digital/webp"], "datasets": ["folder"], "snr_db": [1, 20]}
    keys |= {"cr": ["1/2", "1/3"], "channels": ["awgn"], "metrics": ["psnr"], "limit": 3}
    prices = {"openai:seer-1": {"call": 0.01}, "openai:painter-1": {"call": 0.02}}
    file = tmp_path / "cli.yaml"
    file.write_text(yaml.safe_dump(keys | {"generative": models | {"max_calls": 4, "max_cost": 1.0, "prices": prices}}))
    return str(file)


def test_the_command_stops_with_a_status_of_its_own_and_reports_what_was_spent(
    grid_file, images, server, tmp_path, without_ray, draft_figures
):
    arguments = ["--grid", grid_file, "--data-dir", str(images), "--out", str(tmp_path / "run")]
    foreseen = CliRunner().invoke(app, [*arguments, "--dry-run"])
    assert (
        foreseen.exit_code == 0
        and "captions by openai:seer-1: 3 to ask for, 0 in the response cache, 3 calls, about $0.03" in foreseen.output
    )
    assert "at most 6 calls" in foreseen.output and not server.asked
    stopped = CliRunner().invoke(app, arguments)
    assert stopped.exit_code == 3 and stopped.stderr.startswith("stopped: max_calls is 4 ") and stopped.stderr.count("\n") == 1
    assert json.loads((tmp_path / "run" / "run.json").read_text())["spending"]["calls"] == {"openai:seer-1": 3, "openai:painter-1": 1}
    done = CliRunner().invoke(app, [*arguments, "--set", "generative.max_calls=50"])
    assert done.exit_code == 0, done.output
    posts = len(server.posts())
    assert f"models asked so far in this run folder: {posts} calls" in done.output and len(set(questions(server))) == posts
    page = (tmp_path / "run" / "report.html").read_text()
    row = re.search(r"openai:painter-1</t[dh]>(.*?)</tr>", page, re.DOTALL)
    assert row is not None and re.findall(r">([\d.]+)<", row[1]) == [str(posts - 3), f"{0.02 * (posts - 3):.2f}"]
    table = (tmp_path / "run" / "tables" / "folder_awgn.md").read_text()
    # A fixed-rate method stands there once, in a block of its own.
    assert table.count("| Nam et al.") == 1 and table.count("WebP + LDPC, adaptive") == 2 and "fixed" in table
    points = pd.read_csv(tmp_path / "run" / "figures" / "symbols_folder_awgn_psnr.csv")
    assert points[points["method"] == "nam24"].groupby("snr_db").size().eq(1).all()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["grid"]["generative"]["captioner"].get("access") is None


def test_a_limit_of_cost_without_a_price_is_refused_before_anything_runs(grid_file, images, server, tmp_path):
    arguments = ["--grid", grid_file, "--data-dir", str(images), "--out", str(tmp_path / "run"), "--set", "generative.prices={}"]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2 and "openai:seer-1 has no price" in refused.stderr and not server.asked
    misspelt = CliRunner().invoke(app, [*arguments, "--set", "generative.captoner=dataset"])
    assert misspelt.exit_code == 2 and "Did you mean 'captioner'" in misspelt.stderr


def test_a_model_that_is_missing_stands_in_nobodys_way_but_of_those_who_ask_it(grid_file, images, tmp_path):
    arguments = ["--grid", grid_file, "--data-dir", str(images), "--out", str(tmp_path / "run"), "--dry-run"]
    arguments += ["--set", "generative.generator=diffusers:no/such/folder"]
    asking = CliRunner().invoke(app, arguments)
    assert asking.exit_code == 2 and "there is no folder no/such/folder" in asking.stderr
    without = CliRunner().invoke(app, [*arguments, "--methods", "digital/webp"])
    assert without.exit_code == 0, without.output
