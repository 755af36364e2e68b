"""Reading and writing of mesh files: GLB, OBJ, PLY, STL and OFF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.io.formats import find_format, read_mesh_file
from guidance.geometry.io.glb import read_glb
from guidance.geometry.io.glb_write import Node, write_glb, write_glb_nodes
from guidance.geometry.io.maps import material_of, shown_colors, vertex_colors
from guidance.geometry.io.obj import read_obj, write_obj
from guidance.geometry.io.off import read_off, write_off
from guidance.geometry.io.ply import read_ply, write_ply
from guidance.geometry.io.raw_mesh import RawMesh, far_origin
from guidance.geometry.io.stl import read_stl, write_stl
from guidance.geometry.io.text import without_mark
from guidance.geometry.io.textured_obj import write_given_obj, write_textured_obj
from guidance.geometry.primitives import PRIMITIVES, primitive
from guidance.geometry.repair import repair
from guidance.meshes import Mesh, PlacedMesh

READERS = {"glb": read_glb, "obj": read_obj, "off": read_off, "ply": read_ply, "stl": read_stl}
#: Rows of positions with z up times this have y up.
Z_TO_Y = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
SUFFIXES = (".glb", ".obj", ".ply", ".stl", ".off")


@dataclass(frozen=True)
class LoadedMesh:
    """A mesh that can be rendered, and notes on what was repaired or dropped."""

    mesh: Mesh
    notes: tuple[str, ...] = ()


def load_mesh(source: str | Path, *, maps: bool = False, up: Literal["y", "z"] = "y") -> LoadedMesh:
    """Reads a mesh file, or returns a built-in mesh by its name, e.g. "sphere" or "cube".

    The format (OBJ, PLY, STL, GLB or OFF) is detected from the content. No other file is opened, so
    external materials and textures are dropped. The parts of a scene are merged into one mesh,
    polygons are triangulated, and the mesh is cleaned by `repair`. UV coordinates are kept, and
    the materials and maps of a GLB.
    Vertices are float32, or float64 if the mesh is so far from the origin that float32 would
    distort its shape.

    Args:
        source: a path, or the name of a built-in mesh.
        maps: also decodes the texture maps embedded in a GLB; other formats embed none.
        up: the axis that points upwards in the file. Loaded meshes always have y up. With "z", the
            mesh is rotated: x stays, z becomes y, and y becomes -z.

    Raises:
        InputError: the file is missing, damaged, too large, or not a mesh.
    """
    if str(source) in PRIMITIVES:
        if up != "y":
            raise InputError(f"up: the built-in {source} has y up; remove it")
        return LoadedMesh(primitive(str(source)))
    path = Path(source)
    if not path.suffix and not path.exists():
        primitive(str(source))  # raises an error that lists the names
    where = str(path)
    content = without_mark(read_mesh_file(path), where)
    kind = find_format(content, where)
    raw = repair(READERS[kind](content, where), where)
    if up == "z":
        raw.vertices = raw.vertices @ Z_TO_Y
        raw.notes.append("rotated from z up to y up: x stays, z became y, y became -z")
    colors = None if raw.colors is None else torch.from_numpy(raw.colors).float().clamp(0, 1)
    vertices, faces = torch.from_numpy(raw.vertices), torch.from_numpy(raw.faces)
    if not far_origin(raw.vertices).any():
        vertices = vertices.float()
    uv = None if raw.uv is None else torch.from_numpy(raw.uv).float()
    face_uv = None if raw.face_uv is None else torch.from_numpy(raw.face_uv)
    mesh = Mesh(vertices, faces, colors, uv, face_uv)
    if raw.given is not None and raw.face_material is not None and uv is not None:
        material = material_of(raw.given, where) if maps else None
        face_material = torch.from_numpy(raw.face_material)
        mesh = replace(mesh, material=material, given=raw.given, face_material=face_material)
    return LoadedMesh(mesh, tuple(raw.notes))


def save_mesh(mesh: Mesh, path: str | Path) -> Path:
    """Writes a mesh in the format of the path's extension: GLB, OBJ, PLY, STL or OFF.

    Vertex colors are stored in all formats but STL, with 8 bits in PLY and OFF. Texture maps and
    UV coordinates are stored in GLB and OBJ; PLY and OFF get the base color at each vertex. The
    shape of a mesh far from the origin is preserved in all formats but STL, which is limited to
    float32.

    Raises:
        InputError: an unknown extension, values that are not finite, or maps without UV
            coordinates.
    """
    path = Path(path)
    raw = _raw(mesh, path)
    writers = {".obj": write_obj, ".ply": write_ply, ".stl": write_stl, ".off": write_off}
    suffix = path.suffix.lower()
    if suffix in (".ply", ".off"):
        colors = shown_colors(mesh)
        if colors is None and mesh.material is not None:
            colors = vertex_colors(mesh)
        raw = replace(raw, colors=None if colors is None else colors.double().numpy())
    if suffix == ".glb":
        path.write_bytes(write_glb(raw, _normals(raw), mesh.material))
    elif suffix == ".obj" and has_maps(mesh):
        save_textured_obj(mesh, path)
    elif suffix in writers:
        path.write_bytes(writers[suffix](raw))
    else:
        raise InputError(
            f"{path}: expected one of {', '.join(SUFFIXES)}, got {suffix!r}; rename it"
        )
    return path


def save_scene(parts: Sequence[PlacedMesh], path: Path) -> Path:
    """Writes meshes with vertex colors as a GLB with one named node per mesh.

    Raises:
        InputError: values are not finite.
    """
    raws = [_raw(part.mesh, path) for part in parts]
    nodes = [
        Node(part.name, raw, _normals(raw), part.position, part.scale)
        for part, raw in zip(parts, raws, strict=True)
    ]
    path.write_bytes(write_glb_nodes(nodes))
    return path


def save_textured_obj(mesh: Mesh, path: Path) -> list[Path]:
    """Writes an OBJ, and beside it its material (MTL) and maps (PNG); returns the paths.

    Raises:
        InputError: values are not finite, or there are no maps.
    """
    if not has_maps(mesh):
        raise InputError(f"{path}: cannot be written, the mesh has no texture maps; use save_mesh")
    raw = _raw(mesh, path)
    if mesh.material is None:
        return write_given_obj(raw, _normals(raw), path)
    return write_textured_obj(raw, _normals(raw), mesh.material, path)


def save_obj(mesh: Mesh, path: Path) -> list[Path]:
    """Writes an OBJ, with its material and maps beside it if it has any; returns the paths.

    Raises:
        InputError: see `save_mesh`.
    """
    return save_textured_obj(mesh, path) if has_maps(mesh) else [save_mesh(mesh, path)]


def has_maps(mesh: Mesh) -> bool:
    """Whether texture maps are written with a mesh."""
    return mesh.material is not None or (mesh.given is not None and mesh.uv is not None)


def _raw(mesh: Mesh, path: Path) -> RawMesh:
    """The arrays of a mesh. Raises InputError if they cannot be written."""

    def array(values: Tensor | None) -> Any:
        if values is None:
            return None
        kind = torch.float64 if values.is_floating_point() else torch.int64
        return values.detach().to("cpu", kind).numpy()

    arrays = [array(t) for t in (mesh.vertices, mesh.faces, mesh.colors, mesh.uv, mesh.face_uv)]
    vertices, faces, colors, uv, face_uv = arrays
    if not all(np.isfinite(values).all() for values in arrays if values is not None):
        raise InputError(f"{path}: cannot be written, the mesh contains NaN or infinite values")
    if mesh.material is not None and (uv is None or face_uv is None):
        raise InputError(
            f"{path}: cannot be written, texture maps need UV coordinates; create them with "
            "guidance.geometry.unwrap.with_uv"
        )
    face_material = array(mesh.face_material)
    return RawMesh(vertices, faces, colors, [], uv, face_uv, mesh.given, face_material)


def _normals(mesh: RawMesh) -> Any:
    """Unit vertex normals; +y where there is no direction, since glTF requires unit length."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    sums = np.zeros_like(mesh.vertices)
    for corner in range(3):
        np.add.at(sums, mesh.faces[:, corner], np.cross(b - a, c - a))
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1), [0.0, 1.0, 0.0])
