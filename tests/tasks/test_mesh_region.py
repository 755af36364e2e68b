"""Regions of meshes: outside, what a run exports is the input to the bit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.deformation import Deformation
from guidance.geometry.io.files import load_mesh, save_mesh
from guidance.geometry.primitives import primitive
from guidance.geometry.unwrap import with_uv
from guidance.loop.optimize import StepEvent, optimize
from guidance.losses.clip import Clip
from guidance.meshes import Material, Mesh
from guidance.rendering.bake import bake
from guidance.tasks.mesh.region import parse_mesh_region, select
from guidance.tasks.text2mesh import TextToMesh
from tests.tasks.test_text2mesh import SMALL, SMALL_DEFORM, SMALL_TEXTURE

UPPER = "box:,60%,,,,"
SIDE = 64


def bytes_of(*size: int) -> Tensor:
    """Any levels of 8 bits."""
    random = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, size, generator=random).float() / 255


def colored(folder: Path) -> Mesh:
    """A mesh with colours, large and away from the origin, as it is read from its file."""
    mesh = primitive("torus")
    vertices = mesh.vertices * 37 + torch.tensor([11.0, -5.0, 900.0])
    colors = bytes_of(len(vertices), 3)
    save_mesh(Mesh(vertices, mesh.faces, colors), folder / "given.glb")
    return load_mesh(folder / "given.glb").mesh


def textured(folder: Path, side: int = SIDE) -> Mesh:
    """A mesh with maps, as it is read from its file."""
    mesh, _ = with_uv(primitive("cone"))
    normal = bytes_of(3, side, side) * 2 - 1
    surface = bytes_of(2, side, side)
    material = Material(bytes_of(3, side, side), surface[:1], surface[1:], normal)
    save_mesh(replace(mesh, material=material), folder / "given.glb")
    return load_mesh(folder / "given.glb", maps=True).mesh


def run(small: dict[str, Any], folder: Path, **fields: Any) -> Path:
    """Runs a task on the folder's mesh, and returns the folder of its sample."""
    given = {**small, "mesh": str(folder / "given.glb"), "region": UPPER, **fields}
    # Large steps: what may change has to be seen to change.
    task = TextToMesh(prompt="a red heart", learning_rate=20, judge=False, output=folder, **given)
    (sample,) = task.run().samples
    return sample.folder


def triangles(mesh: Mesh, faces: Tensor) -> Tensor:
    """Places and colours of the corners of some faces, each face's in one row, in any order."""
    values = mesh.vertices
    if mesh.colors is not None:
        values = torch.cat([values, mesh.colors], 1)
    rows = values[mesh.faces[faces]].flatten(1).numpy()
    return torch.from_numpy(rows[np.lexsort(rows.T)])


@pytest.mark.parametrize("small", [SMALL, SMALL_DEFORM], ids=["stylize", "deform"])
@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_outside_all_triangles_stay_to_the_bit(
    small: dict[str, Any], suffix: str, tmp_path: Path
) -> None:
    given = colored(tmp_path)
    fine = {**small, "edge_length": 0.05}
    folder = run(fine, tmp_path)
    made = load_mesh(folder / f"mesh.{suffix}").mesh
    low, high = given.vertices[:, 1].min(), given.vertices[:, 1].max()
    border = low + 0.6 * (high - low)
    outside = given.vertices[given.faces][:, :, 1].amin(1) < border
    assert outside.any() and not outside.all()
    count = len(given.vertices)
    assert len(made.vertices) > count, "nothing was split"
    kept = set(map(tuple, given.faces[outside].tolist()))
    found = torch.tensor([tuple(face) in kept for face in made.faces.tolist()])
    assert torch.equal(triangles(made, found), triangles(given, outside))
    free = torch.ones(count, dtype=torch.bool)
    free[given.faces[outside]] = False
    change = (made.vertices[:count] - given.vertices).norm(dim=1)
    assert (change[free] > 0).any() and (change[~free] == 0).all()
    assert made.colors is not None and given.colors is not None
    if small is SMALL:  # the other mode keeps all colours
        assert not torch.equal(made.colors[:count][free], given.colors[free])


