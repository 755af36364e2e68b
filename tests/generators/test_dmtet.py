"""The surface of a grid's distances, beyond what every generator must do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.generators.mesh.dmtet import DMTet
from guidance.geometry.tetrahedra import TetrahedralGrid
from guidance.geometry.topology import edge_sides
from guidance.losses.eikonal import Eikonal
from guidance.losses.normal_consistency import NormalConsistency
from guidance.meshes import MeshScene, MeshScenes
from guidance.outputs import Rendering
from guidance.types import StepContext

SMALL = DMTet.Options(cells=10, finest=8, symmetric=False)


def changed(**values: Any) -> DMTet.Options:
    """`SMALL` with other values."""
    return DMTet.Options(**{**dict(SMALL), **values})


def with_distances(generator: DMTet, function: object) -> DMTet:
    """The same with other distances in place of the ball's."""
    assert callable(function)
    with torch.no_grad():
        for level in generator.distances.levels:
            level.zero_()
        generator.get_buffer("ball").copy_(function(generator.lattice.places))
    return generator


def perturbed(generator: DMTet) -> DMTet:
    draws = StepContext((5,))
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            parameter.add_(0.1 * draws.normal(name, *parameter.shape[1:]))
    return generator


def apart(one: Tensor, other: Tensor) -> Tensor:
    """Distances; the usual way, by products, is only good to 3e-4."""
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")


def euler(mesh: MeshScene) -> int:
    return mesh.vertices.shape[1] - len(edge_sides(mesh.faces).edges) + len(mesh.faces)


def test_it_starts_as_a_ball_that_fills_its_pictures() -> None:
    scenes = DMTet([3, 4], changed(cells=24)).scenes()
    for mesh in scenes.meshes:
        assert edge_sides(mesh.faces).is_closed() and euler(mesh) == 2
        radius = mesh.vertices[0].detach().norm(dim=1)
        assert radius.max() == pytest.approx(1, abs=1e-5) and radius.min() > 0.9


def test_each_sample_has_a_topology_of_its_own() -> None:
    generator = DMTet([0, 1], changed(cells=20))
    y = generator.lattice.places[:, 1]
    with torch.no_grad():  # the second one is cut in two at its waist
        level = generator.distances.levels[-1]
        middle = level.shape[-1] // 2
        level[1, :, :, middle - 1 : middle + 1] += 1.0
    first, second = generator.scenes().meshes
    assert euler(first) == 2 and euler(second) == 4
    assert edge_sides(second.faces).is_closed() and y.max() > 1


def test_it_stays_closed_within_its_ball_whatever_the_distances() -> None:
    generator = DMTet([0], SMALL)
    with torch.no_grad():
        generator.distances.levels[0].sub_(5.0)  # everything is inside
    (mesh,) = generator.scenes().meshes
    assert edge_sides(mesh.faces).is_closed() and euler(mesh) == 2
    assert mesh.vertices[0].norm(dim=1).min() > 0.8


def test_a_surface_that_has_vanished_comes_back_and_the_others_stay() -> None:
    generator = DMTet([0, 1], SMALL)
    with torch.no_grad():
        generator.distances.levels[0][0].add_(2.0)
        generator.distances.levels[-1][0].sub_(0.01 * torch.arange(8.0).view(1, 1, 8, 1))
    before = [level[1].clone() for level in generator.distances.levels]
    gone, there = generator.scenes().meshes
    assert len(gone.faces) == 0 and len(there.faces) > 0
    rendering = generator(DMTet.tiny_views(2))
    assert rendering.alpha is not None and rendering.alpha[0].max() == 0
    rendering.over().sum().backward()
    with torch.no_grad():
        generator.project()
    back, _ = generator.scenes().meshes
    assert len(back.faces) > 0 and edge_sides(back.faces).is_closed()
    for level, old in zip(generator.distances.levels, before, strict=True):
        assert torch.equal(level[1], old)


def test_symmetric_ones_stay_symmetric() -> None:
    mesh = perturbed(DMTet([0], changed(symmetric=True))).mesh(0)
    mirror = mesh.vertices * torch.tensor([-1.0, 1, 1])
    found = apart(mesh.vertices, mirror).min(1)
    assert found.values.max() < 1e-4
    assert mesh.colors is not None
    assert torch.allclose(mesh.colors[found.indices], mesh.colors, atol=1e-3)
    lopsided = perturbed(DMTet([0], SMALL)).mesh(0)
    mirror = lopsided.vertices * torch.tensor([-1.0, 1, 1])
    assert apart(lopsided.vertices, mirror).min(1).values.max() > 0.01


def test_losses_read_each_samples_mesh_and_distances() -> None:
    generator = perturbed(DMTet([0, 1], SMALL))
    rendering = generator(DMTet.tiny_views(2))
    assert isinstance(rendering.scene, MeshScenes)
    for loss in (Eikonal(), NormalConsistency()):
        both = loss(rendering, StepContext((0, 1)))
        assert both.shape == (2,) and both.requires_grad
        for sample, mesh in enumerate(rendering.scene.meshes):
            alone = Rendering(rendering.image[:1], None, mesh)
            assert torch.equal(loss(alone, StepContext((0,))), both[sample : sample + 1])


def test_distances_of_a_ball_cost_nearly_nothing_and_others_what_they_rise() -> None:
    ball = DMTet([0], changed(cells=24))
    found = [
        Eikonal()(with_distances(ball, function)(DMTet.tiny_views(1)), StepContext((0,))).item()
        for function in (
            lambda places: places.norm(dim=1) - 0.6,
            lambda places: 3 * (places[:, 1] - 0.1),
        )
    ]
    assert found[0] < 0.01 and found[1] > 1.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DMTet.Options(cells=1), "expected at least 6"),
        (lambda: TetrahedralGrid.of(1, 1.0), "TetrahedralGrid: expected 2 to 80 cells, got 1"),
        (lambda: DMTet([0], DMTet.Options(cells=8, finest=3)), "finest: expected a power of two"),
        (DMTet.tiny(), "DMTet: needs cameras; give views=Orbit"),
    ],
)
def test_what_makes_no_sense_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def test_meshes_without_distances_are_refused_by_the_eikonal_loss() -> None:
    mesh = MeshScene(torch.rand(1, 3, 3), torch.tensor([[0, 1, 2]]), torch.rand(3, 3))
    with pytest.raises(InputError, match="Eikonal: this mesh has no signed distances"):
        Eikonal()(Rendering(torch.zeros(1, 1, 3, 2, 2), None, mesh), StepContext((0,)))
