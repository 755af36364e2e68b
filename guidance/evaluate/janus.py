"""Whether a mesh has its front on its back: the face that looks both ways.

An optimization that is shown one view at a time likes to put what tells an object (a face, the
hands of a clock) on every side. The judge is asked of each view whether "front view of ..." fits it
better than "back view of ...". Where it says so from the back as well, the back is a second front.

Source: the failure is named in DreamFusion (Poole et al., arXiv 2209.14988, section 5); the words
are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.evaluate.judge import text_vectors

FRONT, BACK = "front view of {}", "back view of {}"
#: A quarter of the ring to each side of the front, and as much of it around the back.
WITHIN_DEG = 45.0


@dataclass(frozen=True)
class Janus:
    """Shares of views that the judge calls fronts; 0 of the back is what is wanted.

    Where `front` is not above `back`, either there is a front on the back, or the judge does not
    see sides at all: of a ball, or with a judge that does not know such words, both are alike.
    """

    back: float  # of the views from the back
    front: float  # of the views from the front
    front_deg: float  # where the judge sees the front


@torch.no_grad()
def janus(
    judge: Encoder, views: Float[Tensor, "v d"], azimuth_deg: Float[Tensor, "v"], prompt: str
) -> Janus:
    """Front words on the views of one mesh from all around.

    The front is where the judge sees it, as meshes look any way: at the view around which front
    words fit better by most, other views counted by the square of (1 + cos of their distance) / 2.
    So of two opposite faces one is the front, and the other a front on the back.

    Args:
        views: the judge's unit vectors of images that are evenly spread around the mesh.
        azimuth_deg: where they were taken from.
        prompt: plain text.
    """
    front, back = text_vectors(judge, [FRONT.format(prompt), BACK.format(prompt)])
    better = (views @ (front - back)).cpu().double()
    azimuth = azimuth_deg.cpu().double()
    near = ((1 + (azimuth[:, None] - azimuth).deg2rad().cos()) / 2).square()
    place = float(azimuth[(near @ better).argmax()])
    away = ((azimuth - place + 180) % 360 - 180).abs()
    called = (better > 0).double()
    # Half a degree more, so that rounding decides about no view.
    at_front, at_back = away <= WITHIN_DEG + 0.5, away >= 180 - WITHIN_DEG - 0.5
    return Janus(float(called[at_back].mean()), float(called[at_front].mean()), place % 360)
