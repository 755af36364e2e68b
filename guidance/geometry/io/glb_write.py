"""Binary glTF 2.0: writing meshes with vertex colors, or a mesh with texture maps.

Source: Khronos, glTF 2.0 specification, sections 3.7.2.1 (tangents), 3.9.2 (metallic-roughness).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from guidance.geometry.io.glb_document import BINARY_CHUNK, JSON_CHUNK
from guidance.geometry.io.glb_materials import SURFACE, TRANSFORM
from guidance.geometry.io.maps import encode_color, encode_normal, encode_surface
from guidance.geometry.io.raw_mesh import RawMesh, far_origin
from guidance.geometry.tangents import corner_tangents
from guidance.media.srgb import srgb_to_linear
from guidance.meshes import GivenMaterials, Material

Array = Any
#: Roughness of meshes with vertex colors: like chalk, so that highlights do not hide the colors.
ROUGHNESS = 0.9
DIFFUSE_MATERIAL = {
    "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS},
    "doubleSided": True,
}
#: Said in the file; glTF fixes the axis, and its unit, the meter, is not that of most files.
AXES = {"up": "y", "units": "those of the input"}
FLOAT, UNSIGNED = 5126, 5125
ATTRIBUTES, INDICES = 34962, 34963
#: Trilinear filtering; maps repeat.
SAMPLER = {"magFilter": 9729, "minFilter": 9987, "wrapS": 10497, "wrapT": 10497}


@dataclass(frozen=True)
class Node:
    """A mesh with its position and scale in a scene."""

    name: str
    mesh: RawMesh
    normals: Array  # unit vertex normals
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of the origin of the mesh
    scale: float = 1.0


def write_glb(mesh: RawMesh, normals: Array, material: Material | None = None) -> bytes:
    """One double-sided mesh with normals.

    Args:
        mesh: with a material, its UV coordinates are written and its vertex colors are not.
        normals: unit vertex normals.
        material: its maps are embedded as PNG; None writes vertex colors and a diffuse material.
    """
    file = GlbFile()
    origin = far_origin(mesh.vertices)
    node: dict[str, Any] = {}
    if origin.any():  # the node's translation has full precision, the vertices are float32
        mesh = replace(mesh, vertices=mesh.vertices - origin)
        node["translation"] = origin.tolist()
    has_uv = mesh.uv is not None and mesh.face_uv is not None
    if material is None and mesh.given is not None and has_uv:
        bumpy = any("normalTexture" in each for each in mesh.given.materials)
        attributes, faces = _split_at_seams(mesh, normals, tangents=bumpy)
        file.add_node(node, attributes, _by_material(mesh, faces))
        file.add_given(mesh.given)
        return file.content()
    if material is None:
        attributes, faces = _attributes(mesh, normals), mesh.faces
        if has_uv:
            attributes, faces = _split_at_seams(mesh, normals, tangents=False)
        file.add_node(node, attributes, [(0, faces)])
        file.description["materials"] = [DIFFUSE_MATERIAL]
        return file.content()
    attributes, faces = _split_at_seams(replace(mesh, colors=None), normals)
    file.add_node(node, attributes, [(0, faces)])
    surface = {
        "baseColorTexture": {"index": file.add_map("base_color", encode_color(material))},
        "metallicRoughnessTexture": {"index": file.add_map("surface", encode_surface(material))},
    }
    normal_map = {"index": file.add_map("normal", encode_normal(material))}
    file.description["materials"] = [
        {"pbrMetallicRoughness": surface, "normalTexture": normal_map, "doubleSided": True}
    ]
    return file.content()


def write_glb_nodes(nodes: Sequence[Node]) -> bytes:
    """A scene of double-sided meshes with vertex colors, one named node per mesh."""
    file = GlbFile()
    file.description["materials"] = [DIFFUSE_MATERIAL]
    for node in nodes:
        transform = {"translation": list(node.position), "scale": [node.scale] * 3}
        attributes = _attributes(node.mesh, node.normals)
        file.add_node({"name": node.name, **transform}, attributes, [(0, node.mesh.faces)])
    return file.content()


def _attributes(mesh: RawMesh, normals: Array) -> dict[str, Array]:
    """Vertex attributes of a mesh without texture maps."""
    attributes = {"POSITION": mesh.vertices.astype("<f4"), "NORMAL": normals.astype("<f4")}
    if mesh.colors is not None:
        attributes["COLOR_0"] = _linear(mesh.colors)
    return attributes


def _linear(colors: Array) -> Array:
    return srgb_to_linear(torch.from_numpy(np.clip(colors, 0, 1))).numpy().astype("<f4")


def _split_at_seams(
    mesh: RawMesh, normals: Array, *, tangents: bool = True
) -> tuple[dict[str, Array], Array]:
    """Vertex attributes and faces of a mesh whose vertices are duplicated along UV seams.

    glTF vertices have a single UV coordinate and tangent. Vertices keep their order; duplicates
    follow one another.

    Args:
        tangents: adds the tangents that normal maps need.
    """
    assert mesh.uv is not None and mesh.face_uv is not None
    columns, found = [mesh.faces, mesh.face_uv], None
    if tangents:
        arrays = mesh.vertices, mesh.faces, normals, mesh.uv, mesh.face_uv
        # The thresholds in corner_tangents are for meshes of about unit size.
        size = max(float(np.ptp(mesh.vertices, axis=0).max()), 1e-150)
        vertices, *others = (torch.from_numpy(np.ascontiguousarray(values)) for values in arrays)
        found, face_tangents = corner_tangents(vertices / size, *others)
        columns.append(face_tangents.numpy())
    keys = np.stack(columns, -1).reshape(-1, len(columns))
    unique, corners = np.unique(keys, axis=0, return_inverse=True)
    attributes = {
        "POSITION": mesh.vertices[unique[:, 0]].astype("<f4"),
        "NORMAL": normals[unique[:, 0]].astype("<f4"),
    }
    if found is not None:
        attributes["TANGENT"] = found.numpy()[unique[:, 2]].astype("<f4")
    attributes["TEXCOORD_0"] = mesh.uv[unique[:, 1]].astype("<f4")
    if mesh.colors is not None:
        attributes["COLOR_0"] = _linear(mesh.colors[unique[:, 0]])
    return attributes, corners.reshape(mesh.faces.shape)


def _by_material(mesh: RawMesh, faces: Array) -> list[tuple[int, Array]]:
    """The faces of each of the given materials, in the order of the faces."""
    assert mesh.face_material is not None
    used, first = np.unique(mesh.face_material, return_index=True)
    return [(int(each), faces[mesh.face_material == each]) for each in used[np.argsort(first)]]


def _without_factor(material: dict[str, Any]) -> dict[str, Any]:
    surface = dict(material[SURFACE])
    opacity = surface.pop("baseColorFactor", [1.0] * 4)[3]
    if opacity != 1:
        surface["baseColorFactor"] = [1.0, 1.0, 1.0, opacity]
    return material | {SURFACE: surface}


def pack_given(given: GivenMaterials) -> bytes:
    """A GLB of materials and their images alone."""
    file = GlbFile()
    file.add_given(given)
    return file.content()


class GlbFile:
    """The JSON description and the binary buffer of a GLB under construction."""

    def __init__(self) -> None:
        self.binary = bytearray()
        self.description: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": "guidance", "extras": dict(AXES)},
            "scene": 0,
            "scenes": [{"nodes": []}],
            "nodes": [],
            "meshes": [],
            "bufferViews": [],
            "accessors": [],
        }

    def add_node(
        self,
        node: dict[str, Any],
        attributes: dict[str, Array],
        groups: Sequence[tuple[int, Array]],
    ) -> None:
        """Adds a mesh and the node that refers to it.

        Args:
            groups: materials, -1 for none, and their faces.
        """
        accessors = {}
        for name, values in attributes.items():
            kind = {"componentType": FLOAT, "type": f"VEC{values.shape[1]}", "count": len(values)}
            if name == "POSITION":
                kind |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
            accessors[name] = self.add_accessor(values, kind, ATTRIBUTES)
        primitives = []
        for material, corners in groups:
            indices = corners.astype("<u4")
            kind = {"componentType": UNSIGNED, "type": "SCALAR", "count": indices.size}
            index = self.add_accessor(indices, kind, INDICES)
            primitive = {"attributes": accessors, "indices": index}
            primitives.append(primitive if material < 0 else primitive | {"material": material})
        meshes, nodes = self.description["meshes"], self.description["nodes"]
        self.description["scenes"][0]["nodes"].append(len(nodes))
        nodes.append({"mesh": len(meshes), **node})
        meshes.append({"primitives": primitives})

    def add_map(self, name: str, png: bytes) -> int:
        """Adds an image and returns the index of its texture."""
        view = self.add_view(png)
        images = self.description.setdefault("images", [])
        images.append({"bufferView": view, "mimeType": "image/png", "name": name})
        self.description["samplers"] = [SAMPLER]
        textures: list[Any] = self.description.setdefault("textures", [])
        textures.append({"source": len(images) - 1, "sampler": 0})
        return len(textures) - 1

    def add_given(self, given: GivenMaterials) -> None:
        """Adds given materials; base color factors are part of the vertex colors."""
        images = [
            {"bufferView": self.add_view(data), "mimeType": kind} for kind, data in given.images
        ]
        samplers: list[Any] = []
        textures = []
        for texture in given.textures:
            entry = {"source": texture["source"]}
            if "sampler" in texture:
                entry["sampler"] = len(samplers)
                samplers.append(texture["sampler"])
            textures.append(entry)
        found = {"images": images, "samplers": samplers, "textures": textures}
        self.description |= {key: values for key, values in found.items() if values}
        self.description["materials"] = [_without_factor(each) for each in given.materials]
        if TRANSFORM in json.dumps(given.materials):
            self.description["extensionsUsed"] = [TRANSFORM]

    def add_accessor(self, values: Array, kind: dict[str, Any], target: int | None = None) -> int:
        """Adds an array and returns the index of its accessor."""
        view = self.add_view(values.tobytes(), target)
        self.description["accessors"].append({"bufferView": view, **kind})
        return len(self.description["accessors"]) - 1

    def add_view(self, content: bytes, target: int | None = None) -> int:
        """Adds bytes and returns the index of their view."""
        view = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(content)}
        self.description["bufferViews"].append(
            view if target is None else view | {"target": target}
        )
        self.binary += content + b"\0" * (-len(content) % 4)  # views are aligned to four bytes
        return len(self.description["bufferViews"]) - 1

    def content(self) -> bytes:
        """The bytes of the file."""
        self.description["buffers"] = [{"byteLength": len(self.binary)}]
        text = json.dumps(self.description, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)  # chunks are aligned to four bytes
        header = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(self.binary))
        chunks = struct.pack("<II", len(text), JSON_CHUNK) + text
        return header + chunks + struct.pack("<II", len(self.binary), BINARY_CHUNK) + self.binary
