"""VRM and VRMA files against the JSON schemas of the specification; see README.md."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOTS = {"VRMC_vrm": "VRMC_vrm-1.0", "VRMC_vrm_animation": "VRMC_vrm_animation-1.0"}


def document(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    length = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[20 : 20 + length])


def registry(specification: Path) -> Registry:
    """All schemas by their file names; those of glTF itself accept everything."""

    def retrieve(uri: str) -> Resource:
        name = uri.rsplit("/", 1)[-1]
        for path in specification.rglob(name):
            return Resource.from_contents(json.loads(path.read_text()), DRAFT202012)
        # Parts of glTF's own schema; Khronos' validator checks those.
        return Resource.from_contents({}, DRAFT202012)

    return Registry(retrieve=retrieve)


def main() -> None:
    folder, specification = Path(sys.argv[1]), Path(sys.argv[2])
    found = {}
    for path in sorted([*folder.glob("*.vrm"), *folder.glob("*.vrma")]):
        errors = []
        for name, content in document(path)["extensions"].items():
            schema_path = specification / ROOTS[name] / "schema" / f"{name}.schema.json"
            schema = json.loads(schema_path.read_text())
            validator = Draft202012Validator(schema, registry=registry(specification))
            errors += [error.message for error in validator.iter_errors(content)]
        found[path.name] = errors
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
