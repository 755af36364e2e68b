"""Which moments of a motion the views of a step show, and from where."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from guidance.rendering.cameras.orbit import Orbit
from guidance.types import StepContext
from guidance.views import Shots

#: Moments and cameras of a step; one more view shows all moments side by side.
MOMENTS, CAMERAS = 4, 2
#: Distance of the cameras, in units of `guidance.generators.motion.param.drawing`.
DISTANCE = 2.6
#: Cameras that no loss sees, from above those of the losses.
UNSEEN = 3


@dataclass(frozen=True)
class MotionShots:
    """Four moments from two cameras, and the moments of the first camera in a strip."""

    resolution: int
    device: str = "cpu"

    def __call__(self, context: StepContext) -> Shots:
        """Random moments and cameras for a step; fixed ones in the validation phase."""
        n = len(context.seeds)
        rig = Orbit(num_views=CAMERAS, size=(self.resolution, self.resolution), radius=DISTANCE,
                    azimuth_deg=(-100.0, 100.0), elevation_deg=(-5.0, 18.0), light_jitter=0.3,
                    device=self.device)  # fmt: skip
        index = [camera for camera in range(CAMERAS) for _ in range(MOMENTS)] + [0]
        cameras = rig(context).mapped(lambda values: values[:, index])
        draw = torch.full((n, MOMENTS), 0.5)
        if context.phase != "validation":
            draw = context.uniform("moments", MOMENTS)
        moments = (torch.arange(MOMENTS) + draw) / MOMENTS
        at = torch.cat([moments] * CAMERAS + [moments[:, :1]], 1)
        return Shots.of(cameras, at.to(self.device), strip=MOMENTS)


def row(n: int, count: int, resolution: int, azimuth_deg: float, device: str = "cpu") -> Shots:
    """One camera at equal intervals of time, for contact sheets and videos."""
    wide = Orbit(num_views=1, size=(resolution, resolution), radius=DISTANCE, device=device,
                 azimuth_deg=(azimuth_deg - 1, azimuth_deg + 1), elevation_deg=(7.0, 9.0))  # fmt: skip
    cameras = wide.fixed(n).mapped(lambda values: values.expand(-1, count, *values.shape[2:]))
    at = torch.linspace(0, 1, count).expand(n, count)
    return Shots.of(cameras, at.to(device))


def unseen(n: int, resolution: int, device: str = "cpu") -> Shots:
    """Views for the judge of a refinement: moments and cameras that no loss sees."""
    rig = Orbit(num_views=UNSEEN, size=(resolution, resolution), radius=DISTANCE, device=device,
                azimuth_deg=(-95.0, 95.0), elevation_deg=(22.0, 26.0))  # fmt: skip
    index = [camera for camera in range(UNSEEN) for _ in range(MOMENTS)]
    cameras = rig.fixed(n).mapped(lambda values: values[:, index])
    moments = (torch.arange(MOMENTS) + 0.25) / (MOMENTS - 0.5)
    at = moments.repeat(UNSEEN).expand(n, -1)
    return Shots.of(cameras, at.to(device))
