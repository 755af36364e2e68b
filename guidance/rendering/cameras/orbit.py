"""Pinhole cameras on a sphere around the origin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from guidance.errors import InputError
from guidance.rendering.cameras.sampling.anchor import Anchor, sample_around
from guidance.rendering.cameras.sampling.setup import CameraOptions, CameraRig, CameraSetup
from guidance.rendering.cameras.sampling.variety import VariedViews, Variety, equivalent_radius
from guidance.transfers import to_device, together
from guidance.types import StepContext
from guidance.views import Cameras

#: Direction towards the light in camera space: above and to the left of the camera.
LIGHT = (-0.35, 0.55, 1.0)
#: At larger elevations the up direction of the image is not defined.
MAX_ELEVATION_DEG = 89.0


def look_at(eye: Float[Tensor, "*k 3"], target: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k 4 4"]:
    """World-to-camera matrices (x right, y up, looking along -z), with +y of the world upwards.

    Args:
        eye: camera positions; not straight above or below `target`.
        target: the points at the center of the image.
    """
    back = F.normalize(eye - target, dim=-1)
    up = eye.new_tensor([0.0, 1.0, 0.0]).expand_as(eye)
    right = F.normalize(torch.linalg.cross(up, back), dim=-1)
    rotation = torch.stack([right, torch.linalg.cross(back, right), back], -2)
    shift = -(rotation @ eye[..., None])
    bottom = eye.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*eye.shape[:-1], 1, 4)
    return torch.cat([torch.cat([rotation, shift], -1), bottom], -2)


def perspective(
    fov_deg: float, near: float, far: float, aspect: float = 1.0
) -> Float[Tensor, "4 4"]:
    """Projection from camera space to OpenGL clip space: z / w is -1 at `near` and 1 at `far`.

    Args:
        fov_deg: vertical field of view, in (0, 180).
        near, far: distances in front of the camera, 0 < near < far.
        aspect: width / height.
    """
    scale = 1 / math.tan(math.radians(fov_deg) / 2)
    depth, shift = (far + near) / (near - far), 2 * far * near / (near - far)
    rows = [[scale / aspect, 0, 0, 0], [0, scale, 0, 0], [0, 0, depth, shift], [0, 0, -1, 0]]
    return torch.tensor(rows, dtype=torch.float32)


@dataclass(frozen=True)
class Orbit(CameraRig):
    """Cameras around an object of radius 1: random ones for steps, fixed ones for validation.

    Called with a context, it returns `num_views` cameras per sample. The azimuths are stratified:
    evenly spaced over their range, all shifted by one random offset, so that every step covers all
    sides. The elevations are uniform with respect to area on the sphere. Random numbers are keyed
    by sample, step and purpose. The random cameras of a sample with an anchor are distributed
    around it, see `guidance.rendering.cameras.sampling.anchor`.

    Source: DreamFusion (Poole et al., arXiv 2209.14988, appendix A) for ranges and the light near
    the camera; CLIP-Mesh (Khalid et al., arXiv 2203.13333, table 3) for the offset of the object.
    """

    class Options(CameraOptions):
        """Options of "orbit"."""

        offset: float = Field(default=0.1, ge=0, le=1)
        """Largest shift of the mesh from the middle of a view, in halves of it (CLIP-Mesh)."""
        fov_jitter: float = Field(default=0.0, ge=0, le=30)
        """The field of view is 45 degrees plus or minus this; the mesh keeps its size."""
        light_jitter: float = Field(default=0.4, ge=0, le=2)
        """Variation of the light's direction: 0.4 is up to 20 degrees, 1 up to 52."""
        strength_jitter: float = Field(default=0.0, ge=0, le=1)
        """Variation of the light's strength: 0.2 is a strength of 0.8 to 1."""

    @classmethod
    def from_options(cls, options: Any, setup: CameraSetup) -> Orbit:
        """The cameras that `options`, an instance of `Orbit.Options`, describe."""
        return cls(
            num_views=options.views,
            size=(setup.resolution, setup.resolution),
            radius=setup.radius,
            light_jitter=options.light_jitter,
            offset=options.offset,
            device=setup.device,
            front_deg=setup.front_deg,
            anchors=setup.anchors,
            variety=Variety(
                options.fov_jitter,
                options.strength_jitter,
                setup.ambient_jitter,
                setup.textureless,
            ),
        )

    num_views: int = 4
    size: tuple[int, int] = (224, 224)  # height, width in pixels
    azimuth_deg: tuple[float, float] = (-180.0, 180.0)
    elevation_deg: tuple[float, float] = (-10.0, 45.0)
    radius: float = 3.0  # distance from the origin; at 45 degrees the object fills 85% of the image
    fov_deg: float = 45.0  # vertical
    light_jitter: float = 0.4  # spread of the light's direction; 0 for a fixed direction
    offset: float = 0.0  # largest shift of the object from the center, in halves of the image
    device: str | torch.device = "cpu"
    front_deg: float = 0.0  # azimuth of the object's front: 0 is +z, 90 is +x
    anchors: Sequence[Anchor | None] = ()  # one per sample, or empty
    variety: Variety = Variety()  # noqa: RUF009  (frozen)

    def __post_init__(self) -> None:
        if self.num_views < 1 or min(self.size) < 1:
            raise InputError(
                f"Orbit: expected at least one view and one pixel, got {self.num_views} views of "
                f"{self.size[0]} x {self.size[1]}"
            )
        low, high = self.elevation_deg
        if not -MAX_ELEVATION_DEG <= low <= high <= MAX_ELEVATION_DEG:
            raise InputError(
                f"Orbit: expected elevations in increasing order from -{MAX_ELEVATION_DEG:g} to "
                f"{MAX_ELEVATION_DEG:g} degrees, got {low:g} to {high:g}"
            )
        if not self.azimuth_deg[0] <= self.azimuth_deg[1] <= self.azimuth_deg[0] + 360:
            raise InputError(
                "Orbit: expected azimuths in increasing order, at most 360 degrees apart, got "
                f"{self.azimuth_deg[0]:g} to {self.azimuth_deg[1]:g}"
            )
        if self.radius <= 1 or not 0 < self.fov_deg < 180:
            raise InputError(
                "Orbit: expected a radius above 1 (outside the object) and a field of view in "
                f"(0, 180) degrees, got {self.radius:g} and {self.fov_deg:g}"
            )
        if not 0 < self.fov_deg - self.variety.fov_deg <= self.fov_deg + self.variety.fov_deg < 180:
            raise InputError(
                f"Orbit: expected a field of view that stays in (0, 180) degrees, got "
                f"{self.fov_deg:g} plus or minus {self.variety.fov_deg:g}"
            )

    def __call__(self, context: StepContext) -> Cameras:
        """Random cameras for a step of a run; the fixed cameras in the validation phase."""
        if context.phase == "validation":
            return self.fixed(len(context.seeds))
        # All numbers in one draw, since each draw creates one generator per sample.
        draws = context.uniform("orbit", self.num_views * 5 + 1)
        shift, rest = draws[:, :1], draws[:, 1:].view(-1, self.num_views, 5)
        position = (torch.arange(self.num_views) + shift) / self.num_views
        low, high = self.azimuth_deg
        azimuth = low + (high - low) * position
        bottom, top = (math.sin(math.radians(angle)) for angle in self.elevation_deg)
        elevation = (bottom + (top - bottom) * rest[..., 0]).asin().rad2deg()
        if self.anchors:
            quantiles = torch.stack([position, rest[..., 0]], -1)
            anchored = sample_around(self.anchors, quantiles, self.elevation_deg)
            azimuth = torch.where(anchored[..., 0].isnan(), azimuth, anchored[..., 0])
            elevation = torch.where(anchored[..., 1].isnan(), elevation, anchored[..., 1])
        angle, spread = 2 * math.pi * rest[..., 1], self.light_jitter * rest[..., 2].sqrt()
        jitter = torch.stack([angle.cos() * spread, angle.sin() * spread], -1)
        drawn = self.variety.draw(context, self.num_views, self.fov_deg)
        offset = self.offset * (2 * rest[..., 3:] - 1)
        cameras = self._cameras(azimuth, elevation, jitter, offset, drawn.fov_deg)
        return self._with_variation(cameras, drawn)

    def fixed(self, num_samples: int) -> Cameras:
        """The validation cameras: evenly spaced, without jitter, the same for every sample.

        A full turn starts at the front; a smaller range is divided into equal parts, with a camera
        at the middle of each.
        """
        low, high = self.azimuth_deg
        full_turn = high - low == 360
        steps = torch.arange(self.num_views) + (0.0 if full_turn else 0.5)
        azimuth = (0.0 if full_turn else low) + (high - low) * steps / self.num_views
        return self._without_jitter(num_samples, azimuth, sum(self.elevation_deg) / 2)

    def ring(self, num_samples: int, num_views: int, elevation_deg: float = 15.0) -> Cameras:
        """Cameras evenly spaced around the object, starting at the front, e.g. for turntables."""
        azimuth = 360.0 * torch.arange(num_views) / num_views
        return self._without_jitter(num_samples, azimuth, elevation_deg)

    def _without_jitter(
        self, num_samples: int, azimuth: Float[Tensor, "v"], elevation_deg: float
    ) -> Cameras:
        azimuth = azimuth.expand(num_samples, -1)
        zero = torch.zeros(*azimuth.shape, 2)
        return self._cameras(azimuth, torch.full_like(azimuth, elevation_deg), zero, zero)

    def _cameras(
        self,
        azimuth: Float[Tensor, "n v"],
        elevation: Float[Tensor, "n v"],
        jitter: Float[Tensor, "n v 2"],
        offset: Float[Tensor, "n v 2"],
        fov_deg: Float[Tensor, "n v"] | None = None,
    ) -> Cameras:
        height, width = self.size
        turn, lift = (azimuth + self.front_deg).deg2rad(), elevation.deg2rad()
        eye = torch.stack([turn.sin() * lift.cos(), lift.sin(), turn.cos() * lift.cos()], -1)
        radius, extent, projection = self._projections(fov_deg)
        view = look_at(radius[..., None] * eye, torch.zeros_like(eye))
        light = torch.tensor(LIGHT).expand_as(eye) + F.pad(jitter, (0, 1))
        light = F.normalize((view[..., :3, :3].mT @ light[..., None])[..., 0], dim=-1)
        # The offset moves the object and the light together.
        view[..., 0, 3] += offset[..., 0] * extent * width / height
        view[..., 1, 3] += offset[..., 1] * extent
        projection = projection.expand(*azimuth.shape, 4, 4)
        view, projection, light, azimuth, elevation = together(
            (view, projection, light, azimuth, elevation), torch.device(self.device)
        )
        return Cameras(view, projection, light, azimuth, elevation, height, width)

    def _projections(
        self, fov_deg: Float[Tensor, "n v"] | None
    ) -> tuple[Float[Tensor, "*b"], Float[Tensor, "*b"], Float[Tensor, "*b 4 4"]]:
        """Camera distance, half the image height at that distance, and projection.

        One of each per view, or one for all views without `fov_deg`.
        """
        angles = torch.tensor(self.fov_deg) if fov_deg is None else fov_deg
        found = []
        for angle in angles.flatten().tolist():
            radius = self.radius
            if fov_deg is not None:
                radius = equivalent_radius(self.radius, self.fov_deg, angle)
            # Near and far enclose an object of radius 1, with room to grow.
            near, far = max(0.05, radius - 2.5), radius + 4.0
            projection = perspective(angle, near, far, self.size[1] / self.size[0])
            found.append((radius, radius * math.tan(math.radians(angle) / 2), projection))
        radii, extents, projections = zip(*found, strict=True)
        return (
            torch.tensor(radii).view(angles.shape),
            torch.tensor(extents).view(angles.shape),
            torch.stack(projections).view(*angles.shape, 4, 4),
        )

    def _with_variation(self, cameras: Cameras, drawn: VariedViews) -> Cameras:
        """The cameras with the light and the textureless views that were drawn for them."""
        found = {
            name: to_device(value, torch.device(self.device))
            for name in ("strength", "ambient", "textureless")
            if (value := getattr(drawn, name)) is not None
        }
        return replace(cameras, **found) if found else cameras  # type: ignore[arg-type]
