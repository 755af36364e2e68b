"""A denoiser whose answers are known: data that is a mixture of Gaussians, one a text."""

from __future__ import annotations

import hashlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guidance.diffusion.base import Condition, Denoiser, Level, Prediction

SIZE, CHANNELS = 4, 3


class Mixture(Denoiser):
    """Exact answers for latents of Gaussians with the means of texts and one variance.

    A text is its own Gaussian; "" is the even mixture of all `modes`. Other texts have means that
    follow from their letters; `broad` is one of everything, with mean 0 and variance 1. The
    "autoencoder" is a smooth random map of the shrunk image.
    """

    name = "mixture"
    image_size = 8

    def __init__(
        self,
        modes: dict[str, Tensor] | None = None,
        variance: float = 0.05,
        prediction: Prediction = "epsilon",
        linear: bool = False,
        broad: str | None = None,
    ) -> None:
        super().__init__()
        self.prediction, self.variance, self.linear = prediction, variance, linear
        self.broad = broad
        self.modes = modes or {text: self.mean(text) for text in ("a cat", "a dog", "a house")}
        random = torch.Generator().manual_seed(5)
        weight = torch.randn(CHANNELS, 3, 1, 1, generator=random, dtype=torch.float64)
        self.weight = nn.Parameter(weight)
        if prediction != "flow":
            betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64).square()
            self.alphas_cumprod = (1 - betas).cumprod(0)
        self.batches: list[int] = []  # how many images or latents were given at once
        self.texts: list[str] = []
        self.asked = 0  # answers in all
        self.freed = False

    def encode_image(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        small = F.adaptive_avg_pool2d(images * 2 - 1, SIZE)
        if self.linear:
            return small
        return torch.tanh(F.conv2d(small, self.weight.to(images)))

    def encode_text(self, texts: list[str]) -> Condition:
        self.texts += texts
        means = torch.stack([self.modes.get(text, self.mean(text)) for text in texts])
        empty = torch.tensor([[float(text == "")] for text in texts])
        broad = torch.tensor([[float(text == self.broad)] for text in texts]).double()
        means = means * (1 - broad[..., None, None])
        variances = self.variance + broad * (1 - self.variance)
        return Condition({"means": means, "empty": empty, "variances": variances})

    def free_text_towers(self) -> None:
        self.freed = True

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        return CHANNELS, SIZE, SIZE

    def image_sides(self, height: int, width: int) -> tuple[int, int]:
        return self.image_size, self.image_size

    def decode_image(self, latents: Tensor) -> Tensor:
        size = (self.image_size, self.image_size)
        return F.interpolate(latents, size, mode="nearest") / 2 + 0.5

    def output(self, noisy: Tensor, level: Level, condition: Condition) -> Tensor:
        self.batches.append(len(noisy))
        alpha = level.alpha.clamp_min(1e-6)  # 0 in the last level of flow models
        self.asked += len(noisy)
        spread = alpha.square() * self.variance + level.sigma.square()

        def noise(mean: Tensor) -> Tensor:
            return level.sigma * (noisy - alpha * mean) / spread

        own = condition.tensors["variances"].to(noisy)[..., None, None]
        wide = alpha.square() * own + level.sigma.square()
        told = noise(condition.tensors["means"].to(noisy)) * spread / wide
        modes = torch.stack(list(self.modes.values())).to(noisy)
        far = noisy[:, None] - alpha[:, None] * modes
        shares = (-far.square().sum((2, 3, 4)) / (2 * spread.flatten()[:, None])).softmax(1)
        free = noise((shares[..., None, None, None] * modes).sum(1))
        found = torch.where(condition.tensors["empty"].to(noisy)[..., None, None] > 0, free, told)
        clean = (noisy - level.sigma * found) / alpha
        if self.prediction == "v":
            return alpha * found - level.sigma * clean
        return found - clean if self.prediction == "flow" else found

    @staticmethod
    def mean(text: str) -> Tensor:
        key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "little")
        random = torch.Generator().manual_seed(key)
        shape = (CHANNELS, SIZE, SIZE)
        return 0.6 * torch.randn(shape, generator=random, dtype=torch.float64).sign()
