"""The Poisson solve: known shapes, gradients, and meshes with defects."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry import poisson
from guidance.geometry.poisson import Poisson
from guidance.geometry.primitives import octahedron, primitive
from guidance.geometry.subdivision import subdivide
from guidance.meshes import Mesh


def places(mesh: Mesh) -> Tensor:
    return mesh.vertices.double()


def moved(mesh: Mesh, jacobian: Tensor) -> Tensor:
    """The vertices with one Jacobian at all faces."""
    solver = Poisson(places(mesh), mesh.faces)
    return places(mesh) + solver.displacements(jacobian.expand(1, len(mesh.faces), 3, 3))[0]


def center(mesh: Mesh) -> Tensor:
    """Of the area."""
    corners = places(mesh)[mesh.faces.long()]
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(
        dim=1, keepdim=True
    )
    return (area * corners.mean(1)).sum(0) / area.sum()


def sheet() -> Mesh:
    """A square with an open border, finely meshed, at an angle."""
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0.5], [1, 1, 0.5], [0, 1, 0]])
    return subdivide(Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]])), 0.2)


def needle() -> Mesh:
    """An octahedron, one of whose corners is very far away."""
    mesh = octahedron()
    vertices = mesh.vertices.clone()
    vertices[0, 0] = 3000.0
    return Mesh(vertices, mesh.faces)


def fan() -> Mesh:
    """Three faces at one edge."""
    vertices = torch.tensor([[0.0, 0, 0], [0, 0, 1], [1, 0, 0], [-1, 0.5, 0], [-1, -0.5, 0]])
    return Mesh(vertices, torch.tensor([[0, 1, 2], [0, 1, 3], [0, 1, 4]]))


MESHES = {
    "octahedron": octahedron(),
    "cube": primitive("cube"),
    "sheet": sheet(),
    "needle": needle(),
    "fan": fan(),
    "tiny": Mesh(octahedron().vertices * 1e-3 + 5, octahedron().faces),
    "huge": Mesh(octahedron().vertices * 1e4 - 7e4, octahedron().faces),
}
TURN = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).double())[0]
WHOLE = {
    "turned": TURN,
    "stretched": torch.diag(torch.tensor([1.7, 1.0, 0.4], dtype=torch.float64)),
    "sheared": torch.tensor([[1.0, 0.5, 0], [0, 1, -0.2], [0, 0, 1]], dtype=torch.float64),
    "inside out": -torch.eye(3, dtype=torch.float64),
}


@pytest.mark.parametrize("name", MESHES)
def test_the_identity_gives_the_mesh_back_to_the_bit(name: str) -> None:
    mesh = MESHES[name]
    assert torch.equal(moved(mesh, torch.eye(3, dtype=torch.float64)), places(mesh))


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("change", WHOLE)
def test_one_map_at_all_faces_maps_the_whole_mesh_about_its_center(name: str, change: str) -> None:
    mesh, matrix = MESHES[name], WHOLE[change]
    wanted = (places(mesh) - center(mesh)) @ matrix.T + center(mesh)
    size = (places(mesh) - center(mesh)).norm(dim=1).max()
    assert (moved(mesh, matrix) - wanted).norm(dim=1).max() < 1e-7 * size


def test_a_square_whose_halves_disagree_meets_in_the_middle() -> None:
    """By hand: 2 triangles want widths 1 and 3 along x. The energy's minimum is the mean, 2."""
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]).double()
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    jacobians = torch.eye(3).double().repeat(1, 2, 1, 1)
    jacobians[0, 1, 0, 0] = 3
    found = vertices + Poisson(vertices, faces).displacements(jacobians)[0]
    x = found[:, 0] - found[0, 0]
    # x1 and x3 each appear in one face, so: d/dx of (x1-1)^2 + (x2-x1)^2 + (x2-x3-3)^2 + x3^2 = 0,
    # whose solution is x1 = 3/2, x2 = 2, x3 = -1/2.
    assert x.tolist() == pytest.approx([0, 1.5, 2, -0.5])
    assert torch.equal(found[:, 2], vertices[:, 2])


