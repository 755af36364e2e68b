"""Embedded prompts of all samples, and the targets that they give at one step."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.prompts import Phrase
from guidance.transfers import constant


@dataclass(frozen=True)
class Targets:
    """Embeddings that the images of `n` samples are compared with in one step.

    Each sample has `m` phrases; shorter prompts are padded with phrases of weight 0. `r` is 1, or
    the number of `VIEW_PROMPTS` for view-dependent prompts.
    """

    embeddings: Float[Tensor, "n r m d"]  # unit vectors
    weights: Float[Tensor, "n m"]  # a weight below 0 pushes away from the phrase
    #: No gradient while the distance from a phrase is below its stop; None if no phrase has one.
    stops: Float[Tensor, "n m"] | None

    def by_view(self, views: Int[Tensor, "n v"] | None) -> Float[Tensor, "n v m d"]:
        """The embeddings for each view; `views` are indices from `view_indices`."""
        if views is None:
            return self.embeddings[:, :1]
        samples = torch.arange(len(views), device=views.device).unsqueeze(1)
        return self.embeddings[samples, views]


@dataclass(frozen=True)
class EmbeddedPrompts:
    """Phrases of `n` samples whose weights follow schedules and whose embeddings follow keyframes.

    `q` counts the keyframes, including the prompt itself at progress 0.
    """

    phrases: tuple[tuple[Phrase, ...], ...]  # m for each of n samples
    times: tuple[float, ...]  # progress of each keyframe, increasing, the first is 0
    embeddings: Float[Tensor, "q n r m d"]

    def at(self, progress: float) -> Targets:
        """The targets at a progress in [0, 1], interpolated between keyframes by `slerp`."""
        right = bisect_right(self.times, progress)
        embeddings = self.embeddings[right - 1]
        if right < len(self.times):
            start, stop = self.times[right - 1], self.times[right]
            share = (progress - start) / (stop - start)
            embeddings = slerp(embeddings, self.embeddings[right], share)
        weights = tuple(tuple(one.weight(progress) for one in row) for row in self.phrases)
        stops = tuple(tuple(one.stop for one in row) for row in self.phrases)
        device = self.embeddings.device
        has_stops = any(stop > -math.inf for row in stops for stop in row)
        return Targets(
            embeddings, constant(weights, device), constant(stops, device) if has_stops else None
        )


def slerp(
    start: Float[Tensor, "*b d"], stop: Float[Tensor, "*b d"], share: float
) -> Float[Tensor, "*b d"]:
    """Spherical linear interpolation of unit vectors, at a share in [0, 1] of their angle.

    Source: Shoemake, Animating Rotation with Quaternion Curves, 1985. Deviation: vectors less than
    1e-3 radians apart, or that close to opposite, are interpolated linearly and normalized.
    """
    near, far = (start - stop).norm(dim=-1, keepdim=True), (start + stop).norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(near, far)
    linear = angle.sin() < 1e-3
    sine = torch.where(linear, 1.0, angle.sin())
    left, right = (
        torch.where(linear, part, (part * angle).sin() / sine) for part in (1 - share, share)
    )
    return F.normalize(left * start + right * stop, dim=-1)
