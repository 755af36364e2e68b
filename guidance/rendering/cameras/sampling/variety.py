"""Random variation of views between steps: field of view, light, and textureless views."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from guidance.errors import InputError
from guidance.schedule import Schedule
from guidance.types import StepContext


@dataclass(frozen=True)
class VariedViews:
    """The variation drawn for the views of one step; None for what does not vary."""

    fov_deg: Float[Tensor, "n v"] | None
    strength: Float[Tensor, "n v"] | None  # intensity of the light
    ambient: Float[Tensor, "n v"] | None  # added to the ambient light
    textureless: Bool[Tensor, "n v"] | None


@dataclass(frozen=True)
class Variety:
    """The range of the variation around the settings of an orbit; not applied in validation.

    Source: DreamFusion (Poole et al., arXiv 2209.14988, appendix A) for the focal length, the light
    and textureless views; Text2Mesh (arXiv 2112.03221) for the loss term of the uncolored mesh.
    """

    #: The field of view is that of the orbit plus or minus this. The camera distance changes with
    #: it, so that the perspective varies but not the size of the object in the image.
    fov_deg: float = 0.0
    strength: float = 0.0  # the light's intensity is between 1 minus this and 1
    ambient: float = 0.0  # the ambient light is that of the shading plus or minus this
    #: Share of the views without texture (see `Shading.bare`); a number or a schedule ("0.5 -> 0").
    textureless: float | str | Schedule = 0.0

    def __post_init__(self) -> None:
        for name, most in (("fov_deg", 90.0), ("strength", 1.0), ("ambient", 1.0)):
            if not 0 <= getattr(self, name) <= most:
                raise InputError(
                    f"Variety.{name}: expected 0 to {most:g}, got {getattr(self, name):g}"
                )
        if not all(0 <= share <= 1 for share in Schedule.parse(self.textureless).values):
            raise InputError(
                f"Variety.textureless: expected a share in [0, 1], got {self.textureless}"
            )

    def draw(self, context: StepContext, num_views: int, fov_deg: float) -> VariedViews:
        """The variation of one step, from random numbers keyed by sample, step and purpose."""
        fov = strength = ambient = None
        if self.fov_deg or self.strength or self.ambient:
            draws = context.uniform("lens", num_views, 3)
            fov = fov_deg + self.fov_deg * (2 * draws[..., 0] - 1) if self.fov_deg else None
            strength = 1 - self.strength * draws[..., 1] if self.strength else None
            ambient = self.ambient * (2 * draws[..., 2] - 1) if self.ambient else None
        return VariedViews(fov, strength, ambient, self._textureless(context, num_views))

    def _textureless(self, context: StepContext, num_views: int) -> Bool[Tensor, "n v"] | None:
        """Random views, `share * num_views` of them on average (rounded up or down at random)."""
        share = Schedule.parse(self.textureless)(context.progress)
        if not share:
            return None
        draws = context.uniform("textureless", num_views + 1)
        count = (share * num_views + draws[:, :1]).floor()
        return draws[:, 1:].argsort(-1).argsort(-1) < count


def equivalent_radius(radius: float, fov_deg: float, other_fov_deg: float) -> float:
    """The distance at which a unit ball has the same image size with another field of view."""
    tangent, other = (math.tan(math.radians(angle) / 2) for angle in (fov_deg, other_fov_deg))
    return math.sqrt(1 + (radius**2 - 1) * (tangent / other) ** 2)
