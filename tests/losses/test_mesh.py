"""Values of the mesh regularizers by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from guidance.losses.edge_length import EdgeLength
from guidance.losses.laplacian import Laplacian
from guidance.losses.normal_consistency import NormalConsistency
from guidance.losses.rigidity import Rigidity
from guidance.meshes import MeshScene
from guidance.outputs import Rendering
from guidance.types import Loss
from tests.losses.stand_ins import FACES, context

REST = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
HINGE = torch.tensor([[0, 1, 2], [1, 0, 3]])  # two triangles that share an edge, alike oriented


def value(loss: Loss, *vertices: Tensor, faces: Tensor = FACES, rest: Tensor = REST) -> list[float]:
    scene = MeshScene(torch.stack(vertices), faces, rest)
    pictures = torch.zeros(len(vertices), 1, 3, 2, 2)
    return loss(Rendering(pictures, scene=scene), context(len(vertices))).tolist()


def test_rest_and_shifts_cost_nothing() -> None:
    for loss in (Laplacian(), EdgeLength()):
        assert value(loss, REST, REST + 3) == pytest.approx([0, 0], abs=1e-9)


def test_laplacian() -> None:
    """One corner of a tetrahedron moves by 0.3: 0.3 there, and a third of it at each other."""
    moved = REST.clone()
    moved[3, 2] += 0.3
    mean_edge = (3 + 3 * math.sqrt(2)) / 6
    wanted = (0.3**2 + 3 * 0.1**2) / 4 / mean_edge**2
    assert value(Laplacian(), REST, moved) == pytest.approx([0, wanted], rel=1e-5)


def test_laplacian_of_the_shape_itself() -> None:
    """Every neighbourhood of a tetrahedron is the other three: |v - mean of others| is known."""
    away = [(REST[i] - (REST.sum(0) - REST[i]) / 3).square().sum().item() for i in range(4)]
    mean_edge = (3 + 3 * math.sqrt(2)) / 6
    wanted = sum(away) / 4 / mean_edge**2
    assert value(Laplacian(of_shape=True), REST) == pytest.approx([wanted], rel=1e-5)


@pytest.mark.parametrize("kind", [Laplacian, EdgeLength])
def test_tables_are_kept_for_one_mesh_only(kind: type[Loss]) -> None:
    """One loss for several meshes, and for one whose rest shape changes, as a new loss for each."""
    kept, rest, moved = kind(), REST.clone(), REST * torch.tensor([1.0, 2, 3])
    for faces in (FACES, HINGE):
        assert value(kept, moved, faces=faces) == value(kind(), moved, faces=faces)
    for _ in range(2):
        found = value(kept, moved, faces=HINGE, rest=rest)
        assert found == value(kind(), moved, faces=HINGE, rest=rest)
        rest[:, 0] *= 2


def test_vertices_of_no_face_cost_nothing() -> None:
    rest = torch.cat([REST, torch.tensor([[9.0, 9, 9]])])
    moved = rest.clone()
    moved[4] += 5
    assert value(Laplacian(), moved, rest=rest) == [0.0]


@pytest.mark.parametrize("bend_deg", [0.0, 30.0, 90.0, 150.0])
def test_normal_consistency_is_one_minus_the_cosine_of_the_bend(bend_deg: float) -> None:
    bend = math.radians(bend_deg)
    hinge = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, -math.cos(bend), math.sin(bend)]])
    found = value(NormalConsistency(), hinge, faces=HINGE, rest=hinge)
    assert found == pytest.approx([1 - math.cos(bend)], abs=1e-6)


def test_a_degenerate_face_gives_no_nan() -> None:
    flat = REST.clone().requires_grad_()
    squashed = flat * torch.tensor([1.0, 0, 0])
    for loss in (Laplacian(), NormalConsistency(), EdgeLength()):
        scene = MeshScene(squashed[None], FACES, REST)
        cost = loss(Rendering(torch.zeros(1, 1, 3, 2, 2), scene=scene), context(1))
        slope = torch.autograd.grad(cost.sum(), flat, retain_graph=True)[0]
        assert cost.isfinite().all() and slope.isfinite().all()


def test_edge_length() -> None:
    assert value(EdgeLength(), 1.2 * REST, 0.5 * REST) == pytest.approx([0.04, 0.25], rel=1e-4)


@pytest.mark.parametrize("size", [0.01, 100.0])
def test_weights_suit_meshes_of_any_size(size: float) -> None:
    moved = REST + 0.1 * torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    for loss in (Laplacian(), Laplacian(of_shape=True), NormalConsistency(), EdgeLength()):
        small = value(loss, size * moved, rest=size * REST)
        assert small == pytest.approx(value(loss, moved), rel=1e-3)


def test_other_faces_are_noticed() -> None:
    loss = NormalConsistency()
    assert value(loss, REST)[0] != pytest.approx(value(loss, REST, faces=HINGE)[0])


@pytest.mark.parametrize("kind", [Laplacian, NormalConsistency, EdgeLength])
def test_pictures_without_a_mesh_are_told(kind: type[Loss]) -> None:
    with pytest.raises(ValueError, match="expected images of a mesh, got a scene of type NoneType"):
        kind()(Rendering(torch.zeros(1, 1, 3, 2, 2)), context(1))


def test_rigidity_is_half_the_squared_distance_from_the_identity_over_the_rest_area() -> None:
    """By hand: three faces of area 1/2 and one of sqrt(3)/2, which is twice as large all over."""
    jacobians = torch.eye(3).repeat(2, 4, 1, 1)
    jacobians[1, 3] *= 2
    scene = MeshScene(torch.stack([REST, REST]), FACES, REST, jacobians)
    found = Rigidity()(Rendering(torch.zeros(2, 1, 3, 2, 2), scene=scene), context(2))
    wanted = 0.5 * 3 * math.sqrt(3) / (3 + math.sqrt(3))
    assert found.tolist() == pytest.approx([0, wanted])


def test_rigidity_wants_jacobians() -> None:
    with pytest.raises(ValueError, match="no Jacobians; use this loss with DeformedMesh"):
        value(Rigidity(), REST)
