"""Values on a surface as a small network of the position: smooth at first, then more detailed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from guidance.models.precision import dtype_of, resolved
from guidance.types import StepContext


class FourierField(nn.Module):
    """A small network for each sample: Fourier features of a position, two hidden layers, outputs.

    Samples share no weights; their networks run in parallel as batched matrix products.

    Source: Tancik et al., "Fourier Features Let Networks Learn High Frequency Functions in Low
    Dimensional Domains" (arXiv 2006.10739), as Text2Mesh (arXiv 2112.03221) uses them for style.

    Args:
        seeds: one per sample.
        outputs: values at each position; all start near 0.
        frequency: standard deviation of the feature frequencies, in waves per unit of length. A
            mesh of radius 1 shows about 2 * frequency light and dark patches along its diameter.
        features: the number of random frequencies; each gives a sine and a cosine.
        width: units of a hidden layer.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        outputs: int,
        *,
        frequency: float = 0.5,
        features: int = 64,
        width: int = 64,
    ) -> None:
        super().__init__()
        start = StepContext(tuple(seeds), phase="start")
        self.register_buffer("frequencies", frequency * start.normal("frequencies", 3, features))
        sizes = (2 * features + 3, width, width, outputs)
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            # He et al. (arXiv 1502.01852) for the hidden layers; the last one starts small, so
            # that every sample starts with nearly constant values.
            spread = math.sqrt(2 / fan_in) if layer < 2 else 0.1 * math.sqrt(1 / fan_in)
            self.weights.append(
                nn.Parameter(spread * start.normal(f"weights/{layer}", fan_in, fan_out))
            )
            self.biases.append(nn.Parameter(torch.zeros(len(seeds), 1, fan_out)))

    def forward(
        self, points: Float[Tensor, "p 3"], samples: slice = slice(None)
    ) -> Float[Tensor, "n p outputs"]:
        """Values of some samples at points, which should lie within a few units of the origin."""
        return self.of_features(self.features(points, samples), samples)

    def features(
        self, points: Float[Tensor, "p 3"], samples: slice = slice(None)
    ) -> Float[Tensor, "n p features"]:
        """The inputs of the networks. They are constant if the points are."""
        frequencies = self.get_buffer("frequencies")[samples]
        waves = 2 * math.pi * torch.matmul(points, frequencies)
        positions = points.expand(frequencies.shape[0], -1, -1)
        return torch.cat([waves.sin(), waves.cos(), positions], dim=-1)

    def of_features(
        self, features: Float[Tensor, "n p features"], samples: slice = slice(None)
    ) -> Float[Tensor, "n p outputs"]:
        """Values of some samples, given what `features` returns for them.

        The layers run in the dtype of the features; values and parameters are float32.
        """
        values, last = features, len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            own = weight[samples].to(features.dtype), bias[samples].to(features.dtype)
            values = torch.baddbmm(own[1], values, own[0])
            if layer < last:
                values = F.gelu(values)
        return values.float()

    def exactly(self, features: FixedFeatures) -> Float[Tensor, "n p outputs"]:
        """Float32 values at fixed points; only their gradients have the precision of steps.

        Displacements need it: rounded ones turn the normals of a fine mesh, which changes the
        silhouettes. At 5,000 faces, the gradient then had a cosine of 0.95 with the exact one.
        """
        rounded = features()
        if rounded.dtype == features.exact.dtype:
            return self.of_features(features.exact)
        values: Tensor = _RoundedGradients.apply(  # type: ignore[no-untyped-call]
            features.exact, rounded, *self.weights, *self.biases
        )
        return values


class FixedFeatures(nn.Module):
    """The features of points that do not move, for the networks of a `FourierField`.

    Steps compute in `precision`; bfloat16 is more than twice as fast. What users see has no
    rounding errors: without gradients, as in validations and exports, everything is float32.

    Args:
        features: what `FourierField.features` returns.
        precision: "fp32", "bf16", or "auto", see `guidance.models.precision`.
    """

    exact: Float[Tensor, "*n p features"]

    def __init__(self, features: Float[Tensor, "*n p features"], precision: str = "auto") -> None:
        super().__init__()
        self.register_buffer("exact", features, persistent=False)
        self.precision = resolved(precision)
        self._rounded: Float[Tensor, "*n p features"] | None = None

    def forward(self) -> Float[Tensor, "*n p features"]:
        """The features in the dtype of the pass that follows."""
        dtype = dtype_of(self.precision, self.exact.device)
        if not torch.is_grad_enabled() or dtype == self.exact.dtype:
            return self.exact
        rounded = self._rounded
        if rounded is None or rounded.device != self.exact.device or rounded.dtype != dtype:
            rounded = self._rounded = self.exact.to(dtype)
        return rounded


class _RoundedGradients(torch.autograd.Function):
    """The networks of a `FourierField` in float32, with gradients in the dtype of `rounded`."""

    @staticmethod
    def forward(ctx: Any, exact: Tensor, rounded: Tensor, *parameters: Tensor) -> Tensor:
        weights, biases = parameters[: len(parameters) // 2], parameters[len(parameters) // 2 :]
        values, kept = exact, [rounded]
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            values = torch.baddbmm(bias, values, weight)
            if layer + 1 < len(weights):
                kept.append(values.to(rounded.dtype))
                values = F.gelu(values)
                kept.append(values.to(rounded.dtype))
        ctx.save_for_backward(*weights, *kept)
        ctx.layers = len(weights)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        weights, kept = ctx.saved_tensors[: ctx.layers], ctx.saved_tensors[ctx.layers :]
        grad = grad_output.to(kept[0].dtype)
        to_weights, to_biases = [], []
        for layer in reversed(range(ctx.layers)):
            to_weights.append(torch.bmm(kept[2 * layer].mT, grad).float())
            to_biases.append(grad.sum(1, keepdim=True).float())
            if layer:
                back = torch.bmm(grad, weights[layer].to(grad.dtype).mT)
                grad = torch.ops.aten.gelu_backward(back, kept[2 * layer - 1])
        return None, None, *reversed(to_weights), *reversed(to_biases)
