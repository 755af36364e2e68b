"""Regions that cannot be used: each is refused with one line that says why."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from guidance.errors import InputError
from guidance.geometry.io.files import load_mesh, save_mesh
from guidance.geometry.primitives import primitive
from guidance.meshes import Material, Mesh
from guidance.tasks.mesh.region import parse_mesh_region
from guidance.tasks.text2mesh import TextToMesh
from tests.tasks.options import made
from tests.tasks.test_mesh_region import UPPER, bytes_of, selection_of, textured
from tests.tasks.test_text2mesh import SMALL_TEXTURE


def test_unclear_parts_are_reported() -> None:
    selected = selection_of(primitive("cube"), "words:the equator")
    assert re.fullmatch(
        r"region words:the equator: mini hardly separates it from the rest \([\d.]+ logits, 2 are "
        r"clear\); check region.png, and use a box, a mask or a larger model, .*",
        selected.notes[1],
    )


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("box:1,2,3", "expected six numbers, x,y,z of both corners, got 3; give mask.png"),
        ("box:0,0,0,1,tall,1", "'tall' is not a number; give mask.png"),
        ("box:0,0,0,1,inf,1", "'inf' is not a number"),
        ("words: ", "has no text"),
        ("", "is not the path of an image"),
        ('sky.png="a blue sky"', "a mask with a prompt is for text2image; here, a region is"),
    ],
)
def test_malformed_regions_are_refused(region: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_mesh_region(region)


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("no.png", "cube has no UV coordinates, which a mask needs; use a box"),
        ("box:5,5,5,6,6,6", "lies outside the mesh, which extends over x -0.57.* to 0.57"),
        ("box:,50%,,,20%,", "the first corner must be the lower one along x, y and z"),
        ("box:,50%,,,50.1%,", "contains no whole face of cube; make it larger, or use"),
        ("box:,,,,,", "--region: contains all of cube; remove it"),
    ],
)
def test_regions_that_do_not_fit_the_mesh_are_refused(region: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        made(TextToMesh, prompt="a heart", mesh="cube", region=region).build()


def test_bad_masks_are_refused(tmp_path: Path) -> None:
    textured(tmp_path)
    mesh = str(tmp_path / "given.glb")
    black = tmp_path / "black.png"
    Image.new("L", (8, 8), 0).save(black)
    with pytest.raises(InputError, match=r"region .*none.png: no such file"):
        made(TextToMesh, prompt="a", mesh=mesh, region=str(tmp_path / "none.png")).build()
    with pytest.raises(InputError, match=r"black.png: is black everywhere; paint white what may"):
        made(TextToMesh, prompt="a", mesh=mesh, region=str(black)).build()


def test_a_mask_needs_the_uv_coordinates_of_the_mesh(tmp_path: Path) -> None:
    square = "v -1 -1 0\nv 1 -1 0\nv 1 1 0\nv -1 1 0\nvt 0 0\nvt 0.5 0\nvt 0.5 1\nvt 0 1\n"
    path, mask = tmp_path / "square.obj", tmp_path / "mask.png"
    path.write_text(square + "f 1/1 2/2 3/3\nf 1/1 3/3 4/4\n")
    Image.new("L", (8, 8), 255).save(mask)
    given = {**SMALL_TEXTURE, "mesh": str(path), "prompt": "a", "region": str(mask)}
    with pytest.raises(InputError, match="region: a mask needs the mesh's own UV coordinates"):
        made(TextToMesh, **given, unwrap=True).build()


def test_a_region_without_a_free_vertex_is_refused(tmp_path: Path) -> None:
    tetrahedron = Mesh(
        torch.eye(4)[:, :3], torch.tensor([[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]])
    )
    save_mesh(tetrahedron, tmp_path / "four.glb")
    task = made(TextToMesh, prompt="a", mesh=str(tmp_path / "four.glb"), region="box:,,,,,0")
    with pytest.raises(InputError, match="every vertex in it also belongs to a face outside"):
        task.build()


def test_textures_refuse_what_does_not_fit(tmp_path: Path) -> None:
    textured(tmp_path)
    given = {**SMALL_TEXTURE, "mesh": str(tmp_path / "given.glb"), "prompt": "a"}
    with pytest.raises(
        InputError, match=r"map_size: the maps of the mesh, .* have 64 texels per side; remove"
    ):
        made(TextToMesh, **given, region=UPPER).build()
    del given["map_size"]
    with pytest.raises(InputError, match="unwrap: outside of the region the maps of the mesh stay"):
        made(TextToMesh, **given, region=UPPER, unwrap=True).build()
    with pytest.raises(InputError, match="region: covers the whole mesh; remove it"):
        made(TextToMesh, **given, region="box:,,,,,").build()
    with pytest.raises(InputError, match="region: holds none of 32 x 32 texels; make the region"):
        made(TextToMesh, **given, region="box:50%,99.9%,50%,50.1%,,50.1%").build()
    mesh = load_mesh(tmp_path / "given.glb", maps=True).mesh
    assert mesh.material is not None
    maps = bytes_of(8, 64, 128)
    wide = Material(maps[:3], maps[3:4], maps[4:5], 2 * maps[5:] - 1)
    save_mesh(replace(mesh, material=wide), tmp_path / "given.glb")
    with pytest.raises(InputError, match=r"mesh: expected square maps, got 128 x 64 texels"):
        made(TextToMesh, **given, region=UPPER).build()
