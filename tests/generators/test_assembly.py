"""Scenes: who is seen where, and what is written of it."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch

from guidance.errors import InputError
from guidance.generators.mesh.assembly import Assembly, Part, views_of_parts
from guidance.generators.mesh.jacobians import DeformedMesh
from guidance.generators.mesh.stylized import StylizedMesh
from guidance.geometry.io.files import load_mesh
from guidance.geometry.primitives import octahedron, primitive
from guidance.losses.rigidity import Rigidity
from guidance.meshes import Mesh, MeshScene
from guidance.rendering.cameras.orbit import Orbit
from guidance.rendering.shading import Shading
from guidance.types import StepContext
from guidance.views import WHOLE

ORBIT = Orbit(num_views=2, size=(32, 32))
MOMENT = StepContext((3,), step=1)
PLAIN = StylizedMesh.Options(edge_length=0.8, max_displacement=0.0)


def pair(left: float = -3.0, right: float = 5.0) -> Assembly:
    """A cube, and a sphere of twice its own size, far apart."""
    cube, ball = primitive("cube"), primitive("sphere")
    return Assembly(
        [
            Part("cube", StylizedMesh(cube, [0], PLAIN), (left, 0.0, 0.0)),
            Part("ball", StylizedMesh(ball, [9], PLAIN), (right, 0.0, 0.0), 2.0),
        ],
        PLAIN.shading,
    )


def test_parts_alone_are_seen_as_if_they_were_alone() -> None:
    scene = pair()
    cameras = views_of_parts(ORBIT, 2)(MOMENT)
    assert cameras.subject is not None and cameras.subject.tolist() == [[-1, -1, 0, 0, 1, 1]]
    seen = scene(cameras)
    for index, part in enumerate(scene.parts):
        alone = part.generator(ORBIT(MOMENT))
        shown = seen.showing(index)
        assert torch.equal(shown.image, alone.image) and torch.equal(shown.alpha, alone.alpha)
    whole = scene(ORBIT(MOMENT))
    assert torch.equal(seen.showing(WHOLE).image, whole.image)
    assert torch.equal(seen.whole().image, whole.image)


def test_parts_stand_where_they_are_put() -> None:
    found = pair()(ORBIT(MOMENT)).scene
    assert isinstance(found, MeshScene)
    low, high = found.vertices[0].amin(0), found.vertices[0].amax(0)
    assert torch.allclose(low[0] + high[0], torch.zeros(()), atol=1e-5)
    assert found.vertices[0].norm(dim=1).max() == pytest.approx(1, abs=1e-5)
    count = len(primitive("cube").vertices)
    cube, ball = found.vertices[0, :count], found.vertices[0, count:]
    width = (cube[:, 0].amax() - cube[:, 0].amin()) / (ball[:, 0].amax() - ball[:, 0].amin())
    assert width == pytest.approx(1 / 3**0.5 / 2, rel=1e-4)  # a cube of radius 1 beside 2
    distance = ball.mean(0)[0] - cube.mean(0)[0]
    assert distance / (ball[:, 0].amax() - ball[:, 0].amin()) == pytest.approx(8 / 4, rel=1e-3)


def test_regularizers_see_each_part_at_its_own_size() -> None:
    small = [
        Part(
            name,
            DeformedMesh(octahedron(), [0], DeformedMesh.Options(edge_length=0.8)),
            (place, 0.0, 0.0),
            scale,
        )
        for name, place, scale in (("large", -1.0, 1.0), ("small", 1.0, 0.01))
    ]
    scene = Assembly(small, Shading(ambient=0.6))
    with torch.no_grad():
        small[1].generator.jacobians.copy_(2 * torch.eye(3).expand(1, 32, 3, 3))
        small[0].generator.jacobians.copy_(torch.eye(3).expand(1, 32, 3, 3))
    value = Rigidity()(scene(views_of_parts(ORBIT, 2)(MOMENT)), MOMENT)
    assert value.item() == pytest.approx(1.5 / 2)  # half of all area, whatever its scale


def test_parts_are_untangled_at_the_end_each_by_itself() -> None:
    parts = [
        Part(
            name,
            DeformedMesh(primitive("torus"), [0], DeformedMesh.Options(edge_length=2.0)),
            (place, 0.0, 0.0),
        )
        for name, place in (("calm", -1.0), ("wound", 1.0))
    ]
    scene, wound = Assembly(parts, Shading(ambient=0.6)), parts[1].generator
    angle = 4 * wound.get_buffer("rest")[wound.get_buffer("faces")].mean(1)[:, 0]
    with torch.no_grad():
        wound.jacobians[0, :, 0, 0] = wound.jacobians[0, :, 1, 1] = angle.cos()
        wound.jacobians[0, :, 1, 0], wound.jacobians[0, :, 0, 1] = angle.sin(), -angle.sin()
    tangled = scene(ORBIT(MOMENT)).scene.vertices
    (note,) = scene.finish()
    assert note.startswith("wound: faces that intersected others after the deformation: ")
    untangled = scene(ORBIT(MOMENT)).scene.vertices
    assert not torch.equal(untangled, tangled)
    scene.advance(0.0)
    assert torch.equal(scene(ORBIT(MOMENT)).scene.vertices, tangled)


def test_the_glb_has_a_node_a_part_and_parts_are_in_their_own_units(tmp_path: Path) -> None:
    scene = pair()
    scene.formats = ("glb", "obj", "ply")
    files = {path.name for path in scene.export(tmp_path, 0)}
    kinds = ("glb", "obj", "ply")
    assert files == {
        f"{stem}.{kind}" for stem in ("mesh", "mesh_cube", "mesh_ball") for kind in kinds
    }
    content = (tmp_path / "mesh.glb").read_bytes()
    (length,) = struct.unpack_from("<I", content, 12)
    described = json.loads(content[20 : 20 + length])
    places = [(node["name"], node["translation"], node["scale"]) for node in described["nodes"]]
    assert places == [("cube", [-3, 0, 0], [1, 1, 1]), ("ball", [5, 0, 0], [2, 2, 2])]
    assert described["scenes"] == [{"nodes": [0, 1]}]
    for name, part in (("cube", "cube"), ("ball", "sphere")):
        for kind in ("glb", "obj"):
            made = load_mesh(tmp_path / f"mesh_{name}.{kind}").mesh
            assert torch.equal(made.vertices, primitive(part).vertices)
    whole = [load_mesh(tmp_path / f"mesh.{kind}").mesh for kind in kinds]
    for mesh in whole:
        assert torch.allclose(mesh.vertices, whole[0].vertices, atol=1e-5)
        assert torch.equal(mesh.faces, whole[0].faces)
        assert mesh.vertices[:, 0].amax() == pytest.approx(7, abs=1e-4)


def test_scenes_that_cannot_be_are_told() -> None:
    one = Part("a", StylizedMesh.tiny(1))
    with pytest.raises(InputError, match=r"expected parts of different names, got \['a', 'a'\]"):
        Assembly([one, one], PLAIN.shading)
    with pytest.raises(InputError, match=r"same number of samples, got \[1, 2\]"):
        Assembly([one, Part("b", StylizedMesh.tiny(2))], PLAIN.shading)
    with pytest.raises(InputError, match="Assembly: needs cameras"):
        Assembly.tiny()()


def test_shapes_are_kept_where_a_part_is_far_from_its_origin(tmp_path: Path) -> None:
    mesh = Mesh(octahedron().vertices.double() * 2 + 5000, octahedron().faces)
    options = StylizedMesh.Options(edge_length=2.0, max_displacement=0.0)
    scene = Assembly(
        [
            Part("far", StylizedMesh(mesh, [0], options), (-5000.0, -5000.0, -5000.0)),
            Part("near", StylizedMesh(octahedron(), [0], options), (4.0, 0.0, 0.0)),
        ],
        options.shading,
    )
    scene.export(tmp_path, 0)
    whole = load_mesh(tmp_path / "mesh.glb").mesh
    assert torch.allclose(whole.vertices[:6], 2 * octahedron().vertices, atol=1e-5)
