"""Upright squares that cover oblong pictures, for models that look at squares only."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.augment import Augment, Crops
from guidance.types import Moment, Rendering

#: How far draws reach past the ends of the way, where they stop, in shares of it; without, the
#: border of a picture would be looked at in hardly any step. At 0.25, one step in three or more
#: sees an end. By judgement.
REACH = 0.25


@dataclass(frozen=True)
class Covering(Augment):
    """As many squares of the shorter side as cover a picture, as it is, in a row along the longer.

    A square picture is one crop, all of it. In a step, each square is drawn from its own part of
    the way from one end of the picture to the other, so that no border of a crop stays at one
    place; in validation they lie evenly, from end to end, and leave nothing out.

    Squeezing a picture into a square, or encoding it in its own proportions, would need no crops;
    but denoisers and encoders know things in the proportions that these have, and their networks
    may know one size only. Memory stays that of a square, too.
    """

    def draw(self, moment: Moment, rendering: Rendering, size: int) -> Crops:
        """Draws one step's squares, of `size` pixels a side, at least one of each view."""
        v, (height, width) = rendering.image.shape[1], rendering.image.shape[3:]
        k = math.ceil(max(height, width) / min(height, width))
        crops = Augment.draw(replace(self, crops=k * v), moment, rendering, size)
        if k == 1:
            return crops
        if moment.phase == "validation":
            way = torch.linspace(0, 1, k).expand(len(moment.seeds), v, k)
        else:
            way = (torch.arange(k) + moment.uniform("covering", v, k)) / k
            way = ((1 + 2 * REACH) * way - REACH).clamp(0, 1)
        like = crops.homographies
        return replace(crops, homographies=_squares(way, (height, width)).to(like))


def _squares(way: Float[Tensor, "n v k"], picture: tuple[int, int]) -> Float[Tensor, "n v k 3 3"]:
    """From a crop's [-1, 1]^2 to the picture's, whose longer side it has gone that way along."""
    height, width = picture
    share = min(height, width) / max(height, width)
    matrices = torch.eye(3).repeat(*way.shape, 1, 1)
    axis = 0 if width > height else 1
    matrices[..., axis, axis] = share
    matrices[..., axis, 2] = (2 * way - 1) * (1 - share)
    return matrices
