"""The columns of a run's records: names, types, units, meanings; one float64 column for each metric follows them."""

from dataclasses import dataclass

from suite.runs.labels import STAGE_ONE

WHOLE_CELL = "*"
"""The ``image`` of a row that carries the metrics defined on all images of a cell together, such as FID."""

GROUP = "group"
"""What an image belongs to with others, such as the scene of a video frame: a column of loaded records where a data set has groups."""

KEY = ("run", "method", "variant", "dataset", "image", "cr", "channel", "snr_db", "repetition")


@dataclass(frozen=True)
class Column:
    """One column of the records.

    Attributes:
        name: column name.
        dtype: Arrow type in the file: ``string``, ``int64``, ``bool`` or ``float64``.
        unit: unit of the values, "" where there is none.
        meaning: what the value says.
        present: when the value is there; otherwise it is null, NaN once loaded.
    """

    name: str
    dtype: str
    unit: str
    meaning: str
    present: str = "always"


COLUMNS = (
    Column("run", "string", "", "name of the run"),
    Column("method", "string", "", "registered name of the method"),
    Column(
        "variant",
        "string",
        "",
        "variant of the method, seed N behind it where several trained it, [label] of the link's reading behind both; before refinement "
        f"/{STAGE_ONE}, with symbols and text that it was decoded from",
    ),
    Column("dataset", "string", "", "name of the data set"),
    Column("image", "string", "", "stable id of the image; * for the metrics of a whole cell"),
    Column("cr", "float64", "symbols per source value", "compression ratio asked for, complex symbols", "variable-rate methods"),
    Column("channel", "string", "", "name of the channel"),
    Column("snr_db", "float64", "dB", "SNR asked for: mean symbol power over total complex noise power"),
    Column("repetition", "int64", "", "number of the noise draw, from 0"),
    Column("status", "string", "", "ok or failed"),
    Column("error", "string", "", "why the row failed; empty where it is ok"),
    Column("symbols_analog", "int64", "complex symbols", "analogue symbols sent", "status is ok"),
    Column("symbols_digital", "int64", "complex symbols", "symbols of the coded digital stream", "status is ok"),
    Column("symbols_total", "int64", "complex symbols", "all symbols that crossed the link", "status is ok"),
    Column("measured_snr_db", "float64", "dB", "SNR of the draw as it was measured on the link", "something was sent over noise"),
    Column("seconds_encode", "float64", "s", "time at the sender, the batch's share of one image", "status is ok"),
    Column("seconds_decode", "float64", "s", "time at the receiver, the batch's share of one image", "status is ok"),
    Column("symbols_pilot", "int64", "complex symbols", "pilot symbols", "status is ok"),
    Column("text_bytes_sent", "int64", "bytes", "payload of the digital stream after compression", "the method sends bytes"),
    Column(
        "text_symbols", "int64", "complex symbols", "symbols of the digital stream, headers and checks included", "the method sends bytes"
    ),
    Column("text_ok", "bool", "", "whether the payload passed its check", "the method sends bytes"),
    Column("text_char_error_rate", "float64", "errors per character", "edit distance over the sent length", "the method sends text"),
    Column("seconds_describe", "float64", "s", "time to describe the image when it was described", "the method describes images"),
    Column("seconds_refine", "float64", "s", "time of the generative stage, waiting for a server included", "a refined image"),
    Column("text_cut", "string", "", "end of the prompt that the model did not read; empty where it read all", "a refined image"),
    Column("cost_usd", "float64", "US dollars", "price of the calls behind the image, whenever they were made", "a refined image"),
    Column("text_scheme", "string", "", "modulation and code rate of the digital stream, such as 16qam 1/2", "the method sends bytes"),
    Column(
        "text_chrf",
        "float64",
        "percent",
        "chrF2 of the received text against the sent, 100 if intact",
        "the method sends text",
    ),
)
BASE_COLUMNS = tuple(column.name for column in COLUMNS)
