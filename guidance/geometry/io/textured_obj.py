"""Wavefront OBJ with a material and texture maps in separate files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from guidance.geometry.io.maps import png_of
from guidance.geometry.io.raw_mesh import RawMesh, far_origin
from guidance.meshes import Material

MATERIAL_NAME = "painted"


def write_textured_obj(
    mesh: RawMesh, normals: np.ndarray, material: Material, path: Path
) -> list[Path]:
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

    uv = np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], 1)  # v upwards
    lines = [f"mtllib {library.name}", f"usemtl {MATERIAL_NAME}"]
    digits = 17 if far_origin(mesh.vertices).any() else 9
    for key, rows in (("v", mesh.vertices), ("vt", uv), ("vn", normals)):
        lines += [
            f"{key} " + " ".join(f"{value:.{digits}g}" for value in row) for row in rows.tolist()
        ]
    corners = np.stack([mesh.faces, mesh.face_uv, mesh.faces], -1).reshape(-1, 9) + 1
    lines += ["f {}/{}/{} {}/{}/{} {}/{}/{}".format(*row) for row in corners.tolist()]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return [path, library, *files.values()]
