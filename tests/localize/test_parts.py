"""Parts of a mesh by a text, with a scorer of red instead of an encoder."""

from __future__ import annotations

import torch
from torch import Tensor

from guidance.geometry.primitives import primitive
from guidance.localize import parts
from guidance.localize.parts import find_part
from guidance.meshes import Mesh


def two_balls() -> tuple[Mesh, Tensor]:
    """A red and a blue ball side by side, and which faces are red."""
    ball = primitive("sphere")
    count = len(ball.vertices)
    vertices = torch.cat([ball.vertices, ball.vertices + torch.tensor([2.5, 0, 0])])
    colors = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.1, 0.9]]).repeat_interleave(count, 0)
    red = torch.arange(2 * len(ball.faces)) < len(ball.faces)
    return Mesh(vertices, torch.cat([ball.faces, ball.faces + count]), colors), red


def redness(pictures: Tensor) -> Tensor:
    """More for more red than blue, in logits."""
    return 10 * (pictures[:, 0] - pictures[:, 2]).mean((1, 2))


def test_the_part_that_fits_is_found() -> None:
    mesh, red = two_balls()
    found = find_part(mesh, [redness])
    assert (found.faces == red).float().mean() > 0.98
    assert found.is_clear and found.contrast > 2
    assert found.scores[red].min() > found.scores[~red].max() - 1


def test_the_mean_over_models_counts() -> None:
    mesh, red = two_balls()
    found = find_part(mesh, [redness, lambda pictures: -3 * redness(pictures)])
    assert (found.faces == ~red).float().mean() > 0.98


def test_a_scorer_without_a_difference_gives_a_low_contrast() -> None:
    mesh, _ = two_balls()
    found = find_part(mesh, [lambda pictures: 0.05 * redness(pictures)])
    assert not found.is_clear and 0 < found.contrast < parts.CLEAR


def test_invisible_faces_follow_their_neighbors() -> None:
    area, pairs = torch.full((4,), 0.25), torch.tensor([[0, 1], [1, 2], [2, 3]])
    scores = torch.tensor([1.0, torch.nan, 1.0, 0.0])
    smooth = parts._smooth(scores, area, pairs)
    assert smooth.isfinite().all() and smooth[:3].min() > smooth[3]
