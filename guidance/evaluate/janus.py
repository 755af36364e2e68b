"""The Janus problem: whether the front of a mesh also appears on its back.

An optimization that sees one view at a time tends to put the distinctive part of an object (a face,
the hands of a clock) on every side. For each view, the judge compares the texts "front view of ..."
and "back view of ...". If it prefers the former for views of the back, the back shows a second
front.

Source: DreamFusion (Poole et al., arXiv 2209.14988, section 5) describes the failure; the measure
and its texts are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.text.embedding import BACK, FRONT
from guidance.evaluate.judge import embed_texts

#: Views within this angle of the front, or of the back, are counted.
WITHIN_DEG = 45.0


@dataclass(frozen=True)
class Janus:
    """Shares of the views for which the judge prefers the text of the front.

    The ideal share of the back is 0. If `front` is not larger than `back`, then either the front
    appears on the back, or the judge distinguishes no sides: the object has none, like a ball, or
    the judge does not know these phrases.
    """

    back: float  # share of the views of the back
    front: float  # share of the views of the front
    front_deg: float  # azimuth of the front


@torch.no_grad()
def janus(
    judge: Encoder, views: Float[Tensor, "v d"], azimuth_deg: Float[Tensor, "v"], prompt: str
) -> Janus:
    """Measures the Janus problem on views all around one mesh.

    Meshes have no standard orientation, so the front is the view with the largest preference for
    the text of the front, averaged over all views with weights ((1 + cos d) / 2)^2 for an angle d.
    Of two opposite faces, one is the front and the other counts as a front on the back.

    Args:
        judge: the judge.
        views: its unit vectors of images evenly spaced around the mesh.
        azimuth_deg: the azimuths of the images.
        prompt: plain text.
    """
    front, back = embed_texts(judge, [FRONT.format(prompt), BACK.format(prompt)])
    better = (views @ (front - back)).cpu().double()
    azimuth = azimuth_deg.cpu().double()
    weights = ((1 + (azimuth[:, None] - azimuth).deg2rad().cos()) / 2).square()
    front_deg = float(azimuth[(weights @ better).argmax()])
    angle = ((azimuth - front_deg + 180) % 360 - 180).abs()
    is_front = (better > 0).double()
    # A tolerance of half a degree, so that rounding excludes no view.
    at_front, at_back = angle <= WITHIN_DEG + 0.5, angle >= 180 - WITHIN_DEG - 0.5
    return Janus(float(is_front[at_back].mean()), float(is_front[at_front].mean()), front_deg % 360)
