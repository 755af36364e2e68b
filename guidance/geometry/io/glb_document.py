"""The JSON description and the buffers of a binary glTF 2.0, and the arrays in them.

Everything is checked before it is used or allocated. Source: Khronos, glTF 2.0 specification,
sections 3.6 (buffers, accessors) and 4 (GLB).
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from typing import Any, NoReturn

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.raw_mesh import DAMAGED

Array = Any
Json = dict[str, Any]
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
#: Limits of the description: objects and lists in it, and bytes beside embedded data.
MAX_OBJECTS, MAX_JSON = 1_000_000, 64 * 2**20
#: Elements of an accessor without data, which are zero.
MAX_ZEROS = 2_000_000
#: What json and the code that uses its values raise on unexpected types.
UNEXPECTED = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    struct.error,
    RecursionError,
)


def chunks(content: bytes, where: str) -> tuple[Json, bytes]:
    """The JSON description and the binary buffer.

    Raises:
        InputError: the file is damaged, or another version of glTF.
    """
    if len(content) < 12:
        raise InputError(f"{where}: is a damaged GLB (it ends in its header); export it again")
    _, version, length = struct.unpack_from("<4sII", content)
    if version != 2:
        raise InputError(f"{where}: is glTF version {version}; export it as version 2")
    if length > len(content):
        raise InputError(
            f"{where}: the header declares {length:,} bytes, but the file has {len(content):,}; "
            "the file is damaged or truncated, export it again"
        )
    description, binary, at = None, b"", 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<II", content, at)
        if at + 8 + size > length:
            raise InputError(
                f"{where}: a chunk of {size:,} bytes extends beyond the end of the file; the file "
                "is damaged or truncated, export it again"
            )
        if kind == JSON_CHUNK and description is None:
            description = _parsed(content[at + 8 : at + 8 + size], where)
        elif kind == BINARY_CHUNK and not binary:
            binary = content[at + 8 : at + 8 + size]
        at += 8 + size
    if not isinstance(description, dict):
        raise InputError(f"{where}: is a GLB without a JSON chunk; export it again")
    return description, binary


def _parsed(text: bytes, where: str) -> Any:
    if text.count(b"{") + text.count(b"[") > MAX_OBJECTS or text.count(b",") > 4 * MAX_OBJECTS:
        raise InputError(
            f"{where}: its description has more than {MAX_OBJECTS:,} objects; export the mesh alone"
        )
    if len(text) > MAX_JSON:
        raise InputError(
            f"{where}: its description has {len(text) / 2**20:.0f} MiB; embed the data in the "
            "binary chunk"
        )

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{where}: is a damaged GLB ({reason:.100}); export it again") from None


def whole(value: Any, most: int = 2**32) -> int:
    """A whole number from 0 that JSON may write as 1.0. Raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise ValueError(f"expected a whole number, got {value!r:.40}")
    if not 0 <= value <= most:
        raise ValueError(f"{value!r:.40} is not from 0 to {most:,}")
    return int(value)


