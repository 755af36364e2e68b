"""How views differ from step to step, beside where they are taken from: lens, light, paint."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from guidance.errors import InputError
from guidance.schedule import Schedule
from guidance.types import StepContext


@dataclass(frozen=True)
class Drawn:
    """What one step's views are like; None where nothing varies."""

    fov_deg: Float[Tensor, "n v"] | None
    strength: Float[Tensor, "n v"] | None  # of the light
    ambient: Float[Tensor, "n v"] | None  # to be added to the ambient light
    textureless: Bool[Tensor, "n v"] | None


@dataclass(frozen=True)
class Variety:
    """How far views vary around what an orbit says; validation sees none of it.

    Source: DreamFusion (Poole et al., arXiv 2209.14988, appendix A) for the focal length, the light
    and views without texture; Text2Mesh (arXiv 2112.03221) for its term of the grey mesh.
    """

    #: The angle of view is the orbit's plus or minus this. Cameras stand as much farther away as
    #: they see less, so it is the perspective that varies, and no size.
    fov_deg: float = 0.0
    strength: float = 0.0  # how much of its strength the light may lack
    ambient: float = 0.0  # the ambient light is that of the shading plus or minus this
    #: Share of the views that show the shape in plain grey; may be a schedule such as "0.5 -> 0".
    textureless: float | str = 0.0

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

    def draw(self, context: StepContext, num_views: int, fov_deg: float) -> Drawn:
        """One step's draws, keyed by sample, step and purpose."""
        fov = strength = ambient = None
        if self.fov_deg or self.strength or self.ambient:
            shares = context.uniform("lens", num_views, 3)
            fov = fov_deg + self.fov_deg * (2 * shares[..., 0] - 1) if self.fov_deg else None
            strength = 1 - self.strength * shares[..., 1] if self.strength else None
            ambient = self.ambient * (2 * shares[..., 2] - 1) if self.ambient else None
        return Drawn(fov, strength, ambient, self._textureless(context, num_views))

    def _textureless(self, context: StepContext, num_views: int) -> Bool[Tensor, "n v"] | None:
        """As many views as the share says, the rest of a view by chance; which ones, by chance."""
        share = Schedule.parse(self.textureless)(context.progress)
        if not share:
            return None
        draws = context.uniform("textureless", num_views + 1)
        count = (share * num_views + draws[:, :1]).floor()
        return draws[:, 1:].argsort(-1).argsort(-1) < count


def distance(radius: float, fov_deg: float, other_fov_deg: float) -> float:
    """From where a ball of radius 1 looks as large, with another angle of view."""
    lens, other = (math.tan(math.radians(angle) / 2) for angle in (fov_deg, other_fov_deg))
    return math.sqrt(1 + (radius**2 - 1) * (lens / other) ** 2)
