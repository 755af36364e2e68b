"""Self-intersections on pairs that are known, and against fractions; distortions by hand."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.evaluate.shape import area_distortion, measure
from guidance.geometry import intersections
from guidance.geometry.intersections import intersecting_faces
from guidance.geometry.primitives import octahedron, primitive
from guidance.geometry.subdivision import subdivide
from guidance.meshes import Mesh

FLAT = [[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]
PAIR = torch.tensor([[0, 1, 2], [3, 4, 5]])
#: A second face, and whether it and `FLAT` run through each other.
SECOND = {
    "through the middle": ([[0.2, 0.2, -1], [0.2, 0.2, 1], [2, 2, 0.3]], True),
    "round the outside": ([[0.2, -1, -1], [0.2, -1, 1], [0.2, 3, 0.1]], True),
    "beside it": ([[0.9, 0.9, -1], [0.9, 0.9, 1], [2, 2, 0.3]], False),
    "above it": ([[0.2, 0.2, 0.1], [0.2, 0.2, 1], [2, 2, 0.3]], False),
    "touching with a corner": ([[0.2, 0.2, 0], [0.2, 0.2, 1], [2, 2, 0.3]], False),
    "in its plane": ([[0.2, 0.2, 0], [0.8, 0.3, 0], [0.1, 0.9, 0]], False),
    "through an edge": ([[0.5, 0, -1], [0.5, 0, 1], [0.5, -3, 0.2]], True),
}


@pytest.mark.parametrize("case", SECOND)
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
def test_pairs_that_are_known(case: str, scale: float) -> None:
    second, wanted = SECOND[case]
    vertices = scale * torch.tensor([*FLAT, *second], dtype=torch.float64)
    assert intersecting_faces(vertices, PAIR).tolist() == [wanted, wanted]
    assert intersecting_faces(vertices, PAIR.flip(0).flip(1)).tolist() == [wanted, wanted]


def test_neighbours_are_no_intersection_but_folds_through_a_vertex_are() -> None:
    assert not intersecting_faces(octahedron().vertices, octahedron().faces).any()
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, -1, 1], [-1, -1, -1]])
    faces = torch.tensor([[0, 1, 2], [0, 3, 4]])  # they share a corner
    assert not intersecting_faces(vertices, faces).any()
    vertices[3:, :2] *= -1
    assert intersecting_faces(vertices, faces).all()
    assert not intersecting_faces(vertices, torch.tensor([[0, 1, 2], [0, 1, 3]])).any()


def random_faces() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    vertices = torch.rand(60, 3, generator=random, dtype=torch.float64)
    vertices = (vertices * 4).round() / 4  # many of them touch, and lie in common planes
    faces = torch.stack([torch.randperm(60, generator=random)[:3] for _ in range(80)])
    return vertices, faces


@pytest.mark.parametrize("at_once", [1, 37, 10**6])
def test_the_sweep_finds_what_comparing_all_pairs_in_fractions_finds(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    vertices, faces = random_faces()
    monkeypatch.setattr(intersections, "AT_ONCE", at_once)
    wanted = [False] * len(faces)
    for one, other in itertools.combinations(range(len(faces)), 2):
        mine, theirs = faces[one].tolist(), faces[other].tolist()
        if len(set(mine) & set(theirs)) < 2 and intersections._cross(
            vertices.numpy(), mine, theirs
        ):
            wanted[one] = wanted[other] = True
    assert 0 < sum(wanted) < len(wanted)
    assert intersecting_faces(vertices, faces).tolist() == wanted


def test_rounding_does_not_decide() -> None:
    """The plane of a face passes a vertex by less than float64 can tell when it subtracts."""
    tall = torch.tensor([[0.1, 0.1, 0.1], [0.7, 0.1, 0.3], [0.1, 0.9, 0.5]], dtype=torch.float64)
    inside = tall.mean(0)
    for step, wanted in ((1e-16, None), (1e-13, True), (-1e-13, False)):
        tip = inside - step * torch.tensor([0.0, 0, 1])
        second = torch.stack([tip, inside + torch.tensor([0.0, 0, 1]), inside + 1.0])
        found = bool(intersecting_faces(torch.cat([tall, second]), PAIR).all())
        exact = intersections._cross(torch.cat([tall, second]).numpy(), [0, 1, 2], [3, 4, 5])
        assert found == exact
        assert wanted is None or found == wanted


def test_two_spheres_cut_each_other_in_a_ring() -> None:
    one = primitive("sphere")
    vertices = torch.cat([one.vertices, one.vertices + torch.tensor([1.0, 0.01, 0.02])])
    faces = torch.cat([one.faces, one.faces + len(one.vertices)])
    hit = intersecting_faces(vertices, faces)
    middles = vertices[faces].mean(1)
    assert 0.01 < hit.double().mean() < 0.1
    both, apart = Mesh(vertices, faces), torch.cat([one.vertices, one.vertices + 5])
    again = measure(both, both)
    assert again.self_intersections == again.self_intersections_at_rest > 0
    assert again.new_self_intersections == 0
    collided = measure(both, Mesh(apart, faces))
    assert collided.self_intersections_at_rest == 0
    assert collided.new_self_intersections == collided.self_intersections
    assert (middles[hit][:, 0] - 0.5).abs().max() < 0.1  # the plane halfway between
    assert measure(one).self_intersections == 0


def test_edges_and_areas_by_hand() -> None:
    vertices = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 4, 0]])  # edges of 3, 4 and 5
    found = measure(Mesh(vertices, torch.tensor([[0, 1, 2]])))
    assert found.edge_spread == pytest.approx(math.sqrt(2 / 3) / 4)
    assert found.area_distortion is None


def test_area_distortion_is_the_mean_logarithm() -> None:
    rest = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [-3, 0, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])  # areas of 1/2 and 3/2
    moved = rest.clone()
    moved[1, 0] = 3  # both 3/2: shares go from 1/4 and 3/4 to 1/2
    wanted = 0.25 * math.log(2) + 0.75 * math.log(1.5)
    assert area_distortion(moved, rest, faces) == pytest.approx(wanted, rel=1e-6)
    assert area_distortion(5 * rest.flip(1), rest, faces) == pytest.approx(0, abs=1e-6)
    collapsed = rest.clone()
    collapsed[1] = 0
    wanted = 0.25 * math.log(1e6) + 0.75 * math.log(4 / 3)
    assert area_distortion(collapsed, rest, faces) == pytest.approx(wanted, rel=1e-5)


def test_what_cannot_be_measured_is_told() -> None:
    mesh = octahedron()
    with pytest.raises(InputError, match="expected the same faces in the mesh and in its rest"):
        measure(mesh, Mesh(mesh.vertices, mesh.faces.flip(0)))
    with pytest.raises(InputError, match="vertices with NaN or infinite values"):
        measure(Mesh(mesh.vertices * float("nan"), mesh.faces))


def test_flat_meshes_are_decided_without_fractions(monkeypatch: pytest.MonkeyPatch) -> None:
    """All faces in one plane, or in planes that rounding cannot tell apart: that is common."""
    flat = Mesh(torch.tensor([[0.0, 0, 0.1], [1, 0, 0.1], [0, 1, 0.1]]), torch.tensor([[0, 1, 2]]))
    mesh = subdivide(flat, 0.05)
    asked = []
    monkeypatch.setattr(intersections, "_cross", lambda *args: asked.append(args))
    turned = mesh.vertices.double() @ torch.linalg.qr(torch.eye(3) + 0.3)[0].double()
    for vertices in (mesh.vertices, turned):
        assert not intersecting_faces(vertices, mesh.faces).any()
    assert len(asked) < 0.01 * len(mesh.faces)


def test_without_numba_it_is_told_what_is_missing() -> None:
    script = """
import sys
sys.modules["numba"] = None  # an import of it fails
from guidance.errors import InputError
from guidance.evaluate.shape import measure
from guidance.geometry.primitives import octahedron
try:
    measure(octahedron())
except InputError as error:
    assert "found by numba" in str(error) and "pip install numba" in str(error)
else:
    raise SystemExit("nothing was told")
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
