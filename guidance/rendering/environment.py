"""Environment light as a sum of spherical Gaussians, whose reflections have closed forms.

The radiance of a spherical Gaussian is color * exp(sharpness * (v . direction - 1)): a narrow one
is a lamp, a wide one the sky. Its diffuse reflection is computed from its spherical harmonics, its
specular reflection from the product with the specular lobe of the surface.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.errors import InputError
from guidance.transfers import constant


@dataclass(frozen=True)
class Lamp:
    """A spherical Gaussian light; the axes are x right of the main light, y up, z towards it."""

    direction: tuple[float, float, float]  # of any length
    sharpness: float  # at least 0.5; 1 spans a hemisphere, 100 about 10 degrees
    color: tuple[float, float, float]  # linear radiance at the center


@dataclass(frozen=True)
class Environment:
    """Lamps that rotate together about the vertical axis, to face the light of a camera."""

    lamps: tuple[Lamp, ...]


#: Chosen such that a white diffuse surface that faces the main light appears white, by visual
#: inspection and measurement.
ENVIRONMENTS = {
    "studio": Environment(
        (
            Lamp((0.0, 0.9, 1.0), 6.0, (1.9, 1.86, 1.8)),
            Lamp((0.0, 0.1, 1.0), 1.2, (0.62, 0.62, 0.63)),
            Lamp((1.0, 0.3, -0.2), 12.0, (0.9, 0.95, 1.05)),
            Lamp((-1.0, 0.5, -0.9), 20.0, (1.6, 1.6, 1.7)),
            Lamp((0.0, -1.0, 0.0), 1.5, (0.3, 0.29, 0.28)),
        )
    ),
    "sky": Environment(
        (
            Lamp((0.35, 0.9, 1.0), 40.0, (7.5, 7.2, 6.5)),
            Lamp((0.0, 1.0, 0.2), 1.0, (0.58, 0.64, 0.74)),
            Lamp((0.0, -1.0, 0.4), 1.2, (0.4, 0.38, 0.34)),
        )
    ),
    "sunset": Environment(
        (
            Lamp((0.5, 0.25, 1.0), 25.0, (5.2, 4.1, 2.9)),
            Lamp((0.0, 0.1, 1.0), 1.5, (0.62, 0.54, 0.5)),
            Lamp((0.0, 1.0, -0.6), 1.0, (0.3, 0.33, 0.45)),
            Lamp((0.0, -1.0, 0.0), 1.5, (0.22, 0.19, 0.18)),
        )
    ),
}


def find_environment(name: str) -> Environment:
    """A built-in environment by its name. Raises InputError if the name is unknown."""
    if name not in ENVIRONMENTS:
        raise InputError(f"unknown environment {name!r}; use {', '.join(ENVIRONMENTS)}")
    return ENVIRONMENTS[name]


@dataclass(frozen=True)
class Lights:
    """The lamps of an environment in world space, rotated for each of `b` images."""

    directions: Float[Tensor, "b l 3"]
    sharpness: Float[Tensor, "l"]
    colors: Float[Tensor, "l 3"]

    @classmethod
    def of(cls, environment: Environment, towards: Float[Tensor, "b 3"]) -> Lights:
        """The environment rotated about the vertical axis so that z points along `towards`."""
        towards = towards.detach()

        def fixed(values: tuple[Any, ...]) -> Tensor:
            return constant(values, towards.device, towards.dtype)

        level = towards * fixed((1.0, 0.0, 1.0))
        vertical = level.norm(dim=-1, keepdim=True) < 1e-6  # any rotation will do
        front = F.normalize(torch.where(vertical, fixed((0.0, 0, 1)), level), dim=-1)
        up = fixed((0.0, 1, 0)).expand_as(front)
        frame = torch.stack([torch.linalg.cross(up, front), up, front], 1)
        lamps = environment.lamps
        local = F.normalize(fixed(tuple(lamp.direction for lamp in lamps)), dim=-1)
        return cls(
            local @ frame,
            fixed(tuple(lamp.sharpness for lamp in lamps)),
            fixed(tuple(lamp.color for lamp in lamps)),
        )

    def radiance(self, towards: Float[Tensor, "b k 3"]) -> Float[Tensor, "b k 3"]:
        """The linear radiance from unit directions."""
        cosines = towards @ self.directions.mT
        return ((cosines - 1) * self.sharpness).exp() @ self.colors

    def irradiance_harmonics(self) -> Float[Tensor, "b 9 3"]:
        """The first nine spherical harmonics coefficients of the irradiance.

        The coefficients of a lamp are its zonal coefficients times the harmonics at its direction;
        for irradiance, band l is multiplied by A_l. The truncation error is below 5% here.

        Source: Ramamoorthi and Hanrahan 2001, "An Efficient Representation for Irradiance
        Environment Maps" (A_l). The zonal coefficients of exp(s (t - 1)) obey the recurrence of
        modified spherical Bessel functions.
        """
        s = self.sharpness
        first = 2 * math.pi * (1 - (-2 * s).exp()) / s
        second = first * (1 / s.tanh() - 1 / s)
        third = first - 3 / s * second
        bands = torch.stack(
            [math.pi * first, *[2 * math.pi / 3 * second] * 3, *[math.pi / 4 * third] * 5], -1
        )
        harmonics = spherical_harmonics(self.directions)
        return torch.einsum("bli,li,lc->bic", harmonics, bands, self.colors)

    def reflected(
        self,
        directions: Float[Tensor, "m 3"],
        roughness: Float[Tensor, "m"],
        image: Int[Tensor, "m"],
    ) -> Float[Tensor, "m 3"]:
        """The mean radiance around mirror directions, weighted by the specular lobe.

        The lobe is a spherical Gaussian of sharpness 1 / (2 a^2), a = roughness^2. The integral of
        its product with a lamp is 4 pi sinh(k) / k * exp(-s_1 - s_2), where s_1 and s_2 are the
        sharpnesses and k is the length of s_1 d_1 + s_2 d_2 for the directions d_1 and d_2.

        Args:
            image: the image that each direction belongs to.

        Source: Wang et al. 2009, "All-Frequency Rendering of Dynamic, Spatially-Varying
        Reflectance" (lobe and product), at normal incidence, which split sums assume.
        """
        total = 0
        lobe = 0.5 / roughness.pow(4)
        gain = lobe / (2 * math.pi * (1 - (-2 * lobe).exp()))
        for index, color in enumerate(self.colors):
            s = self.sharpness[index]
            towards = self.directions[:, index][image]
            cosine = (directions * towards).sum(-1)
            length = (lobe.square() + s.square() + 2 * lobe * s * cosine).clamp_min(1e-12).sqrt()
            # length - lobe - s, rearranged to avoid cancellation.
            less = 2 * lobe * s * (cosine - 1) / (length + lobe + s)
            product = 2 * math.pi * less.exp() * (1 - (-2 * length).exp()) / length
            total = total + (gain * product)[:, None] * color
        assert isinstance(total, Tensor)
        return total


def spherical_harmonics(directions: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k 9"]:
    """The real spherical harmonics of bands 0, 1 and 2 at unit directions.

    Source: Ramamoorthi and Hanrahan 2001, equation 3.
    """
    x, y, z = directions.unbind(-1)
    first = torch.full_like(x, 0.282095)
    second = [0.488603 * y, 0.488603 * z, 0.488603 * x]
    third = [1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3 * z * z - 1)]
    third += [1.092548 * x * z, 0.546274 * (x * x - y * y)]
    return torch.stack([first, *second, *third], -1)
