"""What methods cost: operations against a count by hand, and the command's table."""

import json

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from suite.check import cost
from suite.check.cost import measured
from suite.check.subject import BATCH, subjects
from suite.complexity import _shown, app


def by_hand(network: nn.Module, run) -> int:
    """Count multiply-accumulates of the convolutions that ``run`` calls: one a kernel element, input and output channel and position."""
    total = 0

    def counted(module, inputs, output) -> None:
        nonlocal total
        positions = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        total += positions.shape[0] * positions[0, 0].numel() * module.weight.numel()

    hooks = [each.register_forward_hook(counted) for each in network.modules() if isinstance(each, nn.Conv2d | nn.ConvTranspose2d)]
    run()
    for hook in hooks:
        hook.remove()
    return total // BATCH


@torch.inference_mode()
def test_operations_of_each_end_are_those_of_its_convolutions(monkeypatch) -> None:
    monkeypatch.setattr(cost, "ROUNDS", 1)
    (subject,) = subjects("deepjscc")
    found, method, batch = measured(subject), subject.build(), subject.batch(*range(BATCH))
    assert isinstance(method, nn.Module)
    encode = by_hand(method, lambda: cost._encoded(subject, method, batch))
    received = subject.received(cost._encoded(subject, method, batch), batch)
    decode = by_hand(method, lambda: subject.decoded(method, received))
    assert found.encode.macs == encode > 1e6 and found.decode.macs == decode > 1e6
    assert found.parameters == sum(each.numel() for each in method.parameters())
    assert found.seconds == pytest.approx(found.encode.seconds + found.decode.seconds)


def test_the_command_says_which_method_it_could_not_measure(tmp_path) -> None:
    done = CliRunner().invoke(app, ["no_such_method", "--json", str(tmp_path / "cost.json")])
    assert done.exit_code == 1 and "no_such_method" in done.output and "parameters" in done.output
    (row,) = json.loads((tmp_path / "cost.json").read_text())
    assert row["method"] == "no_such_method" and row["fault"]


def test_a_row_has_millions_of_operations_and_milliseconds() -> None:
    row = {"name": "A", "parameters": 1234, "encode": {"macs": 2_500_000, "seconds": 0.0123}, "decode": {"macs": 0, "seconds": 1.5}}
    assert _shown(row | {"megabytes": 3.4}) == ["A", "1,234", "2.5 M", "0.0 M", "12.3", "1.5e+03", "3"]
