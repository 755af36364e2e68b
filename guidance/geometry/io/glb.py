"""Binary glTF 2.0: reading triangles, vertex colors, UV coordinates and materials.

Colors are linear in glTF and sRGB everywhere else in this package. Source: Khronos, glTF 2.0
specification, sections 3.7 (meshes), 3.9 (materials) and 3.12 (extensions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from guidance.errors import InputError
from guidance.geometry.io.formats import MAX_FACES, MAX_VERTICES, check_counts
from guidance.geometry.io.glb_document import UNEXPECTED, Document, Json
from guidance.geometry.io.glb_materials import given_materials
from guidance.geometry.io.glb_pose import (
    MAX_NODES,
    morphed,
    placed_nodes,
    skin_matrices,
    skinned,
)
from guidance.geometry.io.raw_mesh import RawMesh, check_corners, check_points
from guidance.media.srgb import linear_to_srgb
from guidance.meshes import GivenMaterials

Array = Any
TRIANGLES, STRIP, FAN = 4, 5, 6
#: Extensions that the code supports, or that change nothing that is read.
KNOWN = {"KHR_materials_unlit", "KHR_mesh_quantization", "KHR_texture_transform"}
#: Beginnings of the names of extensions that touch no geometry; they are ignored with a note.
HARMLESS = (
    "KHR_materials_", "KHR_lights_", "KHR_texture_", "KHR_xmp", "KHR_animation", "KHR_audio",
    "KHR_interactivity", "KHR_physics", "KHR_node_", "KHR_implicit_shapes", "EXT_texture_",
    "EXT_lights_", "EXT_materials_", "EXT_structural_", "EXT_feature_", "EXT_mesh_features",
    "EXT_instance_features", "EXT_mesh_manifold", "MSFT_texture_", "MSFT_audio_", "MSFT_packing_",
    "MSFT_physics", "OMI_", "ADOBE_materials_", "AGI_", "CESIUM_", "FB_ngon_encoding", "VRM",
    "VRMC_", "NV_materials_", "GODOT_",
)  # fmt: skip
INSTANCING, DRACO = "EXT_mesh_gpu_instancing", "KHR_draco_mesh_compression"


def read_glb(content: bytes, where: str) -> RawMesh:
    """All triangles of the default scene in world coordinates, with vertex colors.

    Skinned meshes are at rest, morph targets at their default weights.

    Raises:
        InputError: the file is damaged, too large, compressed, or refers to other files.
    """
    try:
        return _Reader(Document(content, where)).read()
    except UNEXPECTED as error:
        raise _damaged(error, where) from None


def unpack_given(content: bytes, where: str) -> GivenMaterials | None:
    """The materials in a GLB that may have no mesh.

    Raises:
        InputError: the file is damaged.
    """
    try:
        return given_materials(Document(content, where), [])
    except UNEXPECTED as error:
        raise _damaged(error, where) from None


def _damaged(error: Exception, where: str) -> InputError:
    if isinstance(error, InputError):
        return error
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return InputError(f"{where}: is a damaged GLB ({reason:.120}); export it again")


@dataclass(frozen=True)
class _Part:
    """A primitive of a node."""

    primitive: Json
    node: Json
    matrix: Array


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document, self.where = document, document.where
        self.colored = False
        self.notes: list[str] = []
        self.skins: dict[int, Array] = {}
        self.locals: dict[tuple[int, int], RawMesh] = {}

    def read(self) -> RawMesh:
        self._check_extensions()
        parts = self._parts()
        self._check_sizes(parts)
        meshes = [self._mesh(part) for part in parts]
        offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
        faces = [mesh.faces + offset for mesh, offset in zip(meshes, offsets, strict=True)]
        vertices = np.concatenate([mesh.vertices for mesh in meshes])
        check_points(vertices, self.where)
        corners = np.concatenate(faces)
        mesh = RawMesh(vertices, corners, None, self.notes)
        if self.colored:
            linear = np.clip(np.concatenate([mesh.colors for mesh in meshes]), 0, 1)
            mesh.colors = linear_to_srgb(torch.from_numpy(linear)).numpy()
        coordinates = [mesh.uv for mesh in meshes if mesh.uv is not None]
        if len(coordinates) == len(meshes):
            mesh.uv, mesh.face_uv = np.concatenate(coordinates), corners
        elif coordinates:
            self.notes.append("dropped the UV coordinates, which some parts do not have")
        given = given_materials(self.document, self.notes)
        if given is not None and mesh.uv is not None:
            materials = [part.primitive.get("material", -1) for part in parts]
            mesh.given = given
            mesh.face_material = np.repeat(materials, [len(each) for each in faces]).astype(int)
        elif given is not None:
            self.notes.append("dropped the texture maps, which need UV coordinates")
        return mesh

    def _check_extensions(self) -> None:
        description = self.document.description
        required = set(description.get("extensionsRequired", [])) - KNOWN
        ignored = {name for name in required if name.startswith(HARMLESS)}
        if required - ignored:
            raise InputError(
                f"{self.where}: requires {', '.join(sorted(required - ignored)):.200}; export it "
                "without compression, instancing and extensions"
            )
        if ignored:
            self.notes.append(f"ignored {', '.join(sorted(ignored)):.200}")
        if description.get("animations"):
            self.notes.append("dropped the animations; the mesh is in its rest pose")

    def _parts(self) -> list[_Part]:
        """The primitives of all nodes of the scene that are triangles."""
        found: list[_Part] = []
        others = 0
        for node, matrix in placed_nodes(self.document):
            if INSTANCING in node.get("extensions", {}):
                raise InputError(
                    f"{self.where}: repeats a mesh by {INSTANCING}, which is not read; export it "
                    "without instancing"
                )
            if "mesh" not in node:
                continue
            for primitive in self.document.part("meshes", node["mesh"])["primitives"]:
                if primitive.get("mode", TRIANGLES) in (TRIANGLES, STRIP, FAN):
                    found.append(_Part(primitive, node, matrix))
                else:
                    others += 1
            if len(found) + others > MAX_NODES:
                raise InputError(
                    f"{self.where}: has more than {MAX_NODES:,} parts; join them and export it "
                    "again"
                )
        if others:
            self.notes.append("dropped points and lines, which are not rendered")
        return found

    def _check_sizes(self, parts: list[_Part]) -> None:
        """Counts all vertices and faces before any is read: a small file can repeat a mesh."""
        vertices = faces = 0
        read: dict[Any, int] = {}
        for part in parts:
            primitive = part.primitive
            count = self.document.count(primitive["attributes"]["POSITION"])
            accessor = self.document.part("accessors", primitive["attributes"]["POSITION"])
            if DRACO in primitive.get("extensions", {}) and accessor.get("bufferView") is None:
                raise InputError(
                    f"{self.where}: is compressed by {DRACO}, which is not read; export it without "
                    "compression"
                )
            drawn = primitive.get("indices")
            corners = count if drawn is None else self.document.count(drawn)
            read[primitive["attributes"]["POSITION"]] = count
            vertices += min(count, corners) if _shares(part) else count
            is_list = primitive.get("mode", TRIANGLES) == TRIANGLES
            faces += corners // 3 if is_list else max(0, corners - 2)
            if vertices > MAX_VERTICES or faces > MAX_FACES:
                break
        check_counts(vertices, faces, self.where)
        if sum(read.values()) > 4 * MAX_VERTICES:
            check_counts(sum(read.values()), faces, self.where)

    def _mesh(self, part: _Part) -> RawMesh:
        """A part in world coordinates; its colors are linear."""
        local = self._local(part)
        world, mirrored = self._placed(part, local.vertices)
        faces = local.faces[:, ::-1] if mirrored else local.faces
        return RawMesh(world, faces, local.colors, uv=local.uv)

    def _local(self, part: _Part) -> RawMesh:
        """A part in its own coordinates, the same for all nodes that repeat it."""
        primitive, key = part.primitive, (id(part.primitive), id(part.node.get("weights")))
        if key in self.locals:
            return self.locals[key]
        document, attributes = self.document, primitive["attributes"]
        positions = document.accessor(attributes["POSITION"])
        if positions.shape[1] != 3:
            raise ValueError("positions are not in 3D")
        count = len(positions)
        if "indices" in primitive:
            corners = document.accessor(primitive["indices"])[:, 0].astype(np.int64)
        else:
            corners = np.arange(count)
        check_corners(corners, count, self.where)
        used: Any = slice(None)
        if _shares(part) and count > len(corners):
            used, corners = np.unique(corners, return_inverse=True)
        faces = _triangles(corners.reshape(-1), primitive.get("mode", TRIANGLES))
        positions = morphed(document, primitive, part.node, positions)
        mesh = RawMesh(positions[used], faces, self._colors(part, count)[used])
        if "TEXCOORD_0" in attributes:
            uv = document.accessor(attributes["TEXCOORD_0"])[:, :2]
            self._check_length("UV coordinates", len(uv), count)
            mesh.uv = uv[used]
        self.locals[key] = mesh
        return mesh

    def _placed(self, part: _Part, positions: Array) -> tuple[Array, bool]:
        """World positions, and whether the transform mirrors, which inverts the orientation."""
        if "skin" in part.node:
            key = int(part.node["skin"])
            if key not in self.skins:
                self.skins[key] = skin_matrices(self.document, key)
            attributes, matrices = part.primitive["attributes"], self.skins[key]
            placed = skinned(self.document, attributes, matrices, positions)
            if placed is not None:
                return placed, bool(np.linalg.det(matrices[0, :3, :3]) < 0)
        matrix = part.matrix
        return positions @ matrix[:3, :3].T + matrix[:3, 3], bool(np.linalg.det(matrix[:3, :3]) < 0)

    def _colors(self, part: _Part, count: int) -> Array:
        """Linear vertex colors times the base color factor; white without any."""
        colors, attributes = np.ones((count, 3)), part.primitive["attributes"]
        if "COLOR_0" in attributes:
            index = attributes["COLOR_0"]
            colors = self.document.accessor(index)[:, :3] / self.document.top(index)
            self._check_length("colors", len(colors), count)
            lost = ~np.isfinite(colors).all(1)
            if lost.any():
                self.notes.append(f"vertices without a valid color are white: {lost.sum():,}")
                colors[lost] = 1
            self.colored = True
        if "material" in part.primitive:
            factor = base_color_factor(self.document.part("materials", part.primitive["material"]))
            if (factor != 1).any():
                colors, self.colored = colors * factor, True
        return colors

    def _check_length(self, name: str, found: int, expected: int) -> None:
        if found != expected:
            raise InputError(
                f"{self.where}: a part has {found:,} {name} for {expected:,} vertices; the file is "
                "damaged, export it again"
            )


def _shares(part: _Part) -> bool:
    """Whether a part may use few of its vertices: exporters let all parts share one buffer."""
    primitive = part.primitive
    return "indices" in primitive and "targets" not in primitive and "skin" not in part.node


def base_color_factor(material: Json) -> Array:
    """The linear base color of a material without its map."""
    factor = np.array(material.get("pbrMetallicRoughness", {}).get("baseColorFactor", [1] * 4))
    if factor.shape != (4,) or not np.isfinite(factor.astype(np.float64)).all():
        raise ValueError("a base color factor is not four numbers")
    return factor[:3].astype(np.float64)


def _triangles(corners: Array, mode: int) -> Array:
    if mode == TRIANGLES:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    if len(corners) < 3:
        return np.zeros((0, 3), np.int64)
    if mode == FAN:
        return np.stack([np.full(len(corners) - 2, corners[0]), corners[1:-1], corners[2:]], 1)
    faces = np.stack([corners[:-2], corners[1:-1], corners[2:]], 1)
    faces[1::2] = faces[1::2, [1, 0, 2]]  # every other triangle of a strip has the opposite order
    return faces
