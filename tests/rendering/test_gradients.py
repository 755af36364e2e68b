"""Gradients against finite differences: of colors, inside surfaces, and at silhouettes.

Where an edge moves across a pixel's center the image changes in a way that no gradient at a point
can tell, so differences are taken over steps of about a pixel and compared within 10%.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from guidance.meshes import MeshScene
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.rasterizer.contract import rasterize
from guidance.rendering.shading import Shading, render_mesh, to_clip
from guidance.types import StepContext
from guidance.views import Cameras

from .scenes import BACKENDS, SUBDIVISIONS, colors_of, egg, orbit, sheet, sphere

#: Off from 0, where the sphere looks like its mirror image and slopes vanish.
VIEWS = Orbit(num_views=4, size=(64, 96), azimuth_deg=(10.0, 330.0), elevation_deg=(20.0, 20.0))
#: Cells of a sheet: 72, 1,250 and 20,000 triangles.
CELLS = (6, 25, 100)
CLOSE = 0.1
Number = Callable[[Tensor], Tensor]


def slope(function: Number, at: Tensor, step: float, along: Tensor | None = None) -> float:
    """A central difference, in double precision where the function is."""
    along = torch.ones_like(at) if along is None else along
    return float(function(at + step * along) - function(at - step * along)) / (2 * step)


def gradient(function: Number, at: Tensor) -> Tensor:
    leaf = at.clone().requires_grad_()
    (found,) = torch.autograd.grad(function(leaf), leaf)
    return found


def smooth(shape: torch.Size, seed: int = 0) -> Tensor:
    """Weights of an image's pixels in [0, 1] that differ from side to side, in double."""
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(shape[:-2].numel(), 1, 4, 4, generator=draw)
    fine = torch.nn.functional.interpolate(coarse, shape[-2:], mode="bicubic")
    return fine.view(shape).double()


def brightness(scene: MeshScene, cameras: Cameras, colors: Tensor, backend: Any) -> Tensor:
    """A weighted sum of colors and alpha, so that no two pixels count alike."""
    found = render_mesh(scene, cameras, colors, Shading(ambient=0.3, backend=backend))
    picture = torch.cat([found.image, found.alpha], 2).double()  # type: ignore[list-item]
    return (picture * smooth(picture.shape)).sum()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("subdivisions", SUBDIVISIONS)
def test_colors(subdivisions: int, backend: Any) -> None:
    """Images are linear in the colors: the slope is the same at any distance."""
    scene, cameras = egg(subdivisions), orbit()(StepContext((1, 2)))

    def shown(colors: Tensor) -> Tensor:
        return brightness(scene, cameras, colors, backend)

    colors = colors_of(scene)
    found = gradient(shown, colors)
    seen = found.abs().sum(-1).flatten().argsort(descending=True)[:3]  # sample and vertex
    for at in seen.tolist():
        one = torch.zeros_like(colors)
        one.view(-1, 3)[at, 1] = 1
        assert float((found * one).sum()) == pytest.approx(slope(shown, colors, 0.5, one), rel=5e-3)
    along = colors_of(scene, seed=8) - 0.5
    assert float((found * along).sum()) == pytest.approx(slope(shown, colors, 0.5, along), rel=5e-3)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cells", CELLS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_places_inside_a_surface(axis: int, cells: int, backend: Any) -> None:
    """A hilly sheet fills the image; waves move it sideways, up and down, to and fro."""
    vertices, faces = sheet(cells, reach=4.0)
    x, y = vertices[:, 0], vertices[:, 1]
    vertices = vertices + torch.stack([0 * x, 0 * x, 0.3 * (x + 0.5).cos() * (1.3 * y).sin()], -1)
    colors = (torch.stack([1.1 * x, y + 0.3, x - y], -1).sin() / 2 + 0.5)[None]
    cameras = Orbit(num_views=2, size=(48, 64), azimuth_deg=(-20.0, 20.0), light_jitter=0.0).fixed(
        1
    )

    def shown(places: Tensor) -> Tensor:
        return brightness(MeshScene(places[None], faces, vertices), cameras, colors, backend)

    assert float(rasterized(MeshScene(vertices[None], faces, vertices), cameras).min()) == 1
    along = torch.zeros_like(vertices)
    along[:, axis] = (0.9 * x + 0.4).sin() + (1.2 * y - 0.8).cos()
    expected = slope(shown, vertices, 0.02, along)
    assert abs(expected) > 1
    assert float((gradient(shown, vertices) * along).sum()) == pytest.approx(expected, rel=CLOSE)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_vertex_inside_a_surface(axis: int, backend: Any) -> None:
    vertices, faces = sheet(6, reach=4.0)
    colors = colors_of(MeshScene(vertices[None], faces, vertices))
    cameras = Orbit(num_views=2, size=(48, 64), azimuth_deg=(-20.0, 20.0)).fixed(1)

    def shown(places: Tensor) -> Tensor:
        return brightness(MeshScene(places[None], faces, vertices), cameras, colors, backend)

    one = torch.zeros_like(vertices)
    one[3 * 7 + 3, axis] = 1  # the middle one
    found = float((gradient(shown, vertices) * one).sum())
    assert found == pytest.approx(slope(shown, vertices, 0.01, one), rel=CLOSE)


