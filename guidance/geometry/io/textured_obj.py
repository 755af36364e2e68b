"""Wavefront OBJ with a material and texture maps in separate files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from guidance.geometry.io.glb_materials import SURFACE
from guidance.geometry.io.maps import png_of
from guidance.geometry.io.polygon_mesh import flipped_uv
from guidance.geometry.io.raw_mesh import RawMesh, far_origin
from guidance.meshes import Material

Array = Any
MATERIAL_NAME = "painted"


def write_textured_obj(mesh: RawMesh, normals: Array, material: Material, path: Path) -> list[Path]:
    """Writes the mesh, its material (.mtl) and a PNG for each map; returns the paths.

    Roughness, metallic and normal map use an extension of MTL that Blender and others support. File
    names consist of letters, digits, dots, dashes and underscores, since programs split names at
    spaces.
    """
    assert mesh.uv is not None and mesh.face_uv is not None
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", path.stem)
    maps = {
        "base_color": material.base_color,
        "roughness": material.roughness,
        "metallic": material.metallic,
        "normal": (material.normal + 1) / 2,
    }
    files = {name: path.with_name(f"{stem}_{name}.png") for name in maps}
    for name, values in maps.items():
        files[name].write_bytes(png_of(values))
    keys = {"map_Kd": "base_color", "map_Pr": "roughness", "map_Pm": "metallic", "norm": "normal"}
    lines = [f"newmtl {MATERIAL_NAME}", "Kd 1 1 1", "Ks 0 0 0", "illum 2"]
    lines += [f"{key} {files[name].name}" for key, name in keys.items()]
    library = path.with_name(f"{stem}.mtl")
    library.write_text("\n".join(lines) + "\n", encoding="ascii")

    rows = _rows(replace(mesh, colors=None), normals)
    text = [f"mtllib {library.name}", f"usemtl {MATERIAL_NAME}", *rows[0], *rows[1]]
    path.write_text("\n".join(text) + "\n", encoding="ascii")
    return [path, library, *files.values()]


def write_given_obj(mesh: RawMesh, normals: Array, path: Path) -> list[Path]:
    """Writes the mesh, its given materials (.mtl) and their images as they are; returns the paths.

    MTL has no place for glTF's packed roughness and metallic, nor for occlusion.
    """
    assert mesh.given is not None and mesh.face_material is not None
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", path.stem)
    library = path.with_name(f"{stem}.mtl")
    files: dict[int, Path] = {}
    lines = []
    for index, material in enumerate(mesh.given.materials):
        lines += [f"newmtl {MATERIAL_NAME}_{index}", "Kd 1 1 1", "Ks 0 0 0", "illum 2"]
        infos = {
            "map_Kd": material[SURFACE].get("baseColorTexture"),
            "norm": material.get("normalTexture"),
            "map_Ke": material.get("emissiveTexture"),
        }
        for key, info in infos.items():
            if info is not None:
                image = mesh.given.textures[info["index"]]["source"]
                kind, content = mesh.given.images[image]
                end = "png" if kind == "image/png" else "jpg"
                files[image] = path.with_name(f"{stem}_map_{image}.{end}")
                files[image].write_bytes(content)
                lines.append(f"{key} {files[image].name}")
    library.write_text("\n".join(lines) + "\n", encoding="ascii")
    points, faces = _rows(mesh, normals)
    text = [f"mtllib {library.name}", *points]
    last = None
    for material, face in zip(mesh.face_material.tolist(), faces, strict=True):
        if material != last and material >= 0:
            text.append(f"usemtl {MATERIAL_NAME}_{material}")
        last = material
        text.append(face)
    path.write_text("\n".join(text) + "\n", encoding="ascii")
    return [path, library, *files.values()]


def _rows(mesh: RawMesh, normals: Array) -> tuple[list[str], list[str]]:
    """The lines of vertices, with colors if the mesh has them, UV and normals; those of faces."""
    assert mesh.uv is not None and mesh.face_uv is not None
    digits = 17 if far_origin(mesh.vertices).any() else 9
    vertices = mesh.vertices if mesh.colors is None else np.hstack([mesh.vertices, mesh.colors])
    lines = []
    for key, rows in (("v", vertices), ("vt", flipped_uv(mesh.uv)), ("vn", normals)):
        lines += [
            f"{key} " + " ".join(f"{value:.{digits}g}" for value in row) for row in rows.tolist()
        ]
    corners = np.stack([mesh.faces, mesh.face_uv, mesh.faces], -1).reshape(-1, 9) + 1
    return lines, ["f {}/{}/{} {}/{}/{} {}/{}/{}".format(*row) for row in corners.tolist()]
