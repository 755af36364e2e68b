"""Values and gradients of weighted losses, in micro-batches.

    parameters -> output | leaf -> crops -> frozen model -> loss
    `------- backward -----'   `------ backward, in micro-batches ------'

The generator's output is detached into leaves. Each loss processes its crops in micro-batches and
adds its gradient to the leaves; one backward pass then takes these gradients through the generator.
Memory is the generator's graph plus one micro-batch of one encoder, whatever the number of encoders
and crops.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from guidance.errors import InputError
from guidance.outputs import Output
from guidance.phases import phase
from guidance.schedule import Schedule
from guidance.types import Loss, StepContext, Terms


@dataclass(frozen=True)
class WeightedLoss:
    """A loss with the weight of its term and its name in records."""

    name: str
    loss: Loss
    weight: Schedule


def weighted_losses(terms: Terms) -> list[WeightedLoss]:
    """The losses of a sum. A name that occurs twice is numbered: `clip`, `clip-2`.

    Raises:
        InputError: there is no loss.
    """
    if not terms.terms:
        raise InputError("no loss to optimize: give at least one")
    found: list[WeightedLoss] = []
    for term in terms:
        name = term.loss.name
        count = sum(one.name == name or one.name.startswith(f"{name}-") for one in found)
        numbered = name if count == 0 else f"{name}-{count + 1}"
        found.append(WeightedLoss(numbered, term.loss, Schedule.parse(term.weight)))
    return found


def backward(
    output: Output,
    losses: Sequence[WeightedLoss],
    context: StepContext,
    *,
    micro_batch: int,
    normalize: bool,
) -> dict[str, Tensor]:
    """Adds the gradients of the weighted losses to the parameters behind an output.

    Args:
        micro_batch: images that are given to an encoder at once.
        normalize: scales the gradient of each term to rms 1 per sample, before its weight.

    Returns:
        The weighted value of each loss, `[n]`.
    """
    leaf = output.leaf()
    gradients: list[Tensor | None] = []
    values: dict[str, Tensor] = {}
    scene_losses = []
    for term in losses:
        factor = term.weight(context.progress)
        if term.loss.reads_scene:
            value = factor * term.loss(output, context)
            if value.requires_grad:  # a mesh of fixed shape has nothing to regularize
                scene_losses.append(value.sum())
            values[term.name] = value.detach()
            continue
        with phase("losses"):
            value, term_gradients = _leaf_gradients(term.loss, leaf, context, micro_batch)
        if normalize:
            term_gradients = _normalized(term_gradients)
        weighted = [g if g is None or factor == 1 else factor * g for g in term_gradients]
        gradients = [_sum(*pair) for pair in zip_longest(gradients, weighted)]
        values[term.name] = factor * value
    scalars = scene_losses + [
        _Given.apply(  # type: ignore[no-untyped-call]
            tensor, torch.zeros_like(tensor) if gradient is None else gradient
        )
        for tensor, gradient in zip_longest(output.leaves(), gradients)
        if tensor.requires_grad
    ]
    if scalars:
        with phase("generator"):
            torch.autograd.backward(scalars)
    return values


class _Given(torch.autograd.Function):
    """A scalar whose gradient with respect to a tensor is given.

    `torch.autograd.backward` also takes gradients, but then imports sympy, which takes 0.3 s.
    """

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, gradient: Tensor) -> Tensor:
        ctx.gradient = gradient
        return tensor.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, None]:
        return ctx.gradient, None


def total_loss(
    output: Output, losses: Sequence[WeightedLoss], context: StepContext, micro_batch: int
) -> Tensor:
    """The sum of all losses by their final weights, `[n]`: the validation loss."""
    total = torch.zeros(output.num_samples, device=output.device)
    for term in losses:
        for part in term.loss.parts(output, context, micro_batch):
            total += term.weight(1.0) * part
    return total


def all_finite(values: dict[str, Tensor], parameters: Iterable[Tensor]) -> Bool[Tensor, ""]:
    """Whether the losses and the gradients of the parameters are finite, on their device."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    sums = [tensor.sum() for tensor in (*values.values(), *gradients)]
    return torch.stack(sums).isfinite().all()


def _leaf_gradients(
    loss: Loss, leaf: Output, context: StepContext, micro_batch: int
) -> tuple[Tensor, list[Tensor | None]]:
    """The value of a loss, and its gradient for each leaf; None for leaves that it did not read.

    Reading an output may add leaves to it; see `guidance.diffusion.latents`.
    """
    value = torch.zeros(leaf.num_samples, device=leaf.device)
    gradients: list[Tensor | None] = []
    for part in loss.parts(leaf, context, micro_batch):
        value += part.detach()
        leaves = leaf.leaves()
        gradients += [None] * (len(leaves) - len(gradients))
        if not part.requires_grad:
            continue
        found = torch.autograd.grad(part.sum(), leaves, allow_unused=True)
        gradients = [_sum(*pair) for pair in zip(gradients, found, strict=True)]
    return value, gradients


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _normalized(gradients: list[Tensor | None]) -> list[Tensor | None]:
    """Gradients of one term divided by their rms over all leaves of each sample."""
    found = [g for g in gradients if g is not None]
    square = sum(g.flatten(1).square().sum(1) for g in found)
    count = sum(g[0].numel() for g in found)
    rms = (torch.as_tensor(square) / max(1, count)).sqrt().clamp_min(1e-12)
    return [g if g is None else g / rms.view(-1, *[1] * (g.ndim - 1)) for g in gradients]
