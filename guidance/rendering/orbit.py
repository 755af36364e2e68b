"""Where the images are taken from: pinhole cameras on a sphere around the origin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.rendering.sampling.anchor import Anchor, gather
from guidance.rendering.sampling.variety import Drawn, Variety, distance
from guidance.types import StepContext
from guidance.views import Cameras

#: Towards the light, as the camera sees it: from above its left shoulder.
LIGHT = (-0.35, 0.55, 1.0)
#: Above this a camera's upright image has no meaning: the view is along the up axis.
STEEPEST_DEG = 89.0


def look_at(eye: Float[Tensor, "*k 3"], target: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k 4 4"]:
    """World to camera space (x right, y up, looking along -z), with +y of the world upwards.

    Args:
        eye: where the camera stands; not straight above or below `target`.
        target: what comes to the middle of the image.
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
    """Camera space to OpenGL's clip space: depth / w is -1 at `near` and 1 at `far`.

    Args:
        fov_deg: the vertical angle of view, in (0, 180).
        near, far: distances in front of the camera, 0 < near < far.
        aspect: width / height.
    """
    scale = 1 / math.tan(math.radians(fov_deg) / 2)
    depth, shift = (far + near) / (near - far), 2 * far * near / (near - far)
    rows = [[scale / aspect, 0, 0, 0], [0, scale, 0, 0], [0, 0, depth, shift], [0, 0, -1, 0]]
    return torch.tensor(rows, dtype=torch.float32)


