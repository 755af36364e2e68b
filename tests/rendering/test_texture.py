"""Texture maps: UV derivatives, mip levels, filtering and gradients, checked independently."""

from __future__ import annotations

import math

import pytest
import torch

from guidance.errors import InputError
from guidance.geometry.primitives import octahedron, primitive
from guidance.geometry.unwrap import with_uv
from guidance.meshes import Mesh
from guidance.rendering.bake import bake
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.rasterizer.contract import rasterize
from guidance.rendering.shading import to_clip
from guidance.rendering.texture import Mipmaps, UVPixels, weighted_rows


def at(uv: torch.Tensor, per_column: tuple[float, float] = (0.0, 0.0)) -> UVPixels:
    """Pixels that see given places of the maps."""
    m = len(uv)
    nothing = torch.zeros(m, dtype=torch.long)
    step = torch.tensor(per_column).expand(m, 2)
    return UVPixels(nothing, nothing, nothing, nothing, torch.ones(m, 3) / 3, uv, step, 0 * step)


def plane(turn: float = 0.0) -> tuple[Mesh, Orbit]:
    """A square of side 1.4 with the whole map on it, turned about the vertical."""
    corners = torch.tensor([[-0.7, 0.7, 0], [-0.7, -0.7, 0], [0.7, -0.7, 0], [0.7, 0.7, 0]])
    c, s = math.cos(turn), math.sin(turn)
    corners = corners @ torch.tensor([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    uv = torch.tensor([[0.0, 0], [0, 1], [1, 1], [1, 0]])
    return Mesh(corners, faces, uv=uv, face_uv=faces), Orbit(num_views=1, size=(64, 64))


def seen_of(mesh: Mesh, orbit: Orbit) -> UVPixels:
    cameras = orbit.ring(1, 1, 0.0)
    clip = to_clip(mesh.vertices[None], cameras)
    fragments = rasterize(clip, mesh.faces, cameras.height, cameras.width)
    assert mesh.uv is not None and mesh.face_uv is not None
    return UVPixels.of(fragments, mesh.uv, mesh.face_uv)


def test_derivatives_are_those_of_neighbouring_pixels() -> None:
    mesh, orbit = plane(turn=0.9)
    seen = seen_of(mesh, orbit)
    places = torch.full((64, 64, 2), float("nan"), dtype=torch.float64)
    places[seen.row, seen.column] = seen.uv.double()
    for steps, found in ((places.diff(dim=1), seen.per_column), (places.diff(dim=0), seen.per_row)):
        whole = torch.full((64, 64, 2), float("nan"), dtype=torch.float64)
        whole[seen.row, seen.column] = found.double()
        # The middle of two pixels' derivatives, since perspective bends the way between them.
        height, width = steps.shape[:2]
        middle = (whole[:height, :width] + whole[64 - height :, 64 - width :]) / 2
        both = (steps.isfinite() & middle.isfinite()).all(-1)
        assert both.sum() > 500
        torch.testing.assert_close(middle[both], steps[both], rtol=0.02, atol=2e-5)


def test_a_map_of_as_many_texels_as_pixels_is_seen_as_it_is() -> None:
    mesh, orbit = plane()
    seen = seen_of(mesh, orbit)
    pixels = 1 / float(seen.per_column[:, 0].mean())  # that the square is wide
    for texels, level in ((round(pixels), 0), (round(2 * pixels), 1), (round(8 * pixels), 3)):
        levels = Mipmaps.of(torch.zeros(1, 1, texels, texels)).level(seen.per_column, seen.per_row)
        assert levels.mean() == pytest.approx(level, abs=0.05)
    # Stretched twice in one direction, the finer one decides: no aliasing, but blur.
    texels = round(pixels)
    levels = Mipmaps.of(torch.zeros(1, 1, 4 * texels, texels)).level(seen.per_column, seen.per_row)
    assert levels.mean() == pytest.approx(2, abs=0.05)


def test_levels_are_means_and_end_at_one_texel() -> None:
    maps = torch.rand(2, 3, 8, 8)
    mips = Mipmaps.of(maps)
    assert mips.sizes == ((8, 8), (4, 4), (2, 2), (1, 1))
    torch.testing.assert_close(mips.texels[:, -1], maps.mean((2, 3)))
    odd = Mipmaps.of(torch.rand(1, 1, 5, 3))
    assert odd.sizes == ((5, 3), (3, 2), (2, 1), (1, 1))


def test_texels_are_found_at_their_centres_and_maps_repeat() -> None:
    maps = torch.rand(2, 4, 4, 8)
    rows, columns = torch.meshgrid(torch.arange(4), torch.arange(8), indexing="ij")
    uv = torch.stack([(columns + 0.5) / 8, (rows + 0.5) / 4], -1).view(-1, 2)
    for sample in (0, 1):
        samples = torch.full((32,), sample)
        for shift in ((0.0, 0.0), (1.0, -2.0)):
            found = Mipmaps.of(maps).sample(at(uv + torch.tensor(shift)), samples)
            torch.testing.assert_close(found.T.view(4, 4, 8), maps[sample], atol=1e-5, rtol=0)
    corner = Mipmaps.of(maps).sample(at(torch.zeros(1, 2)), torch.tensor([0]))
    torch.testing.assert_close(corner[0], maps[0][:, [0, 0, -1, -1], [0, -1, 0, -1]].mean(1))


def test_between_two_levels_both_are_mixed() -> None:
    maps = torch.rand(1, 1, 4, 4)
    places = torch.tensor([[0.3, 0.6]])
    low, high, middle = (
        Mipmaps.of(maps).sample(at(places, (scale / 4, 0.0)), torch.tensor([0]))
        for scale in (1.0, 2.0, 2**0.5)
    )
    assert not torch.allclose(low, high)
    torch.testing.assert_close(middle, (low + high) / 2)


def test_texture_gradient_against_finite_differences() -> None:
    maps = torch.rand(2, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    generator = torch.Generator().manual_seed(3)
    uv = 3 * torch.rand(7, 2, generator=generator, dtype=torch.float64) - 1
    samples = torch.tensor([0, 1, 1, 0, 1, 0, 0])
    seen = at(uv, (0.4, 0.1))

    def sampled(values: torch.Tensor) -> torch.Tensor:
        mips = Mipmaps.of(values)
        return mips.sample(seen, samples)

    assert torch.autograd.gradcheck(sampled, maps)


def test_weighted_rows_are_those_of_plain_indexing() -> None:
    table = torch.rand(9, 3, requires_grad=True)
    index, weights = torch.randint(0, 9, (5, 4)), torch.rand(5, 4)
    plain = (table[index] * weights[..., None]).sum(1)
    found = weighted_rows(table, index, weights)
    torch.testing.assert_close(found, plain)
    upstream = torch.rand(5, 3)
    ours, theirs = (
        torch.autograd.grad(t, table, upstream, retain_graph=True)[0] for t in (found, plain)
    )
    torch.testing.assert_close(ours, theirs)


def test_baked_texels_know_their_place() -> None:
    mesh, _ = with_uv(primitive("cube"))
    assert mesh.uv is not None and mesh.face_uv is not None
    size = 64
    baked = bake(mesh, size)
    assert 0.6 < baked.covered < 1
    uv = baked.interpolate(mesh.uv, mesh.face_uv).view(size, size, 2)
    centers = (torch.arange(size) + 0.5) / size
    expected = torch.stack(torch.meshgrid(centers, centers, indexing="xy"), -1)
    apart = (uv - expected).norm(dim=-1)
    own = apart < 1e-4
    assert own.double().mean() == pytest.approx(baked.covered, abs=0.01)
    # The others take the place of the nearest texel that a face covers.
    mine = expected[own]
    row, column = (~own).nonzero()[0].tolist()
    nearest = (mine - expected[row, column]).norm(dim=-1).min()
    assert float(apart[row, column]) == pytest.approx(float(nearest), abs=1e-4)


def test_coordinates_beyond_the_square_come_back_into_it() -> None:
    mesh, _ = plane()
    assert mesh.uv is not None and mesh.face_uv is not None
    moved = Mesh(
        mesh.vertices, mesh.faces, uv=mesh.uv + torch.tensor([2.0, -3.0]), face_uv=mesh.faces
    )
    for name in ("triangle", "weights"):
        torch.testing.assert_close(
            getattr(bake(moved, 8), name).double(), getattr(bake(mesh, 8), name).double()
        )
    wide = Mesh(mesh.vertices, mesh.faces, uv=mesh.uv * 100, face_uv=mesh.faces)
    with pytest.raises(
        InputError, match="span more than 64 repeats of the map; unwrap the mesh again"
    ):
        bake(wide, 8)
    tiny = Mesh(mesh.vertices, mesh.faces, uv=mesh.uv * 1e-3 + 0.01, face_uv=mesh.faces)
    with pytest.raises(InputError, match="cover none of 8 x 8 texels; use a larger map"):
        bake(tiny, 8)


def test_unwrapping_repeats_and_keeps_what_there_is() -> None:
    mesh, notes = with_uv(octahedron())
    again, _ = with_uv(octahedron())
    assert notes == () and mesh.uv is not None and again.uv is not None
    assert torch.equal(mesh.uv, again.uv) and torch.equal(mesh.faces, octahedron().faces)
    assert mesh.uv.min() > 0.01 and mesh.uv.max() < 0.99  # a gutter at the border, too
    kept, _ = with_uv(mesh)
    assert kept is mesh
    anew, _ = with_uv(
        Mesh(mesh.vertices, mesh.faces, uv=mesh.uv / 2, face_uv=mesh.face_uv), anew=True
    )
    assert anew.uv is not None and torch.equal(anew.uv, mesh.uv)
    flat = Mesh(mesh.vertices, mesh.faces, uv=0 * mesh.uv, face_uv=mesh.face_uv)
    made, notes = with_uv(flat)
    assert notes == ("replaced the UV coordinates, whose faces have no area",)
    assert made.uv is not None and torch.equal(made.uv, mesh.uv)
