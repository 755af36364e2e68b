"""Marks at the end of records, by which a truncation or a flipped bit is noticed.

config.yaml ends with a comment that holds the hash of everything above it. JSON records, and the
configuration inside images, videos and meshes, hold the hash of their other values. Records of
older schema versions have no mark; one that is there is always checked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from guidance.errors import InputError

#: The key of the mark in JSON.
MARK = "sha256"
_PREFIX = b"# sha256: "


def whole_version(found: Any, newest: int, where: str) -> int:
    """A schema version, after checking it.

    Raises:
        InputError: it is not a whole number from 1 up (nor are True, 1.0 and "1"), or it is newer
            than this package.
    """
    if type(found) is not int or found < 1:
        raise InputError(f"{where}: schema_version: expected a whole number, got {found!r:.40}")
    if found > newest:
        raise InputError(
            f"{where}: was written by a newer version of guidance (schema_version "
            f"{found if found < 10**9 else 'of many digits'}; this one reads up to {newest}); "
            "update guidance"
        )
    return found


def marked_text(text: str) -> str:
    """A YAML text with its mark as the last line."""
    content = text if text.endswith("\n") else text + "\n"
    return f"{content}{_PREFIX.decode()}{hashlib.sha256(content.encode()).hexdigest()}\n"


def text_mark(content: bytes) -> bool | None:
    """Whether the content of a file agrees with its mark; None if it has none."""
    before, prefix, mark = content.rpartition(_PREFIX)
    if not prefix or (before and not before.endswith(b"\n")):
        return None
    return mark == hashlib.sha256(before).hexdigest().encode() + b"\n"


def marked_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values with their mark."""
    return {**values, MARK: _digest(values)}


def without_mark(values: Mapping[str, Any], *, needed: bool) -> dict[str, Any]:
    """JSON values without their mark, after checking it.

    Args:
        needed: whether the values must have a mark.

    Raises:
        ValueError: they are not what was written.
    """
    rest = {key: value for key, value in values.items() if key != MARK}
    if MARK in values and values[MARK] != _digest(rest):
        raise ValueError("the values do not have the hash in their mark")
    if needed and MARK not in values:
        raise ValueError("the mark is missing")
    return rest


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
