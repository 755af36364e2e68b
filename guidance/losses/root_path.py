"""Distance of the pelvis from a path on the ground."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.losses.motion.base import MotionLoss, horizontal
from guidance.losses.motion.targets import Polyline
from guidance.motion.output import MotionOutput


class RootPath(MotionLoss):
    """The mean squared distance over the ground of the pelvis from a path, in m^2."""

    chosen_by_name = False

    def __init__(self, paths: Sequence[Polyline | None]) -> None:
        super().__init__()
        self.paths = tuple(paths)

    def of_motions(self, output: MotionOutput) -> Float[Tensor, "n"]:
        rows = []
        for root, count, path in zip(output.root, output.frames, self.paths, strict=True):
            if path is None:
                rows.append(root.new_zeros(()))
                continue
            place = horizontal(root[:count])
            rows.append((place - nearest(place.detach(), path)).square().sum(-1).mean())
        return torch.stack(rows)

    @classmethod
    def tiny(cls) -> RootPath:
        path = Polyline(torch.tensor([[0.3, 0.0], [0.3, 1.0], [1.0, 1.0]]))
        return cls([path, path])


def nearest(places: Float[Tensor, "t 2"], path: Polyline) -> Float[Tensor, "t 2"]:
    """The nearest point of a path to each place."""
    start = path.points.to(places)
    end = start.roll(-1, 0) if path.closed else start[1:]
    start = start[: len(end)]
    way = end - start
    square = way.square().sum(-1).clamp_min(1e-12)
    part = ((places[:, None] - start) * way).sum(-1) / square
    points = start + part.clamp(0, 1)[..., None] * way
    best = (points - places[:, None]).square().sum(-1).argmin(1)
    return points[torch.arange(len(places)), best]
