"""A small encoder that answers at once, and a rendering that has everything a loss may read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guidance.diffusion.sampling import NoiseScene
from guidance.encoders.base import Encoder
from guidance.meshes import MeshScene
from guidance.outputs import Rendering
from guidance.stylegan.latents import LatentScene
from guidance.types import StepContext
from guidance.views import Cameras


class Linear(Encoder):
    """A random linear map of images, smooth and of full rank; texts are keyed random vectors."""

    name = family = "stand-in"
    image_size = 8
    logit_scale = 5.0
    templates = ("{}", "an image of {}")
    alternatives = ("a house", "a boat", "a cloud")

    def __init__(self, seed: int = 0, logit_bias: float | None = None, size: int = 8) -> None:
        super().__init__()
        self.logit_bias, self.image_size = logit_bias, size
        random = torch.Generator().manual_seed(seed)
        weight = torch.randn(12, 3 * size * size, generator=random, dtype=torch.float64)
        self.weight = nn.Parameter(weight)
        self.filters = torch.randn(5, 3, 3, 3, generator=random, dtype=torch.float64)
        self.batches: list[int] = []  # how many images were encoded at once
        self.texts: list[str] = []

    def encode_image(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        assert images.shape[1:] == (3, self.image_size, self.image_size)
        features = (images - 0.5).flatten(1) @ self.weight.to(images).T
        return F.normalize(features, dim=-1)

    def image_maps(self, images: Tensor) -> list[Tensor]:
        self.batches.append(len(images))
        filters = self.filters.to(images)
        maps = torch.tanh(F.conv2d(images, filters))
        return [
            maps,
            F.avg_pool2d(maps, 2),
            F.avg_pool2d(maps, 3).square(),
            maps.mean((2, 3), True),
        ]

    def encode_text(self, texts: list[str]) -> Tensor:
        self.texts += texts
        return torch.stack([self._of(text) for text in texts])

    def free_text_tower(self) -> None: ...

    @staticmethod
    def _of(text: str) -> Tensor:
        key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "little")
        return F.normalize(torch.randn(12, generator=torch.Generator().manual_seed(key)), dim=0)


FACES = torch.tensor([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])  # a tetrahedron, outwards


@dataclass(frozen=True, kw_only=True)
class Everything(MeshScene, NoiseScene, LatentScene):
    """A scene for every loss that reads one."""


def everything(
    n: int = 2, v: int = 2, size: int = 10, dtype: torch.dtype = torch.float64
) -> Rendering:
    """Images with alpha, cameras and a mesh, all of them leaves that want gradients."""
    random = torch.Generator().manual_seed(1)
    alpha = 0.2 + 0.6 * torch.rand(n, v, 1, size, size, generator=random, dtype=dtype)
    image = (alpha * torch.rand(n, v, 3, size, size, generator=random, dtype=dtype)).clone()
    rest = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=dtype)
    vertices = rest + 0.1 * torch.randn(n, 4, 3, generator=random, dtype=dtype)
    jacobians = torch.eye(3, dtype=dtype) + 0.1 * torch.randn(n, 4, 3, 3, generator=random).to(
        dtype
    )
    distances = torch.randn(n, 3, 3, 3, generator=random).to(dtype)
    noise = torch.randn(n, 3, 4, 4, generator=random).to(dtype)
    latents = torch.randn(n, 7, generator=random).to(dtype)
    texels = torch.rand(n, 5, 3, generator=random, dtype=dtype)
    all_of_it = (image, alpha, vertices, jacobians, distances, noise, latents, texels)
    leaves = [tensor.requires_grad_() for tensor in all_of_it]
    scene = Everything(
        vertices=leaves[2],
        faces=FACES,
        rest_vertices=rest,
        jacobians=leaves[3],
        distances=leaves[4],
        noise=leaves[5],
        latent_change=leaves[6],
        texels=leaves[7],
        texel_pairs=torch.tensor([[0, 1], [1, 4], [2, 3]]),
    )
    return Rendering(leaves[0], leaves[1], scene, cameras(n, v))


def cameras(n: int, v: int) -> Cameras:
    """Views around the object, the last of them from above; only the angles mean anything."""
    azimuth = torch.linspace(0, 180, v).repeat(n, 1)
    elevation = torch.zeros(n, v)
    elevation[:, -1] = 75.0
    eye = torch.eye(4).repeat(n, v, 1, 1)
    return Cameras(eye, eye, torch.ones(n, v, 3), azimuth, elevation, 10, 10)


def context(n: int = 2, step: int = 3, progress: float = 0.5) -> StepContext:
    return StepContext(tuple(range(10, 10 + n)), step, progress)
