"""Frozen models as CUDA graphs: forward and backward are recorded once per shape, then replayed.

At small batches the host takes longer to start the kernels of a model than the GPU to run them. A
graph starts all of them at once, but works in fixed memory: the next forward pass overwrites what
the backward pass of the last one needs. So one caller at a time uses a recorded pass, until its
backward pass has begun or nobody can begin it any more; meanwhile others get the plain function.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.transfers import is_queued

Function = Callable[[Tensor], Tensor]
#: Calls with a shape before it is recorded: shapes of validation occur once or twice in a while.
BEFORE = 3
#: Shapes that are recorded, at most; each has memory of its own for all activations.
SHAPES = 4


def record_graph(function: Function, sample: Tensor) -> Function:
    """The function as a CUDA graph for inputs like `sample`, with its backward pass."""
    recorded: Any = torch.cuda.make_graphed_callables(function, (sample,))
    return recorded  # type: ignore[no-any-return]


class Replayed:
    """A function of images whose weights are frozen, recorded for the shapes that occur often.

    Only calls that need the gradient of the images are recorded, and only on devices with a queue;
    all others call the function.

    Args:
        function: runs the same operations on the same weights for each input of one shape, never
            waits for the device, and draws no random numbers.
        record: makes a recording from the function and a sample of its input.
    """

    def __init__(self, function: Function, record: Callable[..., Function] = record_graph) -> None:
        self._function, self._record = function, record
        self._calls: Counter[Any] = Counter()
        self._recorded: dict[Any, _Recording] = {}

    def __call__(self, images: Float[Tensor, "b c h w"]) -> Tensor:
        needed = torch.is_grad_enabled() and images.requires_grad
        if not needed or not is_queued(images.device):
            return self._function(images)
        key = (tuple(images.shape), images.stride(), images.dtype, images.device)
        recording = self._recorded.get(key)
        if recording is None:
            self._calls[key] += 1
            if self._calls[key] <= BEFORE or len(self._recorded) == SHAPES:
                return self._function(images)
            sample = images.detach().clone().requires_grad_()
            recording = self._recorded[key] = _Recording(self._record(self._function, sample))
        return recording(images) if recording.is_free else self._function(images)

    def clear(self) -> None:
        """Forgets all recordings; needed when the weights have moved."""
        self._calls.clear()
        self._recorded.clear()


class _Use:
    """One forward pass of a recording; lives as long as its backward pass is possible."""


class _Recording:
    """A recorded function, and the use that its memory belongs to."""

    def __init__(self, replay: Function) -> None:
        self._replay = replay
        self._use: weakref.ref[_Use] | None = None

    def __call__(self, images: Tensor) -> Tensor:
        use = _Use()
        self._use = weakref.ref(use)
        result: Tensor = _Used.apply(self._replay(images), self, use)  # type: ignore[no-untyped-call]
        return result

    @property
    def is_free(self) -> bool:
        return self._use is None or self._use() is None

    def end(self, use: _Use) -> None:
        """Frees the recording. Raises RuntimeError if this use has ended before."""
        if self._use is None or self._use() is not use:
            raise RuntimeError("a recorded forward pass has one backward pass, and it was done")
        self._use = None


class _Used(torch.autograd.Function):
    """The output of a recording, copied from its fixed memory; frees it in the backward pass."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, recording: _Recording, use: _Use) -> Tensor:
        ctx.recording, ctx.use = recording, use
        return output.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        # The recorded backward pass follows at once, before anybody can call the recording.
        ctx.recording.end(ctx.use)
        return gradient, None, None
