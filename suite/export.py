"""``python -m suite.export DIR FILE``: the records of a run as one tidy table, for notebooks and other programs."""

import gzip
from pathlib import Path
from typing import Annotated

import typer

from suite.cli import guarded

FORMATS = (".parquet", ".csv", ".csv.gz")

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    run_dir: Annotated[str, typer.Argument(metavar="DIR", help="Run folder, as in results/kodak or s3://bucket/kodak.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help=f"What is written: {', '.join(FORMATS)}.")],
) -> None:
    """Write every record of a run into one file, with the names that tables use beside the ids.

    A row is an image in a cell: method, variant, data set, CR, channel, SNR, repetition, symbols, seconds, every metric.
    """
    # Late: the help page needs none of it.
    from suite.errors import RecordError
    from suite.report.formats import csv_text, write_bytes
    from suite.report.results import load_results
    from suite.runs.labels import cr_label, series_label

    if not file.name.endswith(FORMATS):
        raise RecordError(f"{file} is none of {', '.join(FORMATS)}; let the name end in one of them")
    records = load_results(run_dir).records
    series = [series_label(method, variant) for method, variant in zip(records["method"], records["variant"], strict=True)]
    records.insert(3, "series", series)
    records.insert(records.columns.get_loc("cr") + 1, "cr_fraction", [cr_label(cr) for cr in records["cr"]])
    if file.suffix == ".parquet":
        content = records.to_parquet(index=False)
    else:
        text = csv_text(records).encode()
        # Without a time of writing in it, equal records give equal bytes.
        content = gzip.compress(text, mtime=0) if file.suffix == ".gz" else text
    write_bytes(file, content)
    typer.echo(f"{len(records):,} rows written: {file}")


if __name__ == "__main__":
    app()
