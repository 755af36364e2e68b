"""The mesh that is deformed by normals, beyond what every generator must do."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.generators.mesh.jacobians import START_SD
from guidance.generators.mesh.normals import STRENGTH, NormalDeformedMesh
from guidance.geometry.deformation import Deformation
from guidance.geometry.primitives import octahedron, primitive
from guidance.meshes import Mesh

COARSE = NormalDeformedMesh.Options(edge_length=2.0)  # nothing is split


def at_rest(generator: NormalDeformedMesh) -> NormalDeformedMesh:
    with torch.no_grad():
        generator.normals.copy_(generator.get_buffer("rest_normals").expand_as(generator.normals))
    return generator


def noisy(
    amount: float, options: NormalDeformedMesh.Options = COARSE, name: str = "torus"
) -> NormalDeformedMesh:
    generator = NormalDeformedMesh(primitive(name), [0], options)
    noise = torch.randn(generator.normals.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        generator.normals.add_(amount * noise)
        generator.project()
    return generator


def test_the_meshs_own_normals_are_the_rest_shape() -> None:
    scene, _ = at_rest(NormalDeformedMesh(primitive("torus"), [0], COARSE)).painted()
    assert torch.allclose(scene.vertices[0], scene.rest_vertices, atol=1e-5)
    scene, _ = NormalDeformedMesh(primitive("torus"), [3, 4], COARSE).painted()
    away = (scene.vertices - scene.rest_vertices).norm(dim=-1)
    assert 0 < away.max() < 2 * START_SD


@pytest.mark.parametrize("degrees", [10, 60, 120])
def test_a_flat_ring_turns_as_the_local_step_says(degrees: float) -> None:
    """Of 6 (1 + cos(x)) + 8 cos(t - x), for a target at t, the greatest is at tan(x) = ..."""
    angles = torch.arange(6) * (torch.pi / 3)
    ring = torch.stack([angles.cos(), angles.sin(), torch.zeros(6)], 1)
    vertices = torch.cat([torch.zeros(1, 3), ring])
    faces = torch.tensor([[0, i + 1, (i + 1) % 6 + 1] for i in range(6)])
    generator, t = NormalDeformedMesh(Mesh(vertices, faces), [0], COARSE), math.radians(degrees)
    with torch.no_grad():
        generator.normals[:] = torch.tensor([math.sin(t), 0, math.cos(t)])
    wanted = math.atan2(STRENGTH * math.sin(t), 6 + STRENGTH * math.cos(t))
    turned = generator.rotations()[0, 0]
    assert torch.allclose(
        turned[:, 2], torch.tensor([math.sin(wanted), 0, math.cos(wanted)]), atol=1e-5
    )
    assert torch.allclose(turned[:, 1], torch.tensor([0.0, 1, 0]), atol=1e-5)


def arap_energy(places: Tensor, rest: Tensor, faces: Tensor, rotations: Tensor) -> Tensor:
    """Sum over faces, their corners and their edges of cot |x_e - R e|^2: spokes and rims."""
    total = places.new_zeros(())
    for i in range(3):
        top, start, stop = faces[:, i], faces[:, (i + 1) % 3], faces[:, (i + 2) % 3]
        one, two = rest[start] - rest[top], rest[stop] - rest[top]
        cotangent = (one * two).sum(1) / torch.linalg.cross(one, two).norm(dim=1)
        along, was = places[stop] - places[start], rest[stop] - rest[start]
        for corner in range(3):
            turned = (rotations[faces[:, corner]] @ was[:, :, None])[:, :, 0]
            total = total + (cotangent * (along - turned).square().sum(1)).sum()
    return total


def test_the_global_step_is_that_of_spokes_and_rims() -> None:
    generator = noisy(0.5)
    scene, _ = generator.painted()
    rest, faces = scene.rest_vertices.double(), scene.faces
    rotations = generator.rotations()[0].double().detach()
    slopes = []
    for start in (scene.vertices[0].double().detach(), rest):
        places = start.clone().requires_grad_()
        energy = arap_energy(places, rest, faces, rotations)
        (slope,) = torch.autograd.grad(energy, [places])
        slopes.append(float(slope.abs().max()))
    assert slopes[0] < 1e-4 * slopes[1]


def test_faces_turn_and_hardly_stretch() -> None:
    scene, _ = noisy(0.3).painted()
    assert scene.jacobians is not None
    singular = torch.linalg.svdvals(scene.jacobians)
    assert singular.max() <= 1 + 1e-5 and singular.mean() > 0.95
    turned = (scene.vertices[0] - scene.rest_vertices).norm(dim=-1)
    assert turned.max() > 0.01


def test_a_target_stays_of_length_one() -> None:
    generator = NormalDeformedMesh.tiny(2)
    with torch.no_grad():
        generator.normals.mul_(3.0)
        generator.project()
    assert torch.allclose(generator.normals.norm(dim=-1), torch.ones(2, 18))


def test_symmetric_meshes_stay_symmetric() -> None:
    generator = noisy(0.5, NormalDeformedMesh.Options(symmetric=True), "cube")
    found = generator.deformation(0)
    places = found.at(1.0).vertices
    assert torch.cdist(places, places * torch.tensor([-1.0, 1, 1])).amin(1).max() < 1e-4
    assert found.displacements.norm(dim=1).max() > 0.02


def test_what_is_outside_stays_to_the_bit(tmp_path: Path) -> None:
    mesh = primitive("torus")
    inside = mesh.vertices[mesh.faces].mean(1)[:, 0] > 0
    generator = NormalDeformedMesh(mesh, [0], COARSE, inside=inside)
    noise = torch.randn(generator.normals.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        generator.normals.add_(0.5 * noise)
    generator.export(tmp_path, 0)
    kept = Deformation.load(tmp_path / "deformation.npz")
    free = generator.normalized.free
    assert free is not None and free.any() and not free.all()
    assert torch.equal(kept.at(1.0).vertices[~free], generator.normalized.given[~free])
    assert kept.displacements[free].norm(dim=1).max() > 0.01


def test_vertices_without_a_face_or_a_normal_do_no_harm() -> None:
    mesh = octahedron()
    vertices = torch.cat([mesh.vertices, torch.tensor([[0.3, 0, 0]])])
    both = torch.cat([mesh.faces, mesh.faces[:1].flip(1)])  # a face on both of its sides
    generator = NormalDeformedMesh(Mesh(vertices, both), [0], COARSE)
    scene, _ = generator.painted()
    scene.vertices.square().sum().backward()
    assert scene.vertices.isfinite().all()
    assert generator.normals.grad is not None and generator.normals.grad.isfinite().all()
    assert F.normalize(generator.normals, dim=-1).isfinite().all()
