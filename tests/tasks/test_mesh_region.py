"""Regions of meshes: outside, the exported mesh is bit-identical to the input."""

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

from guidance.geometry.deformation import Deformation
from guidance.geometry.io.files import load_mesh, save_mesh
from guidance.geometry.primitives import primitive
from guidance.geometry.unwrap import with_uv
from guidance.loop.events import StepEvent
from guidance.loop.optimize import optimize
from guidance.losses.clip import Clip
from guidance.meshes import Material, Mesh
from guidance.rendering.bake import bake
from guidance.tasks.mesh.region import Selected, select
from guidance.tasks.text2mesh import TextToMesh
from tests.tasks.options import made
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
    # Large steps, so that what may change does change.
    task = made(
        TextToMesh, prompt="a red heart", learning_rate=20, judge=False, output=folder, **given
    )
    (sample,) = task.run().samples
    return sample.folder


def selection_of(mesh: Mesh, *regions: str, by_texels: bool = False) -> Selected:
    """What `--region` selects of a mesh."""
    task = made(TextToMesh, prompt="a", region=list(regions))
    return select(task.region, mesh, "it", task._localizer(), by_texels=by_texels)


def triangles(mesh: Mesh, faces: Tensor) -> Tensor:
    """Places and colours of the corners of some faces, each face's in one row, in any order."""
    values = mesh.vertices
    if mesh.colors is not None:
        values = torch.cat([values, mesh.colors], 1)
    rows = values[mesh.faces[faces]].flatten(1).numpy()
    return torch.from_numpy(rows[np.lexsort(rows.T)])


@pytest.mark.parametrize("small", [SMALL, SMALL_DEFORM], ids=["stylize", "deform"])
@pytest.mark.parametrize("suffix", ["glb", "obj"])
def test_triangles_outside_stay_bit_identical(
    small: dict[str, Any], suffix: str, tmp_path: Path
) -> None:
    given = colored(tmp_path)
    fine = {**small, "edge_length": 0.05}
    folder = run(fine, tmp_path)
    result = load_mesh(folder / f"mesh.{suffix}").mesh
    low, high = given.vertices[:, 1].min(), given.vertices[:, 1].max()
    border = low + 0.6 * (high - low)
    outside = given.vertices[given.faces][:, :, 1].amin(1) < border
    assert outside.any() and not outside.all()
    count = len(given.vertices)
    assert len(result.vertices) > count, "nothing was split"
    kept = set(map(tuple, given.faces[outside].tolist()))
    found = torch.tensor([tuple(face) in kept for face in result.faces.tolist()])
    assert torch.equal(triangles(result, found), triangles(given, outside))
    free = torch.ones(count, dtype=torch.bool)
    free[given.faces[outside]] = False
    change = (result.vertices[:count] - given.vertices).norm(dim=1)
    assert (change[free] > 0).any() and (change[~free] == 0).all()
    assert result.colors is not None and given.colors is not None
    if small is SMALL:  # the other mode keeps all colours
        assert not torch.equal(result.colors[:count][free], given.colors[free])


def test_the_outside_stays_at_any_strength(tmp_path: Path) -> None:
    given = colored(tmp_path)
    kept = Deformation.load(run(SMALL_DEFORM, tmp_path) / "deformation.npz")
    still = (kept.displacements == 0).all(1)[: len(given.vertices)]
    assert still.float().mean() > 0.3
    for strength in (-1.0, 0.5, 2.0):
        moved = kept.at(strength).vertices.float()[: len(given.vertices)]
        assert torch.equal(moved[still], given.vertices[still])


def test_texels_outside_stay_bit_identical(tmp_path: Path) -> None:
    given = textured(tmp_path)
    folder = run({**SMALL_TEXTURE, "map_size": "auto"}, tmp_path)
    found = load_mesh(folder / "mesh.glb", maps=True).mesh
    assert torch.equal(found.vertices, given.vertices)
    selected = selection_of(given, UPPER, by_texels=True).selection
    baked = bake(given, SIDE)
    places = baked.interpolate(given.vertices, given.faces).view(SIDE, SIDE, 3)
    outside = selected.texels(baked.triangle, places) == 0
    assert 0.1 < outside.float().mean() < 0.9
    assert found.material is not None and given.material is not None
    for name in ("base_color", "roughness", "metallic", "normal"):
        before, after = (getattr(mesh.material, name) for mesh in (given, found))
        assert torch.equal(before[:, outside], after[:, outside]), name
        assert not torch.equal(before[:, ~outside], after[:, ~outside]), name
    base = np.asarray(Image.open(folder / "mesh_base_color.png"))
    wanted = (given.material.base_color * 255).round().byte().permute(1, 2, 0).numpy()
    assert (base[outside.numpy()] == wanted[outside.numpy()]).all()


