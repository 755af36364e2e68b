"""The header of a PLY file, and the columns and lists of its elements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.geometry.io.text import numbers, plain_text, shown

Array = Any
TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2",
    "ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
ORDERS = {"ascii": None, "binary_little_endian": "<", "binary_big_endian": ">"}
#: Limits of the header: bytes, elements, properties of an element.
MAX_HEADER, MAX_ELEMENTS, MAX_PROPERTIES = 2**16, 64, 256
#: Rows of an element with lists, at most: they are read one by one if their lengths differ.
MAX_ROWS = 4_000_000


@dataclass(frozen=True)
class Property:
    """A number of each row, or a list of them."""

    name: str
    kind: str  # as numpy writes it
    length: str | None = None  # the type of the length of a list


@dataclass
class Element:
    """The rows of one kind, such as vertices."""

    name: str
    count: int
    properties: list[Property] = field(default_factory=list)

    @property
    def kinds(self) -> dict[str, str]:
        return {each.name: each.kind for each in self.properties}

    @property
    def has_lists(self) -> bool:
        return any(each.length is not None for each in self.properties)


@dataclass(frozen=True)
class Header:
    """The elements in their order, the order of bytes (None for text), and where the data start."""

    elements: list[Element]
    order: str | None
    start: int


@dataclass
class Columns:
    """Numbers and lists of an element by name; a list is all items and the length of each row."""

    values: dict[str, Array] = field(default_factory=dict)
    lists: dict[str, tuple[Array, Array]] = field(default_factory=dict)


def read_header(content: bytes, where: str) -> Header:
    """Reads the header. Raises InputError for lines that are not understood."""
    end = re.search(rb"[\r\n][ \t]*end_header[ \t]*(\r\n|\n|\r)", content[:MAX_HEADER], re.I)
    if end is None:
        raise InputError(f"{where}: cannot be read as PLY (no end_header); export it again")
    elements: list[Element] = []
    order: str | None = "none"
    for line in content[: end.start()].splitlines()[1:]:
        words = line.decode("latin-1").split()
        key = words[0].lower() if words else "comment"
        if key in ("comment", "obj_info"):
            continue
        try:
            if key == "format":
                order = ORDERS[words[1].lower()]
            elif key == "element":
                elements.append(_element(words))
            elif key == "property":
                elements[-1].properties.append(_property(words))
            else:
                raise ValueError
        except (ValueError, IndexError, KeyError):
            raise InputError(
                f"{where}: cannot be read as PLY (the line {shown(line)} of its header); export "
                "it again"
            ) from None
    too_many = max((len(each.properties) for each in elements), default=0) > MAX_PROPERTIES
    names = [each.name for each in elements]
    if order == "none" or too_many or len(elements) > MAX_ELEMENTS or len(names) > len(set(names)):
        raise InputError(f"{where}: cannot be read as PLY (its header); export it again")
    return Header(elements, order, end.end())


def _element(words: list[str]) -> Element:
    if not re.fullmatch(r"\d{1,18}", words[2]):
        raise ValueError
    return Element(words[1].lower(), int(words[2]))


def _property(words: list[str]) -> Property:
    if words[1].lower() == "list":
        kind, length = TYPES[words[3].lower()], TYPES[words[2].lower()]
        if length[0] == "f":
            raise ValueError
        return Property(words[4].lower(), kind, length)
    return Property(words[2].lower(), TYPES[words[1].lower()])


def read_elements(
    header: Header, content: bytes, wanted: Sequence[str], where: str
) -> dict[str, Columns]:
    """The columns of some elements, those that the file has.

    Raises:
        InputError: the file ends before all elements are read.
    """
    source: _Text | _Binary
    try:
        if header.order is None:
            source = _Text(numbers(plain_text(content[header.start :], where)))
        else:
            source = _Binary(content[header.start :], header.order)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: cannot be read as PLY ({error})"[:200]) from None
    found: dict[str, Columns] = {}
    left = set(wanted)
    at = 0
    for element in header.elements:
        if not left & {each.name for each in header.elements}:
            break
        try:
            columns, at = _read(element, source, at, element.name in left)
        except EOFError:
            claims = ", ".join(f"{each.count:,} {each.name}" for each in header.elements)
            vertices, faces = (
                sum(each.count for each in header.elements if each.name == name)
                for name in ("vertex", "face")
            )
            raise InputError(
                f"{where}: the header declares {vertices:,} vertices and {faces:,} faces, but the "
                f"file ends before ({claims[:60]}); it is damaged or truncated, export it again"
            ) from None
        if element.name in left:
            found[element.name] = columns
            left.remove(element.name)
    return found


class _Text:
    """The numbers of a text; each takes one place."""

    def __init__(self, values: Array) -> None:
        self.values, self.end = values, len(values)

    def size(self, kind: str) -> int:
        return 1

    def length(self, at: int, kind: str) -> int:
        value = self.values[at]
        return int(value) if 0 <= value < 2**31 else -1

    def gather(self, places: Array, kind: str) -> Array:
        return self.values[places]

    def strided(self, start: int, step: int, count: int, kind: str) -> Array:
        return self.values[start::step][:count]


class _Binary:
    """Bytes; a number takes the size of its type."""

    def __init__(self, content: bytes, order: str) -> None:
        self.values, self.end, self.order = np.frombuffer(content, np.uint8), len(content), order
        self.content = content

    def size(self, kind: str) -> int:
        return int(kind[1])

    def length(self, at: int, kind: str) -> int:
        size = int(kind[1])
        order = "little" if self.order == "<" else "big"
        return int.from_bytes(self.content[at : at + size], order, signed=kind[0] == "i")  # type: ignore[arg-type]

    def gather(self, places: Array, kind: str) -> Array:
        size = int(kind[1])
        raw = self.values[places[:, None] + np.arange(size)]
        return np.ascontiguousarray(raw).reshape(-1).view(self.order + kind)

    def strided(self, start: int, step: int, count: int, kind: str) -> Array:
        return np.ndarray((count,), self.order + kind, self.content, start, (step,))


def _read(element: Element, source: _Text | _Binary, at: int, wanted: bool) -> tuple[Columns, int]:
    """The columns of an element that starts at a place, and where it ends.

    Raises:
        EOFError: the source ends before.
    """
    if not element.has_lists:
        width = sum(source.size(each.kind) for each in element.properties)
        end = at + element.count * width
        if end > source.end:
            raise EOFError
        columns, offset = Columns(), at
        if wanted and element.count:
            for each in element.properties:
                column = source.strided(offset, width, element.count, each.kind)
                columns.values[each.name] = column
                offset += source.size(each.kind)
        return columns, end
    if not element.count:
        return Columns(), at
    if element.count > min(source.end - at, MAX_ROWS):
        raise EOFError
    places, lengths, end = _uniform(element, source, at) or _one_by_one(element, source, at)
    columns = Columns()
    if wanted and element.count:
        for each in element.properties:
            if each.length is None:
                columns.values[each.name] = source.gather(places[each.name], each.kind)
                continue
            counts = lengths[each.name]
            step = source.size(each.kind)
            within = np.arange(int(counts.sum())) - np.repeat(counts.cumsum() - counts, counts)
            starts = np.repeat(places[each.name], counts)
            columns.lists[each.name] = source.gather(starts + step * within, each.kind), counts
    return columns, end


Layout = tuple[dict[str, Array], dict[str, Array], int]


def _uniform(element: Element, source: _Text | _Binary, at: int) -> Layout | None:
    """Where each property of each row starts, if all rows have lists as long as the first one."""
    first = Element(element.name, 1, element.properties)
    places, lengths, end = _one_by_one(first, source, at)
    width = end - at
    if at + width * element.count > source.end:
        return None
    rows = np.arange(element.count) * width
    for each in element.properties:
        if each.length is not None:
            before = places[each.name] - source.size(each.length)
            found = source.strided(int(before[0]), width, element.count, each.length)
            if (found != lengths[each.name]).any():
                return None
    starts = {name: place + rows for name, place in places.items()}
    counts = {name: np.repeat(length, element.count) for name, length in lengths.items()}
    return starts, counts, at + width * element.count


def _one_by_one(element: Element, source: _Text | _Binary, at: int) -> Layout:
    """Where each property of each row starts, row by row."""
    places: dict[str, list[int]] = {each.name: [] for each in element.properties}
    lengths: dict[str, list[int]] = {
        each.name: [] for each in element.properties if each.length is not None
    }
    sizes = [
        (each, source.size(each.kind), source.size(each.length) if each.length else 0)
        for each in element.properties
    ]
    for _ in range(element.count):
        for each, size, size_of_length in sizes:
            count = 1
            if each.length is not None:
                if at + size_of_length > source.end:
                    raise EOFError
                count = source.length(at, each.length)
                at += size_of_length
                lengths[each.name].append(count)
            places[each.name].append(at)
            if count < 0:
                raise EOFError
            at += count * size
        if at > source.end:
            raise EOFError
    as_array = {name: np.array(found, np.int64) for name, found in places.items()}
    return as_array, {name: np.array(found, np.int64) for name, found in lengths.items()}, at
