"""Which fields of a grid its results depend on; a test fails while a new field is in neither of the two sets."""

from collections.abc import Sequence

from suite.config.training import LEAVES_WEIGHTS

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
LEAVES_RESULTS = frozenset({"name", "description", "limit", "evaluation", "sheet", "ablations", "tracking"})
# The key of run.json's identity for the seeds of a grid's trainings, of which each has networks of its own.
SEEDS = "training.seeds"
# Of the former: what may change in a run folder, because the records there say which cells they are of; what is there stays.
GROWS = frozenset(
    {"methods", "datasets", "snr_db", "cr", "channels", "repetitions", "metrics", "metric_settings", "readings", "generative", SEEDS}
)
# The evaluation batch is the exception in `evaluation`: float rounding depends on it, so it enters each unit's identity.
# Of `generative` only the models change results: not the response cache, the limits, the prices or the concurrency.
_ASKED = frozenset({"captioner", "generator", "editor", "reference_captioner", "caption_bytes"})


def moves_results(path: Sequence[str]) -> bool:
    """Return whether results, or trained weights and through them results, depend on a key of a grid.

    Args:
        path: the key, from the top.

    Example:
        >>> moves_results(["training", "steps"]), moves_results(["training", "log_every"]), moves_results(["evaluation", "workers"])
        (True, False, False)
    """
    head, *rest = path
    if head == "evaluation":
        return rest == ["batch"]
    if head in LEAVES_RESULTS:
        return False
    if head == "training":
        return not (set(rest) & LEAVES_WEIGHTS)
    if head == "generative":
        return bool(rest) and rest[0] in _ASKED and "access" not in rest
    if head == "metric_settings":
        return "clip_models" in rest
    return True