def test_vertex_colors_outside_a_region_stay_in_the_texture(tmp_path: Path) -> None:
    mesh = primitive("cube")
    colors = torch.tensor([0.2, 0.6, 0.4]).expand(len(mesh.vertices), 3)
    save_mesh(replace(mesh, colors=colors), tmp_path / "given.glb")
    folder = run({**SMALL_TEXTURE, "map_size": 32}, tmp_path)
    found = load_mesh(folder / "mesh.glb", maps=True).mesh
    assert found.material is not None
    flat = (found.material.base_color - torch.tensor([0.2, 0.6, 0.4])[:, None, None]).abs().amax(0)
    assert 0.3 < (flat < 1 / 255).float().mean() < 0.8


def test_a_run_shows_its_region_and_accepts_its_mask(tmp_path: Path) -> None:
    given = textured(tmp_path)
    save_mesh(replace(given, material=None), tmp_path / "given.obj")
    obj = tmp_path / "plain.obj"
    assert given.uv is not None and given.face_uv is not None
    lines = [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in given.vertices.tolist()]
    lines += [f"vt {u:.9g} {1 - v:.9g}" for u, v in given.uv.tolist()]
    for face, places in zip(given.faces + 1, given.face_uv + 1, strict=True):
        lines.append("f " + " ".join(f"{a}/{b}" for a, b in zip(face, places, strict=True)))
    obj.write_text("\n".join(lines))
    task = made(
        TextToMesh,
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
    first = selection_of(mesh, UPPER)
    again = selection_of(mesh, str(result.folder / "region_mask.png"))
    assert (first.faces == again.faces).float().mean() > 0.98
    assert re.match(r"region: [\d,]+ of [\d,]+ faces, \d+% of the surface, may change; see region"
                    r".png; edit region_mask.png to correct it", first.notes[0])  # fmt: skip


@pytest.mark.parametrize(
    ("region", "low", "high"),
    [
        ("box:-9,-0.2,-9,9,0.4,9", -0.2, 0.4),
        ("box:,50%,,,75%,", 0.0, 0.5),
        ("box:0%, 50%, 0%, 100%, 75%, 100%", 0.0, 0.5),
    ],
)
def test_boxes_are_in_units_or_in_shares_of_the_mesh(region: str, low: float, high: float) -> None:
    mesh = primitive("cylinder")
    vertices = mesh.vertices * torch.tensor([1.0, 1 / mesh.vertices[:, 1].max(), 1.0])
    mesh = replace(mesh, vertices=vertices)  # from -1 to 1
    found = selection_of(mesh, region).faces
    height = mesh.vertices[mesh.faces][:, :, 1]
    wanted = (height.amin(1) >= low) & (height.amax(1) <= high)
    assert wanted.any() and torch.equal(found, wanted)


def test_several_regions_form_a_union() -> None:
    mesh = primitive("cube")
    one, other, both = (
        selection_of(mesh, *regions).faces
        for regions in (["box:,80%,,,,"], ["box:,,,,20%,"], ["box:,80%,,,,", "box:,,,,20%,"])
    )
    assert torch.equal(both, one | other) and not (one & other).any()


def test_a_text_selects_what_the_encoder_finds(tmp_path: Path) -> None:
    ball, cone = primitive("sphere"), primitive("cone")
    vertices = torch.cat([ball.vertices, cone.vertices + torch.tensor([2.2, 0, 0])])
    faces = torch.cat([ball.faces, cone.faces + len(ball.vertices)])
    colors = torch.tensor([[0.8, 0.1, 0.1]]).repeat(len(vertices), 1)
    colors[len(ball.vertices) :] = torch.tensor([0.1, 0.5, 0.15])
    mesh = Mesh(vertices, faces, colors)
    selected = selection_of(mesh, "words:a red apple")
    is_ball = torch.arange(len(faces)) < len(ball.faces)
    assert (selected.faces == is_ball).float().mean() > 0.95
    assert len(selected.notes) == 1


def test_losses_do_not_see_the_region() -> None:
    plan = made(TextToMesh, prompt="a heart", **SMALL, region=UPPER).build()
    (clip,) = [term.loss for term in plan.losses if isinstance(term.loss, Clip)]
    assert clip.regions == ()


@pytest.mark.parametrize("small", [SMALL, SMALL_DEFORM, SMALL_TEXTURE], ids=lambda s: s.get("mode"))
def test_a_run_with_a_region_resumes_bit_identically(small: dict[str, Any]) -> None:
    given: dict[str, Any] = {**small, "prompt": "a heart", "region": UPPER, "steps": 4}
    plan = made(TextToMesh, **given, device="cpu").build()
    snapshots: list[dict[str, Tensor]] = []

    def keep(event: object) -> None:
        if isinstance(event, StepEvent) and event.step == 2:
            snapshots.append({name: value.clone() for name, value in event.snapshot().items()})

    whole = optimize(plan.generator, plan.losses, plan.settings, views=plan.views, listeners=[keep])
    again = made(TextToMesh, **given, device="cpu").build()
    resumed = optimize(
        again.generator, again.losses, again.settings, views=again.views, resume=snapshots[0]
    )
    assert torch.equal(whole.images, resumed.images)