def test_what_a_jacobian_says_along_the_normal_has_no_influence() -> None:
    mesh = sheet()
    solver = Poisson(places(mesh), mesh.faces)
    a, b, c = places(mesh)[mesh.faces[0].long()]
    normal = torch.linalg.cross(b - a, c - a)
    along = torch.outer(torch.tensor([1.0, 2, 3]).double(), normal)
    jacobians = (torch.eye(3) + along).expand(1, len(mesh.faces), 3, 3)
    assert solver.displacements(jacobians).abs().max() < 1e-12


def test_the_displacement_is_linear_in_the_distance_from_the_identity() -> None:
    mesh = primitive("cube")
    solver, eye = Poisson(places(mesh), mesh.faces), torch.eye(3).double()
    away = torch.randn(1, len(mesh.faces), 3, 3, generator=torch.Generator().manual_seed(1))
    whole = solver.displacements(eye + away.double())
    for strength in (-1.0, 0.5, 2.0):
        part = solver.displacements(eye + strength * away.double())
        assert torch.allclose(part, strength * whole, atol=1e-12)


@pytest.mark.parametrize("name", ["octahedron", "sheet", "fan"])
def test_gradients_are_those_of_the_solve(name: str) -> None:
    mesh = MESHES[name]
    solver = Poisson(places(mesh), mesh.faces)
    random = torch.Generator().manual_seed(2)
    jacobians = torch.eye(3) + 0.2 * torch.randn(2, len(mesh.faces), 3, 3, generator=random)
    jacobians = jacobians.double().requires_grad_()
    assert torch.autograd.gradcheck(solver.displacements, [jacobians])


def test_the_adjoint_is_the_transpose() -> None:
    mesh = primitive("cube")
    solver = Poisson(places(mesh), mesh.faces)
    random = torch.Generator().manual_seed(3)
    away = torch.randn(len(mesh.faces), 3, 3, generator=random).double()
    slopes = torch.randn(len(mesh.vertices), 3, generator=random).double()
    there = solver.solve((torch.eye(3) + away).numpy())
    back = solver.adjoint(slopes.numpy())
    assert (there * slopes.numpy()).sum() == pytest.approx((back * away.numpy()).sum())


def test_samples_are_solved_apart_to_the_bit() -> None:
    mesh = primitive("cube")
    solver = Poisson(mesh.vertices, mesh.faces)
    random = torch.Generator().manual_seed(4)
    jacobians = torch.eye(3) + torch.randn(3, len(mesh.faces), 3, 3, generator=random)
    together = solver.displacements(jacobians)
    assert together.dtype == torch.float32
    for index in range(3):
        assert torch.equal(solver.displacements(jacobians[index : index + 1])[0], together[index])


def apart() -> Mesh:
    """A large and a small octahedron, and a vertex without a face."""
    one = octahedron()
    small = one.vertices * 0.1 + torch.tensor([1.3, 0, 0])
    vertices = torch.cat([one.vertices, small, torch.tensor([[0.0, 2, 0]])])
    return Mesh(vertices, torch.cat([one.faces, one.faces + 6]))


def test_parts_keep_their_offset_from_the_nearest_vertex_of_a_larger_part() -> None:
    mesh = apart()
    solver = Poisson(places(mesh), mesh.faces)
    assert solver.num_parts == 3
    jacobians = torch.eye(3).double().repeat(1, len(mesh.faces), 1, 1)
    jacobians[:, :8] *= 2  # the large part doubles, the small one keeps its size
    found = places(mesh) + solver.displacements(jacobians)[0]
    large, small = found[:6], found[6:12]
    assert torch.allclose(large - large.mean(0), 2 * octahedron().vertices.double())
    assert torch.allclose(small - small.mean(0), 0.1 * octahedron().vertices.double())
    # (1, 0, 0) of the large part is 0.2 from the small one's (-1, 0, 0).
    assert torch.allclose(small[3] - large[0], torch.tensor([0.2, 0, 0]).double(), atol=1e-6)
    assert torch.allclose(found[12] - large[1], torch.tensor([0.0, 1, 0]).double(), atol=1e-6)


