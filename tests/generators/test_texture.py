"""A mesh that is painted: its maps, its seams, and its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from guidance.errors import InputError
from guidance.evaluate.views import mesh_images
from guidance.generators.image.param.levels import Levels
from guidance.generators.mesh.param.volume import Volume
from guidance.generators.mesh.textured import MOST_METAL, SMOOTHEST, TexturedMesh
from guidance.geometry.io.files import load_mesh
from guidance.geometry.primitives import octahedron, primitive
from guidance.geometry.unwrap import with_uv
from guidance.meshes import Mesh
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.environment import find_environment
from guidance.rendering.material import MaterialMesh, pack_material, render_material


def painted(mesh: Mesh, options: TexturedMesh.Options, amount: float = 1.0) -> TexturedMesh:
    """Random paint, as strong in each cell of the finest level as over all of the mesh."""
    generator = TexturedMesh(mesh, [3], options)
    random = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.copy_(amount * torch.randn(parameter.shape, generator=random))
    return generator


def test_what_is_exported_renders_as_the_run_did(tmp_path: Path) -> None:
    options = TexturedMesh.Options(finest=16, texels=256, map_size=1024)
    generator = painted(primitive("sphere"), options)
    cameras = Orbit(num_views=3, size=(128, 128)).ring(1, 3)
    with torch.no_grad():
        shown = generator(cameras).over()[0]
        generator.export(tmp_path, 0)
        mesh = load_mesh(tmp_path / "mesh.glb", maps=True).mesh
        assert mesh.material is not None and mesh.material.base_color.shape == (3, 1024, 1024)
        texels = pack_material(mesh.material)[None]
        again = render_material(
            MaterialMesh.of(mesh), texels, cameras, find_environment("studio")
        ).over()[0]
    psnr = -10 * (shown - again).square().mean().log10()
    assert psnr >= 35
    assert shown.std() > 0.1


def test_the_judge_sees_the_maps(tmp_path: Path) -> None:
    generator = painted(octahedron(), TexturedMesh.Options(finest=4, texels=32, map_size=32))
    generator.export(tmp_path, 0)
    shown = mesh_images(tmp_path / "mesh.glb")
    assert shown.textureless is not None
    assert (shown.images - shown.textureless).abs().mean() > 0.02


def test_no_seam_shows(tmp_path: Path) -> None:
    """Places next to one another look alike, whether a cut of the maps runs between them or not."""
    generator = painted(
        primitive("sphere"), TexturedMesh.Options(finest=16, texels=256, relief=0.0)
    )
    mesh = generator.mesh(0)
    assert mesh.uv is not None and mesh.face_uv is not None and mesh.material is not None
    corners, places = mesh.faces.flatten(), mesh.face_uv.flatten()
    texel = (mesh.uv[places] * 1024).floor().long().clamp(0, 1023)
    seen = mesh.material.base_color[:, texel[:, 1], texel[:, 0]].T
    seams = 0
    for vertex in range(len(mesh.vertices)):
        here = seen[corners == vertex]
        seams += len(places[corners == vertex].unique()) > 1
        assert (here.amax(0) - here.amin(0)).max() < 0.1
    assert seams > 50


def test_limits_of_the_maps(tmp_path: Path) -> None:
    material = (
        painted(octahedron(), TexturedMesh.Options(finest=4, texels=16, map_size=16), 30.0)
        .mesh(0)
        .material
    )
    assert material is not None
    assert material.roughness.min() >= SMOOTHEST and material.metallic.max() <= MOST_METAL
    assert material.roughness.max() > 0.9 and material.metallic.min() < 0.05
    torch.testing.assert_close(material.normal.norm(dim=0), torch.ones(16, 16))
    assert material.normal[2].min() >= 1.25**-0.5 - 1e-5  # a slope of 0.5


def test_relief_can_be_left_out_and_strengthened() -> None:
    flat, steep = (
        painted(octahedron(), TexturedMesh.Options(finest=4, texels=16, map_size=16, relief=relief))
        .mesh(0)
        .material
        for relief in (0.0, 1.0)
    )
    assert flat is not None and steep is not None
    assert (flat.normal[2] == 1).all() and steep.normal[2].min() < 0.9


def test_symmetric_paint_is_mirrored() -> None:
    for symmetric in (True, False):
        options = TexturedMesh.Options(
            finest=8, texels=128, symmetric=symmetric, environment="studio"
        )
        generator = painted(primitive("sphere"), options)
        cameras = replace(
            Orbit(num_views=1, size=(64, 64)).ring(1, 1), light=torch.tensor([[[0.0, 0.3, 1.0]]])
        )
        with torch.no_grad():
            picture = generator(cameras).over()[0, 0]
        # Studio's side lamps are not mirrored, so a little is left.
        apart = (picture - picture.flip(-1)).abs().mean()
        assert apart < 0.03 if symmetric else apart > 0.06


def test_own_coordinates_are_kept_unless_new_ones_are_asked_for() -> None:
    mesh, _ = with_uv(octahedron())
    assert mesh.uv is not None
    own = replace(mesh, uv=mesh.uv / 2)
    options = TexturedMesh.Options(finest=4, texels=16, map_size=16)
    kept = TexturedMesh(own, [0], options).mesh(0)
    assert kept.uv is not None and torch.equal(kept.uv, mesh.uv / 2)
    anew = TexturedMesh(own, [0], TexturedMesh.Options(**{**dict(options), "unwrap": True})).mesh(0)
    assert anew.uv is not None and torch.equal(anew.uv, mesh.uv)


def test_the_mesh_keeps_its_vertices_and_units() -> None:
    mesh = Mesh(1000 * octahedron().vertices + 5000, octahedron().faces)
    made = TexturedMesh(mesh, [0], TexturedMesh.Options(finest=4, texels=16, map_size=16)).mesh(0)
    assert torch.equal(made.vertices, mesh.vertices) and torch.equal(made.faces, mesh.faces)


def test_the_volume_is_the_levels_of_pictures_in_space() -> None:
    """On values that do not change along z, both are the same."""
    volume, levels = Volume([0], 2, 8), Levels([0], 2, 8)
    with torch.no_grad():
        for deep, flat in zip(volume.levels, levels.levels, strict=True):
            deep.copy_(flat[:, :, None].expand_as(deep))
    line = (torch.arange(8) + 0.5) / 4 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = torch.stack([x.flatten(), y.flatten(), torch.full((64,), 0.4)], 1)
    found = volume(*volume.corners(places))
    torch.testing.assert_close(found[0].T.view(2, 8, 8), levels(8)[0])
    between = torch.tensor([[0.1, -0.33, 0.0]])
    inside = volume(*volume.corners(between))[0, 0]
    cells = levels(8)[0]
    x, y = (0.1 + 1) * 4 - 0.5, (-0.33 + 1) * 4 - 0.5
    i, j = int(x), int(y)
    rows = cells[:, j : j + 2, i : i + 2] @ torch.tensor([1 - x + i, x - i])
    torch.testing.assert_close(inside, rows @ torch.tensor([1 - y + j, y - j]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"environment": "disco"}, "expected studio, sky or sunset"),
        ({"texels": 0}, "expected at least 16"),
        ({"relief": 3.0}, "expected at most 2"),
    ],
)
def test_bad_paint_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TexturedMesh.Options(**fields)  # type: ignore[arg-type]


def test_refuses_what_it_cannot_do() -> None:
    with pytest.raises(InputError, match="finest: expected a power of two"):
        TexturedMesh(octahedron(), [0], TexturedMesh.Options(finest=12))
    with pytest.raises(InputError, match=r"TexturedMesh: needs cameras; give views=Orbit\(...\)"):
        TexturedMesh.tiny()()
