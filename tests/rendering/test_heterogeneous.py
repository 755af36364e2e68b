"""Meshes of different topology in one call: each as if it were rendered alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from guidance.errors import InputError
from guidance.geometry.octasphere import octasphere
from guidance.geometry.primitives import octahedron
from guidance.meshes import Mesh, MeshScene, MeshScenes
from guidance.rendering.heterogeneous import of_sample, render_meshes
from guidance.rendering.normals import show_normals
from guidance.rendering.shading import Shading, render_mesh
from guidance.types import StepContext

from .scenes import orbit

CAMERAS = orbit()(StepContext((1, 2)))


def scene(mesh: Mesh) -> MeshScene:
    vertices = mesh.vertices[None].clone().requires_grad_()
    return MeshScene(vertices, mesh.faces, mesh.vertices)


def test_each_is_drawn_as_if_alone() -> None:
    scenes = MeshScenes((scene(octahedron()), scene(octasphere(5))))
    colors = [torch.rand_like(mesh.vertices) for mesh in scenes.meshes]
    found = render_meshes(scenes, CAMERAS, colors)
    assert found.alpha is not None and found.image.shape == (2, 3, 3, 48, 64)
    assert found.scene is scenes and found.cameras is CAMERAS
    weights = torch.rand(found.image.shape)
    (found.over() * weights).sum().backward()
    for i, mesh in enumerate((octahedron(), octasphere(5))):
        own = scene(mesh)
        alone = render_mesh(own, of_sample(CAMERAS, i), colors[i])
        assert torch.equal(alone.image, found.image[i : i + 1])
        (alone.over() * weights[i]).sum().backward()
        assert own.vertices.grad is not None
        assert torch.equal(own.vertices.grad, scenes.meshes[i].vertices.grad)


def test_a_mesh_without_faces_is_not_seen_and_has_no_gradient() -> None:
    nothing = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long))
    scenes = MeshScenes((scene(nothing), scene(octahedron())))
    for threads in (1, 2):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        found = render_meshes(scenes, CAMERAS)
        found.over().sum().backward()
        torch.set_num_threads(before)
    assert found.alpha is not None and found.alpha[0].max() == 0 < found.alpha[1].max()


def test_views_that_are_textureless_stay_with_their_sample() -> None:
    scenes = MeshScenes((scene(octahedron()), scene(octahedron())))
    red = torch.tensor([1.0, 0, 0]).expand(1, 6, 3).contiguous()
    marks = torch.tensor([[True, False, False], [False, False, True]])
    found = render_meshes(scenes, replace(CAMERAS, textureless=marks), [red, red])
    green = found.image[:, :, 1].amax((-2, -1)) > 0
    assert torch.equal(green, marks)


def test_bare_views_can_show_normals_and_these_push_the_shape() -> None:
    mesh = scene(octasphere(5))
    scenes = MeshScenes((mesh, scene(octahedron())))
    shown = replace(CAMERAS, textureless=torch.ones(2, 3, dtype=torch.bool))
    colors = [torch.rand_like(one.vertices) for one in scenes.meshes]
    found = render_meshes(scenes, shown, colors, Shading(bare="normals"))
    assert found.alpha is not None and (found.image <= found.alpha + 1e-6).all()
    torch.testing.assert_close(found.over().clamp(0, 1), show_normals(found), atol=1e-5, rtol=0)
    blue, green = found.image[0, :, 2], found.image[0, :, 1]
    assert (blue[found.alpha[0, :, 0] == 1] > 0.45).all(), "what is seen looks to the camera"
    assert green.amax() > 0.9
    (slope,) = torch.autograd.grad(found.image[0].square().sum(), mesh.vertices)
    assert slope.isfinite().all() and slope.abs().sum() > 0


def test_another_number_of_meshes_is_refused() -> None:
    scenes = MeshScenes((scene(octahedron()),))
    with pytest.raises(InputError, match="got cameras for 2, 1 meshes"):
        render_meshes(scenes, CAMERAS)
    both = MeshScenes((scene(octahedron()), scene(octahedron())))
    with pytest.raises(InputError, match="got cameras for 2, 2 meshes, 1 sets of colors"):
        render_meshes(both, CAMERAS, [torch.ones(1, 6, 3)])
