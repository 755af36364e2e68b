"""Damage that gets past the first check: broken bytes, odd numbers, odd values in JSON."""

from __future__ import annotations

import copy
import json
import random
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any

PNG = b"\x89PNG\r\n\x1a\n"
#: Numbers as text.
NUMBERS = (
    b"nan", b"inf", b"-inf", b"-1", b"0", b"-0", b"1e308", b"1e999", b"1e-320", b"4294967295",
    b"2147483648", b"-2147483649", b"99999999999999999999", b"1" * 5000, b"0x10", b"1_000", b"",
    b"1.5.2", b"\xff\xfe", b"\0", b"true", b"1,5", "\N{ARABIC-INDIC DIGIT FIVE}".encode(),
)  # fmt: skip
#: Numbers as bytes.
INTEGERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
#: Values in JSON and YAML.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, -(2**31), 2**63, 10**30, 0.5, -0.5, 1e308, 1e-320, "", "a",
    "a" * 100_000, "\x1b]0;title\x07", "../../etc/passwd", "/etc/passwd", "http://127.0.0.1:9/x",
    "\u202e\ud800\0", [], {}, [[]], [None], [0] * 1000, {"a": {}}, {"__class__": "os.system"},
)  # fmt: skip
MOST = 2**20


def mutated(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """A file with one to four kinds of damage."""
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        work = draw.choice(_ways(content))
        content = work(content, others, draw)[:MOST] or b"\0"
    return content


def _ways(content: bytes) -> list[Callable[[bytes, list[bytes], random.Random], bytes]]:
    ways = [_flip, _truncate, _overwrite, _insert, _remove, _repeat, _splice]
    if content.startswith(PNG):
        return [*ways, *[_png_chunk] * 7]
    if content.startswith(b"glTF"):
        return [*ways, *[_glb_json] * 14]
    sample = content[:2000]
    if b"\0" not in sample:
        return [_flip, _truncate, _insert, _repeat, _splice, *[_text_number] * 7, *[_line] * 5]
    return [*ways, _overwrite, _overwrite, _overwrite]


def _at(content: bytes, draw: random.Random) -> int:
    """A place; headers, which decide more than the rest, are hit more often."""
    size = len(content)
    return draw.randrange(min(size, 128)) if draw.random() < 0.5 else draw.randrange(size)


def _flip(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    found = bytearray(content)
    for _ in range(draw.choice((1, 1, 3, 20))):
        found[_at(content, draw)] ^= 1 << draw.randrange(8)
    return bytes(found)


def _truncate(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def _overwrite(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """Writes a number with a meaning to machines over a place, mostly aligned."""
    at, form = _at(content, draw), draw.choice(("<I", ">I", "<H", ">H", "<Q", ">Q", "B"))
    at -= at % draw.choice((1, 2, 4))
    number = draw.choice((*INTEGERS, draw.randrange(2**32), len(content)))
    size = struct.calcsize(form)
    packed = struct.pack(form, number % 2 ** (8 * size))
    return content[:at] + packed + content[at + size :]


def _insert(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    at, size = _at(content, draw), draw.choice((1, 4, 100, 10_000))
    return content[:at] + draw.randbytes(size) + content[at:]


def _remove(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    at = _at(content, draw)
    return content[:at] + content[at + draw.choice((1, 2, 4, 16, 200)) :]


def _repeat(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    at = _at(content, draw)
    part = content[at : at + draw.choice((1, 4, 12, 40, 400))]
    return content[:at] + part * draw.choice((2, 3, 50, 2000)) + content[at:]


def _splice(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """The start of this file and the end of another one."""
    other = draw.choice(others)
    return content[: _at(content, draw)] + other[_at(other, draw) :]


def _text_number(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?", content))
    if not found:
        return _flip(content, others, draw)
    match = draw.choice(found[:20] if draw.random() < 0.5 else found)
    return content[: match.start()] + draw.choice(NUMBERS) + content[match.end() :]


def _line(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """A line is lost, repeated, moved, joined with the next, or loses its last word."""
    lines = content.split(b"\n")
    at, to = draw.randrange(len(lines)), draw.randrange(len(lines))
    match draw.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines[at:at] = [lines[at]] * draw.choice((1, 3, 5000))
        case 2:
            lines.insert(to, lines.pop(at))
        case 3:
            lines[at : at + 2] = [b" ".join(lines[at : at + 2])]
        case 4:
            lines[at] = lines[at].rpartition(b" ")[0]
        case _:
            lines = [line + b"\r" for line in lines]
    return b"\n".join(lines)


def _png_chunk(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """Damages one chunk and corrects its CRC, so that the damage is not noticed by that."""
    chunks, at = [], len(PNG)
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    if not chunks:
        return _flip(content, others, draw)
    index = draw.randrange(len(chunks))
    kind, body = chunks[index]
    way = draw.choice((_flip, _overwrite, _truncate, _repeat, _remove, _insert))
    chunks[index] = (kind, way(body or b"\0", [body or b"\0"], draw))
    if draw.random() < 0.2:
        chunks[index:index] = [chunks[index]] * draw.choice((1, 100))
    return PNG + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG with its length and CRC."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _glb_json(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    from benchmarks.reliability.inputs.meshes import glb

    try:
        (length,) = struct.unpack_from("<I", content, 12)
        described = json.loads(content[20 : 20 + length])
    except (ValueError, struct.error):
        return _flip(content, others, draw)
    return glb(mutated_json(described, draw), content[28 + length :])


def mutated_json(value: Any, draw: random.Random) -> Any:
    """A value of JSON with one to three changes at random places."""
    value = copy.deepcopy(value)
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return draw.choice(VALUES)
        holder, key = draw.choice(places)
        _change(holder, key, draw)
    return value


def _places(value: Any) -> Any:
    """All pairs of a list or dictionary in a value and a key of it."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


def _change(holder: Any, key: Any, draw: random.Random) -> None:
    old = holder[key]
    match draw.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[draw.choice(("a", "", "mesh", "children", key + " ", key.upper()))] = old
        case 2 if isinstance(holder, list):
            holder[key:key] = [old] * draw.choice((1, 3, 3000))
        case 3 if isinstance(old, int | float) and not isinstance(old, bool):
            holder[key] = draw.choice((old + 1, old - 1, -old, old * 1000, old * 10**9, float(old)))
        case 4 if isinstance(old, str):
            holder[key] = draw.choice((old * 2, old[:-1], old.upper(), old + "\n", [old]))
        case 5:
            nested: Any = old
            for _ in range(draw.choice((2, 50, 600))):
                nested = [nested] if draw.random() < 0.5 else {"a": nested}
            holder[key] = nested
        case _:
            holder[key] = copy.deepcopy(draw.choice(VALUES))
