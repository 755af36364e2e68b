"""The mesh that is deformed by Jacobians, beyond what every generator must do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from guidance.errors import InputError
from guidance.generators.mesh.jacobians import START_SD, DeformedMesh
from guidance.geometry import intersections
from guidance.geometry.deformation import Deformation
from guidance.geometry.intersections import intersecting_faces
from guidance.geometry.io.files import load_mesh
from guidance.geometry.primitives import octahedron, primitive
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.losses.rigidity import Rigidity
from guidance.meshes import Mesh, MeshScene
from guidance.types import StepContext

COARSE = DeformedMesh.Options(edge_length=2.0)  # nothing is split


def with_jacobian(generator: DeformedMesh, jacobian: torch.Tensor) -> DeformedMesh:
    """The same with one Jacobian at all faces of all samples."""
    with torch.no_grad():
        generator.jacobians.copy_(jacobian.expand_as(generator.jacobians))
    return generator


def scene(generator: DeformedMesh) -> MeshScene:
    found = generator(DeformedMesh.tiny_views(generator.num_samples)).scene
    assert isinstance(found, MeshScene)
    return found


def test_it_starts_beside_the_rest_shape() -> None:
    found = scene(DeformedMesh(primitive("cube"), [3, 4]))
    away = (found.vertices - found.rest_vertices).norm(dim=-1)
    assert 0 < away.max() < START_SD
    assert found.jacobians is not None and found.jacobians.shape == (2, len(found.faces), 3, 3)


def test_the_identity_is_the_rest_shape_to_the_bit() -> None:
    found = scene(with_jacobian(DeformedMesh.tiny(), torch.eye(3)))
    assert torch.equal(found.vertices, found.rest_vertices.expand_as(found.vertices))


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4])
def test_exports_are_in_the_units_of_the_mesh(unit: float, tmp_path: Path) -> None:
    mesh = Mesh(octahedron().vertices * unit + 3 * unit, octahedron().faces)
    stretch = torch.diag(torch.tensor([2.0, 1.0, 0.5]))
    generator = with_jacobian(DeformedMesh(mesh, [0], COARSE), stretch)
    files = generator.export(tmp_path, 0)
    assert [file.name for file in files] == ["mesh.glb", "mesh.obj", "deformation.npz"]
    wanted = octahedron().vertices @ stretch * unit + 3 * unit
    for name in ("mesh.glb", "mesh.obj"):
        found = load_mesh(tmp_path / name).mesh.vertices
        assert torch.allclose(found, wanted, rtol=0, atol=1e-5 * unit)
    kept = Deformation.load(tmp_path / "deformation.npz")
    assert torch.allclose(kept.at(0.0).vertices.float(), mesh.vertices, rtol=1e-5, atol=0)
    assert torch.allclose(kept.at(1.0).vertices.float(), wanted, rtol=0, atol=1e-5 * unit)


def test_colors_are_the_meshs_own_or_grey(tmp_path: Path) -> None:
    colors = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    mesh = Mesh(octahedron().vertices, octahedron().faces, colors)
    made = DeformedMesh(mesh, [0], COARSE).deformation(0).mesh.colors
    assert made is not None and torch.equal(made, colors)
    grey = DeformedMesh(octahedron(), [0], COARSE).deformation(0).mesh.colors
    assert grey is not None and grey.unique().numel() == 1
    views = DeformedMesh.tiny_views(1)
    painted, plain = (DeformedMesh(m, [0], COARSE)(views).image for m in (mesh, octahedron()))
    assert (plain.amax(2) - plain.amin(2)).max() < 1e-6
    assert (painted.amax(2) - painted.amin(2)).max() > 0.1


def test_symmetric_meshes_stay_symmetric() -> None:
    generator = DeformedMesh(primitive("cube"), [0], DeformedMesh.Options(symmetric=True))
    noise = StepContext((5,)).normal("test", *generator.jacobians.shape[1:])
    with torch.no_grad():
        generator.jacobians.add_(noise)
    found = generator.deformation(0).at(1.0).vertices
    mirrored = found * torch.tensor([-1.0, 1, 1])
    assert torch.cdist(found, mirrored).amin(1).max() < 1e-4
    assert (found - generator.deformation(0).mesh.vertices).norm(dim=1).max() > 0.05


def test_notes_tell_of_parts_and_thin_faces() -> None:
    mesh = octahedron()
    vertices = torch.cat([mesh.vertices, mesh.vertices + 4, torch.tensor([[0.5, 0.5, 0]])])
    faces = torch.cat([mesh.faces, mesh.faces + 6, torch.tensor([[0, 1, 12]])])
    assert DeformedMesh(Mesh(vertices, faces), [0], COARSE).notes == (
        "has 3 separate parts; each moves with the nearest larger one",
        "has faces too thin to be deformed individually: 1",
    )
    assert DeformedMesh(mesh, [0], COARSE).notes == ()


def test_without_cameras_there_is_nothing_to_see() -> None:
    with pytest.raises(InputError, match="DeformedMesh: needs cameras"):
        DeformedMesh.tiny()()


def test_rigidity_pulls_back_to_the_rest_shape() -> None:
    generator = with_jacobian(DeformedMesh.tiny(1), 2 * torch.eye(3))
    rendering = generator(DeformedMesh.tiny_views(1))
    value = Rigidity()(rendering, StepContext((0,)))
    assert value.item() == pytest.approx(1.5)  # 0.5 * 3 * 1^2
    (slope,) = torch.autograd.grad(value.sum(), [generator.jacobians])
    faces = generator.jacobians.shape[1]  # of one size, so each has its share of the slope
    moved = with_jacobian(generator, 2 * torch.eye(3) - faces * slope[0, 0])
    assert torch.allclose(scene(moved).vertices, scene(moved).rest_vertices, atol=1e-6)


def curled(turn: float, options: DeformedMesh.Options = COARSE) -> DeformedMesh:
    """Two samples of a torus: the second is wound around its axis by an angle, and so cut open.

    Each Jacobian turns by a multiple of the place's own angle; the solve does the best it can.
    """
    mesh = primitive("torus")
    generator = DeformedMesh(mesh, [0, 1], options)
    rest, faces = generator.get_buffer("rest"), generator.get_buffer("faces")
    middle = rest[faces].mean(1)
    flat = middle[:, [0, 2]] if rest[:, 1].std() < rest[:, 2].std() else middle[:, :2]
    angle = turn * flat[:, 0]
    jacobians = torch.eye(3).repeat(len(faces), 1, 1)
    jacobians[:, 0, 0] = jacobians[:, 1, 1] = angle.cos()
    jacobians[:, 1, 0], jacobians[:, 0, 1] = angle.sin(), -angle.sin()
    with torch.no_grad():
        generator.jacobians[0] = torch.eye(3)
        generator.jacobians[1] = jacobians
    return generator


def crossed(generator: DeformedMesh) -> list[int]:
    """How many faces run through others, of each sample's exported mesh."""
    meshes = [generator.mesh(sample) for sample in range(generator.num_samples)]
    return [int(intersecting_faces(mesh.vertices, mesh.faces).sum()) for mesh in meshes]


