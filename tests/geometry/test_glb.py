"""What GLB files of other programs hold: sparse and integer values, skins, extensions, limits."""

from __future__ import annotations

import base64
import json
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from guidance.errors import InputError
from guidance.geometry.io.files import LoadedMesh, load_mesh
from tests.geometry.mesh_inputs import POINTS, TRIANGLES
from tests.geometry.test_mesh_io import glb
from tests.geometry.test_textured import picture

Json = dict[str, Any]
KINDS = {"f4": 5126, "u1": 5121, "u2": 5123, "u4": 5125, "i1": 5120}
SHAPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class File:
    """A GLB of a cube that a test adds to."""

    def __init__(self) -> None:
        self.binary = b""
        self.told: Json = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "bufferViews": [],
            "accessors": [],
        }
        attributes = {"POSITION": self.add(POINTS.astype("<f4"))}
        self.primitive: Json = {
            "attributes": attributes,
            "indices": self.add(TRIANGLES.reshape(-1)),
        }
        self.told["meshes"] = [{"primitives": [self.primitive]}]

    def view(self, content: bytes) -> int:
        views = self.told["bufferViews"]
        views.append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(content)})
        self.binary += content + b"\0" * (-len(content) % 4)
        return len(views) - 1

    def add(self, values: np.ndarray, **more: Any) -> int:
        if values.dtype == np.int64:
            values = values.astype("<u2")
        values = values.reshape(len(values), -1)
        kind = KINDS[values.dtype.str.lstrip("<|")]
        entry = {"componentType": kind, "count": len(values), "type": SHAPES[values.shape[1]]}
        self.told["accessors"].append({"bufferView": self.view(values.tobytes())} | entry | more)
        return len(self.told["accessors"]) - 1

    def attribute(self, name: str, values: np.ndarray, **more: Any) -> None:
        self.primitive["attributes"][name] = self.add(values, **more)

    def load(self, folder: Path, **more: Any) -> LoadedMesh:
        self.told["buffers"] = [{"byteLength": len(self.binary)}]
        path = folder / "mesh.glb"
        path.write_bytes(glb(self.told, self.binary))
        return load_mesh(path, **more)


@pytest.fixture
def file() -> File:
    return File()


def corners(loaded: LoadedMesh) -> np.ndarray:
    return loaded.mesh.vertices.numpy()


def test_sparse_values_replace_others(file: File, tmp_path: Path) -> None:
    indices = np.array([1, 3, 7], "<u2")
    values = np.array([[5, 5, 5], [0, 3, 0], [9, 9, 8]], "<f4")
    file.told["accessors"][0]["sparse"] = {
        "count": 3,
        "indices": {"bufferView": file.view(indices.tobytes()), "componentType": 5123},
        "values": {"bufferView": file.view(values.tobytes())},
    }
    expected = POINTS.copy()
    expected[[1, 3, 7]] = values
    assert np.array_equal(corners(file.load(tmp_path)), expected)
    del file.told["accessors"][0]["bufferView"]  # the others are zero
    loaded = file.load(tmp_path)
    assert {tuple(row) for row in corners(loaded).tolist()} <= {
        (0, 0, 0),
        (5, 5, 5),
        (0, 3, 0),
        (9, 9, 8),
    }