def test_at_any_strength_the_outside_stays(tmp_path: Path) -> None:
    given = colored(tmp_path)
    kept = Deformation.load(run(SMALL_DEFORM, tmp_path) / "deformation.npz")
    still = (kept.displacements == 0).all(1)[: len(given.vertices)]
    assert still.float().mean() > 0.3
    for strength in (-1.0, 0.5, 2.0):
        moved = kept.at(strength).vertices.float()[: len(given.vertices)]
        assert torch.equal(moved[still], given.vertices[still])


def test_outside_all_texels_stay_to_the_bit(tmp_path: Path) -> None:
    given = textured(tmp_path)
    folder = run({**SMALL_TEXTURE, "map_size": None}, tmp_path)
    made = load_mesh(folder / "mesh.glb", maps=True).mesh
    assert torch.equal(made.vertices, given.vertices)
    selected = select(
        TextToMesh(prompt="a", region=UPPER), given, "given", by_texels=True
    ).selection
    baked = bake(given, SIDE)
    places = baked.at_corners(given.vertices, given.faces).view(SIDE, SIDE, 3)
    outside = selected.texels(baked.triangle, places) == 0
    assert 0.1 < outside.float().mean() < 0.9
    assert made.material is not None and given.material is not None
    for name in ("base_color", "roughness", "metallic", "normal"):
        before, after = (getattr(mesh.material, name) for mesh in (given, made))
        assert torch.equal(before[:, outside], after[:, outside]), name
        assert not torch.equal(before[:, ~outside], after[:, ~outside]), name
    base = np.asarray(Image.open(folder / "mesh_base_color.png"))
    wanted = (given.material.base_color * 255).round().byte().permute(1, 2, 0).numpy()
    assert (base[outside.numpy()] == wanted[outside.numpy()]).all()


def test_without_maps_colors_of_vertices_stay_in_the_texture(tmp_path: Path) -> None:
    mesh = primitive("cube")
    colors = torch.tensor([0.2, 0.6, 0.4]).expand(len(mesh.vertices), 3)
    save_mesh(replace(mesh, colors=colors), tmp_path / "given.glb")
    folder = run({**SMALL_TEXTURE, "map_size": 32}, tmp_path)
    made = load_mesh(folder / "mesh.glb", maps=True).mesh
    assert made.material is not None
    flat = (made.material.base_color - torch.tensor([0.2, 0.6, 0.4])[:, None, None]).abs().amax(0)
    assert 0.3 < (flat < 1 / 255).float().mean() < 0.8


def test_a_run_shows_its_region_and_takes_the_mask_back(tmp_path: Path) -> None:
    given = textured(tmp_path)
    save_mesh(replace(given, material=None), tmp_path / "given.obj")
    obj = tmp_path / "plain.obj"
    assert given.uv is not None and given.face_uv is not None
    lines = [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in given.vertices.tolist()]
    lines += [f"vt {u:.9g} {1 - v:.9g}" for u, v in given.uv.tolist()]
    for face, places in zip(given.faces + 1, given.face_uv + 1, strict=True):
        lines.append("f " + " ".join(f"{a}/{b}" for a, b in zip(face, places, strict=True)))
    obj.write_text("\n".join(lines))
    task = TextToMesh(
        prompt="a red heart",
        **{**SMALL, "mesh": str(obj)},
        region=UPPER,
        judge=False,
        output=tmp_path,
    )
    result = task.run()
    names = [path.name for path in result.files]
    assert names == ["region.png", "region_mask.png"]
    assert all(path.is_file() for path in result.files)
    assert "region_mask.png" in (result.folder / "DONE.json").read_text()
    mesh = load_mesh(obj).mesh
    first = select(task, mesh, "obj", by_texels=False)
    again = select(
        task.model_copy(update={"region": [str(result.folder / "region_mask.png")]}),
        mesh,
        "obj",
        by_texels=False,
    )
    assert (first.faces == again.faces).float().mean() > 0.98
    assert re.match(r"region: [\d,]+ of [\d,]+ faces, \d+% of the surface, may change; see region"
                    r".png; paint region_mask.png to correct it", first.notes[0])  # fmt: skip


