"""What the images of each sample are compared with, step by step: stacked embeddings."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.prompts import Phrase


@dataclass(frozen=True)
class Targets:
    """The phrases of `n` samples, padded to `m` with weight 0, in `r` wordings (1, or by view)."""

    embeddings: Float[Tensor, "n r m d"]
    weights: Float[Tensor, "n m"]  # below 0 pushes away
    stops: Float[Tensor, "n m"]  # no gradient once a phrase's own loss is below

    def by_view(self, views: Int[Tensor, "n v"] | None) -> Float[Tensor, "n v m d"]:
        """The wording that belongs to each view (see `view_indices`)."""
        if views is None:
            return self.embeddings[:, :1]
        samples = torch.arange(len(views), device=views.device).unsqueeze(1)
        return self.embeddings[samples, views]


@dataclass(frozen=True)
class Timeline:
    """Targets that change over a run: weights by schedules, embeddings from station to station."""

    phrases: tuple[tuple[Phrase, ...], ...]  # m for each of n samples
    places: tuple[float, ...]  # the progress of each of q stations, rising
    embeddings: Float[Tensor, "q n r m d"]

    def at(self, progress: float) -> Targets:
        """The targets at a progress in [0, 1]; between stations on the great circle."""
        right = bisect_right(self.places, progress)
        embeddings = self.embeddings[right - 1]
        if right < len(self.places):
            start, stop = self.places[right - 1], self.places[right]
            share = (progress - start) / (stop - start)
            embeddings = slerp(embeddings, self.embeddings[right], share)
        weights = [[phrase.weight(progress) for phrase in row] for row in self.phrases]
        stops = [[phrase.stop for phrase in row] for row in self.phrases]
        device = self.embeddings.device
        return Targets(
            embeddings, torch.tensor(weights, device=device), torch.tensor(stops, device=device)
        )


def slerp(
    start: Float[Tensor, "*b d"], stop: Float[Tensor, "*b d"], share: float
) -> Float[Tensor, "*b d"]:
    """A unit vector on the shorter great circle between two, at a share in [0, 1] of its angle.

    Source: Shoemake, Animating Rotation with Quaternion Curves, 1985. Deviation: vectors closer
    than 1e-3 radians (or as close to opposite ones) are mixed on the straight line.
    """
    near, far = (start - stop).norm(dim=-1, keepdim=True), (start + stop).norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(near, far)
    straight = angle.sin() < 1e-3
    sine = torch.where(straight, 1.0, angle.sin())
    left, right = (
        torch.where(straight, part, (part * angle).sin() / sine) for part in (1 - share, share)
    )
    return F.normalize(left * start + right * stop, dim=-1)
