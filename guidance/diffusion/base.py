"""The interface of a frozen denoiser, and the arithmetic of noise that all of them share.

A noisy latent is `x = alpha z + sigma e`, of a clean latent z and standard normal noise e. Networks
answer in one of three ways, which are the same knowledge in other units:

    epsilon   e                     v   alpha e - sigma z         flow   e - z

`Level` turns each into the noise and the clean latent that are meant. Models of v and epsilon keep
alpha^2 + sigma^2 = 1, those of flow alpha + sigma = 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

Prediction = Literal["epsilon", "v", "flow"]


@dataclass(frozen=True)
class Condition:
    """Texts as a network reads them, one row each; what the tensors are, only it knows."""

    tensors: Mapping[str, Float[Tensor, "b ..."]]

    def rows(self, index: Int[Tensor, "b"]) -> Condition:
        """The rows at these places, which may repeat."""
        return Condition({name: tensor[index] for name, tensor in self.tensors.items()})

    def to(self, device: torch.device) -> Condition:
        """The same rows on a device."""
        return Condition({name: tensor.to(device) for name, tensor in self.tensors.items()})

    @classmethod
    def stack(cls, rows: list[Condition]) -> Condition:
        """The rows of several, one below the other."""
        return cls({name: torch.cat([row.tensors[name] for row in rows]) for name in _names(rows)})

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))


@dataclass(frozen=True)
class Level:
    """How noisy each of `b` latents is."""

    timestep: Float[Tensor, "b"]  # as the network takes it
    alpha: Float[Tensor, "b 1 1 1"]
    sigma: Float[Tensor, "b 1 1 1"]
    prediction: Prediction

    def mix(
        self, clean: Float[Tensor, "b c h w"], noise: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        """The noisy latent of a clean one."""
        return self.alpha * clean + self.sigma * noise

    def noise(
        self, noisy: Float[Tensor, "b c h w"], output: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        """The noise that the network's output means."""
        if self.prediction == "epsilon":
            return output
        if self.prediction == "v":
            return self.sigma * noisy + self.alpha * output
        return noisy + self.alpha * output

    def clean(
        self, noisy: Float[Tensor, "b c h w"], noise: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        """The clean latent that a noise means; infinite where alpha is 0."""
        return (noisy - self.sigma * noise) / self.alpha

    def meant(
        self, noisy: Float[Tensor, "b c h w"], output: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        """The clean latent that the network's output means; for v and flow at any level."""
        if self.prediction == "epsilon":
            return self.clean(noisy, output)
        if self.prediction == "v":
            return self.alpha * noisy - self.sigma * output
        return noisy - self.sigma * output

    def rows(self, index: Int[Tensor, "b"]) -> Level:
        """The levels at these places, which may repeat."""
        return Level(self.timestep[index], self.alpha[index], self.sigma[index], self.prediction)


class Denoiser(nn.Module):
    """A frozen model that tells the noise in a noisy latent, by text.

    `encode_image`, `decode_image` and `answer` are differentiable, all else is without gradient.
    Callers give times in [0, 1], from clean to noise: for models with a schedule of `num_timesteps`
    betas the share of the way through it, for flow models sigma itself.
    """

    name: str  # what the user asked for
    prediction: Prediction
    image_size: int  # pixels a side of the images that it was trained on
    num_timesteps: int = 1000
    #: Of the schedule, in float64 on the CPU; None for flow models.
    alphas_cumprod: Float[Tensor, "timesteps"] | None = None

    def encode_image(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c hh ww"]:
        """Clean latents of images in [0, 1], in float32 or more; differentiable in these."""
        raise NotImplementedError

    def decode_image(self, latents: Float[Tensor, "b c hh ww"]) -> Float[Tensor, "b 3 h w"]:
        """Images, about in [0, 1], of clean latents; differentiable in these."""
        raise NotImplementedError

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """Channels, height and width of the latents of such an image.

        Raises:
            InputError: sides that the autoencoder does not divide.
        """
        raise NotImplementedError

    def picture_sides(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the images of such latents."""
        raise NotImplementedError

    def shift(self, height: int, width: int) -> float:
        """Of the times of a flow model's sampler, for latents of such sides; 1 is none."""
        return 1.0

    def encode_text(self, texts: list[str]) -> Condition:
        """One row a text; "" is no condition. Cached: a text is encoded once in a run."""
        raise NotImplementedError

    def free_text_towers(self) -> None:
        """Drops the text towers once the prompts are encoded; cached texts stay available."""
        raise NotImplementedError

    def answer(
        self, noisy: Float[Tensor, "b c h w"], level: Level, condition: Condition
    ) -> Float[Tensor, "b c h w"]:
        """The network's own answer, in the dtype of `noisy`; differentiable in it."""
        raise NotImplementedError

    @torch.no_grad()
    def predict(
        self, noisy: Float[Tensor, "b c h w"], level: Level, condition: Condition
    ) -> Float[Tensor, "b c h w"]:
        """The network's own answer, without gradient."""
        return self.answer(noisy, level, condition)

    def level(self, time: Float[Tensor, "b"], like: Float[Tensor, "b c h w"]) -> Level:
        """The level at times in [0, 1]; schedules are looked up at the nearest timestep.

        Args:
            time: on the CPU, so that nothing waits for the device.
            like: latents, whose device and dtype the level gets.
        """
        if self.alphas_cumprod is None:
            sigma = time.double().clamp(0, 1)
            timestep, alpha = sigma * self.num_timesteps, 1 - sigma
        else:
            last = self.num_timesteps - 1
            timestep = (time * last).round().long().clamp(0, last)
            kept = self.alphas_cumprod[timestep]
            alpha, sigma = kept.sqrt(), (1 - kept).sqrt()
        shape = (-1, 1, 1, 1)
        return Level(
            timestep.to(like),
            alpha.view(shape).to(like),
            sigma.view(shape).to(like),
            self.prediction,
        )

    @torch.no_grad()
    def noise(
        self, noisy: Float[Tensor, "b c h w"], level: Level, condition: Condition
    ) -> Float[Tensor, "b c h w"]:
        """The noise in noisy latents, as the network sees it under a condition."""
        return level.noise(noisy, self.predict(noisy, level, condition))


def _names(rows: list[Condition]) -> list[str]:
    return list(rows[0].tensors)
