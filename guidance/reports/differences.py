"""Which options differ between runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Options of a place or of records, which do not change a result.
IGNORED = ("output", "device", "schema_version", "profile", "metadata")


@dataclass(frozen=True)
class Difference:
    """An option that runs do not share, and its value in each; None where it does not exist."""

    option: str
    values: tuple[str | None, ...]


def flattened(value: Any, name: str = "") -> dict[str, str]:
    """The leaves of a configuration by dotted names; lists of plain values are one leaf."""
    if isinstance(value, Mapping) and value:
        found: dict[str, str] = {}
        for key, item in value.items():
            found |= flattened(item, f"{name}.{key}" if name else str(key))
        return found
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        found = {}
        for index, item in enumerate(value):
            kind = item.get("kind") if isinstance(item, Mapping) else None
            found |= flattened(item, f"{name}.{kind or index}")
        return found
    return {name: as_text(value)}


def as_text(value: Any) -> str:
    """A value of a configuration as one line."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value)) or "none"
    return json.dumps(value, ensure_ascii=False, default=str)


def differences(
    values: Sequence[Mapping[str, Any]], ignored: Sequence[str] = IGNORED
) -> list[Difference]:
    """The options whose values are not the same in all configurations."""
    flat = [flattened(each) for each in values]
    names = dict.fromkeys(name for each in flat for name in each)
    found = (Difference(name, tuple(each.get(name) for each in flat)) for name in names)
    return [
        each
        for each in found
        if len(set(each.values)) > 1 and each.option.split(".")[0] not in ignored
    ]
