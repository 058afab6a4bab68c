"""The training loop on a two-layer method and images held in memory."""

import csv
import math
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.link.analog import equalise, normalise
from benchmarks.link.channels import AWGN, RAYLEIGH
from benchmarks.link.draws import Draws
from methods.base import Geometry, MethodSettings, OperatingPoint, Phase, Received, Signal, Targets, TrainableMethod, TrainingLink, Traits
from suite.config.training import FIRST_VALUES, LEAVES_WEIGHTS, TrainingSettings
from suite.errors import TrainingError
from suite.train import curves, state
from suite.train.batches import ShardedDraws
from suite.train.loop import RESUME
from suite.train.optimisation import drawn, phase_schedules, rate_factor, schedule_of
from suite.train.protocols import Placement
from suite.train.trainer import Trainer, TrainingResult

SIDE = 16


class Tiny(TrainableMethod):
    """One strided convolution to 4 symbols a 4 x 4 patch and one back, with dropout so that the step's own random state counts."""

    def __init__(self, settings: MethodSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        self.encoder = nn.Conv2d(3, 8, 4, stride=4)
        self.decoder = nn.ConvTranspose2d(8, 3, 4, stride=4)
        self.dropout = nn.Dropout(0.05)

    @classmethod
    def traits(cls, settings: MethodSettings) -> Traits:
        return Traits(trainable=True)

    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        features = self.dropout(self.encoder(images)).float().flatten(1)
        return Signal(analog=torch.complex(*features.chunk(2, dim=1)))

    def decode(self, received: Received, point: OperatingPoint) -> Tensor:
        symbols = received.symbols()
        side = int(math.sqrt(symbols.shape[1] // 4))
        return torch.sigmoid(self.decoder(torch.cat([symbols.real, symbols.imag], dim=1).reshape(-1, 8, side, side)))

    def loss(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
        received = link(self.encode(images, point, None), point)
        return {"total": (self.decode(received, point) - images).square().mean()}


@dataclass(frozen=True)
class Batch:
    images: Tensor
    masks: Tensor | None = None
    labels: Sequence[str] | None = None
    captions: Sequence[str] | None = None


class Memory:
    """Smooth random images, a batch keyed by its step."""

    def batch(self, step: int, size: int) -> Batch:
        small = torch.rand(size, 3, 4, 4, generator=torch.Generator().manual_seed(step))
        return Batch(nn.functional.interpolate(small, size=SIDE, mode="bilinear"))

    def validation(self) -> Batch:
        return self.batch(10**6, 6)

    def fingerprint(self) -> str:
        return "memory"


class TestAir:
    """The link with its parts put together by hand."""

    __test__ = False
    seen: list[tuple[str | None, float | None, Fraction | None]]

    def __init__(self) -> None:
        self.seen = []

    def point(self, cr: Fraction | None, snr_db: float, channel: str) -> OperatingPoint:
        return OperatingPoint(cr, snr_db, channel)

    def link(self, draws: Draws, checked: bool = True) -> TrainingLink:
        def send(signal: Signal, point: OperatingPoint) -> Received:
            self.seen.append((point.channel, point.snr_db, point.cr))
            link_provider = {"awgn": AWGN, "rayleigh": RAYLEIGH}[str(point.channel)]
            assert signal.analog is not None and point.snr_db is not None
            observation = link_provider.transmit(normalise(signal.analog, checked), point.snr_db, draws, "analog")
            return Received(equalise(observation, link_provider.fading, "mmse"), observation.noise_variance)

        return send


def tiny_settings(**changed: object) -> TrainingSettings:
    base = {"steps": 12, "batch": 4, "crop": SIDE, "warmup": 2, "log_every": 5, "validate_every": 6, "checkpoint_every": 4}
    return TrainingSettings.model_validate({**base, **changed})


def trainer(out: Path, settings: TrainingSettings, method: TrainableMethod | None = None, **more: object) -> Trainer:
    if method is None:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            method = Tiny(MethodSettings(), Geometry(SIDE, SIDE))
    return Trainer(method, Memory(), TestAir(), settings, out, **more)  # type: ignore[arg-type]


def weights(of: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in of.method.state_dict().items()}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Stop(Exception):
    """Ends a training from its report."""


def stopping_at(step: int):
    def report(values: dict[str, float]) -> None:
        if values["step"] >= step:
            raise Stop

    return report


def test_loss_falls_and_validation_rises(tmp_path: Path) -> None:
    reports: list[dict[str, float]] = []
    settings = tiny_settings(steps=200, learning_rate=1e-2, log_every=20, validate_every=20)
    result = trainer(tmp_path, settings).run(reports.append)
    assert [r["step"] for r in reports] == list(range(20, 201, 20))
    assert reports[-1]["loss/total"] < 0.7 * reports[0]["loss/total"]
    assert result.validation["psnr"] == pytest.approx(reports[-1]["psnr"])
    assert result.validation["psnr"] > reports[0]["psnr"] + 1.0
    assert result.validation["psnr/awgn/1dB"] < result.validation["psnr/awgn/10dB"]
    assert result.steps == 200 and result.losses["total"] == reports[-1]["loss/total"]


@pytest.mark.parametrize(
    "changed", [{}, {"ema": 0.9, "optimiser": "adam", "schedule": "constant"}, {"precision": "bfloat16", "channels": ("awgn", "rayleigh")}]
)
def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path: Path, changed: dict[str, object]) -> None:
    settings = tiny_settings(**changed)
    whole = trainer(tmp_path / "whole", settings)
    whole_result = whole.run()
    with pytest.raises(Stop):
        trainer(tmp_path / "parts", settings).run(stopping_at(10))
    resumed = trainer(tmp_path / "parts", settings)
    resumed_result = resumed.run()
    assert state.load(tmp_path / "parts" / RESUME, "", {}, "cpu").step == 12
    assert equal(weights(whole), weights(resumed))
    assert resumed_result.validation == whole_result.validation and resumed_result.losses == whole_result.losses
    assert curves.read(tmp_path / "parts" / "curves.csv") == curves.read(tmp_path / "whole" / "curves.csv")


def test_a_fused_optimiser_differs_in_rounding_alone_and_goes_on_from_the_state_of_another(tmp_path: Path) -> None:
    plain, fused = tiny_settings(), tiny_settings(fused=True)
    assert plain.of_weights() == fused.of_weights()
    ends = {}
    for name, first, second in (("plain", plain, plain), ("fused", fused, fused), ("both", plain, fused), ("back", fused, plain)):
        with pytest.raises(Stop):
            trainer(tmp_path / name, first).run(stopping_at(10))
        later = trainer(tmp_path / name, second)
        later.run()
        ends[name] = weights(later)
        assert bool(later.optimiser.param_groups[0]["fused"]) is (second is fused)
    for name in ("fused", "both", "back"):
        for key, value in ends["plain"].items():
            torch.testing.assert_close(ends[name][key], value, rtol=1e-4, atol=1e-5)


def test_global_random_state_neither_matters_nor_changes(tmp_path: Path) -> None:
    torch.manual_seed(5)
    first = trainer(tmp_path / "a", tiny_settings())
    before = torch.random.get_rng_state()
    first.run()
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(6)
    second = trainer(tmp_path / "b", tiny_settings())
    second.run()
    third = trainer(tmp_path / "c", tiny_settings(seed=9))
    third.run()
    assert equal(weights(first), weights(second)) and not equal(weights(first), weights(third))


def test_average_is_the_exponential_mean_of_the_weights(tmp_path: Path) -> None:
    decay, steps = 0.8, 5
    path: list[Tensor] = []
    for length in range(1, steps + 1):
        # The constant rate makes a shorter training the beginning of the longer one.
        one = trainer(tmp_path / str(length), tiny_settings(steps=length, schedule="constant", warmup=0))
        one.run()
        path.append(one.method.encoder.weight.detach().clone())  # type: ignore[union-attr]
    expected = path[0]
    for value in path[1:]:
        expected = decay * expected + (1 - decay) * value
    averaged = trainer(tmp_path / "averaged", tiny_settings(steps=steps, schedule="constant", warmup=0, ema=decay))
    averaged.run()
    torch.testing.assert_close(averaged.method.encoder.weight.detach(), expected)  # type: ignore[union-attr]


def test_schedules() -> None:
    common = {"steps": 110, "warmup": 10}
    linear, cosine, constant = (tiny_settings(schedule=name, **common) for name in ("linear", "cosine", "constant"))
    assert [rate_factor(linear, step) for step in (1, 5, 10)] == pytest.approx([0.1, 0.5, 1.0])
    assert rate_factor(linear, 61) == pytest.approx(0.5) and rate_factor(linear, 110) == pytest.approx(0.01)
    assert rate_factor(cosine, 61) == pytest.approx(0.5) and rate_factor(cosine, 36) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert rate_factor(constant, 11) == rate_factor(constant, 110) == 1.0
    assert rate_factor(tiny_settings(warmup=0, steps=10), 1) == 1.0


class Halves(Tiny):
    """Trains the encoder first, then the decoder at half the rate."""

    entered: list[tuple[str, bool]]

    def phases(self) -> Sequence[Phase]:
        return (Phase("encoder", 2.0), Phase("decoder", 1.0, 0.5))

    def enter(self, phase: Phase, begins: bool) -> None:
        self.entered = [*getattr(self, "entered", []), (phase.name, begins)]
        self.encoder.requires_grad_(phase.name == "encoder")
        self.decoder.requires_grad_(phase.name == "decoder")


def halves() -> Halves:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Halves(MethodSettings(), Geometry(SIDE, SIDE))


def test_steps_are_shared_among_phases_and_the_rate_starts_anew_in_each() -> None:
    phases = (Phase("a", 1.0), Phase("b", 0.001), Phase("c", 1.0, 0.5))
    plan = phase_schedules(phases, 20)
    assert [(course.phase.name, course.first, course.last) for course in plan] == [("a", 1, 10), ("c", 11, 20)]
    assert [schedule_of(step, plan).phase.name for step in (1, 10, 11, 20, 21)] == ["a", "a", "c", "c", "c"]
    settings = tiny_settings(steps=20, warmup=2, learning_rate=0.1, schedule="linear")
    rates = [schedule_of(step, plan).rate(settings, step) for step in range(1, 21)]
    alone = [0.1 * rate_factor(tiny_settings(steps=10, warmup=2, schedule="linear"), step) for step in range(1, 11)]
    assert rates == pytest.approx([*alone, *(0.5 * rate for rate in alone)])
    with pytest.raises(TrainingError, match="shares"):
        phase_schedules((Phase("a", 0.0),), 20)


def test_phases_train_one_part_after_the_other(tmp_path: Path) -> None:
    running = trainer(tmp_path, tiny_settings(steps=9, weight_decay=0.1), halves())
    before = weights(running)
    seen = []
    step = running._step
    running._step = lambda number, batch: (step(number, batch), seen.append(weights(running)))[0]  # type: ignore[method-assign]
    running.run()
    assert running.method.entered == [("encoder", True), ("decoder", True)]
    after_encoder, at_end = seen[5], weights(running)
    for name in before:
        encoder = name.startswith("encoder")
        assert torch.equal(before[name], after_encoder[name]) is not encoder
        assert torch.equal(after_encoder[name], at_end[name]) is encoder


def test_a_resumed_training_goes_on_inside_its_phase(tmp_path: Path) -> None:
    settings = tiny_settings(steps=12, checkpoint_every=10)
    whole = trainer(tmp_path / "whole", settings, halves())
    whole.run()
    stopped = trainer(tmp_path / "parts", settings, halves())
    step = stopped._step

    def stop(number: int, batch: object) -> None:
        if number == 11:
            raise RuntimeError("stopped")
        step(number, batch)  # type: ignore[arg-type]

    stopped._step = stop  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="stopped"):
        stopped.run()
    resumed = trainer(tmp_path / "parts", settings, halves())
    resumed.run()
    assert resumed.method.entered == [("decoder", False)]
    assert equal(weights(whole), weights(resumed))


def test_clipping_bounds_what_the_optimiser_sees(tmp_path: Path) -> None:
    norms: list[float] = []

    class Watched(Tiny):
        def loss(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
            return {"total": 1e3 * super().loss(images, targets, link, point)["total"]}

    for clip in (0.0, 0.5):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            one = trainer(
                tmp_path / str(clip), tiny_settings(steps=1, warmup=0, clip=clip), Watched(MethodSettings(), Geometry(SIDE, SIDE))
            )
        one.run()
        norms.append(float(torch.cat([w.grad.flatten() for w in one.method.parameters()]).norm()))  # type: ignore[union-attr]
    assert norms[0] > 10.0 and norms[1] == pytest.approx(0.5, rel=1e-4)


def test_points_are_drawn_from_the_settings_and_follow_the_step(tmp_path: Path) -> None:
    settings = tiny_settings(steps=60, snr_db=(1.0, 10.0), channels=("awgn", "rayleigh"), validate_every=100)
    one = trainer(tmp_path, settings, rates=(Fraction(1, 12), Fraction(1, 6)))
    one.run()
    seen = one.link_provider.seen[:60]  # type: ignore[attr-defined]
    assert {s[0] for s in seen} == {"awgn", "rayleigh"} and {s[1] for s in seen} == {1.0, 10.0} and len({s[2] for s in seen}) == 2
    assert seen[16][1] == drawn((1.0, 10.0), settings.seed, "snr", 17)
    # Independent draws: all eight combinations occur.
    assert len(set(seen)) == 8


def test_a_loss_that_is_not_finite_names_step_and_remedy(tmp_path: Path) -> None:
    class Breaking(Tiny):
        def loss(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
            self.count = getattr(self, "count", 0) + 1
            losses = super().loss(images, targets, link, point)
            return {"total": losses["total"] * (float("nan") if self.count == 7 else 1.0)}

    method = Breaking(MethodSettings(), Geometry(SIDE, SIDE))
    with pytest.raises(TrainingError, match=r"'total' became nan at step 7 of 12; lower training.learning_rate"):
        trainer(tmp_path, tiny_settings(), method).run()
    assert state.load(tmp_path / RESUME, "", {}, "cpu").step == 4


def test_a_silent_signal_ends_the_training_at_its_step(tmp_path: Path) -> None:
    class Falling(Tiny):
        def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
            self.count = getattr(self, "count", 0) + 1
            signal = super().encode(images, point, descriptions)
            return signal if self.count < 7 or signal.analog is None else Signal(analog=signal.analog * 0.0)

    method = Falling(MethodSettings(), Geometry(SIDE, SIDE))
    with pytest.raises(TrainingError, match=r"'total' became nan at step 7 of 12"):
        trainer(tmp_path, tiny_settings(validate_every=100), method).run()
    # Heard of before the state of step 8 would be written.
    assert state.load(tmp_path / RESUME, "", {}, "cpu").step == 4


def test_the_first_value_that_is_not_finite_is_told_and_an_error_after_it_is_not(tmp_path: Path) -> None:
    class Steep(Tiny):
        def loss(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
            self.count = getattr(self, "count", 0) + 1
            if self.count == 4:
                raise ValueError("met weights that are not finite")
            total = super().loss(images, targets, link, point)["total"]
            # Finite itself, but not its derivative.
            return {"total": total + (0.0 * total).sqrt() if self.count == 2 else total}

    with pytest.raises(TrainingError, match=r"the gradient's norm became nan at step 2 of 12"):
        trainer(tmp_path, tiny_settings(), Steep(MethodSettings(), Geometry(SIDE, SIDE))).run()


def test_a_loss_without_total_and_a_method_without_weights_are_refused(tmp_path: Path) -> None:
    class Nameless(Tiny):
        def loss(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
            return {"mse": super().loss(images, targets, link, point)["total"]}

    with pytest.raises(TrainingError, match="without 'total'"):
        trainer(tmp_path, tiny_settings(), Nameless(MethodSettings(), Geometry(SIDE, SIDE))).run()
    frozen = Tiny(MethodSettings(), Geometry(SIDE, SIDE)).requires_grad_(False)
    with pytest.raises(TrainingError, match="no weights that learn"):
        trainer(tmp_path, tiny_settings(), frozen)


def test_ctrl_c_leaves_the_state_of_the_last_step(tmp_path: Path) -> None:
    def interrupt(values: dict[str, float]) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path, tiny_settings(checkpoint_every=100)).run(interrupt)
    assert signal.getsignal(signal.SIGINT) is handler
    assert state.load(tmp_path / RESUME, "", {}, "cpu").step == 5
    resumed = trainer(tmp_path, tiny_settings(checkpoint_every=100))
    resumed.run()
    whole = trainer(tmp_path / "whole", tiny_settings())
    whole.run()
    assert equal(weights(resumed), weights(whole))


def test_a_foreign_or_broken_state_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path, tiny_settings(), identity="one").run()
    with pytest.raises(TrainingError, match=r"belongs to another training \(one instead of two\)"):
        trainer(tmp_path, tiny_settings(), identity="two").run()
    (tmp_path / RESUME).write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(TrainingError, match="delete it to train from the start"):
        trainer(tmp_path, tiny_settings(), identity="one").run()


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first = trainer(tmp_path, tiny_settings())
    before: TrainingResult = first.run()
    again = trainer(tmp_path, tiny_settings())
    assert again.run().validation == before.validation and equal(weights(first), weights(again))


def test_curves_are_cut_back_and_a_torn_row_is_dropped(tmp_path: Path) -> None:
    with curves.Curves(tmp_path, 0) as writer:
        for step in (1, 2, 3):
            writer.write(step, {"loss/total": step / 3})
    with (tmp_path / "curves.csv").open("a") as file:
        file.write("4,loss/to")
    with curves.Curves(tmp_path, 2) as writer:
        writer.write(3, {"loss/total": 9.0})
    with (tmp_path / "curves.csv").open(newline="") as file:
        assert [row["value"] for row in csv.DictReader(file)] == [repr(1 / 3), repr(2 / 3), "9.0"]
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_worker_processes_load_the_same_batches(tmp_path: Path) -> None:
    plain = trainer(tmp_path / "plain", tiny_settings(steps=3, warmup=1))
    plain.run()
    loaded = trainer(tmp_path / "loaded", tiny_settings(steps=3, warmup=1, workers=1))
    loaded.run()
    assert equal(weights(plain), weights(loaded))


def test_shares_of_the_noise_add_up_to_the_whole() -> None:
    class Counting:
        def complex_normal(self, stream: str, rows: int, length: int, device: torch.device | str = "cpu") -> Tensor:
            return torch.arange(rows * length).reshape(rows, length).to(torch.complex64)

    shares = [ShardedDraws(Counting(), rank, 3).complex_normal("noise", 2, 5) for rank in range(3)]
    assert torch.equal(torch.cat(shares), Counting().complex_normal("noise", 6, 5))


def test_settings_refuse_what_cannot_be() -> None:
    for wrong, message in (
        ({"batch": 5, "processes": 2}, "cannot be shared equally by 2"),
        ({"gpus": 2, "processes": 2}, "one process a GPU already"),
        ({"warmup": 13}, "longer than the training"),
        ({"snr_db": (float("nan"),)}, "finite"),
        ({"learning_rat": 1.0}, "learning_rat"),
    ):
        with pytest.raises(ValueError, match=message):
            tiny_settings(**wrong)


def test_every_setting_is_either_part_of_the_weights_or_not() -> None:
    assert set(TrainingSettings.model_fields) > LEAVES_WEIGHTS
    of_weights = tiny_settings().of_weights()
    assert set(of_weights) == set(TrainingSettings.model_fields) - LEAVES_WEIGHTS - set(FIRST_VALUES)
    # What came later enters beside its first value, which stays the default: what was trained before is found again.
    assert {name: TrainingSettings.model_fields[name].default for name in FIRST_VALUES} == FIRST_VALUES
    assert tiny_settings(images="resize").of_weights() == of_weights | {"images": "resize"}
    assert tiny_settings(threads=2, workers=3, checkpoint_every=7).of_weights() == of_weights
    assert tiny_settings(seed=1).of_weights() != of_weights


def test_placement_writes_from_the_first_process_alone(tmp_path: Path) -> None:
    assert Placement().first and not Placement(rank=1, world=2).first


def test_a_notice_that_a_machine_will_be_taken_back_saves_the_state_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    saved: list[int] = []
    leaving = Placement(leaving=lambda: bool(asked.append(1)) or len(asked) >= 2)
    loop = trainer(tmp_path, tiny_settings(steps=8, checkpoint_every=100, log_every=2), placement=leaving)
    real = loop._save
    monkeypatch.setattr(loop, "_save", lambda: (saved.append(loop.progress.step), real()))
    loop.run()
    # Heard of at the second of four rows, and saved then and at the end.
    assert len(asked) == 4 and saved == [4, 8]
