"""DONE.json and environment.json: written with a mark, and checked when they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guidance.config.marks import marked_values, whole_version, without_mark
from guidance.errors import InputError
from guidance.runs.atomic import write_text

#: Of both records. Version 1 had no mark.
SCHEMA_VERSION = 2
#: They have a few kilobytes, but a run may have a thousand samples.
MAX_BYTES = 2**24


def write_record(path: Path, values: Mapping[str, Any]) -> Path:
    """Writes a JSON record with its schema version and its mark."""
    marked = marked_values({"schema_version": SCHEMA_VERSION, **values})
    return write_text(path, json.dumps(marked, indent=2, ensure_ascii=False) + "\n")


def read_record(path: Path, advice: str) -> dict[str, Any]:
    """The values of a record, without its mark.

    Args:
        advice: what to do if it is damaged.

    Raises:
        InputError: it is missing, too large, damaged, or from a newer version.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("too large")
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("not a mapping")
        # environment.json of version 1 had no schema version.
        version = whole_version(values.get("schema_version", 1), SCHEMA_VERSION, str(path))
        return without_mark(values, needed=version > 1)
    except InputError:
        raise
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path}: is damaged; {advice}") from None
