"""The records of a run in one file."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers import synthetic_run
from suite.export import app
from suite.report.results import load_results


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    return synthetic_run.make_run(tmp_path_factory.mktemp("run"), ("awgn",), ("psnr",))


@pytest.mark.parametrize("name", ["all.parquet", "deep/all.csv", "all.csv.gz"])
def test_every_record_is_there_with_the_names_of_the_tables(run_dir, tmp_path, name):
    done = CliRunner().invoke(app, [str(run_dir), str(tmp_path / name)])
    assert done.exit_code == 0, done.output
    read = pd.read_parquet if name.endswith("parquet") else pd.read_csv
    written, records = read(tmp_path / name), load_results(run_dir).records
    assert f"{len(records):,} rows written" in done.output and len(written) == len(records)
    assert written["psnr"].to_numpy() == pytest.approx(records["psnr"].to_numpy(), rel=1e-9, nan_ok=True)
    one = written[written["method"].eq("digital") & written["variant"].eq("webp")].iloc[0]
    assert one["series"] != "digital/webp" and one["cr_fraction"] == "1/48"


def test_equal_records_give_equal_bytes_and_other_endings_are_refused(run_dir, tmp_path):
    first, second = tmp_path / "a.csv.gz", tmp_path / "b.csv.gz"
    for path in (first, second):
        CliRunner().invoke(app, [str(run_dir), str(path)])
    assert first.read_bytes() == second.read_bytes()
    refused = CliRunner().invoke(app, [str(run_dir), str(tmp_path / "all.xlsx")])
    assert refused.exit_code == 2 and "let the name end in one of them" in refused.stderr