def rasterized(scene: MeshScene, cameras: Cameras) -> Tensor:
    """What share of all images is covered, counted by the centers of pixels."""
    clip = to_clip(scene.vertices, cameras)
    fragments = rasterize(clip, scene.faces, cameras.height, cameras.width, "cpu")
    return (fragments.triangles >= 0).double().mean()


def fine(cameras: Orbit, times: int = 12) -> Cameras:
    size = (cameras.size[0] * times, cameras.size[1] * times)
    return Orbit(cameras.num_views, size, cameras.azimuth_deg, cameras.elevation_deg).fixed(1)


def areas(subdivisions: int, backend: Any) -> tuple[Number, Number]:
    """The area as a function of vertices: by alpha; and as it is, counted in a large image."""
    vertices, faces = sphere(subdivisions)
    cameras, large = VIEWS.fixed(1), fine(VIEWS)

    def scene(places: Tensor) -> MeshScene:
        return MeshScene(places[None], faces, vertices)

    def by_alpha(places: Tensor) -> Tensor:
        alpha = render_mesh(scene(places), cameras, None, Shading(backend=backend)).alpha
        assert alpha is not None
        return alpha.double().mean()

    return by_alpha, lambda places: rasterized(scene(places), large)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("subdivisions", SUBDIVISIONS)
