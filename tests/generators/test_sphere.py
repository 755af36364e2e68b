"""The sphere that grows, beyond what every generator must do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from guidance.evaluate.shape import measure
from guidance.generators.mesh.sphere import START_SD, SphereMesh
from guidance.geometry.io.files import load_mesh
from guidance.geometry.normalization import fit_unit_sphere
from guidance.geometry.octasphere import MARGIN
from guidance.meshes import Mesh, MeshScene
from guidance.types import StepContext

SMALL = SphereMesh.Options(edge_length=0.15, finest=8, map_size=64, symmetric=False, reach=0.3)


def changed(**values: Any) -> SphereMesh.Options:
    """`SMALL` with other values."""
    return SphereMesh.Options(**{**dict(SMALL), **values})


def scene(generator: SphereMesh) -> MeshScene:
    found = generator(SphereMesh.tiny_views(generator.num_samples)).scene
    assert isinstance(found, MeshScene)
    return found


def apart(one: Tensor, other: Tensor) -> Tensor:
    """Distances; the usual way, by products, is only good to 3e-4."""
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")


def pulled(generator: SphereMesh, amount: float = 0.4) -> SphereMesh:
    """The same, moved and painted by noise."""
    draws = StepContext((5,))
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            parameter.add_(amount * draws.normal(name, *parameter.shape[1:]))
    return generator


def test_it_starts_as_a_sphere_that_seeds_dent_a_little() -> None:
    found = scene(SphereMesh([3, 4], SMALL))
    away = found.vertices.norm(dim=-1) - 1
    assert 0 < away.abs().max() < 2 * START_SD
    assert not torch.equal(found.vertices[0], found.vertices[1])


def test_one_vertex_pulls_its_surroundings_along_as_far_as_it_reaches() -> None:
    moved = []
    for reach in (0.1, 0.4):
        generator = SphereMesh([0], changed(reach=reach))
        with torch.no_grad():
            generator.displacements.zero_()
            top = int(generator.get_buffer("rest")[:, 1].argmax())
            generator.displacements[0, top, 1] = 100.0
        away = (generator.finer(generator.smoothing(generator.displacements)))[0].norm(dim=-1)
        moved.append(float((away > 0.1 * away.max()).double().mean()))
    assert 0 < moved[0] < 0.5 * moved[1]


def test_noise_leaves_no_creases() -> None:
    generator = pulled(
        SphereMesh([0], SphereMesh.Options(edge_length=0.08, reach=0.3, symmetric=False)), 1.0
    )
    found = scene(generator)
    mesh = Mesh(found.vertices[0].detach(), found.faces)
    assert measure(mesh).self_intersections == 0


def test_symmetric_ones_stay_symmetric(tmp_path: Path) -> None:
    generator = pulled(SphereMesh([0], changed(symmetric=True)))
    mesh = generator.mesh(0)
    mirror = mesh.vertices * torch.tensor([-1.0, 1, 1])
    assert apart(mesh.vertices, mirror).min(1).values.max() < 1e-5
    assert mesh.material is not None
    color = mesh.material.base_color  # the mirror of the sphere is that of the square
    assert torch.allclose(color, color.flip(-1), atol=1e-3)
    lopsided = pulled(SphereMesh([0], SMALL)).mesh(0)
    mirror = lopsided.vertices * torch.tensor([-1.0, 1, 1])
    assert apart(lopsided.vertices, mirror).min(1).values.max() > 0.01


def test_its_map_has_no_seam(tmp_path: Path) -> None:
    """On both sides of a cut the map has the same colours, at its border and beyond."""
    generator = pulled(SphereMesh([0], changed(map_size=256)), 1.0)
    mesh = generator.mesh(0)
    assert mesh.material is not None
    color = mesh.material.base_color
    edge = round(256 * MARGIN)
    for row in (color[:, edge], color[:, -edge - 1], color[:, :, edge], color[:, :, -edge - 1]):
        inner = row[:, edge:-edge]
        assert (inner - inner.flip(-1)).abs().max() < 0.1, "the halves of an edge are glued"
        assert inner.std() > 0.05
    for row in range(edge):
        padded = color[:, row, 2 * edge : -2 * edge]
        assert torch.allclose(padded, color[:, edge, 2 * edge : -2 * edge], atol=0.05)


def test_its_files_load_again(tmp_path: Path) -> None:
    generator = pulled(SphereMesh([0, 1], SMALL))
    files = generator.export(tmp_path, 1)
    maps = [f"mesh_{name}.png" for name in ("base_color", "roughness", "metallic", "normal")]
    assert [file.name for file in files] == ["mesh.glb", "mesh.obj", "mesh.mtl", *maps]
    glb, obj = (load_mesh(tmp_path / f"mesh.{suffix}").mesh for suffix in ("glb", "obj"))
    wanted = generator.mesh(1)
    for mesh in (glb, obj):
        assert len(mesh.faces) == len(wanted.faces)
        assert mesh.uv is not None and mesh.face_uv is not None
        places = mesh.vertices[mesh.faces].flatten(0, 1)
        assert torch.allclose(places, wanted.vertices[wanted.faces].flatten(0, 1), atol=1e-6)


def test_what_is_framed_fits_the_unit_sphere_and_knows_no_size_or_place() -> None:
    draws = StepContext((1, 2)).normal("test", 50, 3) * torch.tensor([1.0, 3, 0.5])
    found = fit_unit_sphere(draws)
    low, high = found.amin(1), found.amax(1)
    assert torch.allclose(low + high, torch.zeros(2, 3), atol=1e-5)
    assert torch.allclose(found.norm(dim=-1).amax(1), torch.ones(2))
    assert torch.allclose(fit_unit_sphere(7 * draws + 3), found, atol=1e-5)
    vertices = draws.double().requires_grad_()
    weights = StepContext((3, 4)).normal("weights", 50, 3)
    (slope,) = torch.autograd.grad((fit_unit_sphere(vertices) * weights).sum(), vertices)
    assert slope.sum(1).abs().max() < 1e-9, "a shift of the whole has no gradient"
    middle = vertices - vertices.mean(1, keepdim=True)
    assert (slope * middle).sum((1, 2)).abs().max() < 1e-9, "nor has its scale"
    assert fit_unit_sphere(torch.zeros(1, 0, 3)).shape == (1, 0, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SphereMesh.Options(edge_length=0.0), "expected more than 0"),
        (lambda: SphereMesh.Options(map_size=0), "expected at least 16"),
        (lambda: SphereMesh.Options(reach=-1.0), "expected at least 0"),
        (
            lambda: SphereMesh([0], SphereMesh.Options(edge_length=0.001)),
            "octasphere: expected 1 to 316",
        ),
        (lambda: SphereMesh([0], changed(finest=5)), "finest: expected a power of two"),
        (SphereMesh.tiny(), "SphereMesh: needs cameras; give views=Orbit"),
    ],
)
def test_what_makes_no_sense_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def test_parameters_that_are_seen_are_smoothed_on_any_number_of_samples() -> None:
    one, two = SphereMesh([7], SMALL), SphereMesh([5, 7], SMALL)
    views: Tensor = scene(two).vertices[1]
    assert torch.equal(scene(one).vertices[0], views)
