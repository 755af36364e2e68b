"""Binary glTF 2.0: writing meshes with colours of vertices, or one with maps of a material.

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

from guidance.geometry.io.glb import BINARY_CHUNK, JSON_CHUNK
from guidance.geometry.io.maps import encode_color, encode_normal, encode_surface
from guidance.geometry.io.raw import RawMesh, far_origin, to_linear
from guidance.geometry.tangents import corner_tangents
from guidance.meshes import Material

Array = Any
#: How rough the surface looks in a viewer: chalk rather than plastic, so that colours are seen.
ROUGHNESS = 0.9
MATT = {
    "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS},
    "doubleSided": True,
}
FLOAT, UNSIGNED = 5126, 5125
ATTRIBUTES, INDICES = 34962, 34963
#: Linear everywhere, with mip levels; maps repeat.
SAMPLER = {"magFilter": 9729, "minFilter": 9987, "wrapS": 10497, "wrapT": 10497}


@dataclass(frozen=True)
class Node:
    """A mesh in its own units, and where in a scene it stands."""

    name: str
    mesh: RawMesh
    normals: Array  # unit, of vertices
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of its origin
    scale: float = 1.0


def write_glb(mesh: RawMesh, normals: Array, material: Material | None = None) -> bytes:
    """One double-sided mesh with normals.

    Args:
        mesh: with a material, its texture coordinates are written, and no colours of vertices.
        normals: unit, of vertices.
        material: its maps, as PNG inside the file; without, colours of vertices and a matt surface.
    """
    file = _File()
    origin = far_origin(mesh.vertices)
    node: dict[str, Any] = {}
    if origin.any():  # a node's place is written in all its digits, those of vertices are not
        mesh = replace(mesh, vertices=mesh.vertices - origin)
        node["translation"] = origin.tolist()
    if material is None:
        file.add_node(node, _matt(mesh, normals), mesh.faces)
        file.described["materials"] = [MATT]
        return file.content()
    file.add_node(node, *_split_at_seams(mesh, normals))
    surface = {
        "baseColorTexture": {"index": file.add_map("base_color", encode_color(material))},
        "metallicRoughnessTexture": {"index": file.add_map("surface", encode_surface(material))},
    }
    relief = {"index": file.add_map("normal", encode_normal(material))}
    file.described["materials"] = [
        {"pbrMetallicRoughness": surface, "normalTexture": relief, "doubleSided": True}
    ]
    return file.content()


def write_glb_nodes(nodes: Sequence[Node]) -> bytes:
    """A scene of several double-sided meshes with colours of vertices, each a node of its name."""
    file = _File()
    file.described["materials"] = [MATT]
    for node in nodes:
        place = {"translation": list(node.position), "scale": [node.scale] * 3}
        pieces = _matt(node.mesh, node.normals)
        file.add_node({"name": node.name, **place}, pieces, node.mesh.faces)
    return file.content()


def _matt(mesh: RawMesh, normals: Array) -> dict[str, Array]:
    """Attributes of vertices, with colours if there are any."""
    pieces = {"POSITION": mesh.vertices.astype("<f4"), "NORMAL": normals.astype("<f4")}
    if mesh.colors is not None:
        pieces["COLOR_0"] = to_linear(np.clip(mesh.colors, 0, 1)).astype("<f4")
    return pieces


def _split_at_seams(mesh: RawMesh, normals: Array) -> tuple[dict[str, Array], Array]:
    """Attributes of vertices that have one texture coordinate and one tangent each, and faces.

    Vertices keep their order; those on a seam are there several times in a row.
    """
    assert mesh.uv is not None and mesh.face_uv is not None
    shape = mesh.vertices, mesh.faces, normals, mesh.uv, mesh.face_uv
    # Tangents are of the shape alone, so they do not depend on its size.
    size = max(float(np.ptp(mesh.vertices, axis=0).max()), 1e-150)
    unit, *rest = (torch.from_numpy(np.ascontiguousarray(values)) for values in shape)
    tangents, of_corner = corner_tangents(unit / size, *rest)
    keys = np.stack([mesh.faces, mesh.face_uv, of_corner.numpy()], -1).reshape(-1, 3)
    unique, corners = np.unique(keys, axis=0, return_inverse=True)
    pieces = {
        "POSITION": mesh.vertices[unique[:, 0]],
        "NORMAL": normals[unique[:, 0]],
        "TANGENT": tangents.numpy()[unique[:, 2]],
        "TEXCOORD_0": mesh.uv[unique[:, 1]],
    }
    rounded = {name: piece.astype("<f4") for name, piece in pieces.items()}
    return rounded, corners.reshape(mesh.faces.shape)


class _File:
    """A description and its buffer, which grow together."""

    def __init__(self) -> None:
        self.binary = bytearray()
        self.described: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": "guidance"},
            "scene": 0,
            "scenes": [{"nodes": []}],
            "nodes": [],
            "meshes": [],
            "bufferViews": [],
            "accessors": [],
        }

    def add_node(self, node: dict[str, Any], pieces: dict[str, Array], faces: Array) -> None:
        """Adds a mesh, and a node that shows it."""
        attributes = {}
        for name, piece in pieces.items():
            kind = {"componentType": FLOAT, "type": f"VEC{piece.shape[1]}", "count": len(piece)}
            if name == "POSITION":
                kind |= {"min": piece.min(0).tolist(), "max": piece.max(0).tolist()}
            attributes[name] = self._add_accessor(piece, kind, ATTRIBUTES)
        indices = faces.astype("<u4")
        kind = {"componentType": UNSIGNED, "type": "SCALAR", "count": indices.size}
        last = self._add_accessor(indices, kind, INDICES)
        primitive = {"attributes": attributes, "indices": last, "material": 0}
        meshes, nodes = self.described["meshes"], self.described["nodes"]
        self.described["scenes"][0]["nodes"].append(len(nodes))
        nodes.append({"mesh": len(meshes), **node})
        meshes.append({"primitives": [primitive]})

    def add_map(self, name: str, png: bytes) -> int:
        """Adds an image and returns the index of its texture."""
        view = self._add_view(png)
        images = self.described.setdefault("images", [])
        images.append({"bufferView": view, "mimeType": "image/png", "name": name})
        self.described["samplers"] = [SAMPLER]
        textures: list[Any] = self.described.setdefault("textures", [])
        textures.append({"source": len(images) - 1, "sampler": 0})
        return len(textures) - 1

    def _add_accessor(self, values: Array, kind: dict[str, Any], target: int) -> int:
        view = self._add_view(values.tobytes(), target)
        self.described["accessors"].append({"bufferView": view, **kind})
        return len(self.described["accessors"]) - 1

    def _add_view(self, content: bytes, target: int | None = None) -> int:
        view = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(content)}
        self.described["bufferViews"].append(view if target is None else view | {"target": target})
        self.binary += content + b"\0" * (-len(content) % 4)  # all starts are multiples of four
        return len(self.described["bufferViews"]) - 1

    def content(self) -> bytes:
        self.described["buffers"] = [{"byteLength": len(self.binary)}]
        text = json.dumps(self.described, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)  # chunks are aligned to four bytes
        header = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(self.binary))
        chunks = struct.pack("<II", len(text), JSON_CHUNK) + text
        return header + chunks + struct.pack("<II", len(self.binary), BINARY_CHUNK) + self.binary