def test_a_part_that_touches_another_all_around_is_tied_all_around() -> None:
    """A lid on a tube: where the tube's rim opens on one side, the lid follows on both."""
    angle = torch.arange(12) / 12 * 2 * torch.pi
    ring = torch.stack([angle.cos(), torch.zeros(12), angle.sin()], 1)
    down = torch.tensor([0.0, 2, 0])
    around = torch.arange(12)
    after = (around + 1) % 12
    tube = torch.cat([torch.stack([around, after, around + 12], 1)])
    tube = torch.cat([tube, torch.stack([after, after + 12, around + 12], 1)])
    lid = torch.stack([around + 24, torch.full((12,), 36), after + 24], 1)
    top = ring + torch.tensor([0.0, 0.1, 0])
    vertices = torch.cat([ring, ring - down, top, top.mean(0, keepdim=True)]).double()
    solver = Poisson(vertices, torch.cat([tube, lid]))
    assert solver.num_parts == 2
    jacobians = torch.eye(3).double().repeat(1, 36, 1, 1)
    jacobians[:, :24, 0, 0] = 1.5  # the tube gets wider along x, the lid does not want to
    found = vertices + solver.displacements(jacobians)[0]
    shifts = (found[24:36] - found[:12]) - (vertices[24:36] - vertices[:12])
    assert shifts.norm(dim=1).max() < 0.15  # untied, they would be 0.5 apart
    assert found[24, 0] - found[30, 0] > 2.4


def test_many_parts_are_all_tied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poisson, "CARRIERS", 2)
    one = octahedron()
    shifts = [torch.tensor([float(3 * i), 0, 0]) for i in range(6)]
    vertices = torch.cat([one.vertices + shift for shift in shifts])
    faces = torch.cat([one.faces + 6 * i for i in range(6)])
    solver = Poisson(vertices, faces)
    assert solver.num_parts == 6
    found = vertices + solver.displacements(2 * torch.eye(3).double().expand(1, 48, 3, 3))[0]
    for part in found.view(6, 6, 3):
        assert torch.allclose(part - part.mean(0), 2 * one.vertices.double())
    # Each keeps the gap to the nearest of two carriers: 1, and then 4, 7, 10 to the second one.
    middles = found.view(6, 6, 3).mean(1)[:, 0]
    assert (middles - middles[0]).tolist() == pytest.approx([0, 5, 10, 13, 16, 19])


def test_faces_without_area_have_no_say() -> None:
    mesh = octahedron()
    vertices = torch.cat([mesh.vertices, torch.tensor([[0.5, 0.5, 0]])])
    line = torch.tensor([[0, 1, 6]])  # its corners lie on the edge from 0 to 1
    solver = Poisson(vertices, torch.cat([mesh.faces, line]))
    assert (solver.num_thin, solver.num_parts) == (1, 2)
    jacobians = torch.eye(3).double().repeat(1, 9, 1, 1) * 2
    found = vertices + solver.displacements(jacobians)[0]
    assert torch.allclose(found[:6], 2 * mesh.vertices.double())
    assert torch.allclose(found[6] - found[0], torch.tensor([-0.5, 0.5, 0]).double())
    jacobians[:, 8] = 100
    assert torch.equal(vertices + solver.displacements(jacobians)[0], found)


def test_a_mesh_of_lines_is_refused() -> None:
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    with pytest.raises(InputError, match="all faces of the mesh are degenerate; use a mesh with a"):
        Poisson(vertices, torch.tensor([[0, 1, 2]]))


