"""What the doctor finds, what it counts as needed, and that no key is shown."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from suite import findings as diagnosis
from suite.config.compose import compose
from suite.doctor import app
from suite.findings import Question

ASK = CliRunner()


def question(
    *assignments: str, grid: str = "quick", methods: str | None = "deepjscc", datasets: str | None = None, **more: object
) -> Question:
    fields = {"data_dir": None, "train_data": None, "address": None, **more}
    return Question(compose(grid, methods, datasets, None, list(assignments)), **fields)  # type: ignore[arg-type]


def found(finder: diagnosis.Finder, asked: Question) -> dict[str, diagnosis.Finding]:
    return {finding.name: finding for finding in finder(asked)}


def test_versions_and_devices_are_those_of_this_machine() -> None:
    import platform

    import torch

    packages = found(diagnosis.packages, question())
    assert packages["python"].detail == platform.python_version()
    assert packages["torch"].detail == torch.__version__.split("+")[0] or packages["torch"].detail == torch.__version__
    assert packages["torch"].needed and not packages["pyiqa"].needed
    devices = found(diagnosis.devices, question())
    assert devices["GPU"].state == ("here" if torch.cuda.is_available() else "missing")
    assert not devices["GPU"].needed
    assert found(diagnosis.devices, question("training.gpus=1"))["GPU"].needed


def test_a_method_without_its_files_is_missing_with_the_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "authors"
    grid = tmp_path / "grid.yaml"
    entry = f"{{name: sgdjscc, settings: {{checkpoint: authors, authors_folder: {folder}}}}}"
    cells = "datasets: [photos]\nsnr_db: [1]\ncr: [1/24]\nchannels: [awgn]\nmetrics: [psnr]\n"
    grid.write_text(f"name: authors\nmethods: [{entry}]\n{cells}training: {{preset: paper}}\n")
    asked = question(grid=str(grid), methods=None)
    method = found(diagnosis.methods_of_grid, asked)["sgdjscc/default"]
    assert (method.state, method.needed) == ("missing", True)
    assert "methods.sgdjscc.release.convert" in method.detail
    files = [finding for finding in diagnosis.published_files(asked) if finding.name.startswith("sgdjscc/default: ")]
    needed = {finding.name.split(": ")[1]: finding for finding in files if finding.needed and "/" not in finding.name.split(": ")[1]}
    assert {"JSCC_model.pth", "diffusion_backbone.pth"} <= set(needed)
    assert "diffusion_controlnet.pth" not in needed, "it is needed only where edges are sent"
    assert "571 MB" in needed["JSCC_model.pth"].detail and "huggingface.co/murjun/SGDJSCC" in needed["JSCC_model.pth"].detail
    folder.mkdir()
    (folder / "autoencoder.safetensors").touch()
    states = {finding.state for finding in diagnosis.published_files(asked) if "autoencoder.safetensors" in finding.detail}
    assert states == {"here"}


def test_methods_outside_the_grid_show_their_files_and_need_none() -> None:
    findings = [finding for finding in diagnosis.published_files(question()) if finding.name.startswith("sgdjscc: ")]
    assert {"sgdjscc: JSCC_model.pth", "sgdjscc: ViT-L-14.pt"} <= {finding.name for finding in findings}
    assert not any(finding.needed for finding in findings)


def test_a_grid_that_does_not_resolve_is_told_once() -> None:
    asked = question("methods=[{name: deepjscc, preset: enormous}]", methods=None)
    (finding,) = diagnosis.methods_of_grid(asked)
    assert finding.state == "missing" and "enormous" in finding.detail
    assert found(diagnosis.devices, asked)["CPU"].state == "here"


def test_metrics_with_a_question_mark_are_not_needed() -> None:
    asked = question("metrics=[psnr, 'lpips_alex?', lpips_vgg]", "metric_settings.weights_dir=/nowhere/at/all")
    metrics = found(diagnosis.metric_files, asked)
    assert metrics["psnr"].state == "here" and metrics["psnr"].needed
    assert not metrics["lpips_alex"].needed and metrics["lpips_vgg"].needed
    assert not metrics["niqe"].needed
    if metrics["lpips_vgg"].state == "missing":
        assert "download.pytorch.org" in metrics["lpips_vgg"].detail


def test_an_installation_without_the_repository_is_told_first_where_the_grid_names_what_comes_with_it(monkeypatch) -> None:
    grid, own = question(), question("generative={}", "metrics=[psnr]", "metric_settings={}", methods="deepjscc")
    here = found(diagnosis.project_files, grid)["results/reference"]
    assert (here.state, here.needed) == ("here", True)
    assert not found(diagnosis.project_files, own)["results/reference"].needed
    monkeypatch.setattr(diagnosis, "not_shipped", lambda path: f"{path.name} is elsewhere")
    gone = found(diagnosis.project_files, grid)["results/reference"]
    assert (gone.state, gone.detail) == ("missing", "reference is elsewhere")


def test_data_sets_are_counted_where_they_lie(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "kodak").mkdir()
    for number in (1, 2):
        Image.new("RGB", (48, 32), (number, 0, 0)).save(tmp_path / "kodak" / f"kodim{number:02d}.png")
    here = found(diagnosis.data_sets, question("training.data=photos", datasets="kodak", data_dir=tmp_path))
    assert (here["kodak test"].state, here["kodak test"].needed) == ("here", True)
    assert here["kodak test"].detail.startswith("2 images")
    assert (here["voc test"].state, here["voc test"].needed) == ("missing", False)
    assert here["photos train"].needed, "the grid trains on the built-in photographs"
    nowhere = found(diagnosis.data_sets, question(datasets="kodak"))
    assert nowhere["kodak test"].state == "missing" and nowhere["duts test"].state == "unknown"
    assert not found(diagnosis.data_sets, question("training.data=photos", train_data=tmp_path))["photos train"].needed


def test_keys_are_said_to_be_set_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-do-not-show")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    official = question("generative.captioner=openai:some-model")
    findings = found(diagnosis.keys, official)
    assert (findings["OPENAI_API_KEY"].state, findings["OPENAI_API_KEY"].needed) == ("here", True)
    assert (findings["HF_TOKEN"].state, findings["HF_TOKEN"].needed) == ("missing", False)
    assert not found(diagnosis.keys, question())["OPENAI_API_KEY"].needed
    result = ASK.invoke(app, ["--methods", "deepjscc", "--json"])
    assert result.exit_code == 0, result.output
    assert "sk-do-not-show" not in result.output
    rows = json.loads(result.stdout)
    assert {row["section"] for row in rows} == {"package", "project", "device", "ray", "method", "weights", "metric", "data set", "key"}


def test_strict_fails_where_something_needed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "FINDERS", (diagnosis.data_sets,))
    assert ASK.invoke(app, ["--datasets", "kodak"]).exit_code == 0
    lacking = ASK.invoke(app, ["--datasets", "kodak", "--strict"])
    assert lacking.exit_code == 1
    assert "lacks 1 of what it needs" in lacking.output and "--data-dir" in lacking.output
    assert ASK.invoke(app, ["--strict"]).exit_code == 0
    assert ASK.invoke(app, ["--grid", "quik"]).exit_code == 2


def test_a_cluster_that_is_not_there_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:

    def refuse(address: str | None) -> None:
        raise ConnectionError(f"nobody answers at {address}")

    monkeypatch.setattr(diagnosis, "connect", refuse)
    assert found(diagnosis.ray_cluster, question())["cluster"].state == "unknown"
    finding = found(diagnosis.ray_cluster, question(address="ray://nowhere:10001"))["ray://nowhere:10001"]
    assert (finding.state, finding.needed) == ("missing", True) and "nobody answers" in finding.detail


def test_each_missing_thing_has_the_command_that_brings_it_here(tmp_path: Path) -> None:
    named = {"duts train": "get duts", "voc test": "get voc2007 voc2012", "kodak test": "get kodak"}
    for name, command in named.items():
        finding = diagnosis.Finding("data set", name, "missing", True, "")
        assert diagnosis.command_of(finding, question(data_dir=tmp_path)) == f"python -m suite.assets {command} --data-dir {tmp_path}"
    metric = diagnosis.Finding("metric", "dists", "missing", True, "")
    assert diagnosis.command_of(metric, question()) == "python -m suite.assets get lpips-vgg dists"
    clip = diagnosis.Finding("weights", "sgdjscc/both: ViT-L-14.pt", "missing", True, "")
    assert diagnosis.command_of(clip, question()) == "python -m suite.assets get sgdjscc-authors"
    package = diagnosis.Finding("package", "pyiqa", "missing", True, "")
    assert diagnosis.command_of(package, question()) == "pip install pyiqa"


def test_the_verdict_comes_first_and_nothing_is_broken_inside_at_80_columns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(diagnosis, "FINDERS", (diagnosis.data_sets, diagnosis.metric_files))
    asked = ["--datasets", "kodak", "--set", "metrics=[brisque_live]", "--set", "metric_settings.weights_dir=/nowhere/at/all"]
    shown = ASK.invoke(app, [*asked, "--data-dir", str(tmp_path)]).output
    assert shown.startswith("The grid quick lacks 2 of what it needs:\n")
    assert f"  $ python -m suite.assets get kodak --data-dir {tmp_path}\n" in shown and "  $ python -m suite.assets get brisque\n" in shown
    assert "scenes test" not in shown
    whole = ASK.invoke(app, [*asked, "--all"]).output
    assert "scenes test" in whole and "--all" not in whole
    assert all(len(line) <= 80 for line in whole.partition("\ndata set\n")[2].splitlines())
