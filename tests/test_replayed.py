"""Recordings of frozen models, with a stand-in for CUDA graphs that has their fixed memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from guidance import replayed, transfers
from guidance.replayed import BEFORE, SHAPES, Replayed


class FixedMemory:
    """Records a function as a CUDA graph does: input, output and gradient have one place each."""

    made = 0

    def __init__(self, function: replayed.Function, sample: Tensor) -> None:
        type(self).made += 1
        self.function, self.input = function, sample.detach().clone()
        self.output, self.gradient = function(self.input).clone(), torch.zeros_like(sample)
        self.replays = 0

    def __call__(self, images: Tensor) -> Tensor:
        memory = self

        class Graph(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, given: Tensor) -> Tensor:
                memory.replays += 1
                memory.input.copy_(given)
                memory.output.copy_(memory.function(memory.input))
                return memory.output.detach()

            @staticmethod
            def backward(ctx: Any, gradient: Tensor) -> Tensor:
                with torch.enable_grad():  # of whatever the memory holds now
                    leaf = memory.input.detach().requires_grad_()
                    found = torch.autograd.grad(memory.function(leaf), leaf, gradient)
                memory.gradient.copy_(found[0])
                return memory.gradient.detach()

        result: Tensor = Graph.apply(images)  # type: ignore[no-untyped-call]
        return result


def model(images: Tensor) -> Tensor:
    return images.pow(3).flatten(1).sum(1)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Replayed:
    monkeypatch.setattr(transfers, "QUEUED", {"cpu"})
    monkeypatch.setattr(FixedMemory, "made", 0)
    return Replayed(model, FixedMemory)


def batch(seed: int, count: int = 2) -> Tensor:
    return torch.rand(
        count, 3, 4, 4, generator=torch.Generator().manual_seed(seed)
    ).requires_grad_()


def warm(recorded: Replayed, count: int = 2) -> None:
    for seed in range(BEFORE):
        recorded(batch(seed, count))


def right(images: Tensor, gradient: Tensor) -> bool:
    return torch.allclose(gradient, 3 * images.detach().square())


def test_a_shape_is_recorded_when_it_has_occurred_often(recorded: Replayed) -> None:
    warm(recorded)
    assert FixedMemory.made == 0
    for seed in range(5):
        images = batch(seed)
        value = recorded(images)
        assert torch.allclose(value, model(images))
        assert right(images, torch.autograd.grad(value.sum(), images)[0])
    assert FixedMemory.made == 1


def test_two_passes_at_once_do_not_overwrite_each_other(recorded: Replayed) -> None:
    warm(recorded)
    first, second = batch(10), batch(11)
    values = recorded(first), recorded(second)
    for images, value in zip((first, second), values, strict=True):
        assert torch.allclose(value, model(images))
        assert right(images, torch.autograd.grad(value.sum(), images)[0])
    (recording,) = recorded._recorded.values()
    assert recording._replay.replays == 1  # the second one was not recorded


def test_after_the_backward_pass_the_recording_is_free_though_values_live(
    recorded: Replayed,
) -> None:
    warm(recorded)
    values = []
    for seed in range(3):
        images = batch(seed)
        values.append(recorded(images))
        torch.autograd.grad(values[-1].sum(), images)
    (recording,) = recorded._recorded.values()
    assert recording._replay.replays == 3
    assert torch.allclose(values[0], model(batch(0)))  # not the memory of the recording


def test_a_value_that_nobody_keeps_frees_the_recording(recorded: Replayed) -> None:
    warm(recorded)
    recorded(batch(1))
    recorded(batch(2))
    (recording,) = recorded._recorded.values()
    assert recording._replay.replays == 2


def test_a_second_backward_pass_is_refused(recorded: Replayed) -> None:
    warm(recorded)
    images = batch(1)
    value = recorded(images).sum()
    torch.autograd.grad(value, images, retain_graph=True)
    recorded(batch(2))
    with pytest.raises(RuntimeError, match="one backward pass"):
        torch.autograd.grad(value, images)


def test_the_number_of_recordings_is_limited(recorded: Replayed) -> None:
    for count in range(1, SHAPES + 3):
        warm(recorded, count)
        images = batch(0, count)
        assert right(images, torch.autograd.grad(recorded(images).sum(), images)[0])
    assert FixedMemory.made == SHAPES


def test_moved_weights_are_recorded_anew(recorded: Replayed) -> None:
    warm(recorded)
    recorded(batch(1))
    recorded.clear()
    warm(recorded)
    assert FixedMemory.made == 1
    recorded(batch(1))
    assert FixedMemory.made == 2


def test_without_a_gradient_or_a_queue_nothing_is_recorded(
    recorded: Replayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(BEFORE + 2):
        recorded(batch(seed).detach())
        with torch.no_grad():
            recorded(batch(seed))
    monkeypatch.setattr(transfers, "QUEUED", {"cuda"})
    for seed in range(BEFORE + 2):
        recorded(batch(seed))
    assert FixedMemory.made == 0


def test_an_encoder_is_recorded_and_its_gradients_stay(
    recorded: Replayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guidance.encoders import load_encoder
    from guidance.encoders.openclip import OpenClip

    encoder = load_encoder("mini", "cpu", "fp32")
    assert isinstance(encoder, OpenClip)

    def gradient(images: Tensor) -> Tensor:
        return torch.autograd.grad(encoder.encode_image(images)[:, 0].sum(), images)[0]

    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    plain = gradient(images)
    monkeypatch.setattr(encoder, "_replayed", Replayed(encoder._features, FixedMemory))
    for _ in range(BEFORE + 2):
        found = gradient(images)
    assert FixedMemory.made == 1
    assert torch.allclose(found, plain, atol=1e-6)