def test_area_by_scale(subdivisions: int, backend: Any) -> None:
    vertices, _ = sphere(subdivisions)
    by_alpha, counted = areas(subdivisions, backend)
    vertices = 0.8 * vertices
    assert float(by_alpha(vertices)) == pytest.approx(float(counted(vertices)), rel=5e-3)
    found = float((gradient(by_alpha, vertices) * vertices).sum())
    assert found == pytest.approx(slope(by_alpha, vertices, 0.02, vertices), rel=CLOSE)
    assert found == pytest.approx(slope(counted, vertices, 0.02, vertices), rel=CLOSE)
    # And each axis by itself, so that mistakes of one cannot hide in the others' sum.
    for axis in range(3):
        along = vertices * torch.eye(3)[axis]
        found = float((gradient(by_alpha, vertices) * along).sum())
        assert found == pytest.approx(slope(counted, vertices, 0.02, along), rel=CLOSE), axis


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("subdivisions", SUBDIVISIONS)
def test_area_by_shift(subdivisions: int, backend: Any) -> None:
    """Half out of the image, moving in; and moving nearer. In the middle nothing changes."""
    vertices, faces = sphere(subdivisions)
    for size, start, move in (
        ((64, 64), (1.2, 0.1, 0.0), (1.0, 0.0, 0.0)),
        ((48, 64), (0.1, -1.1, 0.0), (0.0, 1.0, 0.0)),
        ((64, 64), (0.1, 0.2, 0.4), (0.0, 0.0, 1.0)),
    ):
        cameras = Orbit(num_views=1, size=size, elevation_deg=(0.0, 0.0))
        places, along = vertices + torch.tensor(start), torch.tensor(move).expand_as(vertices)

        def area(places: Tensor, cameras: Orbit = cameras) -> Tensor:
            scene = MeshScene(places[None], faces, vertices)
            alpha = render_mesh(scene, cameras.fixed(1), None, Shading(backend=backend)).alpha
            assert alpha is not None
            return alpha.double().mean()

        def counted(places: Tensor, cameras: Orbit = cameras) -> Tensor:
            return rasterized(MeshScene(places[None], faces, vertices), fine(cameras))

        found = float((gradient(area, places) * along).sum())
        assert found == pytest.approx(slope(area, places, 0.02, along), rel=CLOSE)
        assert found == pytest.approx(slope(counted, places, 0.02, along), rel=CLOSE)
    inside = gradient(area, 0.7 * vertices).sum(0)
    assert inside[:2].abs().max() < 0.02 * found


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_vertex_of_a_silhouette(backend: Any) -> None:
    """The sum of pixels by the coordinates that matter most, each by itself, on dented spheres.

    Slopes jump where a face is seen from its edge, and colors of faces that are nearly so change
    within a pixel: a few of the coordinates are allowed to differ more.
    """
    sphere_vertices, faces = sphere(1)
    colors = ((2 * sphere_vertices).sin() / 2 + 0.5)[None]
    cameras = Orbit(num_views=2, size=(128, 192), azimuth_deg=(10.0, 200.0)).fixed(1)

    def shown(places: Tensor) -> Tensor:
        return brightness(MeshScene(places[None], faces, sphere_vertices), cameras, colors, backend)

    ratios = []
    for seed in range(3):
        draw = torch.Generator().manual_seed(seed)
        vertices = sphere_vertices + 0.1 * torch.rand(sphere_vertices.shape, generator=draw)
        found = gradient(shown, vertices)
        for at in found.abs().flatten().argsort(descending=True)[:8].tolist():
            one = torch.zeros_like(vertices)
            one.view(-1)[at] = 1
            ratios.append(float(found.flatten()[at]) / slope(shown, vertices, 0.004, one))
    off = (torch.tensor(ratios) - 1).abs()
    assert (off < CLOSE).float().mean() > 0.9
    assert off.median() < 0.03 and off.max() < 0.25


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("subdivisions", SUBDIVISIONS)
def test_picture_by_waves_of_the_surface(subdivisions: int, backend: Any) -> None:
    """Color, light and silhouette at once, for smooth changes of shape."""
    vertices, faces = sphere(subdivisions)
    colors, cameras = (vertices[None] * 2).sin() / 2 + 0.5, VIEWS.fixed(1)

    def shown(places: Tensor) -> Tensor:
        return brightness(MeshScene(places[None], faces, vertices), cameras, colors, backend)

    found = gradient(shown, vertices)
    x, y, z = vertices.unbind(-1)
    for wave in (1 + x * y, (2 * y).sin(), x + 0.5 * z + 0.3):
        along = vertices * wave[:, None]
        expected = slope(shown, vertices, 0.02, along)
        assert float((found * along).sum()) == pytest.approx(expected, rel=CLOSE)


@pytest.mark.parametrize("backend", BACKENDS)
def test_silhouettes_before_another_surface(backend: Any) -> None:
    """A sphere before a wall: moving it blends the sphere's color into the wall's."""
    ball, ball_faces = sphere(3)
    wall, wall_faces = sheet(4, reach=6.0)
    faces = torch.cat([ball_faces, wall_faces + len(ball)])
    vertices = torch.cat([0.7 * ball, wall - torch.tensor([0.0, 0, 1])])
    colors = torch.cat([torch.full_like(ball, 0.9), torch.full_like(wall, 0.1)])[None]
    cameras = Orbit(num_views=2, size=(64, 64), azimuth_deg=(-20.0, 20.0)).fixed(1)

    def shown(places: Tensor) -> Tensor:
        return brightness(MeshScene(places[None], faces, vertices), cameras, colors, backend)

    along = torch.cat([ball, torch.zeros_like(wall)])
    expected = slope(shown, vertices, 0.02, along)
    found = gradient(shown, vertices)
    assert expected > 100
    assert float((found * along).sum()) == pytest.approx(expected, rel=CLOSE)