class Document:
    """The description of a GLB and access to its parts."""

    def __init__(self, content: bytes, where: str) -> None:
        self.description, binary = chunks(content, where)
        self.where = where
        self.buffers: dict[int, bytes] = {}
        self.arrays: dict[int, Array] = {}
        if binary:
            self.buffers[0] = binary

    def parts(self, kind: str) -> list[Json]:
        """All nodes, meshes, ... of a kind."""
        found = self.description.get(kind, [])
        if not isinstance(found, list) or not all(isinstance(part, dict) for part in found):
            raise ValueError(f"{kind} are not a list of objects")
        return found

    def part(self, kind: str, index: Any) -> Json:
        """One of them. Raises ValueError for a wrong index."""
        found = self.description.get(kind, [])
        at = whole(index)
        if not isinstance(found, list) or at >= len(found) or not isinstance(found[at], dict):
            raise ValueError(f"{kind} {at} is missing")
        part: Json = found[at]
        return part

    def buffer(self, index: int) -> bytes:
        """The bytes of a buffer, those of a data: URI included.

        Raises:
            InputError: the buffer lies in another file.
        """
        if index not in self.buffers:
            uri = self.part("buffers", index).get("uri")
            if uri is None:
                raise ValueError(f"buffer {index} has no data")
            content = data_of(uri)
            if content is None:
                raise InputError(
                    f"{self.where}: refers to buffers in other files; export it as one GLB with "
                    "everything embedded"
                )
            self.buffers[index] = content
        return self.buffers[index]

    def view(self, index: Any) -> tuple[bytes, int, int, int | None]:
        """The buffer of a view, where the view starts and ends, and its stride.

        Raises:
            InputError: the view is compressed.
        """
        view = self.part("bufferViews", index)
        for name in view.get("extensions", {}):
            if name.endswith("meshopt_compression"):
                raise InputError(
                    f"{self.where}: its data are compressed by {name}, which is not read; export "
                    "it without compression"
                )
        content = self.buffer(whole(view["buffer"]))
        start = whole(view.get("byteOffset", 0))
        end = start + whole(view["byteLength"])
        stride = None if view.get("byteStride") is None else whole(view["byteStride"], 4096)
        return content, start, min(end, len(content)), stride

    def count(self, index: Any) -> int:
        """The number of elements of an accessor."""
        return whole(self.part("accessors", index)["count"])

    def accessor(self, index: Any) -> Array:
        """The values `[count, width]` in float64; bounds are checked before anything is copied."""
        if index in self.arrays:  # parts often share one
            return self.arrays[index]
        accessor = self.part("accessors", index)
        kind, width = np.dtype(TYPES[accessor["componentType"]]), WIDTHS[accessor["type"]]
        count = whole(accessor["count"])
        if accessor.get("bufferView") is None:
            if count > MAX_ZEROS:
                self._beyond(count)
            values = np.zeros((count, width))
        else:
            start = whole(accessor.get("byteOffset", 0))
            found = self._elements(accessor["bufferView"], start, count, kind, width)
            values = found.astype(np.float64)
        if "sparse" in accessor:
            self._replace(values, accessor["sparse"], kind)
        if accessor.get("normalized") and kind.kind != "f":
            values = np.maximum(values / np.iinfo(kind).max, -1)
        values.setflags(write=False)
        self.arrays[index] = values
        return values

    def top(self, index: Any) -> float:
        """What full intensity is in an accessor of colors: integers are always normalized."""
        accessor = self.part("accessors", index)
        kind = np.dtype(TYPES[accessor["componentType"]])
        return 1.0 if kind.kind == "f" or accessor.get("normalized") else float(np.iinfo(kind).max)

    def _elements(self, view: Any, offset: int, count: int, kind: Any, width: int) -> Array:
        content, start, end, stride = self.view(view)
        size = kind.itemsize * width
        stride = stride or size
        start += offset
        if count < 1 or stride < size or start + stride * (count - 1) + size > end:
            self._beyond(count)
        return np.ndarray((count, width), kind, content, start, (stride, kind.itemsize))

    def _replace(self, values: Array, sparse: Json, kind: Any) -> None:
        """Sets the elements that a sparse accessor stores."""
        count = whole(sparse["count"])
        if count > len(values):
            self._beyond(count)
        places, stored = sparse["indices"], sparse["values"]
        index_kind = np.dtype(TYPES[places["componentType"]])
        if index_kind.kind != "u":
            raise ValueError("indices of a sparse accessor are not unsigned")
        at = self._elements(
            places["bufferView"], whole(places.get("byteOffset", 0)), count, index_kind, 1
        )[:, 0]
        if at.max() >= len(values):
            self._beyond(int(at.max()) + 1)
        values[at] = self._elements(
            stored["bufferView"], whole(stored.get("byteOffset", 0)), count, kind, values.shape[1]
        )

    def _beyond(self, count: int) -> NoReturn:
        raise InputError(
            f"{self.where}: an accessor of {count:,} elements extends beyond its buffer; {DAMAGED}"
        )


def data_of(uri: Any) -> bytes | None:
    """The content of a data: URI; None for the address of another file.

    Raises:
        ValueError: the content is not in base64.
    """
    if not isinstance(uri, str):
        raise ValueError("a URI is no text")
    if not uri.startswith("data:"):
        return None
    head, comma, body = uri.partition(",")
    if not comma or not head.endswith(";base64"):
        raise ValueError("a data: URI is not in base64")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a data: URI is not in base64") from None
