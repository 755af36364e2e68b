"""Orbit: camera positions and projections, and independence of the samples."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.errors import InputError
from guidance.meshes import MeshScene
from guidance.rendering.cameras.orbit import LIGHT, Orbit, look_at, perspective
from guidance.rendering.shading import Shading, render_mesh
from guidance.types import StepContext
from guidance.views import Cameras

from .scenes import sphere

FIELDS = ("view", "projection", "light", "azimuth_deg", "elevation_deg")
WIDE = Orbit(num_views=3, size=(40, 60), offset=0.4)


def seen(cameras: Cameras, point: list[float]) -> Tensor:
    """Where a point of the world lies in the images: x, y in [-1, 1], depth; `[n, v, 3]`."""
    clip = (cameras.projection @ cameras.view @ torch.tensor([*point, 1.0])[:, None])[..., 0]
    return clip[..., :3] / clip[..., 3:]


def lamp(cameras: Cameras) -> Tensor:
    """The light's direction as the camera sees it."""
    return (cameras.view[..., :3, :3] @ cameras.light[..., None])[..., 0]


def eyes(cameras: Cameras) -> Tensor:
    return -(cameras.view[..., :3, :3].mT @ cameras.view[..., :3, 3:])[..., 0]


def test_look_at_turns_without_stretching() -> None:
    eye, target = torch.tensor([[1.0, 2, 3], [0, -1, 4]]), torch.tensor([[0.5, 0, 0], [1, 1, 1]])
    view = look_at(eye, target)
    turn = view[:, :3, :3]
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).expand(2, 3, 3), atol=1e-6, rtol=0)
    assert (torch.linalg.det(turn) > 0.99).all()
    points = torch.stack([eye, target, target + torch.tensor([0.0, 0.1, 0])], 1)
    x, y, z = (view[:, None] @ F.pad(points, (0, 1), value=1.0)[..., None])[..., :3, 0].unbind(-1)
    torch.testing.assert_close(x, torch.zeros(2, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(y[:, :2], torch.zeros(2, 2), atol=1e-6, rtol=0)
    assert (y[:, 2] > 0).all()  # the world's up is the image's
    expected = torch.stack([torch.zeros(2), -(eye - target).norm(dim=-1)], 1)
    torch.testing.assert_close(z[:, :2], expected, atol=1e-6, rtol=1e-6)


def test_from_the_front_the_right_is_the_right() -> None:
    view = look_at(torch.tensor([0.0, 0, 3]), torch.zeros(3))
    torch.testing.assert_close(view[:3, :3], torch.eye(3))
    assert view[:3, 3].tolist() == [0, 0, -3]


def test_perspective_maps_its_frustum_to_the_cube() -> None:
    lens = perspective(60.0, 0.5, 8.0, aspect=1.5)
    height = math.tan(math.radians(30))
    for distance, depth in ((0.5, -1), (8.0, 1)):
        corner = torch.tensor([1.5 * height * distance, height * distance, -distance, 1.0])
        x, y, z, w = lens @ corner
        assert [float(t / w) for t in (x, y, z)] == pytest.approx([1, 1, depth], abs=1e-5)


def test_random_views_are_spread_over_all_sides() -> None:
    orbit = Orbit(num_views=5)
    moments = [StepContext((1, 2), step) for step in range(40)]
    azimuth = torch.cat([orbit(context).azimuth_deg for context in moments])  # [80, 5]
    torch.testing.assert_close(azimuth.diff(dim=1), torch.full((80, 4), 72.0), atol=1e-3, rtol=0)
    assert azimuth.min() >= -180 and azimuth.max() < 180
    shift = (azimuth[:, 0] + 180) / 72
    assert shift.min() < 0.1 and shift.max() > 0.9 and shift.unique().numel() == 80
    part = Orbit(num_views=4, azimuth_deg=(20.0, 100.0))(StepContext((1,))).azimuth_deg[0]
    assert part.diff().tolist() == pytest.approx([20, 20, 20], abs=1e-3)
    assert 20 <= part[0] < 40


def test_elevations_are_uniform_on_the_sphere() -> None:
    elevation = Orbit(num_views=4000, elevation_deg=(0.0, 80.0))(StepContext((3,))).elevation_deg
    assert elevation.min() >= 0 and elevation.max() <= 80.001
    low, middle, high = elevation.deg2rad().sin().quantile(torch.tensor([0.25, 0.5, 0.75])).tolist()
    top = math.sin(math.radians(80))
    assert [low, middle, high] == pytest.approx([top / 4, top / 2, 3 * top / 4], abs=0.03)


def test_angles_say_where_the_camera_stands() -> None:
    cameras = Orbit(num_views=6, radius=2.5)(StepContext((1, 9)))
    turn, lift = cameras.azimuth_deg.deg2rad(), cameras.elevation_deg.deg2rad()
    expected = torch.stack([turn.sin() * lift.cos(), lift.sin(), turn.cos() * lift.cos()], -1)
    torch.testing.assert_close(eyes(cameras), 2.5 * expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(seen(cameras, [0, 0, 0])[..., :2], torch.zeros(2, 6, 2))
    side = Orbit(num_views=4, elevation_deg=(0.0, 0.0)).fixed(1)
    assert eyes(side)[0, 1].tolist() == pytest.approx([3, 0, 0], abs=1e-5)  # 90: the right side


def test_fixed_views_start_at_the_front_or_split_a_range() -> None:
    orbit = Orbit(num_views=4, offset=0.5)
    cameras = orbit(StepContext((5, 6, 7), phase="validation"))
    assert cameras.azimuth_deg.tolist() == [[0, 90, 180, 270]] * 3
    assert (cameras.elevation_deg == 17.5).all()
    for name in FIELDS:
        assert torch.equal(getattr(cameras, name), getattr(orbit.fixed(3), name))
    torch.testing.assert_close(seen(cameras, [0, 0, 0])[..., :2], torch.zeros(3, 4, 2))
    still = F.normalize(torch.tensor(LIGHT), dim=0).expand(3, 4, 3)
    torch.testing.assert_close(lamp(cameras), still, atol=1e-6, rtol=0)
    part = Orbit(num_views=3, azimuth_deg=(-30.0, 60.0), elevation_deg=(10.0, 20.0)).fixed(1)
    assert part.azimuth_deg.tolist() == [[-15, 15, 45]]
    assert (part.elevation_deg == 15).all()


def test_a_ring_goes_all_around_whatever_the_range() -> None:
    ring = Orbit(num_views=2, azimuth_deg=(-30.0, 30.0)).ring(2, 8, elevation_deg=5.0)
    assert ring.azimuth_deg.tolist() == [[0, 45, 90, 135, 180, 225, 270, 315]] * 2
    assert (ring.elevation_deg == 5).all()
    assert (Orbit().ring(1, 3).elevation_deg == 15).all()


def test_the_object_leaves_the_middle_by_its_share() -> None:
    steps = [WIDE(StepContext((1, 2), step)) for step in range(40)]
    places = torch.cat([seen(cameras, [0, 0, 0])[..., :2] for cameras in steps])
    assert places.abs().max() <= 0.4 + 1e-5
    for axis in range(2):  # from border to border, in an image that is wider than high
        assert places[..., axis].min() < -0.37 and places[..., axis].max() > 0.37
    middle = Orbit(num_views=3, size=(40, 60))(StepContext((1, 2)))
    for name in ("light", "azimuth_deg", "elevation_deg"):
        assert torch.equal(getattr(steps[0], name), getattr(middle, name))
    vertices, faces = sphere(3)
    alpha = render_mesh(
        MeshScene(0.3 * vertices.expand(2, -1, -1), faces, vertices), steps[0]
    ).alpha
    assert alpha is not None
    x, y = (torch.arange(60) + 0.5) / 30 - 1, 1 - (torch.arange(40) + 0.5) / 20
    share = alpha[:, :, 0] / alpha.sum((2, 3, 4))[..., None, None]
    middles = torch.stack([(share * x).sum((2, 3)), (share * y[:, None]).sum((2, 3))], -1)
    torch.testing.assert_close(middles, seen(steps[0], [0, 0, 0])[..., :2], atol=0.02, rtol=0)


def test_the_light_stays_near_its_place() -> None:
    still = Orbit(num_views=3, light_jitter=0.0)(StepContext((1, 2)))
    expected = F.normalize(torch.tensor(LIGHT), dim=0).expand(2, 3, 3)
    torch.testing.assert_close(lamp(still), expected, atol=1e-6, rtol=0)
    moved = Orbit(num_views=500, light_jitter=0.4)(StepContext((1,)))
    torch.testing.assert_close(moved.light.norm(dim=-1), torch.ones(1, 500))
    x, y = (lamp(moved)[..., :2] / lamp(moved)[..., 2:] - torch.tensor(LIGHT[:2])).unbind(-1)
    far = (x**2 + y**2).sqrt()
    assert far.max() <= 0.4 + 1e-4
    # Uniform on a disc: half of all lie within 71% of its radius, and no side is preferred.
    assert float(far.median()) == pytest.approx(0.4 * 0.5**0.5, abs=0.03)
    assert x.mean().abs() < 0.03 and y.mean().abs() < 0.03


def test_a_sphere_fills_85_percent_of_the_picture() -> None:
    vertices, faces = sphere(5)
    found = render_mesh(MeshScene(vertices[None], faces, vertices), Orbit(num_views=2).fixed(1))
    assert found.alpha is not None
    across = (4 / math.pi * found.alpha.mean((0, 2, 3, 4))).sqrt()
    expected = math.tan(math.asin(1 / 3)) / math.tan(math.radians(22.5))
    assert across.tolist() == pytest.approx([expected] * 2, rel=2e-3)
    assert expected == pytest.approx(0.85, abs=0.005)


@pytest.mark.parametrize(("radius", "grown"), [(1.1, 1.0), (3.0, 2.4), (8.0, 2.4)])
def test_objects_may_grow_before_they_are_cut(radius: float, grown: float) -> None:
    vertices, faces = sphere(3)
    orbit = Orbit(num_views=2, size=(16, 16), radius=radius, fov_deg=10.0)
    scene = MeshScene(grown * vertices[None], faces, vertices)
    front = render_mesh(scene, orbit.fixed(1), vertices[None] / 2 + 0.5, Shading(ambient=1.0))
    towards = F.normalize(eyes(orbit.fixed(1)), dim=-1) / 2 + 0.5
    torch.testing.assert_close(front.image[..., 8, 8], towards, atol=0.05, rtol=0)


def test_cameras_do_not_depend_on_neighbours() -> None:
    together, alone = WIDE(StepContext((4, 8, 15), 3)), WIDE(StepContext((8,), 3))
    for name in FIELDS:
        assert torch.equal(getattr(together, name)[1], getattr(alone, name)[0])
    again, later = WIDE(StepContext((8,), 3, progress=0.7)), WIDE(StepContext((8,), 4))
    assert torch.equal(again.view, alone.view)
    assert not torch.equal(later.view, alone.view)
    assert not torch.equal(together.view[0], together.view[1])


def test_shapes_size_and_device() -> None:
    cameras = Orbit(num_views=2, size=(10, 20), device="meta")(StepContext((1, 2, 3)))
    assert (cameras.height, cameras.width) == (10, 20)
    assert cameras.view.shape == cameras.projection.shape == (3, 2, 4, 4)
    assert {getattr(cameras, name).device.type for name in FIELDS} == {"meta"}
    assert Orbit(size=(10, 20)).fixed(1).view.device.type == "cpu"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"num_views": 0}, "at least one view and one pixel, got 0 views of 224 x 224"),
        ({"size": (0, 8)}, "at least one view and one pixel, got 4 views of 0 x 8"),
        ({"elevation_deg": (20.0, 10.0)}, "elevations in increasing order .* got 20 to 10"),
        ({"elevation_deg": (0.0, 90.0)}, "from -89 to 89 degrees, got 0 to 90"),
        ({"elevation_deg": (-90.0, 0.0)}, "from -89 to 89 degrees, got -90 to 0"),
        ({"azimuth_deg": (10.0, -10.0)}, "azimuths in increasing order, .* got 10 to -10"),
        ({"azimuth_deg": (0.0, 361.0)}, "at most 360 degrees apart, got 0 to 361"),
        ({"radius": 1.0}, "a radius above 1 .* got 1 and 45"),
        ({"fov_deg": 180.0}, r"a field of view in \(0, 180\) degrees, got 3 and 180"),
        ({"fov_deg": 0.0}, r"a field of view in \(0, 180\) degrees, got 3 and 0"),
    ],
)
def test_impossible_cameras_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=f"^Orbit: expected .*{told}"):
        Orbit(**wrong)
