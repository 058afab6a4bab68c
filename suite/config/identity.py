"""Which fields of a grid its results depend on; a test fails while a new field is in neither of the two sets."""

CHANGES_RESULTS = frozenset(
    {
        "seed",
        "image_size",
        "fit",
        "methods",
        "datasets",
        "snr_db",
        "cr",
        "channels",
        "repetitions",
        "metrics",
        "metric_settings",
        "link",
        "readings",
        "generative",
        "training",
    }
)
LEAVES_RESULTS = frozenset({"name", "description", "limit", "evaluation", "sheet", "ablations"})
# Of the former: what may change in a run folder, because the records there say which cells they are of; what is there stays.
GROWS = frozenset(
    {"methods", "datasets", "snr_db", "cr", "channels", "repetitions", "metrics", "metric_settings", "readings", "generative"}
)
# The evaluation batch is the exception in `evaluation`: float rounding depends on it, so it enters each unit's identity.
# Of `generative` only the models change results: not the response cache, the limits, the prices or the concurrency.
