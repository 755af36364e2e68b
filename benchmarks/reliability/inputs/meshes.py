"""One small valid file of each mesh format and dialect that is read."""

from __future__ import annotations

import json
import struct
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

#: A tetrahedron.
VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int64)
OBJ = """# a tetrahedron, and a square
mtllib none.mtl
o part
v 0 0 0 1 0 0
v 1 0 0 0 1 0
v 0 1 0 0 0 1
v 0 0 1 1 1 1
vt 0 0
vt 1 0
vt 0.5 1
vn 0 0 1
g a
s 1
usemtl red
f 1/1/1 3/3/1 2/2/1
f 1//1 2//1 4//1
f -3/1 -2/2 -1/3
v 2 0 0
v 3 0 0
v 3 1 0
v 2 1 0
f 5 6 7 8
l 1 2
"""


def mesh_inputs() -> dict[str, bytes]:
    """Files by name; their extensions say the format."""
    rows = "".join(f"{x} {y} {z}\n" for x, y, z in VERTICES)
    faces = "".join("3 {} {} {}\n".format(*face) for face in FACES)
    colors = "".join(f"{x} {y} {z} 255 {n * 60} 0\n" for n, (x, y, z) in enumerate(VERTICES))
    found = {
        "plain.obj": OBJ.encode(),
        "plain.off": f"OFF\n# counts\n4 4 0\n{rows}{faces}".encode(),
        "colored.off": f"COFF\n4 4 0\n{colors}{faces}".replace(" 0\n", " 0 255\n").encode(),
        "ascii.ply": _ply("ascii") + (colors + faces).encode(),
        "ascii.stl": _stl_text().encode(),
        "binary.stl": _stl_bytes(),
        "plain.glb": _glb(),
    }
    for order, sign in (("binary_little_endian", "<"), ("binary_big_endian", ">")):
        found[f"{order}.ply"] = _ply(order) + _ply_rows(sign)
    return found | _written()


def _ply(form: str) -> bytes:
    properties = "".join(f"property float {axis}\n" for axis in "xyz")
    properties += "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
    return (
        f"ply\nformat {form} 1.0\ncomment small\nelement vertex 4\n{properties}element face 4\n"
        "property list uchar int vertex_indices\nend_header\n"
    ).encode()


def _ply_rows(sign: str) -> bytes:
    rows = b"".join(struct.pack(f"{sign}3f3B", *vertex, 9, 99, 199) for vertex in VERTICES)
    return rows + b"".join(struct.pack(f"{sign}B3i", 3, *map(int, face)) for face in FACES)


def _stl_text() -> str:
    facets = "".join(
        "facet normal 0 0 1\nouter loop\n"
        + "".join("vertex {} {} {}\n".format(*VERTICES[corner]) for corner in face)
        + "endloop\nendfacet\n"
        for face in FACES
    )
    return f"solid small\n{facets}endsolid small\n"


def _stl_bytes() -> bytes:
    rows = b"".join(struct.pack("<12fH", 0, 0, 1, *VERTICES[face].ravel(), 0) for face in FACES)
    return b"\0" * 80 + struct.pack("<I", len(FACES)) + rows


def _glb() -> bytes:
    """Two nodes, a skin, morph targets, a sparse accessor, colours and UVs in one small file."""
    parts: list[bytes] = [
        FACES.astype(np.uint16).tobytes(),
        VERTICES.tobytes(),
        np.full((4, 4), 200, np.uint8).tobytes(),
        VERTICES[:, :2].tobytes(),
        (VERTICES * 0.1).tobytes(),
        np.array([1, 3], np.uint16).tobytes(),
        VERTICES[:2].tobytes(),
    ]
    views, at = [], 0
    for part in parts:
        views.append({"buffer": 0, "byteOffset": at, "byteLength": len(part)})
        at += len(part)

    def accessor(view: int, kind: int, count: int, form: str, **more: Any) -> dict[str, Any]:
        return {"bufferView": view, "componentType": kind, "count": count, "type": form} | more

    sparse = {
        "count": 2,
        "indices": {"bufferView": 5, "componentType": 5123},
        "values": {"bufferView": 6},
    }
    described = {
        "asset": {"version": "2.0", "extras": {"guidance": "{}"}},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [
            {"children": [1], "translation": [1, 0, 0], "rotation": [0, 0, 0, 1]},
            {"mesh": 0, "scale": [2, 2, 2], "weights": [0.5]},
        ],
        "meshes": [
            {
                "primitives": [
                    {
                        "attributes": {"POSITION": 1, "COLOR_0": 2, "TEXCOORD_0": 3},
                        "indices": 0,
                        "mode": 4,
                        "material": 0,
                        "targets": [{"POSITION": 4}],
                    }
                ],
            }
        ],
        "materials": [{"pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 1]}}],
        "accessors": [
            accessor(0, 5123, 12, "SCALAR"),
            accessor(1, 5126, 4, "VEC3", sparse=sparse),
            accessor(2, 5121, 4, "VEC4", normalized=True),
            accessor(3, 5126, 4, "VEC2"),
            accessor(4, 5126, 4, "VEC3"),
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": at}],
    }
    return glb(described, b"".join(parts))


def glb(described: object, buffer: bytes) -> bytes:
    """A GLB of a JSON value and a buffer."""
    text = json.dumps(described).encode()
    text += b" " * (-len(text) % 4)
    buffer += b"\0" * (-len(buffer) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(buffer), b"BIN\0") + buffer
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _written() -> dict[str, bytes]:
    """A textured GLB, as this package writes it."""
    import torch

    from guidance.geometry.io.files import save_mesh
    from guidance.meshes import Material, Mesh

    vertices, faces = torch.from_numpy(VERTICES), torch.from_numpy(FACES)
    mesh = Mesh(vertices, faces, None, vertices[:, :2], faces)
    draw = torch.Generator().manual_seed(0)
    color, other = torch.rand(3, 8, 8, generator=draw), torch.rand(1, 8, 8, generator=draw)
    flat = torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1).expand(3, 8, 8)
    with tempfile.TemporaryDirectory() as name:
        material = Material(color, other, other, flat)
        path = save_mesh(replace(mesh, material=material), Path(name) / "mesh.glb")
        return {"textured.glb": path.read_bytes()}
