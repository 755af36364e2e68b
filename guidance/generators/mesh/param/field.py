"""Values on a surface as a small network of the position: smooth at first, then more detailed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

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
        """Values of some samples, given what `features` returns for them."""
        values, last = features, len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = torch.baddbmm(bias[samples], values, weight[samples])
            if layer < last:
                values = F.gelu(values)
        return values
