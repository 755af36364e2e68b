"""Small valid mesh files of each format and dialect, and damaged copies of them."""

from __future__ import annotations

import random
import re
import struct

import numpy as np

from tests.geometry.test_mesh_io import glb

POINTS = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], np.float64)
QUADS = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]]
TRIANGLES = np.array([t for a, b, c, d in QUADS for t in ((a, b, c), (a, c, d))])
#: Numbers that replace others.
HUGE = [b"1e308", b"-1e200", b"99999999999999999999", b"4294967295", b"-1", b"0", b"nan", b"1e999"]


def obj() -> str:
    """A cube of quadrangles with colors and UV coordinates."""
    lines = [f"v {x:g} {y:g} {z:g} 1 0 0.5" for x, y, z in POINTS]
    lines += ["vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1"]
    lines += ["f " + " ".join(f"{c + 1}/{i + 1}" for i, c in enumerate(q)) for q in QUADS]
    return "\n".join(lines) + "\n"


def off(keyword: str = "OFF", columns: str = "", counts: str | None = None) -> str:
    """A cube of quadrangles; the same columns follow each position."""
    lines = [keyword + ("\n8 6 12" if counts is None else counts)]
    lines += [f"{x:g} {y:g} {z:g} {columns}".rstrip() for x, y, z in POINTS]
    lines += ["4 " + " ".join(map(str, quad)) for quad in QUADS]
    return "\n".join(lines) + "\n"


def ply_header(form: str, faces: str, vertex: str = "") -> str:
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    return f"ply\nformat {form} 1.0\nelement vertex 8\n{axes}{vertex}{faces}end_header\n"


def ply(order: str = "ascii") -> bytes:
    """A cube of quadrangles, in text or binary."""
    faces = "element face 6\nproperty list uchar int vertex_indices\n"
    head = ply_header(order, faces).encode()
    if order == "ascii":
        lines = [f"{x:g} {y:g} {z:g}" for x, y, z in POINTS]
        lines += ["4 " + " ".join(map(str, quad)) for quad in QUADS]
        return head + ("\n".join(lines) + "\n").encode()
    mark = "<" if "little" in order else ">"
    return (
        head
        + POINTS.astype(mark + "f4").tobytes()
        + b"".join(b"\4" + np.array(quad, mark + "i4").tobytes() for quad in QUADS)
    )


def stl_text() -> str:
    """A cube of triangles."""
    facets = [
        "facet normal 0 0 0\nouter loop\n"
        + "".join(f"vertex {x:g} {y:g} {z:g}\n" for x, y, z in POINTS[triangle])
        + "endloop\nendfacet\n"
        for triangle in TRIANGLES
    ]
    return "solid cube\n" + "".join(facets) + "endsolid cube\n"


def stl_binary(count: int = 12, more: bytes = b"") -> bytes:
    """A cube of triangles, with the declared number of faces and bytes behind the faces."""
    record = [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")]
    faces = np.zeros(12, record)
    faces["corners"] = POINTS[TRIANGLES]
    return b"x" * 80 + struct.pack("<I", count) + faces.tobytes() + more


def glb_cube() -> bytes:
    """A cube of triangles with integer colors, under a node that moves it."""
    positions = POINTS.astype("<f4").tobytes()
    corners = TRIANGLES.astype("<u2").tobytes()
    colors = bytes([255, 0, 128, 255]) * 8
    sizes = [len(positions), len(corners), len(colors)]
    starts = [0, *np.cumsum(sizes)[:-1].tolist()]
    described = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "translation": [1, 2, 3], "rotation": [0, 0, 0, 1]}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "COLOR_0": 2}, "indices": 1}]}],
        "buffers": [{"byteLength": sum(sizes)}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": size}
            for start, size in zip(starts, sizes, strict=True)
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 8, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 36, "type": "SCALAR"},
            {"bufferView": 2, "componentType": 5121, "count": 8, "type": "VEC4"},
        ],
    }
    return glb(described, positions + corners + colors)


def mesh_inputs() -> dict[str, bytes]:
    """A small valid file of each format and dialect by a name with the usual suffix."""
    return {
        "text.obj": obj().encode(),
        "text.off": off().encode(),
        "colors.off": off("COFF", "255 0 128 255").encode(),
        "text.ply": ply(),
        "little.ply": ply("binary_little_endian"),
        "big.ply": ply("binary_big_endian"),
        "text.stl": stl_text().encode(),
        "binary.stl": stl_binary(),
        "binary.glb": glb_cube(),
    }


def damaged(content: bytes, seed: int) -> bytes:
    """A copy that is cut, has flipped bits or other bytes, or has a number replaced."""
    chance = random.Random(seed)
    kind = seed % 4
    if kind == 0:
        return content[: chance.randrange(1, len(content))]
    if kind == 1:
        changed = bytearray(content)
        for _ in range(chance.choice((1, 1, 4, 16))):
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        return bytes(changed)
    if kind == 2:
        found = list(re.finditer(rb"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", content))
        at = chance.choice(found) if found else re.match(rb"", content)
        assert at is not None
        return content[: at.start()] + chance.choice(HUGE) + content[at.end() :]
    start = chance.randrange(len(content))
    length = chance.choice((1, 4, 40))
    filled = bytes(chance.choice((0, 255, chance.randrange(256))) for _ in range(length))
    return content[:start] + filled + content[start + chance.choice((0, length)) :]
