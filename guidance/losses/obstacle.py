"""How deep the body is inside solids."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.losses.motion.base import MotionLoss, mean_over
from guidance.losses.motion.targets import Solid
from guidance.motion.output import MotionOutput

#: Radius of the limbs around the lines between joints, in meters, and points along each line.
THICKNESS, POINTS = 0.08, 3
PARENTS = canonical().parents
#: Points that follow a joint without a line to its parent: above the head, beyond the wrists.
TIPS = {NAMES.index("head"): 0.12, NAMES.index("left_wrist"): 0.1, NAMES.index("right_wrist"): 0.1}


class Obstacle(MotionLoss):
    """The mean over poses of the squared depth of points of the body inside solids, in m^2.

    The body is a chain of spheres along its bones.
    """

    chosen_by_name = False

    def __init__(self, solids: Sequence[Solid], margin: float = 0.0) -> None:
        super().__init__()
        self.solids, self.margin = tuple(solids), margin

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        points = body_points(output.joints)
        total = torch.zeros_like(points[..., 0])
        for solid in self.solids:
            total = total + (self.margin - clearance(points, solid)).clamp_min(0).square()
        return mean_over(total.sum(-1), output)

    @classmethod
    def tiny(cls) -> Obstacle:
        return cls([Solid((0.5, 1.3, 0.0), (0.3, 0.3, 0.3), True),
                    Solid((-0.5, 1.3, 0.1), (0.2, 0.3, 0.2), False)])  # fmt: skip


def body_points(joints: Float[Tensor, "*b 22 3"]) -> Float[Tensor, "*b m 3"]:
    """Points along the bones, and beyond the head and the wrists."""
    children = [joint for joint, parent in enumerate(PARENTS) if parent >= 0]
    parents = [PARENTS[joint] for joint in children]
    end, start = joints[..., children, :], joints[..., parents, :]
    found = [start + (end - start) * (part / POINTS) for part in range(1, POINTS + 1)]
    for joint, length in TIPS.items():
        way = joints[..., joint, :] - joints[..., PARENTS[joint], :]
        way = way / way.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        found.append((joints[..., joint, :] + length * way)[..., None, :])
    return torch.cat(found, -2)


def clearance(points: Float[Tensor, "*b 3"], solid: Solid) -> Float[Tensor, "*b"]:
    """Distance of spheres around the points from the surface of a solid; negative inside."""
    away = points - points.new_tensor(solid.center)
    if solid.is_sphere:
        length: Tensor = away.square().sum(-1).clamp_min(1e-12).sqrt()
        return length - solid.half[0] - THICKNESS
    beyond = away.abs() - points.new_tensor(solid.half)
    outside = beyond.clamp_min(0).square().sum(-1).clamp_min(1e-12).sqrt()
    inside = beyond.amax(-1).clamp_max(0)
    return outside + inside - THICKNESS
