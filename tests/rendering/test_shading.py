"""Images of meshes: shading, alpha, colors by a function, several samples at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import MeshScene
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.shading import GREY, Paint, Shading, render_mesh, to_clip
from guidance.types import StepContext
from guidance.views import Cameras

from .scenes import BACKENDS, colors_of, egg, orbit, sheet, sphere

SCENE, CAMERAS = egg(3), orbit()(StepContext((1, 2)))


def drawn(
    colors: Any = None, scene: MeshScene = SCENE, cameras: Cameras = CAMERAS, **shading: Any
) -> tuple[Tensor, Tensor]:
    found = render_mesh(scene, cameras, colors, Shading(**shading))
    assert found.alpha is not None
    return found.image, found.alpha


@pytest.mark.parametrize("backend", BACKENDS)
def test_shapes_range_and_what_comes_along(backend: Any) -> None:
    found = render_mesh(SCENE, CAMERAS, colors_of(SCENE), Shading(backend=backend))
    assert found.alpha is not None
    assert found.image.shape == (2, 3, 3, 48, 64) and found.alpha.shape == (2, 3, 1, 48, 64)
    assert found.scene is SCENE and found.cameras is CAMERAS
    for picture in (found.image, found.alpha, found.over(1.0)):
        assert picture.min() >= 0 and picture.max() <= 1 + 1e-6
    inner, edge = (found.alpha == 1).float().mean(), ((found.alpha % 1) > 0).float().mean()
    assert inner > 0.1 and 0.005 < edge < 0.1


def test_pictures_are_premultiplied() -> None:
    """A white mesh without shades is its own alpha, and cannot be told from a white background."""
    white = torch.ones_like(SCENE.vertices)
    image, alpha = drawn(white, ambient=1.0)
    torch.testing.assert_close(image, alpha.expand_as(image))
    whole = render_mesh(SCENE, CAMERAS, white, Shading(ambient=1.0)).over(1.0)
    torch.testing.assert_close(whole, torch.ones_like(whole))


def test_without_colors_it_is_grey() -> None:
    image, alpha = drawn(ambient=1.0)
    torch.testing.assert_close(image, GREY * alpha.expand_as(image))
    same, _ = drawn(torch.full_like(SCENE.vertices, GREY), ambient=1.0)
    torch.testing.assert_close(image, same)


def test_shading_is_between_ambient_light_and_full() -> None:
    dark, alpha = drawn(torch.ones_like(SCENE.vertices), ambient=0.0)
    half, _ = drawn(torch.ones_like(SCENE.vertices), ambient=0.5)
    inside = (alpha == 1).expand_as(dark)
    assert dark[inside].min() == 0 and dark[inside].max() > 0.99
    torch.testing.assert_close(half[inside], 0.5 + 0.5 * dark[inside])
    default = render_mesh(SCENE, CAMERAS, torch.ones_like(SCENE.vertices)).image
    assert torch.equal(default, half)


def test_a_sphere_is_bright_where_it_faces_the_light() -> None:
    vertices, faces = sphere(5)
    scene, cameras = MeshScene(vertices[None], faces, vertices), Orbit(num_views=3).fixed(1)
    places, alpha = drawn(vertices[None] / 2 + 0.5, scene, cameras, ambient=1.0)
    light, _ = drawn(torch.ones(1, len(vertices), 3), scene, cameras, ambient=0.2)
    normal = 2 * places - 1
    expected = 0.2 + 0.8 * (normal * cameras.light[..., None, None]).sum(2).clamp_min(0)
    inside = alpha[:, :, 0] == 1
    torch.testing.assert_close(light[:, :, 0][inside], expected[inside], atol=4e-3, rtol=0)


def test_backs_are_lit_if_two_sided_only() -> None:
    turned = replace(SCENE, faces=SCENE.faces.flip(1))  # which turns the normals inwards
    plain = torch.ones_like(SCENE.vertices)
    front, alpha = drawn(plain, ambient=0.2)
    both, _ = drawn(plain, turned, ambient=0.2, two_sided=True)
    one, _ = drawn(plain, turned, ambient=0.2, two_sided=False)
    inside = (alpha == 1).expand_as(front)
    torch.testing.assert_close(both[inside], front[inside], atol=1e-5, rtol=0)
    torch.testing.assert_close(one[inside], torch.full_like(one[inside], 0.2))
    outside, _ = drawn(plain, ambient=0.2, two_sided=False)
    torch.testing.assert_close(outside[inside], front[inside])


@pytest.mark.parametrize("backend", BACKENDS)
def test_paint_agrees_with_colors_of_vertices(backend: Any) -> None:
    """Where the function gives the interpolated colors, images and gradients are the same."""
    found = []
    for by_function in (False, True):
        vertices = SCENE.vertices.clone().requires_grad_()
        colors = colors_of(SCENE).requires_grad_()
        paint = Paint(colors, lambda values, samples: values) if by_function else colors
        shading = Shading(ambient=0.3, backend=backend)
        picture = render_mesh(replace(SCENE, vertices=vertices), CAMERAS, paint, shading).image
        weights = torch.rand(picture.shape, generator=torch.Generator().manual_seed(2))
        (picture * weights).sum().backward()
        assert vertices.grad is not None and colors.grad is not None
        found.append((picture.detach(), vertices.grad, colors.grad))
    (plain, *slopes), (painted, *others) = found
    torch.testing.assert_close(painted, plain, atol=1e-5, rtol=0)
    for slope, other in zip(slopes, others, strict=True):
        assert (other - slope).norm() < 1e-3 * slope.norm()


def test_paint_knows_samples_and_sees_covered_pixels_only() -> None:
    asked: list[tuple[Tensor, Tensor]] = []

    def function(values: Tensor, samples: Tensor) -> Tensor:
        asked.append((values, samples))
        return torch.stack([samples.float(), values[:, 0], 1 - samples.float()], 1)

    attributes = torch.full((*SCENE.vertices.shape[:2], 5), 0.5)  # as many as a field wants
    image, alpha = drawn(Paint(attributes, function), ambient=1.0)
    values, samples = asked[0]
    assert len(asked) == 1 and values.shape == (len(samples), 5)
    assert samples.bincount().tolist() == pytest.approx(alpha.sum((1, 2, 3, 4)).tolist(), rel=0.02)
    expected = torch.tensor([[0.0, 0.5, 1], [1, 0.5, 0]])[:, None, :, None, None] * alpha
    torch.testing.assert_close(image, expected, atol=1e-5, rtol=0)
    dim, _ = drawn(Paint(attributes, function), ambient=0.2)
    assert (dim <= image + 1e-6).all() and dim.sum() < 0.9 * image.sum()


def test_paint_may_have_nothing_to_paint() -> None:
    away = replace(SCENE, vertices=SCENE.vertices + 100)
    image, alpha = drawn(Paint(colors_of(SCENE), lambda values, samples: values), away)
    assert (image == 0).all() and (alpha == 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_samples_and_views_equal_one_by_one(backend: Any) -> None:
    colors = colors_of(SCENE)
    image, alpha = drawn(colors, backend=backend)
    for n in range(2):
        for v in range(3):
            fields = {
                name: getattr(CAMERAS, name)[n : n + 1, v : v + 1]
                for name in ("view", "projection", "light", "azimuth_deg", "elevation_deg")
            }
            scene = replace(SCENE, vertices=SCENE.vertices[n : n + 1])
            alone = drawn(colors[n : n + 1], scene, replace(CAMERAS, **fields), backend=backend)
            torch.testing.assert_close(alone[0][0, 0], image[n, v], atol=2e-5, rtol=0)
            torch.testing.assert_close(alone[1][0, 0], alpha[n, v], atol=2e-5, rtol=0)


def test_a_sample_has_no_gradient_from_another() -> None:
    vertices = SCENE.vertices.clone().requires_grad_()
    colors = colors_of(SCENE).requires_grad_()
    render_mesh(replace(SCENE, vertices=vertices), CAMERAS, colors).image[1].sum().backward()
    for leaf in (vertices, colors):
        assert leaf.grad is not None
        assert (leaf.grad[0] == 0).all() and leaf.grad[1].norm() > 0


def test_clip_coordinates_are_those_of_each_camera() -> None:
    clip = to_clip(SCENE.vertices, CAMERAS)
    assert clip.shape == (6, SCENE.vertices.shape[1], 4) and clip.is_contiguous()
    point = torch.cat([SCENE.vertices[1, 7], torch.ones(1)])
    expected = CAMERAS.projection[1, 2] @ CAMERAS.view[1, 2] @ point
    torch.testing.assert_close(clip[5, 7], expected)


def test_what_does_not_fit_is_refused() -> None:
    one = Orbit(num_views=1, size=(8, 8)).fixed(1)
    with pytest.raises(InputError, match=r"expected cameras for 2 meshes, got .* 1 samples"):
        render_mesh(SCENE, one)
    fewer = colors_of(SCENE)[:, 1:]
    with pytest.raises(InputError, match=r"a color for each vertex, \[2, 642, 3\], got \[2, 641"):
        render_mesh(SCENE, CAMERAS, fewer)
    for wrong, size in ((fewer, r"\[2, 641\]"), (colors_of(SCENE)[:1], r"\[1, 642\]")):
        with pytest.raises(
            InputError, match=rf"attributes for each vertex, \[2, 642\], got {size}"
        ):
            render_mesh(SCENE, CAMERAS, Paint(wrong, lambda values, samples: values))
    elsewhere = Orbit(num_views=1, size=(8, 8), device="meta").fixed(2)
    with pytest.raises(InputError, match="on meta, the meshes on cpu; pass device='cpu'"):
        render_mesh(SCENE, elsewhere)


@pytest.mark.parametrize("ambient", [-0.1, 1.5, float("nan")])
def test_ambient_light_is_a_share(ambient: float) -> None:
    with pytest.raises(InputError, match=r"Shading: expected ambient light in \[0, 1\], got"):
        Shading(ambient=ambient)


def test_nearer_surfaces_hide_others() -> None:
    vertices, faces = sheet(2, reach=0.5)
    both = torch.cat([vertices, vertices - torch.tensor([0.0, 0, 0.5])])
    scene = MeshScene(both[None], torch.cat([faces, faces + len(vertices)]), both)
    red, blue = torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0, 1])
    colors = torch.cat([red.expand(9, 3), blue.expand(9, 3)])[None]
    cameras = Orbit(num_views=2, size=(16, 16), elevation_deg=(0.0, 0.0)).fixed(1)
    image, _ = drawn(colors, scene, cameras, ambient=1.0)
    torch.testing.assert_close(image[0, 0, :, 8, 8], red)
    torch.testing.assert_close(image[0, 1, :, 8, 8], blue)
