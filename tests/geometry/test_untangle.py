"""Untangling: new self-intersections are removed, everything else is unchanged."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from guidance.geometry.intersections import intersecting_faces
from guidance.geometry.poisson import Poisson
from guidance.geometry.primitives import primitive
from guidance.geometry.untangle import Untangler, weakened
from guidance.meshes import Mesh


def tube(height: float = 4.0) -> Mesh:
    """A slim tube along y without ends: 8 sides, 32 rings."""
    mesh = torch.arange(32).repeat_interleave(8), torch.arange(8).repeat(32)
    angle, y = mesh[1] * (torch.pi / 4), (mesh[0] / 31 - 0.5) * height
    vertices = torch.stack([0.2 * angle.cos(), y, 0.2 * angle.sin()], 1)
    ring, side = torch.arange(31).repeat_interleave(8) * 8, torch.arange(8).repeat(31)
    low, next_low = ring + side, ring + (side + 1) % 8
    faces = [torch.stack([low, low + 8, next_low], 1)]
    faces.append(torch.stack([next_low, low + 8, next_low + 8], 1))
    return Mesh(vertices, torch.cat(faces))


def bent(mesh: Mesh, turn: float) -> Tensor:
    """Jacobians that curl the mesh along y by an angle from end to end; over 2 pi it overlaps."""
    middle = mesh.vertices[mesh.faces].mean(1)[:, 1]
    angle = turn * middle / (mesh.vertices[:, 1].max() - mesh.vertices[:, 1].min())
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    one = torch.ones_like(angle)
    rows = [cosine, -sine, zero, sine, cosine, zero, zero, zero, one]
    return torch.stack(rows, 1).view(-1, 3, 3)


def moved(mesh: Mesh, poisson: Poisson, jacobians: Tensor) -> Tensor:
    return mesh.vertices.double() + poisson.displacements(jacobians.double()[None])[0]


def test_a_tube_that_was_curled_into_itself_is_opened() -> None:
    mesh = tube()
    poisson, jacobians = Poisson(mesh.vertices, mesh.faces), bent(mesh, 2.2 * torch.pi)
    crossed = intersecting_faces(moved(mesh, poisson, jacobians), mesh.faces)
    assert crossed.sum() > 10
    found = Untangler(mesh.vertices, mesh.faces).untangle(poisson, jacobians)
    assert (found.before, found.after) == (int(crossed.sum()), 0)
    assert found.strength is not None and 0 < found.strength.min() < 1
    after = moved(mesh, poisson, weakened(jacobians, found.strength))
    assert not intersecting_faces(after, mesh.faces).any()
    # Most of the curl is still there: it is far from straight.
    assert found.strength.mean() > 0.7


def test_what_does_not_cross_keeps_its_strength() -> None:
    mesh = tube()
    poisson = Poisson(mesh.vertices, mesh.faces)
    found = Untangler(mesh.vertices, mesh.faces).untangle(poisson, bent(mesh, 1.5 * torch.pi))
    assert (found.strength, found.before, found.after) == (None, 0, 0)


def stuck() -> Mesh:
    """Two tubes, one shifted halfway into the other: they cross at rest."""
    one = tube()
    shifted = one.vertices + torch.tensor([0.15, 0.03, 0.02])
    vertices = torch.cat([one.vertices, shifted])
    return Mesh(vertices, torch.cat([one.faces, one.faces + len(one.vertices)]))


@pytest.mark.parametrize("turn", [0.2, 0.5])
def test_what_crosses_at_rest_is_left_as_it_is(turn: float) -> None:
    mesh = stuck()
    at_rest = intersecting_faces(mesh.vertices, mesh.faces)
    assert at_rest.float().mean() > 0.2
    found = Untangler(mesh.vertices, mesh.faces).untangle(
        Poisson(mesh.vertices, mesh.faces), bent(mesh, turn * torch.pi)
    )
    assert (found.strength, found.before, found.after) == (None, 0, 0)


def test_new_crossings_are_told_from_those_at_rest() -> None:
    """Both in one mesh: curled so far that the ends meet, the stuck tubes are opened."""
    mesh = stuck()
    untangler, poisson = Untangler(mesh.vertices, mesh.faces), Poisson(mesh.vertices, mesh.faces)
    jacobians = bent(mesh, 2.2 * torch.pi)
    before = intersecting_faces(moved(mesh, poisson, jacobians), mesh.faces).sum()
    found = untangler.untangle(poisson, jacobians)
    assert found.before > 10 and found.after == 0 and found.strength is not None
    now = moved(mesh, poisson, weakened(jacobians, found.strength))
    assert not len(untangler.tangled(now))
    assert intersecting_faces(now, mesh.faces).sum() < before


def test_units_do_not_matter() -> None:
    mesh = tube()
    jacobians = bent(mesh, 2.2 * torch.pi)
    counts = []
    for unit in (1.0, 1e3):
        places = mesh.vertices.double() * unit
        poisson = Poisson(places, mesh.faces)
        found = Untangler(places, mesh.faces).untangle(poisson, jacobians)
        assert found.strength is not None
        counts.append((found.before, round(float(found.strength.mean()), 3)))
    assert counts[0] == counts[1]


def test_twins_keep_the_same_strength() -> None:
    mesh = primitive("sphere")
    count = len(mesh.faces)
    twin = torch.arange(count).flip(0)
    plain, tied = (Untangler(mesh.vertices, mesh.faces, one) for one in (None, twin))
    chosen = torch.tensor([0, 3])
    assert not torch.allclose(plain._nearness(chosen, 0.3), tied._nearness(chosen, 0.3))
    both = plain._nearness(torch.cat([chosen, twin[chosen]]), 0.3)
    assert torch.equal(tied._nearness(chosen, 0.3), both)
