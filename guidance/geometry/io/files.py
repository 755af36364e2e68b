"""Meshes from files, and to files."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.io.formats import Format, check_claims, find_format, read_mesh_file
from guidance.geometry.io.glb import UNUSED, read_glb
from guidance.geometry.io.glb_write import Node, write_glb, write_glb_nodes
from guidance.geometry.io.maps import read_glb_material, vertex_colors
from guidance.geometry.io.obj import read_obj, write_obj
from guidance.geometry.io.off import read_off, write_off
from guidance.geometry.io.raw import RawMesh, far_origin
from guidance.geometry.io.textured_obj import write_textured_obj
from guidance.geometry.primitives import PRIMITIVES, primitive
from guidance.geometry.repair import repair
from guidance.meshes import Mesh, PlacedMesh

SUFFIXES = (".glb", ".obj", ".ply", ".stl", ".off")


@dataclass(frozen=True)
class LoadedMesh:
    """A mesh that can be rendered, and what was repaired or is worth knowing, a line each."""

    mesh: Mesh
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Normalization:
    """Moves and scales a mesh into the unit sphere, and back.

    The middle is that of the bounding box, the radius that of the farthest vertex from there.
    """

    center: tuple[float, float, float]
    radius: float

    @classmethod
    def of(cls, vertices: Float[Tensor, "p 3"]) -> Normalization:
        """For vertices that do not all lie at one place."""
        places = vertices.detach().double().cpu()
        center = (places.amin(0) + places.amax(0)) / 2
        x, y, z = center.tolist()
        return cls((x, y, z), float((places - center).norm(dim=-1).max()))

    def apply(self, vertices: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k 3"]:
        """From the file's units to radii."""
        return (vertices - vertices.new_tensor(self.center)) / self.radius

    def undo(self, vertices: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k 3"]:
        """From radii to the file's units."""
        return vertices * self.radius + vertices.new_tensor(self.center)


def load_mesh(source: str | Path, *, maps: bool = False) -> LoadedMesh:
    """A mesh from a file, or a built-in one by its name ("sphere", "cube", "torus" ...).

    The format is told by the content: OBJ, PLY, STL, GLB or OFF. Only this one file is read, so
    materials and textures outside are not used. Parts of a scene become one mesh; polygons become
    triangles; see `repair` for the rest. Texture coordinates are kept. Vertices are float32, and
    float64 where the mesh lies so far from the origin that its shape needs it.

    Args:
        maps: reads the maps inside a GLB as well; other formats have none inside.

    Raises:
        InputError: one line that says what is wrong with the file and what to do.
    """
    if str(source) in PRIMITIVES:
        return LoadedMesh(primitive(str(source)))
    path = Path(source)
    if not path.suffix and not path.exists():
        primitive(str(source))  # tells the names that there are
    content, where = read_mesh_file(path), str(path)
    kind = find_format(content, where)
    claims = check_claims(content, kind, where)
    if kind == "glb":
        raw = read_glb(content, where)
    elif kind == "obj":
        raw = read_obj(content, where)
    elif kind == "off":
        raw = read_off(content, where)
    else:
        raw = _read_with_trimesh(content, kind, where)
    if len(raw.vertices) < claims[0] or len(raw.faces) < claims[1]:
        raise InputError(
            f"{where}: claims {claims[0]:,} vertices and {claims[1]:,} faces but holds "
            f"{len(raw.vertices):,} and {len(raw.faces):,}; it is damaged or cut off"
        )
    raw = repair(raw, where)
    colors = None if raw.colors is None else torch.from_numpy(raw.colors).float().clamp(0, 1)
    vertices, faces = torch.from_numpy(raw.vertices), torch.from_numpy(raw.faces)
    if not far_origin(raw.vertices).any():
        vertices = vertices.float()
    uv = None if raw.uv is None else torch.from_numpy(raw.uv).float()
    face_uv = None if raw.face_uv is None else torch.from_numpy(raw.face_uv)
    material = read_glb_material(content, where) if maps and kind == "glb" else None
    notes = tuple(note for note in raw.notes if material is None or note != UNUSED)
    return LoadedMesh(Mesh(vertices, faces, colors, uv, face_uv, material), notes)


def save_mesh(mesh: Mesh, path: str | Path) -> Path:
    """Writes a mesh in the format of the path's extension: GLB, OBJ, PLY, STL or OFF.

    Colours of vertices are kept but in STL, which has none; PLY and OFF hold them in 8 bits. Maps
    of a material, and the texture coordinates that they need, are kept in GLB and OBJ; PLY and OFF
    get the base colour at each vertex. Shapes that lie far from the origin are kept in all but STL,
    which has single precision only.

    Raises:
        InputError: another extension; values that are not finite; maps without coordinates.
    """
    path = Path(path)
    raw = _raw(mesh, path)
    writers = {".obj": write_obj, ".ply": _write_ply, ".stl": _write_stl, ".off": write_off}
    suffix = path.suffix.lower()
    if suffix in (".ply", ".off") and mesh.colors is None and mesh.material is not None:
        raw = replace(raw, colors=vertex_colors(mesh).double().numpy())
    if suffix == ".glb":
        path.write_bytes(write_glb(raw, _normals(raw), mesh.material))
    elif suffix == ".obj" and mesh.material is not None:
        save_textured_obj(mesh, path)
    elif suffix in writers:
        path.write_bytes(writers[suffix](raw))
    else:
        raise InputError(f"{path}: meshes are written as {', '.join(SUFFIXES)}, not {suffix!r}")
    return path


def save_scene(parts: Sequence[PlacedMesh], path: Path) -> Path:
    """Writes meshes with colours of vertices as a GLB, in which each is a node of its name.

    Raises:
        InputError: values that are not finite.
    """
    raws = [_raw(part.mesh, path) for part in parts]
    nodes = [
        Node(part.name, raw, _normals(raw), part.position, part.scale)
        for part, raw in zip(parts, raws, strict=True)
    ]
    path.write_bytes(write_glb_nodes(nodes))
    return path


def save_textured_obj(mesh: Mesh, path: Path) -> list[Path]:
    """Writes an OBJ with its material (MTL) and maps (PNG) beside it; returns all of them.

    Raises:
        InputError: values that are not finite; no maps.
    """
    if mesh.material is None:
        raise InputError(f"{path}: not written, since the mesh has no maps; use save_mesh")
    raw = _raw(mesh, path)
    return write_textured_obj(raw, _normals(raw), mesh.material, path)


def _raw(mesh: Mesh, path: Path) -> RawMesh:
    """The arrays of a mesh, if they can be written."""

    def array(values: Tensor | None) -> Any:
        if values is None:
            return None
        kind = torch.float64 if values.is_floating_point() else torch.int64
        return values.detach().to("cpu", kind).numpy()

    arrays = [array(t) for t in (mesh.vertices, mesh.faces, mesh.colors, mesh.uv, mesh.face_uv)]
    vertices, faces, colors, uv, face_uv = arrays
    if not all(np.isfinite(values).all() for values in arrays if values is not None):
        raise InputError(f"{path}: not written, since the mesh has values that are not finite")
    if mesh.material is not None and (uv is None or face_uv is None):
        raise InputError(
            f"{path}: not written, since maps need texture coordinates; see "
            "guidance.geometry.unwrap.with_uv"
        )
    return RawMesh(vertices, faces, colors, [], uv, face_uv)


def _read_with_trimesh(content: bytes, kind: Format, where: str) -> RawMesh:
    """PLY and STL. Without a resolver, trimesh cannot open any other file."""
    import trimesh

    try:
        scene = trimesh.load_scene(io.BytesIO(content), file_type=kind, process=False)
        parts = [part for part in scene.dump() if isinstance(part, trimesh.Trimesh)]
        made: Any = trimesh.util.concatenate(parts) if len(parts) > 1 else parts[0]
        vertices = np.array(made.vertices, dtype=np.float64)
        faces = np.array(made.faces, dtype=np.int64)
    except (
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        NotImplementedError,
        struct.error,
        trimesh.exchange.stl.HeaderError,
    ) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{where}: cannot be read as {kind.upper()}: {reason}") from None
    colors = None
    if made.visual.kind == "vertex":
        colors = np.asarray(made.visual.vertex_colors, dtype=np.float64)[:, :3] / 255
    raw = RawMesh(vertices.reshape(-1, 3), faces.reshape(-1, 3), colors)
    uv = getattr(made.visual, "uv", None)
    if uv is not None and len(uv) == len(raw.vertices):
        raw.uv, raw.face_uv = np.asarray(uv, dtype=np.float64) * [1, -1] + [0, 1], raw.faces
    return raw


def _normals(mesh: RawMesh) -> Any:
    """Unit normals for viewers; upwards where a vertex has none, since they must have a length."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    sums = np.zeros_like(mesh.vertices)
    for corner in range(3):
        np.add.at(sums, mesh.faces[:, corner], np.cross(b - a, c - a))
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1), [0.0, 1.0, 0.0])


def _bytes(colors: Any) -> Any:
    return (np.clip(colors, 0, 1) * 255).round().astype(np.uint8)


def _write_ply(mesh: RawMesh) -> bytes:
    number = "<f8" if far_origin(mesh.vertices).any() else "<f4"
    columns: list[tuple[str, str]] = [(axis, number) for axis in "xyz"]
    if mesh.colors is not None:
        columns += [(name, "u1") for name in ("red", "green", "blue")]
    kinds = {"<f4": "float", "<f8": "double", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(mesh.vertices)}"]
    header += [f"property {kinds[kind]} {name}" for name, kind in columns]
    header += [f"element face {len(mesh.faces)}", "property list uchar int vertex_indices"]
    points = np.zeros(len(mesh.vertices), dtype=columns)
    for axis, name in enumerate("xyz"):
        points[name] = mesh.vertices[:, axis]
    if mesh.colors is not None:
        for channel, name in enumerate(("red", "green", "blue")):
            points[name] = _bytes(mesh.colors)[:, channel]
    faces = np.zeros(len(mesh.faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    return "\n".join([*header, "end_header", ""]).encode() + points.tobytes() + faces.tobytes()


def _write_stl(mesh: RawMesh) -> bytes:
    kind = [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")]
    records = np.zeros(len(mesh.faces), dtype=kind)
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    records["normal"] = normals / np.where(lengths > 0, lengths, 1)
    records["corners"] = corners
    return b"guidance".ljust(80, b"\0") + struct.pack("<I", len(records)) + records.tobytes()
