"""The loop knows nothing of an output but its samples and its leaves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.loop.optimize import optimize
from guidance.outputs import Output
from guidance.types import Loss, StepContext
from guidance.views import View
from tests.stand_ins import Canvas, Target


class Numbers(Output):
    """An output without any image."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    @property
    def num_samples(self) -> int:
        return len(self.values)

    @property
    def device(self) -> torch.device:
        return self.values.device

    def leaves(self) -> list[Tensor]:
        return [self.values]

    def leaf(self) -> Numbers:
        return Numbers(self.values.detach().requires_grad_())

    def detach(self) -> Numbers:
        return Numbers(self.values.detach())


class Speaker(Canvas):
    def forward(self, view: View | None = None) -> Numbers:
        return Numbers(self.pixels.mean((1, 2, 3)))


class Near(Loss):
    def forward(self, rendering: Numbers, context: StepContext) -> Tensor:
        return (rendering.values - torch.tensor([0.2, 0.7])).square()


def test_the_loop_needs_no_images() -> None:
    result = optimize(Speaker(), Near(), steps=60)
    assert torch.allclose(result.rendering.values, torch.tensor([0.2, 0.7]), atol=0.02)
    with pytest.raises(InputError, match="expected an output of images, got Numbers"):
        result.images  # noqa: B018


def test_a_generator_must_return_an_output() -> None:
    class Plain(Canvas):
        def forward(self, view: View | None = None) -> Tensor:
            return self.pixels

    with pytest.raises(InputError, match=r"Plain.forward\(\): expected an Output, .*Parameter"):
        optimize(Plain(), Target([0.1, 0.9]), steps=1)
