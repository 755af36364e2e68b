"""The formats that a finished mesh is written in, and what a printer would say of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.io.files import save_mesh, save_textured_obj
from guidance.geometry.topology import boundary_loops, edge_sides
from guidance.meshes import Mesh

#: All that there are, and those that are written unless something else is asked for.
FORMATS, USUAL = ("glb", "obj", "ply", "stl"), ("glb", "obj")


def parse_formats(text: str) -> tuple[str, ...]:
    """Reads "glb,obj,ply".

    Raises:
        InputError: unknown ones, or no GLB.
    """
    found = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",")))
    for name in found:
        if name not in FORMATS:
            raise InputError(f"formats: {name!r:.40} is unknown; use {', '.join(FORMATS)}")
    if "glb" not in found:
        raise InputError("formats: glb must be among them, since `guide eval` reads it")
    return found


def save_meshes(mesh: Mesh, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Writes mesh.glb, mesh.obj ... and returns all files, maps beside an OBJ included.

    Of maps, a PLY has the base colour at each vertex, an STL nothing.

    Raises:
        InputError: see `guidance.geometry.io.files.save_mesh`.
    """
    files = []
    for name in formats:
        path = folder / f"mesh.{name}"
        if name == "obj" and mesh.material is not None:
            files += save_textured_obj(mesh, path)
        else:
            files.append(save_mesh(mesh, path))
    return files


def printing_note(faces: Int[Tensor, "f 3"]) -> str:
    """Whether a surface encloses a volume, as printers want it, and what is in the way."""
    sides = edge_sides(faces.cpu())
    if sides.is_closed():
        return "mesh.stl: is watertight"
    counts = sides.counts()
    reasons = []
    if loops := boundary_loops(faces.cpu()):
        reasons.append(f"{loops:,} hole{'s' if loops > 1 else ''}")
    if crowded := int((counts > 2).sum()):
        reasons.append(f"{crowded:,} edge{'s' if crowded > 1 else ''} of more than two faces")
    if not reasons:
        reasons.append("neighbouring faces that look opposite ways")
    return f"mesh.stl: is not watertight ({', '.join(reasons)}); close it before you print it"