def unlike(vertices: torch.Tensor) -> float:
    """The largest distance from a vertex to the mirror image of the mesh."""
    return float(torch.cdist(vertices, vertices * torch.tensor([-1.0, 1, 1])).amin(1).max())


@pytest.mark.parametrize("symmetric", [False, True])
def test_crossings_are_undone_at_the_end_and_told(symmetric: bool, tmp_path: Path) -> None:
    generator = curled(4.0, DeformedMesh.Options(edge_length=2.0, symmetric=symmetric))
    before = crossed(generator)
    assert before[0] == 0 and before[1] > 5
    first = generator.mesh(0).vertices
    notes = generator.finish()
    expected = f"faces that intersected others after the deformation: {before[1]}; untangled"
    assert notes == (expected,)
    assert crossed(generator) == [0, 0]
    assert torch.equal(generator.mesh(0).vertices, first)
    # What is shown, exported and kept for `guide tune` is one and the same mesh.
    generator.export(tmp_path, 1)
    kept = Deformation.load(tmp_path / "deformation.npz").at(1.0).vertices
    assert torch.equal(kept, generator.mesh(1).vertices)
    shown = scene(generator).vertices[1]
    normalization = generator.normalized.normalization
    assert torch.allclose(normalization.apply(kept).float(), shown, atol=1e-5)
    # The triangles of the torus are symmetric to 0.0025.
    assert (unlike(kept) < 0.005) == symmetric


def test_what_does_not_cross_is_untouched_to_the_bit() -> None:
    generator = curled(0.5)
    before = scene(generator).vertices
    assert generator.finish() == ()
    assert torch.equal(scene(generator).vertices, before)


def test_the_held_part_stays_to_the_bit_and_a_further_run_starts_anew() -> None:
    generator = curled(4.0)
    jacobians = generator.jacobians.detach().clone()
    inside = generator.get_buffer("rest")[generator.get_buffer("faces")].mean(1)[:, 0] > -0.4
    part = DeformedMesh(primitive("torus"), [0, 1], COARSE, inside=inside)
    with torch.no_grad():
        part.jacobians.copy_(jacobians * 3)
    assert crossed(part)[1] > 5
    assert part.finish() and crossed(part) == [0, 0]
    free = part.normalized.free
    assert free is not None
    assert torch.equal(part.mesh(1).vertices[~free], part.normalized.given[~free])
    part.advance(0.0)
    assert crossed(part)[1] > 5


def test_a_result_shows_and_tells_the_untangled_mesh() -> None:
    generator = curled(4.0)
    generator.learning_rate = 0.0
    cameras = DeformedMesh.tiny_views(2)
    result = optimize(generator, Rigidity(), Settings(steps=1), views=lambda context: cameras)
    assert len(result.notes) == 1 and "untangled" in result.notes[0]
    assert crossed(generator) == [0, 0]
    assert torch.equal(result.rendering.image, generator(cameras).image)


def test_without_numba_it_is_told_that_crossings_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = curled(4.0)

    def missing() -> None:
        raise InputError("numba cannot be imported")

    monkeypatch.setattr(intersections, "_kernels", missing)
    assert generator.finish() == (
        "self-intersections were not searched for: numba cannot be imported",
    )
