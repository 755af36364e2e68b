"""Environment light and its reflections, against sums over many directions."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from guidance.errors import InputError
from guidance.geometry.primitives import primitive
from guidance.geometry.tangents import corner_tangents
from guidance.geometry.unwrap import with_uv
from guidance.meshes import Material, Mesh
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.environment import (
    ENVIRONMENTS,
    Environment,
    Lamp,
    Lights,
    find_environment,
    spherical_harmonics,
)
from guidance.rendering.material import (
    MaterialMesh,
    environment_brdf,
    pack_material,
    render_material,
)
from guidance.rendering.rasterizer.contract import vertex_normals

COUNT = 200_000


def directions(count: int = COUNT) -> torch.Tensor:
    """Evenly spread over the sphere."""
    steps = torch.arange(count, dtype=torch.float64) + 0.5
    height = 1 - 2 * steps / count
    turn = math.pi * (1 + 5**0.5) * steps
    flat = (1 - height.square()).sqrt()
    return torch.stack([flat * turn.cos(), height, flat * turn.sin()], -1)


def lights(environment: Environment) -> Lights:
    return Lights.of(environment, torch.tensor([[0.3, 0.5, 0.8]], dtype=torch.float64))


def test_the_basis_is_orthonormal() -> None:
    values = spherical_harmonics(directions())
    products = values.T @ values * (4 * math.pi / COUNT)
    torch.testing.assert_close(products, torch.eye(9, dtype=torch.float64), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_irradiance_against_a_sum_over_directions(name: str) -> None:
    found = lights(ENVIRONMENTS[name])
    around = directions()
    radiance = found.radiance(around[None])[0]
    normals = directions(60)
    cosines = (normals @ around.T).clamp_min(0)
    summed = cosines @ radiance * (4 * math.pi / COUNT)
    ours = spherical_harmonics(normals) @ found.irradiance_harmonics()[0]
    # Nine coefficients leave out what is sharper than the square of a cosine.
    assert ((ours - summed).norm() / summed.norm()) < 0.05
    # What the nine can hold is exact: their projections agree.
    projected = spherical_harmonics(around).T @ radiance * (4 * math.pi / COUNT)
    bands = torch.tensor([math.pi] + [2 * math.pi / 3] * 3 + [math.pi / 4] * 5)[:, None]
    torch.testing.assert_close(
        found.irradiance_harmonics()[0], projected * bands, atol=2e-3, rtol=1e-3
    )


@pytest.mark.parametrize("roughness", [0.15, 0.4, 0.9])
def test_reflections_against_a_sum_over_directions(roughness: float) -> None:
    lamps = (
        Lamp((0.2, 0.5, 1.0), 8.0, (1.0, 2.0, 3.0)),
        Lamp((-1.0, 0.0, 0.0), 2.0, (1.0, 1.0, 0.0)),
    )
    found = lights(Environment(lamps))
    mirrors = directions(20)
    around = directions()
    lobe = 0.5 / roughness**4
    weights = (lobe * (mirrors @ around.T - 1)).exp()
    summed = (weights / weights.sum(1, keepdim=True)) @ found.radiance(around[None])[0]
    rough = torch.full((20,), roughness, dtype=torch.float64)
    ours = found.reflected(mirrors, rough, torch.zeros(20, dtype=torch.long))
    torch.testing.assert_close(ours, summed, rtol=0.03, atol=2e-3)


def test_environments_turn_with_the_light_and_are_named() -> None:
    lamp = Environment((Lamp((0.0, 0.0, 1.0), 4.0, (1.0, 1.0, 1.0)),))
    towards = torch.tensor([[3.0, 2, 0], [0, 5, 0]])
    found = Lights.of(lamp, towards).directions[:, 0]
    torch.testing.assert_close(found, torch.tensor([[1.0, 0, 0], [0, 0, 1]]))
    with pytest.raises(InputError, match="unknown environment 'disco'; use studio, sky, sunset"):
        find_environment("disco")


def test_the_response_is_near_the_integral_that_it_fits() -> None:
    """GGX with Smith's shadowing, F0 = 1: what of even surroundings comes back, by sampling.

    The fit is cheap rather than close: of smooth surfaces it shows up to 0.15 too little.
    """
    grid = torch.linspace(0, 1, 401, dtype=torch.float64)[:-1] + 0.5 / 400
    first, second = torch.meshgrid(grid, grid, indexing="ij")
    for rough, cosine in ((0.3, 0.9), (0.5, 0.5), (0.8, 0.7)):
        a = rough**2
        up = ((1 - first) / (1 + (a * a - 1) * first)).sqrt()
        turn, flat = 2 * math.pi * second, (1 - up.square()).clamp_min(0).sqrt()
        view = torch.tensor([math.sqrt(1 - cosine**2), 0.0, cosine], dtype=torch.float64)
        half = torch.stack([flat * turn.cos(), flat * turn.sin(), up], -1)
        along = (half @ view).clamp_min(1e-9)
        out = (2 * along * up - cosine).clamp_min(0)
        k = a / 2

        def shadow(c: torch.Tensor | float) -> torch.Tensor | float:
            return c / (c * (1 - k) + k)  # noqa: B023

        whole = (shadow(out) * shadow(cosine) * along / (up * cosine) * (out > 0)).mean()
        scale, bias = environment_brdf(torch.tensor([rough]), torch.tensor([cosine]))
        assert float(scale + bias) == pytest.approx(float(whole), abs=0.15)


def square(mirrored: bool = False) -> Mesh:
    corners = torch.tensor([[-1.0, 1, 0], [-1, -1, 0], [1, -1, 0], [1, 1, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    u = torch.tensor([1.0, 1, 0, 0]) if mirrored else torch.tensor([0.0, 0, 1, 1])
    return Mesh(corners, faces, uv=torch.stack([u, torch.tensor([0.0, 1, 1, 0])], 1), face_uv=faces)


@pytest.mark.parametrize("mirrored", [False, True])
def test_tangents_point_along_the_map(mirrored: bool) -> None:
    mesh = MaterialMesh.of(square(mirrored))
    side = -1.0 if mirrored else 1.0
    assert torch.allclose(mesh.tangents, torch.tensor([side, 0.0, 0.0, side]))
    up = torch.linalg.cross(mesh.normals[0], mesh.tangents[0, :3]) * mesh.tangents[0, 3]
    assert torch.allclose(up, torch.tensor([0.0, 1, 0]))  # to the top of the map


def test_tangents_of_a_sphere_are_unit_across_and_follow_u() -> None:
    sphere = primitive("sphere")
    x, y, z = sphere.vertices.double().unbind(1)
    uv = torch.stack([torch.atan2(x, z) / (2 * math.pi) + 0.5, 0.5 - y.asin() / math.pi], 1)
    keep = (uv[sphere.faces][..., 0].amax(1) - uv[sphere.faces][..., 0].amin(1)) < 0.3
    faces = sphere.faces[keep]  # without those across the seam
    normals = vertex_normals(sphere.vertices[None], sphere.faces)[0].double()
    tangents, of_corner = corner_tangents(sphere.vertices.double(), faces, normals, uv, faces)
    at_corner = tangents[of_corner]
    assert torch.allclose(at_corner[..., :3].norm(dim=-1), torch.ones(1).double(), atol=1e-6)
    assert (at_corner[..., :3] * normals[faces]).sum(-1).abs().max() < 1e-6
    assert (at_corner[..., 3] == 1).all()
    east = F.normalize(torch.stack([z, torch.zeros_like(z), -x], 1), dim=-1)[faces]
    level = y[faces].abs() < 0.6
    assert (at_corner[..., :3] * east).sum(-1)[level].min() > 0.99


def test_tangents_without_a_direction_still_have_a_length() -> None:
    mesh = square()
    assert mesh.uv is not None and mesh.face_uv is not None
    normals = vertex_normals(mesh.vertices[None], mesh.faces)[0]
    found, _ = corner_tangents(mesh.vertices, mesh.faces, normals, 0 * mesh.uv, mesh.face_uv)
    assert torch.allclose(found[:, :3].norm(dim=-1), torch.ones(1))


def even(color: float, metallic: float = 0.0, roughness: float = 0.6) -> Material:
    one = torch.ones(1, 16, 16)
    normal = torch.tensor([0.0, 0, 1])[:, None, None].expand(3, 16, 16)
    return Material(color * torch.ones(3, 16, 16), roughness * one, metallic * one, normal)


def pictures(material: Material, mesh: Mesh | None = None, name: str = "studio") -> torch.Tensor:
    mesh = mesh or with_uv(primitive("sphere"))[0]
    cameras = Orbit(num_views=2, size=(48, 48)).fixed(1)
    made = render_material(
        MaterialMesh.of(mesh), pack_material(material)[None], cameras, find_environment(name)
    )
    return made.image[0, 0]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_white_surface_is_white_and_a_black_one_is_dark(name: str) -> None:
    white, black = pictures(even(1.0), name=name), pictures(even(0.0), name=name)
    inside = white[0] > 0
    assert 0.95 < white.amax() <= 1
    assert 0.6 < float(white.mean(0)[inside].mean()) < 0.99
    assert float(black.mean(0)[inside].mean()) < 0.35  # its shine only


def test_each_map_changes_the_picture_as_it_should() -> None:
    matt, metal = pictures(even(0.5)), pictures(even(0.5, metallic=1.0, roughness=0.1))
    inside = matt[0] > 0.1
    # A mirror shows lamps and gaps.
    assert metal[:, inside].std() > 1.2 * matt[:, inside].std()
    smooth = pictures(even(0.2, roughness=0.1))
    rough = pictures(even(0.2, roughness=1.0))
    assert smooth.amax() > rough.amax() + 0.05  # a highlight
    mesh = square()
    flat = even(0.5)
    right, left = (
        Material(
            flat.base_color,
            flat.roughness,
            flat.metallic,
            F.normalize(torch.tensor([x, 0.0, 1.0]), dim=0)[:, None, None].expand(3, 16, 16),
        )
        for x in (0.8, -0.8)
    )
    # Studio's strong side lamp stands to the right of the main light, which is left of the camera.
    assert not torch.allclose(pictures(right, mesh), pictures(left, mesh), atol=0.02)
    mirrored = pictures(left, square(mirrored=True))
    torch.testing.assert_close(mirrored, pictures(right, mesh), atol=1e-5, rtol=0)


def test_the_gradient_of_every_channel_against_finite_differences() -> None:
    mesh = square()
    texels = pack_material(even(0.4, metallic=0.3, roughness=0.5))[None].clone()
    texels[:, 5:] += 0.1
    texels.requires_grad_()
    cameras = Orbit(num_views=1, size=(24, 24)).fixed(1)
    weights = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(1))

    def total(values: torch.Tensor) -> torch.Tensor:
        seen = render_material(MaterialMesh.of(mesh), values, cameras, find_environment("studio"))
        return (seen.image[0, 0] * weights).double().sum()

    (gradient,) = torch.autograd.grad(total(texels), texels)
    for channel in range(8):
        step = torch.zeros_like(texels)
        step[:, channel] = 1e-2
        with torch.no_grad():
            slope = (total(texels + step) - total(texels - step)) / 2e-2
        assert float(gradient[:, channel].sum()) == pytest.approx(float(slope), rel=0.02, abs=0.02)
