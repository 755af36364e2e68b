"""Binary glTF 2.0: reading triangles, vertex colors and UV coordinates.

Colors are linear in glTF and sRGB everywhere else in this package. Source: Khronos, glTF 2.0
specification, sections 3.6 (accessors), 3.7 (meshes), 3.9 (materials) and 4 (GLB).
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import torch

from guidance.errors import InputError
from guidance.geometry.io.formats import MAX_FACES, MAX_VERTICES, check_counts
from guidance.geometry.io.raw_mesh import RawMesh
from guidance.media.srgb import linear_to_srgb

Array = Any
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
TRIANGLES, STRIP, FAN = 4, 5, 6
#: Extensions that do not affect the geometry, or that the code below supports.
KNOWN = {"KHR_materials_unlit", "KHR_mesh_quantization", "KHR_texture_transform"}
UNUSED = "dropped the textures"
#: Deeper node trees are assumed to contain cycles.
MAX_DEPTH = 64


def read_glb(content: bytes, where: str) -> RawMesh:
    """All triangles of the default scene in world coordinates, with vertex colors.

    Raises:
        InputError: the file is damaged, too large, compressed, or refers to other files.
    """
    try:
        description, binary = chunks(content, where)
        return _Reader(description, binary, where).read()
    except (
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        struct.error,
        RecursionError,
    ) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{where}: is a damaged GLB ({type(error).__name__}: {error}); export it again"
        ) from None


def chunks(content: bytes, where: str) -> tuple[dict[str, Any], bytes]:
    """The JSON description and the binary buffer.

    Raises:
        InputError: the file is damaged, or another version of glTF.
    """
    _, version, length = struct.unpack_from("<4sII", content)
    if version != 2:
        raise InputError(f"{where}: is glTF version {version}; export it as version 2")
    if length > len(content):
        raise InputError(
            f"{where}: the header declares {length:,} bytes, but the file has {len(content):,}; "
            "the file is damaged or truncated, export it again"
        )
    description, binary, at = None, b"", 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<II", content, at)
        if at + 8 + size > length:
            raise InputError(
                f"{where}: a chunk of {size:,} bytes extends beyond the end of the file; the file "
                "is damaged or truncated, export it again"
            )
        if kind == JSON_CHUNK and description is None:
            description = json.loads(content[at + 8 : at + 8 + size])
        elif kind == BINARY_CHUNK and not binary:
            binary = content[at + 8 : at + 8 + size]
        at += 8 + size
    if not isinstance(description, dict):
        raise InputError(f"{where}: is a GLB without a JSON chunk; export it again")
    return description, binary


class _Reader:
    def __init__(self, description: dict[str, Any], binary: bytes, where: str) -> None:
        self.description, self.binary, self.where = description, binary, where
        self.parts: list[RawMesh] = []
        self.colored = False
        self.mapped = 0  # number of parts with UV coordinates
        self.notes: list[str] = []
        self.num_vertices = self.num_faces = 0

    def read(self) -> RawMesh:
        self._check()
        description = self.description
        nodes = description.get("nodes", [])
        if description.get("scenes"):
            roots = description["scenes"][description.get("scene", 0)].get("nodes", [])
        else:
            children = {child for node in nodes for child in node.get("children", [])}
            roots = [index for index in range(len(nodes)) if index not in children]
        for root in roots:
            self._visit(root, np.eye(4), 0)
        check_counts(self.num_vertices, self.num_faces, self.where)
        offsets = np.cumsum([0] + [len(part.vertices) for part in self.parts[:-1]])
        faces = [part.faces + offset for part, offset in zip(self.parts, offsets, strict=True)]
        colors = np.concatenate([part.colors for part in self.parts]) if self.colored else None
        vertices = np.concatenate([part.vertices for part in self.parts])
        corners = np.concatenate(faces)
        mesh = RawMesh(vertices, corners, colors, self.notes)
        if self.mapped == len(self.parts):
            mesh.uv = np.concatenate([part.uv for part in self.parts if part.uv is not None])
            mesh.face_uv = corners
        elif self.mapped:
            self.notes.append("dropped the UV coordinates, which some parts do not have")
        return mesh

    def _check(self) -> None:
        required = set(self.description.get("extensionsRequired", [])) - KNOWN
        if required:
            raise InputError(
                f"{self.where}: requires {', '.join(sorted(required))}; export it without "
                "compression and extensions"
            )
        for kind in ("buffers", "images"):
            if any("uri" in part for part in self.description.get(kind, [])):
                raise InputError(
                    f"{self.where}: refers to {kind} in other files; export it as one GLB with "
                    "everything embedded"
                )
        if self.description.get("textures"):
            self.notes.append(UNUSED)
        if self.description.get("skins") or self.description.get("animations"):
            self.notes.append("dropped animations and skins; the mesh is in its rest pose")

    def _visit(self, index: int, parent: Array, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise InputError(
                f"{self.where}: its nodes are nested more than {MAX_DEPTH} levels deep; export the "
                "mesh as a single object"
            )
        node = self.description["nodes"][index]
        matrix = parent @ _matrix(node)
        if "mesh" in node:
            for primitive in self.description["meshes"][node["mesh"]]["primitives"]:
                if primitive.get("mode", TRIANGLES) in (TRIANGLES, STRIP, FAN):
                    self._add(primitive, matrix)
        for child in node.get("children", []):
            self._visit(child, matrix, depth + 1)

    def _add(self, primitive: dict[str, Any], matrix: Array) -> None:
        attributes = primitive["attributes"]
        count = int(self.description["accessors"][attributes["POSITION"]]["count"])
        self.num_vertices += count
        if self.num_vertices > MAX_VERTICES:  # a small file can instance a mesh many times
            check_counts(self.num_vertices, 1, self.where)
        positions = self._accessor(attributes["POSITION"])
        if "indices" in primitive:
            corners = self._accessor(primitive["indices"])[:, 0].astype(np.int64)
        else:
            corners = np.arange(count)
        faces = _triangles(corners, primitive.get("mode", TRIANGLES))
        self.num_faces += len(faces)
        if self.num_faces > MAX_FACES:
            check_counts(self.num_vertices, self.num_faces, self.where)
        if np.linalg.det(matrix[:3, :3]) < 0:  # a reflection inverts the orientation
            faces = faces[:, ::-1]
        colors = np.ones((count, 3))
        if "COLOR_0" in attributes:
            colors, self.colored = self._accessor(attributes["COLOR_0"])[:, :3], True
        if "material" in primitive:
            material = self.description["materials"][primitive["material"]]
            factor = material.get("pbrMetallicRoughness", {}).get("baseColorFactor")
            if factor is not None and list(factor[:3]) != [1, 1, 1]:
                colors, self.colored = colors * np.array(factor[:3], dtype=np.float64), True
        colors = linear_to_srgb(torch.from_numpy(np.clip(colors, 0, 1))).numpy()
        world = positions @ matrix[:3, :3].T + matrix[:3, 3]
        part = RawMesh(world, faces, colors)
        if "TEXCOORD_0" in attributes:
            part.uv = self._accessor(attributes["TEXCOORD_0"])[:, :2]
            self.mapped += 1
            if len(part.uv) != count:
                raise InputError(
                    f"{self.where}: a part has {len(part.uv):,} UV coordinates for {count:,} "
                    "vertices; the file is damaged, export it again"
                )
        self.parts.append(part)

    def _accessor(self, index: int) -> Array:
        """The values `[count, width]` in float64; bounds are checked before anything is copied."""
        accessor = self.description["accessors"][index]
        if "sparse" in accessor or "bufferView" not in accessor:
            raise InputError(
                f"{self.where}: has sparse accessors, which are not supported; export it without"
            )
        view = self.description["bufferViews"][accessor["bufferView"]]
        kind, width = np.dtype(TYPES[accessor["componentType"]]), WIDTHS[accessor["type"]]
        count = int(accessor["count"])
        stride = int(view.get("byteStride", kind.itemsize * width))
        start = int(view.get("byteOffset", 0)) + int(accessor.get("byteOffset", 0))
        end = start + stride * (count - 1) + kind.itemsize * width
        if count < 1 or start < 0 or stride < kind.itemsize * width or end > len(self.binary):
            raise InputError(
                f"{self.where}: an accessor of {count:,} elements extends beyond its buffer; the "
                "file is damaged, export it again"
            )
        found = np.ndarray((count, width), kind, self.binary, start, (stride, kind.itemsize))
        values = found.astype(np.float64)
        if accessor.get("normalized"):
            values = np.maximum(values / np.iinfo(kind).max, -1)
        return values


def _matrix(node: dict[str, Any]) -> Array:
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    rotation = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(rotation) * np.array(node.get("scale", (1, 1, 1)))
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _triangles(corners: Array, mode: int) -> Array:
    if mode == TRIANGLES:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    if mode == FAN:
        return np.stack([np.full(len(corners) - 2, corners[0]), corners[1:-1], corners[2:]], 1)
    faces = np.stack([corners[:-2], corners[1:-1], corners[2:]], 1)
    faces[1::2] = faces[1::2, [1, 0, 2]]  # every other triangle of a strip has the opposite order
    return faces
