"""Variation of views: anchors, field of view, light, and textureless views."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from guidance.errors import InputError
from guidance.meshes import MeshScenes
from guidance.outputs import Rendering
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.cameras.sampling.anchor import (
    AZIMUTH_SD_DEG,
    ELEVATION_SD_DEG,
    Anchor,
    sample_around,
)
from guidance.rendering.cameras.sampling.variety import Variety, equivalent_radius
from guidance.rendering.environment import find_environment
from guidance.rendering.material import MaterialMesh, pack_material, render_material
from guidance.rendering.normals import show_normals
from guidance.rendering.shading import GREY, Shading, render_mesh
from guidance.types import StepContext

from .scenes import BACKENDS, colors_of, egg

MANY = [StepContext((1, 2), step) for step in range(150)]


def test_cameras_gather_around_their_samples_anchor() -> None:
    orbit = Orbit(num_views=4, elevation_deg=(-60.0, 80.0), anchors=(Anchor(120.0, 20.0), None))
    cameras = [orbit(context) for context in MANY]
    azimuth = torch.cat([one.azimuth_deg[0] for one in cameras])
    away = (azimuth - 120 + 180) % 360 - 180
    # A normal distribution of 90 degrees, cut off at two of its standard deviations.
    assert float(away.mean()) == pytest.approx(0, abs=3)
    assert float(away.std()) == pytest.approx(0.88 * AZIMUTH_SD_DEG, rel=0.03)
    lift = torch.cat([one.elevation_deg[0] for one in cameras])
    assert lift.min() >= -60 and lift.max() <= 80
    assert float(lift.std()) == pytest.approx(0.757 * ELEVATION_SD_DEG, rel=0.05)
    plain = replace(orbit, anchors=())
    for context, one in zip(MANY, cameras, strict=True):
        assert torch.equal(one.azimuth_deg[1], plain(context).azimuth_deg[1])
        assert torch.equal(one.view[1], plain(context).view[1])


def test_half_of_the_shares_is_the_anchor_and_the_ends_are_half_a_turn_away() -> None:
    shares = torch.tensor([[[0.5, 0.5], [0.0, 0.0], [1.0, 1.0]]])
    azimuth, elevation = sample_around([Anchor(30.0, 10.0)], shares, (-35.0, 55.0))[0].unbind(-1)
    assert azimuth.tolist() == pytest.approx([30, -150, -150], abs=1e-3)
    assert elevation.tolist() == pytest.approx([10, -35, 55], abs=1e-3)


def test_validation_stays_where_it_was() -> None:
    varied = Orbit(
        anchors=(Anchor(90.0),) * 2, variety=Variety(20.0, 0.5, 0.3, 0.5), light_jitter=1.0
    )
    context = StepContext((1, 2), phase="validation")
    found, plain = varied(context), Orbit()(context)
    assert torch.equal(found.view, plain.view) and torch.equal(found.projection, plain.projection)
    assert found.strength is None and found.ambient is None and found.textureless is None


def test_the_front_turns_the_cameras_and_not_their_azimuths() -> None:
    turned, plain = Orbit(front_deg=90.0), Orbit()
    for context in (MANY[0], StepContext((1, 2), phase="validation")):
        found, before = turned(context), plain(context)
        assert torch.equal(found.azimuth_deg, before.azimuth_deg)
    eye = -(found.view[0, 0, :3, :3].mT @ found.view[0, 0, :3, 3])
    assert eye[0] > 2 and abs(float(eye[2])) < 1e-5  # from +x


def test_another_angle_of_view_keeps_the_size() -> None:
    orbit = Orbit(num_views=3, size=(96, 96), variety=Variety(fov_deg=20.0), offset=0.2)
    scene = egg(3, 1)
    areas, lenses = [], []
    for step in range(6):
        cameras = orbit(StepContext((1,), step))
        lenses += cameras.projection[0, :, 1, 1].tolist()
        alpha = render_mesh(scene, cameras).alpha
        assert alpha is not None
        areas += alpha[0].sum((-3, -2, -1)).tolist()
    assert max(lenses) / min(lenses) > 1.8
    assert max(areas) / min(areas) < 1.03
    assert equivalent_radius(3.0, 45.0, 45.0) == pytest.approx(3.0)
    assert equivalent_radius(3.0, 45.0, 20.0) > 6
    assert 1 < equivalent_radius(3.0, 45.0, 70.0) < 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_light_and_ambient_light_are_each_pictures_own(backend: Any) -> None:
    scene = egg(2, 2)
    colors = colors_of(scene)
    cameras = Orbit(num_views=2, size=(24, 24)).fixed(2)
    strength, ambient = torch.tensor([[1.0, 0.5], [0.2, 1.0]]), torch.tensor([[0.3, 0], [-0.9, 0]])
    varied = replace(cameras, strength=strength, ambient=ambient)
    shading = Shading(ambient=0.4, backend=backend)
    found = render_mesh(scene, varied, colors, shading).image
    for n, v, around in ((0, 0, 0.7), (0, 1, 0.4), (1, 0, 0.0), (1, 1, 0.4)):
        light = cameras.light * strength[..., None]
        one = render_mesh(
            scene, replace(cameras, light=light), colors, replace(shading, ambient=around)
        )
        torch.testing.assert_close(found[n, v], one.image[n, v], atol=1e-6, rtol=0)


def test_both_backends_have_the_same_gradient_under_varied_light() -> None:
    scene = egg(2, 1)
    cameras = replace(
        Orbit(num_views=2, size=(24, 24)).fixed(1),
        strength=torch.tensor([[0.5, 1.0]]),
        ambient=torch.tensor([[0.2, -0.1]]),
        textureless=torch.tensor([[True, False]]),
    )
    slopes = []
    for backend in ("cpu", "torch"):
        vertices = scene.vertices.clone().requires_grad_()
        colors = colors_of(scene).requires_grad_()
        moved = replace(scene, vertices=vertices)
        picture = render_mesh(moved, cameras, colors, Shading(backend=backend)).image
        slopes.append(torch.autograd.grad(picture.square().sum(), [vertices, colors]))
    for mine, twins in zip(*slopes, strict=True):
        assert torch.cosine_similarity(mine.flatten(), twins.flatten(), dim=0) > 0.999
        torch.testing.assert_close(mine, twins, atol=2e-3, rtol=1e-2)


def test_textureless_views_are_grey_and_pass_no_gradient_to_colours() -> None:
    scene = egg(2, 2)
    colors = colors_of(scene).requires_grad_()
    shown = torch.tensor([[True, False], [False, False]])
    cameras = replace(Orbit(num_views=2, size=(24, 24)).fixed(2), textureless=shown)
    found = render_mesh(scene, cameras, colors).image
    grey = render_mesh(scene, cameras).image
    painted = render_mesh(scene, replace(cameras, textureless=None), colors).image
    assert torch.equal(found[0, 0], grey[0, 0]) and torch.equal(found[~shown], painted[~shown])
    assert found[0, 0].max() <= GREY + 1e-6
    (slope,) = torch.autograd.grad(found[0, 0].sum(), colors, retain_graph=True)
    assert not slope.any()
    (slope,) = torch.autograd.grad(found[0, 1].sum(), colors)
    assert slope[0].any() and not slope[1].any()


def test_the_share_of_textureless_views_is_kept_over_steps() -> None:
    orbit = Orbit(num_views=3, variety=Variety(textureless=0.4))
    drawn = [orbit(context).textureless for context in MANY]
    counts = torch.stack([one.sum(-1) for one in drawn if one is not None])
    assert counts.min() == 1 and counts.max() == 2  # 1.2 of 3
    assert float(counts.double().mean()) == pytest.approx(1.2, abs=0.08)
    each = torch.cat([one for one in drawn if one is not None]).double().mean(0)
    assert each.min() > 0.3  # any of the views may be it
    assert orbit(StepContext((1,), 3)).textureless is not None
    every = Orbit(variety=Variety(textureless=1.0))(MANY[0]).textureless
    assert every is not None and every.all()


def test_a_sample_is_drawn_for_whatever_its_neighbours() -> None:
    orbit = Orbit(variety=Variety(10.0, 0.5, 0.3, 0.5))
    one, two = orbit(StepContext((5,), 3)), orbit(StepContext((9, 5), 3))
    for name in ("view", "projection", "strength", "ambient", "textureless"):
        assert torch.equal(getattr(one, name)[0], getattr(two, name)[1])
        assert not torch.equal(getattr(one, name)[0], getattr(orbit(StepContext((5,), 4)), name)[0])


def test_a_material_is_darker_in_weaker_light() -> None:
    from guidance.generators.mesh.textured import TexturedMesh

    mesh = TexturedMesh.tiny(1).mesh(0)
    assert mesh.material is not None
    cameras = Orbit(num_views=1, size=(24, 24)).fixed(1)
    pictures = [
        render_material(
            MaterialMesh.of(mesh),
            pack_material(mesh.material)[None],
            replace(cameras, strength=torch.tensor([[strength]])),
            find_environment("studio"),
        ).image.mean()
        for strength in (1.0, 0.5, 0.0)
    ]
    assert pictures[0] > 1.2 * pictures[1] > 0 and pictures[2] == 0


def test_normals_are_colours_of_directions() -> None:
    scene = egg(3, 1)
    rendering = render_mesh(
        scene, Orbit(num_views=2, size=(48, 48), elevation_deg=(0.0, 0.0)).fixed(1)
    )
    pictures = show_normals(rendering)
    assert pictures.shape == (1, 2, 3, 48, 48)
    assert torch.equal(pictures[..., 0, 0], torch.ones(1, 2, 3))  # white behind
    middle = pictures[0, :, :, 24, 24]
    assert (middle[:, 2] > 0.99).all() and (middle[:, :2] - 0.5).abs().max() < 0.1
    right, left, top, bottom = ((24, 38), (24, 9), (10, 24), (38, 24))
    assert pictures[0, 0, 0][right] > 0.7 and pictures[0, 0, 0][left] < 0.3  # red to the right
    assert pictures[0, 0, 1][top] > 0.7 and pictures[0, 0, 1][bottom] < 0.3  # green upwards
    cameras = rendering.cameras
    assert cameras is not None
    several = Rendering(rendering.image, None, MeshScenes((scene,)), cameras)
    assert torch.equal(show_normals(several), pictures)
    with pytest.raises(InputError, match="expected a rendering of a mesh with its cameras"):
        show_normals(Rendering(torch.zeros(1, 1, 3, 4, 4)))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Variety(fov_deg=-1.0), r"Variety.fov_deg: expected 0 to 90, got -1"),
        (lambda: Variety(strength=1.5), r"Variety.strength: expected 0 to 1, got 1.5"),
        (lambda: Variety(ambient=math.nan), r"Variety.ambient: expected 0 to 1, got nan"),
        (
            lambda: Variety(textureless=2.0),
            r"Variety.textureless: expected a share",
        ),
        (
            lambda: Orbit(fov_deg=20.0, variety=Variety(20.0)),
            r"\(0, 180\) degrees, got 20 plus or minus",
        ),
    ],
)
def test_what_cannot_be_is_told(make: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        make()