def test_an_inaccurate_or_impossible_solve_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = octahedron()
    with monkeypatch.context() as patched:
        patched.setattr(poisson, "ACCURACY", -1.0)
        with pytest.raises(InputError, match="too thin or too uneven for an accurate solve"):
            Poisson(mesh.vertices, mesh.faces)

    def singular(*args: object, **options: object) -> None:
        raise RuntimeError("Factor is exactly singular")

    monkeypatch.setattr("scipy.sparse.linalg.splu", singular)
    with pytest.raises(InputError, match="too thin or too uneven for an accurate solve"):
        Poisson(mesh.vertices, mesh.faces)


def test_another_number_of_jacobians_is_told() -> None:
    mesh = octahedron()
    solver = Poisson(mesh.vertices, mesh.faces)
    with pytest.raises(InputError, match="a Jacobian for each of 8 faces, got 7"):
        solver.displacements(torch.eye(3).expand(1, 7, 3, 3))


def half_held(mesh: Mesh) -> tuple[Poisson, Tensor]:
    """A solver in which the lower half stays, and which vertices these are."""
    held = mesh.vertices[:, 1] < mesh.vertices[:, 1].mean()
    return Poisson(places(mesh), mesh.faces, held), held


@pytest.mark.parametrize("name", ["octahedron", "cube", "sheet", "tiny"])
def test_held_vertices_stay_to_the_bit_and_the_others_fit_best(name: str) -> None:
    mesh = MESHES[name]
    solver, held = half_held(mesh)
    random = torch.Generator().manual_seed(4)
    jacobians = torch.eye(3) + 0.3 * torch.randn(1, len(mesh.faces), 3, 3, generator=random)
    found = solver.displacements(jacobians.double())[0]
    assert (found[held] == 0).all() and (found[~held] != 0).any()

    def energy(displacement: Tensor) -> float:
        """Sum of a_f |grad u - (J - I)|^2, face by face in its own plane."""
        corners, moved = (x[mesh.faces.long()] for x in (places(mesh), displacement))
        edges, steps = ((x[:, 1:] - x[:, :1]).mT for x in (corners, moved))
        gradient = steps @ torch.linalg.pinv(edges)
        area = torch.linalg.cross(edges[..., 0], edges[..., 1]).norm(dim=1) / 2
        flat = edges @ torch.linalg.pinv(edges)  # onto the face's plane
        wanted = (jacobians[0].double() - torch.eye(3)) @ flat
        return float((area * (gradient - wanted).square().sum((1, 2))).sum())

    size = 1e-3 * float(places(mesh).norm(dim=1).max())
    for _ in range(5):
        other = found + size * torch.randn(found.shape, generator=random) * ~held[:, None]
        assert energy(found) < energy(other)


def test_gradients_with_held_vertices_are_those_of_the_solve() -> None:
    mesh = MESHES["sheet"]
    solver, _ = half_held(mesh)
    random = torch.Generator().manual_seed(2)
    jacobians = torch.eye(3) + 0.2 * torch.randn(2, len(mesh.faces), 3, 3, generator=random)
    assert torch.autograd.gradcheck(solver.displacements, [jacobians.double().requires_grad_()])


def test_a_part_that_is_not_held_hangs_on_to_one_that_is() -> None:
    one = octahedron()
    mesh = Mesh(torch.cat([one.vertices, one.vertices + 3]), torch.cat([one.faces, one.faces + 6]))
    held = torch.arange(12) < 6
    solver = Poisson(places(mesh), mesh.faces, held)
    found = solver.displacements(2 * torch.eye(3).double().expand(1, 16, 3, 3))[0]
    assert (found[:6] == 0).all()
    grown = places(mesh)[6:] + found[6:]
    assert (grown[0] - grown[3]).norm() == pytest.approx(4, rel=1e-6)  # twice as wide
    assert found[6:].norm(dim=1).min() == pytest.approx(0, abs=1e-6)  # by the vertex that is tied
