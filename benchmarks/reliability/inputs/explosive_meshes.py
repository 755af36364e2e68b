"""Meshes that are small and claim far more than a reader should hold."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from benchmarks.reliability.inputs.explosive_images import png
from benchmarks.reliability.inputs.meshes import glb


def _obj_polygon(corners: int) -> bytes:
    rows = "".join(f"v {n} {n * n % 97} 0\n" for n in range(1000))
    return f"{rows}f {' '.join(str(n % 1000 + 1) for n in range(corners))}\n".encode()


def _fan(depth: int) -> bytes:
    """Nodes of which each has the next one as child twice: two to the power of the depth."""
    nodes: list[dict[str, Any]] = [{"children": [n + 1, n + 1]} for n in range(depth)]
    described = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
        "nodes": [*nodes, {"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}], "buffers": [{"byteLength": 36}],
    }  # fmt: skip
    return glb(described, struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0))


def _primitives(count: int) -> bytes:
    """One mesh with many primitives, each in many nodes."""
    primitive = {"attributes": {"POSITION": 0}}
    described = {
        "asset": {"version": "2.0"}, "scene": 0,
        "scenes": [{"nodes": list(range(count))}], "nodes": [{"mesh": 0}] * count,
        "meshes": [{"primitives": [primitive] * count}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}], "buffers": [{"byteLength": 36}],
    }  # fmt: skip
    return glb(described, struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0))


def _zeros(count: int) -> bytes:
    """An accessor without a buffer, whose values are zeros."""
    described = {
        "asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"componentType": 5126, "count": count, "type": "VEC3"}],
    }  # fmt: skip
    return glb(described, b"")


def _map() -> bytes:
    """A textured triangle whose map claims ten thousand million pixels."""
    image = png(100_000, 100_000)
    described = {
        "asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1},
                                    "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        "textures": [{"source": 0}], "images": [{"bufferView": 2, "mimeType": "image/png"}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
                      {"bufferView": 1, "componentType": 5126, "count": 3, "type": "VEC2"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36},
                        {"buffer": 0, "byteOffset": 36, "byteLength": 24},
                        {"buffer": 0, "byteOffset": 60, "byteLength": len(image)}],
        "buffers": [{"byteLength": 60 + len(image)}],
    }  # fmt: skip
    corners = struct.pack("<15f", 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1)
    return glb(described, corners + image)


def _header(counts: str) -> bytes:
    return (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {counts}\nproperty float x\n"
        f"property float y\nproperty float z\nelement face {counts}\n"
        "property list uint int vertex_indices\nend_header\n"
    ).encode()


MESHES: dict[str, Callable[[], bytes]] = {
    "claims.ply": lambda: _header("999999999") + bytes(100),
    "digits.ply": lambda: _header("9" * 200_000) + bytes(100),
    "list.ply": lambda: _header("1") + bytes(12) + b"\xff\xff\xff\xff" + bytes(100),
    "elements.ply": lambda: _header("3").replace(
        b"end_header", b"element x 4000000000\nend_header"
    ) + bytes(200),
    "claims.stl": lambda: bytes(80) + struct.pack("<I", 2**32 - 1) + bytes(5000),
    "claims.off": lambda: b"OFF\n4000000000 4000000000 0\n0 0 0\n",
    "polygon.obj": lambda: _obj_polygon(400_000),
    "words.obj": lambda: b"v 0 0 0\n" * 3_000_000 + b"f 1 2 3\n",
    "digits.obj": lambda: b"v " + b"1" * 20_000_000 + b" 0 0\nf 1 1 1\n",
    "fan.glb": lambda: _fan(64),
    "chain.glb": lambda: _fan(100_000),
    "primitives.glb": lambda: _primitives(3000),
    "zeros.glb": lambda: _zeros(10**12),
    "nested.glb": lambda: glb("JSON", b"").replace(b'"JSON"', b"[[[[[[") + b"[" * 1_000_000,
    "map.glb": _map,
}  # fmt: skip
