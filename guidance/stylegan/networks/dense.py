"""Linear layers with an equalized learning rate, and the mapping of StyleGAN."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from guidance.errors import InputError

#: The slope of the leaky ReLU, and the gain after it, which keeps the mean square near 1.
SLOPE, ROOT_2 = 0.2, math.sqrt(2)


def normalized(x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Vectors with a root mean square of one."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class Dense(nn.Module):
    """A linear layer whose weights are stored at unit variance and scaled when they are used.

    The stored weights are multiplied by `learning_rate / sqrt(width_in)`, the biases by
    `learning_rate`, so that all layers train at the same speed. Source: Karras et al., "Progressive
    Growing of GANs", arXiv 1710.10196, section 4.1.
    """

    def __init__(
        self, width_in: int, width_out: int, bias: float = 0.0, learning_rate: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width_out, width_in) / learning_rate)
        self.bias = nn.Parameter(torch.full((width_out,), bias / learning_rate))
        self.gain = learning_rate / math.sqrt(width_in)
        self.learning_rate = learning_rate

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        bias = self.bias if self.learning_rate == 1 else self.bias * self.learning_rate
        return F.linear(x, self.weight * self.gain, bias)


class Mapping(nn.Module):
    """From a normal latent z, and a label where the network is conditional, to a latent w.

    The layers are `fc0`, `fc1`, ...; `w_avg` is the mean of w, which the training maintains.
    """

    w_avg: Tensor

    def __init__(
        self,
        z_dim: int,
        w_dim: int,
        widths: tuple[int, ...],
        *,
        c_dim: int = 0,
        embedding: int | None = None,
        learning_rate: float = 0.01,
    ) -> None:
        """Random initial weights.

        Args:
            z_dim: numbers of z.
            w_dim: numbers of w.
            widths: of the hidden layers; there is one layer more than widths.
            c_dim: numbers of a label; 0 if the network is not conditional.
            embedding: numbers of an embedded label; by default `w_dim`.
            learning_rate: the factor of the learning rate of these layers.
        """
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim = z_dim, c_dim, w_dim
        width = z_dim
        if c_dim:
            self.embed = Dense(c_dim, embedding or w_dim)
            width += embedding or w_dim
        self.num_layers = len(widths) + 1
        for index, width_out in enumerate((*widths, w_dim)):
            self.add_module(f"fc{index}", Dense(width, width_out, learning_rate=learning_rate))
            width = width_out
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Float[Tensor, "n z"],
        truncation: float = 1.0,
        labels: Float[Tensor, "n c"] | None = None,
    ) -> Float[Tensor, "n d"]:
        """The latents w.

        Args:
            z: standard normal numbers.
            truncation: see `truncate`.
            labels: required by conditional networks: one-hot, or other numbers that the network
                was trained with.

        Raises:
            InputError: labels are missing, or the network is not conditional.
        """
        if (labels is not None) != bool(self.c_dim):
            expected = f"labels [n, {self.c_dim}]" if self.c_dim else "no labels"
            raise InputError(f"mapping of this StyleGAN: expected {expected}")
        x = normalized(z)
        if labels is not None:
            x = torch.cat((x, normalized(self.embed(labels.to(x.dtype)))), dim=1)
        for index in range(self.num_layers):
            x = F.leaky_relu(self.get_submodule(f"fc{index}")(x), SLOPE) * ROOT_2
        return self.truncate(x, truncation)

    def truncate(self, w: Float[Tensor, "*n d"], psi: float) -> Float[Tensor, "*n d"]:
        """Latents moved towards the mean: 1 keeps them, 0 gives the mean; W or W+."""
        return w if psi == 1 else self.w_avg + psi * (w - self.w_avg)
