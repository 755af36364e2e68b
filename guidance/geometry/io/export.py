"""The export of finished meshes in several formats, and a check for 3D printing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.io.files import save_mesh, save_obj
from guidance.geometry.topology import boundary_loops, edge_sides
from guidance.meshes import Mesh

#: All export formats, and the default ones.
FORMATS, DEFAULT_FORMATS = ("glb", "obj", "ply", "stl"), ("glb", "obj")


def parse_formats(text: str) -> tuple[str, ...]:
    """Reads a list such as "glb,obj,ply".

    Raises:
        InputError: a format is unknown, or GLB is missing.
    """
    found = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",")))
    for name in found:
        if name not in FORMATS:
            raise InputError(f"formats: unknown format {name!r:.40}; use {', '.join(FORMATS)}")
    if "glb" not in found:
        raise InputError("formats: glb is missing, which `guide eval` reads; add it")
    return found


def save_meshes(mesh: Mesh, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Writes mesh.glb, mesh.obj ... and returns all paths, including the maps beside an OBJ.

    Raises:
        InputError: see `guidance.geometry.io.files.save_mesh`.
    """
    files = []
    for name in formats:
        path = folder / f"mesh.{name}"
        files += save_obj(mesh, path) if name == "obj" else [save_mesh(mesh, path)]
    return files


def printing_note(faces: Int[Tensor, "f 3"]) -> str:
    """A note on whether a surface is watertight, as 3D printing requires, and if not, why."""
    sides = edge_sides(faces.cpu())
    if sides.is_closed():
        return "mesh.stl: watertight"
    counts = sides.counts()
    reasons = []
    if loops := boundary_loops(faces.cpu()):
        reasons.append(f"{loops:,} hole{'s' if loops > 1 else ''}")
    if crowded := int((counts > 2).sum()):
        reasons.append(f"{crowded:,} edge{'s' if crowded > 1 else ''} with more than two faces")
    if not reasons:
        reasons.append("neighboring faces with opposite orientation")
    return f"mesh.stl: not watertight ({', '.join(reasons)}); close it before printing"