@pytest.mark.parametrize(("kind", "normalized"), [("u1", False), ("u1", True), ("u2", False)])
def test_integer_colors_are_normalized(
    kind: str, normalized: bool, file: File, tmp_path: Path
) -> None:
    top = np.iinfo(kind).max
    colors = np.array([[top, 0, top // 2, top]] * 8, f"<{kind}")
    file.attribute("COLOR_0", colors, normalized=normalized)
    found = file.load(tmp_path).mesh.colors
    assert found is not None
    torch.testing.assert_close(found[0], torch.tensor([1, 0, 0.735]), atol=2e-3, rtol=0)


def test_skins_are_at_the_rest_pose_of_their_joints(file: File, tmp_path: Path) -> None:
    half = 0.5**0.5
    inverse = np.eye(4)
    inverse[3, :3] = [0, 0, 1]  # columns first: moves by 1 along z before the joint
    file.told["nodes"] = [
        {"mesh": 0, "skin": 0, "translation": [100, 0, 0]},  # without effect on a skinned mesh
        {"translation": [0, 10, 0], "children": [2]},
        {"rotation": [-half, 0, 0, half], "scale": [2, 2, 2]},
    ]
    file.told["scenes"] = [{"nodes": [0, 1]}]
    bind = file.add(inverse.astype("<f4").reshape(1, 16))
    file.told["skins"] = [{"joints": [2], "inverseBindMatrices": bind}]
    file.attribute("JOINTS_0", np.zeros((8, 4), "u1"))
    file.attribute("WEIGHTS_0", np.array([[255, 0, 0, 0]] * 8, "u1"), normalized=True)
    x, y, z = (POINTS + np.array([0, 0, 1])).T * 2
    assert np.allclose(corners(file.load(tmp_path)), np.stack([x, z + 10, -y], 1), atol=1e-5)


def test_two_joints_share_a_vertex_by_their_weights(file: File, tmp_path: Path) -> None:
    file.told["nodes"] = [{"mesh": 0, "skin": 0}, {"translation": [4, 0, 0]}, {}]
    file.told["scenes"] = [{"nodes": [0, 1, 2]}]
    file.told["skins"] = [{"joints": [1, 2]}]
    file.attribute("JOINTS_0", np.array([[0, 1, 0, 0]] * 8, "<u2"))
    file.attribute("WEIGHTS_0", np.array([[0.5, 1.5, 0, 0]] * 8, "<f4"))  # normalized: 1/4, 3/4
    assert np.allclose(corners(file.load(tmp_path)), POINTS + np.array([1, 0, 0]))


def test_morph_targets_have_their_default_weights(file: File, tmp_path: Path) -> None:
    up = file.add(np.array([[0, 2, 0]] * 8, "<f4"))
    right = file.add(np.array([[4, 0, 0]] * 8, "<f4"))
    file.primitive["targets"] = [{"POSITION": up}, {"POSITION": right}]
    assert np.array_equal(corners(file.load(tmp_path)), POINTS)
    file.told["meshes"][0]["weights"] = [0.5, 0]
    assert np.array_equal(corners(file.load(tmp_path)), POINTS + np.array([0, 1, 0]))
    file.told["nodes"][0]["weights"] = [0, 0.25]  # those of the node come first
    assert np.array_equal(corners(file.load(tmp_path)), POINTS + np.array([1, 0, 0]))


def test_parts_that_share_a_buffer_have_their_own_vertices_only(file: File, tmp_path: Path) -> None:
    half = {**file.primitive, "indices": file.add(TRIANGLES[:6].reshape(-1))}
    rest = {**file.primitive, "indices": file.add(TRIANGLES[6:].reshape(-1))}
    file.told["meshes"] = [{"primitives": [half, rest]}]
    loaded = file.load(tmp_path)
    assert len(loaded.mesh.vertices) == 8 and len(loaded.mesh.faces) == 12


@pytest.mark.parametrize("name", ["KHR_lights_punctual", "EXT_texture_webp", "KHR_materials_sheen"])
def test_extensions_without_geometry_are_ignored(name: str, file: File, tmp_path: Path) -> None:
    file.told["extensionsRequired"] = [name]
    assert f"ignored {name}" in file.load(tmp_path).notes


@pytest.mark.parametrize(
    "name", ["KHR_draco_mesh_compression", "EXT_meshopt_compression", "ACME_shapes"]
)
def test_extensions_of_geometry_are_refused(name: str, file: File, tmp_path: Path) -> None:
    file.told["extensionsRequired"] = [name]
    with pytest.raises(InputError, match=f"requires {name}"):
        file.load(tmp_path)


def test_extensions_in_use_are_refused_too(file: File, tmp_path: Path) -> None:
    file.told["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {}}
    with pytest.raises(InputError, match="repeats a mesh by EXT_mesh_gpu_instancing"):
        file.load(tmp_path)
    file.told["nodes"][0]["extensions"] = {}
    file.told["bufferViews"][0]["extensions"] = {"EXT_meshopt_compression": {}}
    with pytest.raises(InputError, match="compressed by EXT_meshopt_compression"):
        file.load(tmp_path)
    del file.told["accessors"][0]["bufferView"]
    file.primitive["extensions"] = {"KHR_draco_mesh_compression": {}}
    with pytest.raises(InputError, match="compressed by KHR_draco_mesh_compression"):
        file.load(tmp_path)


def test_data_uris_are_decoded_and_other_files_are_not_opened(file: File, tmp_path: Path) -> None:
    uri = "data:image/png;base64," + base64.b64encode(picture()).decode()
    file.attribute("TEXCOORD_0", np.zeros((8, 2), "<f4"))
    file.primitive["material"] = 0
    file.told["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    file.told["textures"], file.told["images"] = [{"source": 0}], [{"uri": uri}]
    loaded = file.load(tmp_path, maps=True)
    assert loaded.mesh.given is not None and loaded.mesh.given.images[0][1] == picture()
    assert loaded.mesh.material is not None
    file.told["images"] = [{"uri": "../../secret.png"}]
    loaded = file.load(tmp_path, maps=True)
    assert loaded.mesh.given is None and "ignored texture maps in other files" in loaded.notes
    whole = base64.b64encode(file.binary).decode()
    file.told["buffers"] = [{"byteLength": len(file.binary), "uri": f"data:a;base64,{whole}"}]
    path = tmp_path / "uri.glb"
    path.write_bytes(glb(file.told))
    assert len(load_mesh(path).mesh.faces) == 12


def test_a_mesh_in_many_places_is_read_fast(file: File, tmp_path: Path) -> None:
    count = 2000
    file.told["nodes"] = [{"mesh": 0, "translation": [3 * i, 0, 0]} for i in range(count)]
    file.told["scenes"] = [{"nodes": list(range(count))}]
    start = time.process_time()
    loaded = file.load(tmp_path)
    assert len(loaded.mesh.faces) == 12 * count and time.process_time() - start < 3


def _fan(told: Json) -> None:
    told["nodes"] = [{"children": [level + 1] * 10} for level in range(12)] + [{}]


def _chain(told: Json) -> None:
    told["nodes"] = [{"children": [level + 1]} for level in range(3000)] + [{"mesh": 0}]


def _parts(told: Json) -> None:
    told["meshes"][0]["primitives"] *= 70_000


def _repeats(told: Json) -> None:
    told["nodes"] = [{"mesh": 0}] * 6_000
    told["scenes"] = [{"nodes": list(range(6_000))}]
    del told["meshes"][0]["primitives"][0]["indices"], told["accessors"][0]["bufferView"]
    told["accessors"][0]["count"] = 200


def _targets(told: Json) -> None:
    told["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": 0}] * 2_100_000
    told["meshes"][0]["weights"] = [1] * 2_100_000


def _zeros(told: Json) -> None:
    told["accessors"] = [{"componentType": 5126, "count": 10**15, "type": "VEC3"}] * 2


def _infinite(told: Json) -> None:
    told["accessors"][0]["count"] = 1e300


def _negative(told: Json) -> None:
    told["nodes"][0]["mesh"] = -1


def _wrong_type(told: Json) -> None:
    told["meshes"][0]["primitives"] = "triangles"


BOMBS = [_fan, _chain, _parts, _repeats, _targets, _zeros, _infinite, _negative, _wrong_type]


@pytest.mark.parametrize("change", BOMBS, ids=lambda change: str(change.__name__)[1:])
def test_what_is_too_large_or_wrong_is_refused_at_once(
    change: Any, file: File, tmp_path: Path
) -> None:
    change(file.told)
    start = time.process_time()
    with pytest.raises(InputError) as found:
        file.load(tmp_path)
    assert time.process_time() - start < 2.5  # writing the file included
    assert "\n" not in str(found.value) and len(str(found.value)) < 400


def test_deep_and_crowded_descriptions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mesh.glb"
    for name, text in {
        "nested too deeply": "[" * 100_000,
        "more than 1,000,000 objects": "[" + "{}," * 1_100_000 + "{}]",
        "NaN is no JSON": json.dumps({"nodes": [{"scale": [float("nan")] * 3}]}),
    }.items():
        whole = glb({})
        body = text.encode() + b" " * (-len(text) % 4)
        chunk = len(body).to_bytes(4, "little") + b"JSON" + body
        path.write_bytes(whole[:8] + (12 + len(chunk)).to_bytes(4, "little") + chunk)
        with pytest.raises(InputError, match=name):
            load_mesh(path)


def test_maps_with_too_many_pixels_are_refused_undecoded(file: File, tmp_path: Path) -> None:
    png = bytearray(picture())
    png[16:24] = (100_000).to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    file.told["images"] = [{"bufferView": file.view(bytes(png)), "mimeType": "image/png"}]
    file.told["textures"] = [{"source": 0}]
    file.told["materials"] = [{"normalTexture": {"index": 0}}]
    with pytest.raises(InputError, match=r"10,000,000,000 pixels, more than the limits"):
        file.load(tmp_path)