@dataclass(frozen=True)
class Orbit:
    """Cameras around an object of radius 1: random ones for steps, fixed ones for validation.

    Called with a context, it gives `num_views` cameras a sample. The azimuths are stratified:
    evenly spread over their range, all shifted by one random offset, so that every step sees all
    sides.
    Elevations are uniform on the sphere's area. Draws are keyed by sample, step and purpose. Of
    samples with an anchor, the random cameras gather around it (`rendering.sampling.anchor`).

    Source: DreamFusion (Poole et al., arXiv 2209.14988, appendix A) for ranges and the light near
    the camera; CLIP-Mesh (Khalid et al., arXiv 2203.13333, table 3) for the offset of the object.
    """

    num_views: int = 4
    size: tuple[int, int] = (224, 224)  # height, width in pixels
    azimuth_deg: tuple[float, float] = (-180.0, 180.0)
    elevation_deg: tuple[float, float] = (-10.0, 45.0)
    radius: float = 3.0  # from the origin; with 45 degrees the object fills 85% of the image
    fov_deg: float = 45.0
    light_jitter: float = 0.4  # spread of the light's direction; 0 keeps it still
    offset: float = 0.0  # how far the object may leave the middle, in halves of the image
    device: str | torch.device = "cpu"
    front_deg: float = 0.0  # where the object's front is, from +z on towards +x
    anchors: Sequence[Anchor | None] = ()  # one a sample, or none
    variety: Variety = Variety()  # noqa: RUF009  (frozen)

    def __post_init__(self) -> None:
        if self.num_views < 1 or min(self.size) < 1:
            raise InputError(
                f"Orbit: expected at least one view and one pixel, got {self.num_views} views of "
                f"{self.size[0]} x {self.size[1]}"
            )
        low, high = self.elevation_deg
        if not -STEEPEST_DEG <= low <= high <= STEEPEST_DEG:
            raise InputError(
                f"Orbit: expected elevations from low to high within -{STEEPEST_DEG:g} and "
                f"{STEEPEST_DEG:g} degrees, got {low:g} to {high:g}"
            )
        if not self.azimuth_deg[0] <= self.azimuth_deg[1] <= self.azimuth_deg[0] + 360:
            raise InputError(
                "Orbit: expected azimuths from low to high, at most 360 degrees apart, got "
                f"{self.azimuth_deg[0]:g} to {self.azimuth_deg[1]:g}"
            )
        if self.radius <= 1 or not 0 < self.fov_deg < 180:
            raise InputError(
                "Orbit: expected a radius above 1, outside the object, and an angle of view in "
                f"(0, 180) degrees, got {self.radius:g} and {self.fov_deg:g}"
            )
        if not 0 < self.fov_deg - self.variety.fov_deg <= self.fov_deg + self.variety.fov_deg < 180:
            raise InputError(
                f"Orbit: an angle of view of {self.fov_deg:g} degrees that varies by "
                f"{self.variety.fov_deg:g} leaves (0, 180); let it vary less"
            )

    def __call__(self, context: StepContext) -> Cameras:
        """Random cameras for a step of a run; the fixed ones for a context of validation."""
        if context.phase == "validation":
            return self.fixed(len(context.seeds))
        # One draw of all numbers: each draw costs a generator a sample.
        draws = context.uniform("orbit", self.num_views * 5 + 1)
        shift, rest = draws[:, :1], draws[:, 1:].view(-1, self.num_views, 5)
        place = (torch.arange(self.num_views) + shift) / self.num_views
        low, high = self.azimuth_deg
        azimuth = low + (high - low) * place
        bottom, top = (math.sin(math.radians(angle)) for angle in self.elevation_deg)
        elevation = (bottom + (top - bottom) * rest[..., 0]).asin().rad2deg()
        if self.anchors:
            shares = torch.stack([place, rest[..., 0]], -1)
            gathered = gather(self.anchors, shares, self.elevation_deg)
            azimuth = torch.where(gathered[..., 0].isnan(), azimuth, gathered[..., 0])
            elevation = torch.where(gathered[..., 1].isnan(), elevation, gathered[..., 1])
        angle, spread = 2 * math.pi * rest[..., 1], self.light_jitter * rest[..., 2].sqrt()
        jitter = torch.stack([angle.cos() * spread, angle.sin() * spread], -1)
        drawn = self.variety.draw(context, self.num_views, self.fov_deg)
        offset = self.offset * (2 * rest[..., 3:] - 1)
        cameras = self._cameras(azimuth, elevation, jitter, offset, drawn.fov_deg)
        return self._varied(cameras, drawn)

    def fixed(self, num_samples: int) -> Cameras:
        """The cameras of validation: the same for every sample, evenly spread, the light still.

        A whole turn starts at the front; a smaller range is seen at the middles of its parts.
        """
        low, high = self.azimuth_deg
        whole = high - low == 360
        steps = torch.arange(self.num_views) + (0.0 if whole else 0.5)
        azimuth = (0.0 if whole else low) + (high - low) * steps / self.num_views
        return self._still(num_samples, azimuth, sum(self.elevation_deg) / 2)

    def ring(self, num_samples: int, num_views: int, elevation_deg: float = 15.0) -> Cameras:
        """Cameras evenly all around from the front on, for contact sheets and turntables."""
        azimuth = 360.0 * torch.arange(num_views) / num_views
        return self._still(num_samples, azimuth, elevation_deg)

    def _still(
        self, num_samples: int, azimuth: Float[Tensor, "v"], elevation_deg: float
    ) -> Cameras:
        azimuth = azimuth.expand(num_samples, -1)
        middle = torch.zeros(*azimuth.shape, 2)
        return self._cameras(azimuth, torch.full_like(azimuth, elevation_deg), middle, middle)

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
        radius, reach, lens = self._lens(fov_deg)
        view = look_at(radius[..., None] * eye, torch.zeros_like(eye))
        light = torch.tensor(LIGHT).expand_as(eye) + F.pad(jitter, (0, 1))
        light = F.normalize((view[..., :3, :3].mT @ light[..., None])[..., 0], dim=-1)
        # The object moves, and the light with it.
        view[..., 0, 3] += offset[..., 0] * reach * width / height
        view[..., 1, 3] += offset[..., 1] * reach
        lens = lens.expand(*azimuth.shape, 4, 4)
        tensors = (view, lens, light, azimuth, elevation)
        view, lens, light, azimuth, elevation = (tensor.to(self.device) for tensor in tensors)
        return Cameras(view, lens, light, azimuth, elevation, height, width)

    def _lens(
        self, fov_deg: Float[Tensor, "n v"] | None
    ) -> tuple[Float[Tensor, "*b"], Float[Tensor, "*b"], Float[Tensor, "*b 4 4"]]:
        """Of each view, or of all: distance, how far half an image reaches there, projection."""
        angles = torch.tensor(self.fov_deg) if fov_deg is None else fov_deg
        found = []
        for angle in angles.flatten().tolist():
            radius = self.radius
            if fov_deg is not None:
                radius = distance(self.radius, self.fov_deg, angle)
            # Near and far hold an object of radius 1 with room to grow.
            near, far = max(0.05, radius - 2.5), radius + 4.0
            lens = perspective(angle, near, far, self.size[1] / self.size[0])
            found.append((radius, radius * math.tan(math.radians(angle) / 2), lens))
        radii, reaches, lenses = zip(*found, strict=True)
        return (
            torch.tensor(radii).view(angles.shape),
            torch.tensor(reaches).view(angles.shape),
            torch.stack(lenses).view(*angles.shape, 4, 4),
        )

    def _varied(self, cameras: Cameras, drawn: Drawn) -> Cameras:
        """Cameras with the light and the paint that were drawn for them."""
        found = {
            name: value.to(self.device)
            for name in ("strength", "ambient", "textureless")
            if (value := getattr(drawn, name)) is not None
        }
        return replace(cameras, **found) if found else cameras