@pytest.mark.parametrize(
    ("region", "low", "high"),
    [
        ("box:-9,-0.2,-9,9,0.4,9", -0.2, 0.4),
        ("box:,50%,,,75%,", 0.0, 0.5),
        ("box:0%, 50%, 0%, 100%, 75%, 100%", 0.0, 0.5),
    ],
)
def test_boxes_are_in_units_or_in_shares(region: str, low: float, high: float) -> None:
    mesh = primitive("cylinder")
    vertices = mesh.vertices * torch.tensor([1.0, 1 / mesh.vertices[:, 1].max(), 1.0])
    mesh = replace(mesh, vertices=vertices)  # from -1 to 1
    found = select(TextToMesh(prompt="a", region=region), mesh, "it", by_texels=False).faces
    height = mesh.vertices[mesh.faces][:, :, 1]
    wanted = (height.amin(1) >= low) & (height.amax(1) <= high)
    assert wanted.any() and torch.equal(found, wanted)


def test_several_regions_add_up() -> None:
    mesh = primitive("cube")
    one, other, both = (
        select(TextToMesh(prompt="a", region=region), mesh, "it", by_texels=False).faces
        for region in (["box:,80%,,,,"], ["box:,,,,20%,"], ["box:,80%,,,,", "box:,,,,20%,"])
    )
    assert torch.equal(both, one | other) and not (one & other).any()


def test_words_select_what_the_encoder_knows(tmp_path: Path) -> None:
    ball, cone = primitive("sphere"), primitive("cone")
    vertices = torch.cat([ball.vertices, cone.vertices + torch.tensor([2.2, 0, 0])])
    faces = torch.cat([ball.faces, cone.faces + len(ball.vertices)])
    colors = torch.tensor([[0.8, 0.1, 0.1]]).repeat(len(vertices), 1)
    colors[len(ball.vertices) :] = torch.tensor([0.1, 0.5, 0.15])
    mesh = Mesh(vertices, faces, colors)
    task = TextToMesh(prompt="a", region="words:a red apple")
    selected = select(task, mesh, "it", by_texels=False)
    is_ball = torch.arange(len(faces)) < len(ball.faces)
    assert (selected.faces == is_ball).float().mean() > 0.95
    assert len(selected.notes) == 1


