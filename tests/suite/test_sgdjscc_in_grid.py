"""SGD-JSCC in a grid: which of its variants share weights, and that what differs at the receiver alone is another result."""

from pathlib import Path

from suite.config.compose import compose
from suite.prepare import prepare

CELLS = ("image_size=64", "cr=[1/24]", "metrics=[psnr]", "training.crop=64")


def test_variants_share_weights_and_never_results() -> None:
    methods = "methods=[{name: sgdjscc, variants: [default, no-denoiser]}, {name: sgdjscc, variants: [edges]}]"
    prepared = prepare(compose("quick", None, "photos", None, [methods, *CELLS]))
    jobs = {label: job.identity for (label, _), job in prepared.jobs.items()}
    assert jobs["sgdjscc/default"] == jobs["sgdjscc/no-denoiser"] != jobs["sgdjscc/edges"]
    results = [configured.identity_fields for configured in prepared.configured_methods]
    assert results[0] != results[1]


def test_fewer_steps_are_another_result_of_the_same_weights() -> None:
    def one(steps: int):
        entry = f"methods=[{{name: sgdjscc, settings: {{steps: {steps}}}}}]"
        prepared = prepare(compose("quick", None, "photos", None, [entry, *CELLS]))
        ((_, job),) = prepared.jobs.items()
        return job.identity, prepared.configured_methods[0].identity_fields

    (four, results_of_four), (eight, results_of_eight) = one(4), one(8)
    assert four == eight and results_of_four != results_of_eight


def test_two_phases_train_through_the_suite(tmp_path: Path) -> None:
    from suite.train.jobs import train_job

    small = "widths: [8, 16], estimator_widths: [8], denoiser_width: 16, denoiser_heads: 2, denoiser_depth: 4, steps: 1"
    entry = f"methods=[{{name: sgdjscc, settings: {{{small}}}}}]"
    training = ("training.steps=4", "training.warmup=1", "training.batch=2", "training.validation_pictures=1", "training.log_every=1")
    prepared = prepare(compose("quick", None, "photos", None, [entry, *CELLS, *training]))
    ((_, job),) = prepared.jobs.items()
    seen: list[set[str]] = []
    checkpoint = train_job(job, tmp_path, report=lambda values: seen.append({name for name in values if name.startswith("loss/")}))
    assert checkpoint is not None and checkpoint.path.exists()
    first, second = {"loss/mse", "loss/total"}, {"loss/denoiser", "loss/estimator", "loss/total"}
    assert seen == [first, first, second, second]
