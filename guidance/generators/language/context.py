"""The context of a language model: its key-value cache is what is optimized."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.language.causal import LanguageModel, Layer
from guidance.language.continuations import Continuations
from guidance.types import Generator
from guidance.views import View


class Context(Generator):
    """The next token of texts, as a function of changes of their keys and values.

    The gradient of each key or value tensor of a sample is divided by its norm to the power
    `power`, so that one step size fits all layers.

    Args:
        model: frozen.
        last: the last token of each text.
        past: keys and values of the tokens before it.
        step_size: the learning rate.
        power: of the norm.

    Source: ZeroCap (arXiv 2111.14447), section 3.1, step size 0.3 and power 0.9. Deviation: the
    optimizer of the loop has momentum, so that the step size of `guide caption` is smaller.
    """

    chosen_by_name = False

    def __init__(
        self,
        model: LanguageModel,
        last: Int[Tensor, "n"],
        past: list[Layer],
        step_size: float = 0.3,
        power: float = 0.9,
    ) -> None:
        super().__init__()
        if not past or past[0][0].shape[0] != len(last):
            raise InputError(f"Context: expected a cache of {len(last)} texts")
        self.num_samples = len(last)
        self._model, self._last, self._past = model, last, past
        self._step_size, self._power = step_size, power
        flat = [tensor for layer in past for tensor in layer]
        self.changes = nn.ParameterList(nn.Parameter(torch.zeros_like(each)) for each in flat)

    def forward(self, view: View | None = None) -> Continuations:
        """The logits of the next token of each text."""
        if view is not None:
            raise InputError("Context: takes no view; remove the views")
        changes = [_scale_gradient(change, self._power) for change in self.changes]
        pairs = zip(self._past, zip(changes[::2], changes[1::2], strict=True), strict=True)
        past = [(key + one, value + other) for (key, value), (one, other) in pairs]
        return Continuations(self._model.next(self._last, past))

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.changes), "lr": self._step_size}]

    def export(self, folder: Path, sample: int) -> list[Path]:
        """Writes the most probable next token as text."""
        with torch.no_grad():
            token = int(self().logits[sample].argmax())
        path = folder / "token.txt"
        path.write_text(self._model.write([token]) + "\n", encoding="utf-8")
        return [path]


class _ScaledGradient(torch.autograd.Function):
    """The identity, whose gradient is divided by a power of its norm for each sample."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, power: float) -> Tensor:
        ctx.power = power
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        norm = gradient.flatten(1).norm(dim=1).clamp_min(1e-15) ** ctx.power
        return gradient / norm.view(-1, *[1] * (gradient.ndim - 1)), None


def _scale_gradient(tensor: Tensor, power: float) -> Tensor:
    found: Tensor = _ScaledGradient.apply(tensor, power)  # type: ignore[no-untyped-call]
    return found