def test_words_that_an_encoder_does_not_see_are_told() -> None:
    task = TextToMesh(prompt="a", region="words:the equator")
    selected = select(task, primitive("cube"), "it", by_texels=False)
    assert re.fullmatch(
        r"region words:the equator: mini hardly tells it from the rest \([\d.]+ logits apart, "
        r"2 are "
        r"clear\), so look at region.png; give a box or a mask, or a larger model, .*",
        selected.notes[1],
    )


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("box:1,2,3", "expected six numbers, x,y,z of both corners, got 3; give mask.png"),
        ("box:0,0,0,1,tall,1", "'tall' is no number; give mask.png"),
        ("box:0,0,0,1,inf,1", "'inf' is no number"),
        ("words: ", "has no words"),
        ("", "is no path of an image"),
        ('sky.png="a blue sky"', "a mask and words are for flat images; on a mesh"),
    ],
)
def test_what_is_no_region_is_told(region: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_mesh_region(region)


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("no.png", "cube has no texture coordinates, so a mask has no place on it; give a box"),
        ("box:5,5,5,6,6,6", "lies outside the mesh, which has x -0.57.* to 0.57"),
        ("box:,50%,,,20%,", "its first corner must be the lower one along x, y and z"),
        ("box:,50%,,,50.1%,", "holds no whole face of cube; make it larger, or the mesh finer"),
        ("box:,,,,,", "holds all of cube; leave it out"),
    ],
)
def test_regions_that_fit_no_mesh_are_told(region: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TextToMesh(prompt="a heart", mesh="cube", region=region).build()


def test_bad_masks_are_told(tmp_path: Path) -> None:
    textured(tmp_path)
    mesh = str(tmp_path / "given.glb")
    black = tmp_path / "black.png"
    Image.new("L", (8, 8), 0).save(black)
    with pytest.raises(InputError, match=r"region .*none.png: no such file"):
        TextToMesh(prompt="a", mesh=mesh, region=str(tmp_path / "none.png")).build()
    with pytest.raises(InputError, match=r"black.png: is black all over; paint white what may"):
        TextToMesh(prompt="a", mesh=mesh, region=str(black)).build()


def test_a_mask_needs_the_coordinates_that_it_was_painted_for(tmp_path: Path) -> None:
    square = "v -1 -1 0\nv 1 -1 0\nv 1 1 0\nv -1 1 0\nvt 0 0\nvt 0.5 0\nvt 0.5 1\nvt 0 1\n"
    path, mask = tmp_path / "square.obj", tmp_path / "mask.png"
    path.write_text(square + "f 1/1 2/2 3/3\nf 1/1 3/3 4/4\n")
    Image.new("L", (8, 8), 255).save(mask)
    given = {**SMALL_TEXTURE, "mesh": str(path), "prompt": "a", "region": str(mask)}
    with pytest.raises(InputError, match="region: a mask lies on the mesh's own texture coordinat"):
        TextToMesh(**given, unwrap=True).build()


def test_a_region_whose_vertices_all_belong_to_the_outside_is_told(tmp_path: Path) -> None:
    tetrahedron = Mesh(
        torch.eye(4)[:, :3], torch.tensor([[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]])
    )
    save_mesh(tetrahedron, tmp_path / "four.glb")
    task = TextToMesh(prompt="a", mesh=str(tmp_path / "four.glb"), region="box:,,,,,0")
    with pytest.raises(InputError, match="each of its vertices belongs to a face outside as well"):
        task.build()


def test_textures_tell_what_does_not_fit(tmp_path: Path) -> None:
    textured(tmp_path)
    given = {**SMALL_TEXTURE, "mesh": str(tmp_path / "given.glb"), "prompt": "a"}
    with pytest.raises(InputError, match=r"map_size: the maps of .* have 64 texels a side, which"):
        TextToMesh(**given, region=UPPER).build()
    del given["map_size"]
    with pytest.raises(InputError, match="unwrap: outside the region the mesh's maps stay"):
        TextToMesh(**given, region=UPPER, unwrap=True).build()
    with pytest.raises(InputError, match="region: is the whole mesh; leave it out"):
        TextToMesh(**given, region="box:,,,,,").build()
    with pytest.raises(InputError, match="region: holds none of 32 x 32 texels; make it larger"):
        TextToMesh(**given, region="box:50%,99.9%,50%,50.1%,,50.1%").build()
    mesh = load_mesh(tmp_path / "given.glb", maps=True).mesh
    assert mesh.material is not None
    maps = bytes_of(8, 64, 128)
    wide = Material(maps[:3], maps[3:4], maps[4:5], 2 * maps[5:] - 1)
    save_mesh(replace(mesh, material=wide), tmp_path / "given.glb")
    with pytest.raises(
        InputError, match=r"its maps have 128 x 64 texels, and only square ones can"
    ):
        TextToMesh(**given, region=UPPER).build()


def test_losses_know_nothing_of_the_region() -> None:
    plan = TextToMesh(prompt="a heart", **SMALL, region=UPPER).build()
    (clip,) = [term.loss for term in plan.losses if isinstance(term.loss, Clip)]
    assert clip.regions == ()


@pytest.mark.parametrize("small", [SMALL, SMALL_DEFORM, SMALL_TEXTURE], ids=lambda s: s.get("mode"))
def test_a_run_with_a_region_goes_on_to_the_bit(small: dict[str, Any]) -> None:
    given: dict[str, Any] = {**small, "prompt": "a heart", "region": UPPER, "steps": 4}
    plan = TextToMesh(**given, device="cpu").build()
    snapshots: list[dict[str, Tensor]] = []

    def keep(event: object) -> None:
        if isinstance(event, StepEvent) and event.step == 2:
            snapshots.append({name: value.clone() for name, value in event.snapshot().items()})

    whole = optimize(plan.generator, plan.losses, plan.settings, views=plan.views, listeners=[keep])
    again = TextToMesh(**given, device="cpu").build()
    resumed = optimize(
        again.generator, again.losses, again.settings, views=again.views, resume=snapshots[0]
    )
    assert torch.equal(whole.images, resumed.images)
