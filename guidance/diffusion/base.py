"""The interface of a frozen denoiser, and the noise levels of latents.

A noisy latent is `x = alpha z + sigma e`, with a clean latent z and standard normal noise e.
Networks predict one of three quantities:

    epsilon   e                     v   alpha e - sigma z         flow   e - z

`Level` converts each into a noise prediction and a clean latent. Models of epsilon and v satisfy
alpha^2 + sigma^2 = 1, models of flow alpha + sigma = 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from guidance.models.families import DIFFUSION
from guidance.transfers import together

Prediction = Literal["epsilon", "v", "flow"]


@dataclass(frozen=True)
class Condition:
    """Encoded texts, one row each, as inputs of a network; the tensors depend on the network."""

    tensors: Mapping[str, Float[Tensor, "b ..."]]

    def rows(self, index: Int[Tensor, "b"]) -> Condition:
        """The rows of these indices, which may repeat."""
        return Condition({name: tensor[index] for name, tensor in self.tensors.items()})

    def to(self, device: torch.device) -> Condition:
        """The same rows on a device."""
        return Condition({name: tensor.to(device) for name, tensor in self.tensors.items()})

    @classmethod
    def stack(cls, rows: list[Condition]) -> Condition:
        """Concatenates the rows of several conditions."""
        names = list(rows[0].tensors)
        return cls({name: torch.cat([row.tensors[name] for row in rows]) for name in names})

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))


@dataclass(frozen=True)
class Level:
    """The noise levels of `b` latents."""

    timestep: Float[Tensor, "b"]  # as input of the network
    alpha: Float[Tensor, "b 1 1 1"]
    sigma: Float[Tensor, "b 1 1 1"]
    prediction: Prediction

    def mix(
        self, clean: Float[Tensor, "b c h w"], noise: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        """The noisy latents of clean latents and noise."""
        return self.alpha * clean + self.sigma * noise

    def noise(
        self, noisy: Float[Tensor, "b c h w"], output: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        """The noise prediction of a network output."""
        if self.prediction == "epsilon":
            return output
        if self.prediction == "v":
            return self.sigma * noisy + self.alpha * output
        return noisy + self.alpha * output

    def clean(
        self, noisy: Float[Tensor, "b c h w"], noise: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        """The clean latents of a noise prediction; infinite where alpha is 0."""
        return (noisy - self.sigma * noise) / self.alpha

    def clean_from_output(
        self, noisy: Float[Tensor, "b c h w"], output: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        """The clean latents of a network output; finite at all levels for v and flow."""
        if self.prediction == "epsilon":
            return self.clean(noisy, output)
        if self.prediction == "v":
            return self.alpha * noisy - self.sigma * output
        return noisy - self.sigma * output

    def rows(self, index: Int[Tensor, "b"]) -> Level:
        """The levels of these indices, which may repeat."""
        return Level(self.timestep[index], self.alpha[index], self.sigma[index], self.prediction)


class Denoiser(nn.Module):
    """A frozen model that predicts the noise in noisy latents, conditioned on text.

    `encode_image`, `decode_image` and `output` are differentiable; the other methods run without
    gradient. Times are in [0, 1], from clean to noise: for models with a noise schedule, the
    fraction of its `num_timesteps`; for flow models, sigma.
    """

    #: The name in messages and records, e.g. "sd-1.5".
    name: str
    #: The family. A judge never judges losses of its own family; no judge is of this default.
    family: str = DIFFUSION
    prediction: Prediction
    #: Pixels a side of the training images.
    image_size: int
    num_timesteps: int = 1000
    #: Cumulative products of the alphas, in float64 on the CPU; None for flow models.
    alphas_cumprod: Float[Tensor, "timesteps"] | None = None

    def encode_image(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c hh ww"]:
        """Clean latents of images in [0, 1], in float32 or float64; differentiable."""
        raise NotImplementedError

    def decode_image(self, latents: Float[Tensor, "b c hh ww"]) -> Float[Tensor, "b 3 h w"]:
        """Images of clean latents, approximately in [0, 1]; differentiable."""
        raise NotImplementedError

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Channels, height and width of the latents of an image of this height and width.

        Raises:
            InputError: a side is not a multiple of the autoencoder's factor.
        """
        raise NotImplementedError

    def image_sides(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the images of latents of this height and width."""
        raise NotImplementedError

    def shift(self, height: int, width: int) -> float:
        """The shift of a flow model's sampling times for latents of this size; 1 is no shift."""
        return 1.0

    def encode_text(self, texts: list[str]) -> Condition:
        """One row for each text; "" is the unconditional row. Each text is encoded once."""
        raise NotImplementedError

    def free_text_towers(self) -> None:
        """Releases the text encoders once the prompts are encoded; encoded texts stay cached."""
        raise NotImplementedError

    def forget_texts(self) -> None:
        """Forgets the encoded texts."""

    def output(
        self, noisy: Float[Tensor, "b c h w"], level: Level, condition: Condition
    ) -> Float[Tensor, "b c h w"]:
        """The output of the network, in the dtype of `noisy`; differentiable in `noisy`."""
        raise NotImplementedError

    @torch.no_grad()
    def predict(
        self, noisy: Float[Tensor, "b c h w"], level: Level, condition: Condition
    ) -> Float[Tensor, "b c h w"]:
        """The output of the network, without gradient."""
        return self.output(noisy, level, condition)

    def level(self, time: Float[Tensor, "b"], like: Float[Tensor, "b c h w"]) -> Level:
        """The noise levels at times in [0, 1]; noise schedules are read at the nearest timestep.

        Args:
            time: on the CPU, to avoid waiting for the device.
            like: latents with the device and dtype of the result.
        """
        if self.alphas_cumprod is None:
            sigma = time.double().clamp(0, 1)
            timestep, alpha = sigma * self.num_timesteps, 1 - sigma
        else:
            last = self.num_timesteps - 1
            timestep = (time * last).round().long().clamp(0, last)
            alpha_squared = self.alphas_cumprod[timestep]
            alpha, sigma = alpha_squared.sqrt(), (1 - alpha_squared).sqrt()
        values = [value.to(like.dtype) for value in (timestep, alpha, sigma)]
        timestep, alpha, sigma = together(values, like.device)
        shape = (-1, 1, 1, 1)
        return Level(timestep, alpha.view(shape), sigma.view(shape), self.prediction)

    @torch.no_grad()
    def noise(
        self, noisy: Float[Tensor, "b c h w"], level: Level, condition: Condition
    ) -> Float[Tensor, "b c h w"]:
        """The noise prediction for noisy latents under a condition, without gradient."""
        return level.noise(noisy, self.predict(noisy, level, condition))
