"""Checks of a method with weights: its loss, the gradients, the state that a checkpoint holds."""

from functools import partial

import torch
from torch import Tensor

from benchmarks.link.draws import KeyedDraws
from methods.base import Method, Targets, TrainableMethod
from suite.check.independence import images_apart, signals_apart
from suite.check.subject import BATCH, CHANNEL, SEED, SNR_DB, Fault, NotChecked, Subject, asked
from suite.link.training import TrainingLinkProvider


def gradients(subject: Subject) -> None:
    """The loss is finite and has "total"; over all phases, every parameter that requires a gradient gets a finite one."""
    method = _trainable(subject)
    batch = subject.batch(*range(BATCH))
    provider = TrainingLinkProvider(subject.link, subject.grid.image_size)
    point = provider.point(subject.ratio, SNR_DB, CHANNEL)
    targets = Targets(batch.masks, [""] * BATCH, list(batch.captions))
    asked("check_trainable", method.check_trainable)
    method.train()
    reached: set[str] = set()
    for number, phase in enumerate(method.phases()):
        method.enter(phase, True)
        method.zero_grad()
        link = provider.link(KeyedDraws(SEED + number, batch.keys, CHANNEL, SNR_DB, 0))
        losses = asked("loss", partial(method.loss, batch.images, targets, link, point))
        total = _total(losses, phase.name)
        asked("the gradient of loss", total.backward)
        for name, parameter in method.named_parameters():
            if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
                raise Fault(f"the gradient of {name} is not finite in phase '{phase.name}'; look for a root, a logarithm or a norm at zero")
            if parameter.grad is not None:
                reached.add(name)
    without = [name for name, parameter in method.named_parameters() if parameter.requires_grad and name not in reached]
    if without:
        shown = ", ".join(without[:3]) + (f" and {len(without) - 3} more" if len(without) > 3 else "")
        raise Fault(
            f"no gradient reaches {shown} (CR {subject.ratio or 'fixed'}); let the loss depend on them (a detach, a rounding or NumPy in "
            "between cuts them off), or call requires_grad_(False)"
        )


def state_dict(subject: Subject) -> None:
    """Weights that are saved and loaded into another instance make it send and decode the same."""
    method = _trainable(subject)
    other = subject.build(seed=SEED + 1)
    if not isinstance(other, torch.nn.Module):
        raise NotChecked("it has no weights")
    asked("loading its own state_dict", lambda: other.load_state_dict(method.state_dict()))
    batch = subject.batch(*range(BATCH))
    hint = "keep every tensor that results depend on as a parameter or with register_buffer"
    with torch.inference_mode():
        first, second = subject.encoded(method, batch), subject.encoded(other, batch)
        if difference := signals_apart(first, second):
            raise Fault(f"another instance with the same state_dict sends another {difference}; {hint}")
        received = subject.received(first, batch)
        if images_apart(subject.decoded(method, received), subject.decoded(other, received)):
            raise Fault(f"another instance with the same state_dict decodes other images; {hint}")


def _trainable(subject: Subject) -> TrainableMethod:
    method: Method = subject.build()
    if not subject.configured.traits.trainable or not isinstance(method, TrainableMethod):
        raise NotChecked("it has no weights to train")
    return method


def _total(losses: object, phase: str) -> Tensor:
    if not isinstance(losses, dict) or "total" not in losses:
        raise Fault('loss gives no dictionary with "total"; return {"total": the scalar to minimise, and others by name}')
    total = losses["total"]
    if not isinstance(total, Tensor) or total.numel() != 1:
        raise Fault(f'loss gives as "total" {type(total).__name__}; return a tensor with one number, such as a mean')
    if not torch.isfinite(total):
        raise Fault(f"loss gives {float(total)} as \"total\" in phase '{phase}'; look for a division by zero or a logarithm")
    if not total.requires_grad:
        raise Fault('the "total" of loss depends on no parameter; a detach, a rounding or NumPy in between cuts it off')
    return total
