"""Configurations of models: JSON of bounded size, and lists of known keys with their ranges.

A configuration is checked against a `Configuration`, a list of the keys that may occur and of the
values that each may have. What is not on the list is refused, because libraries pass unknown keys
on to code that downloads, imports or opens files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guidance.errors import InputError

#: Bytes of a configuration. The largest known one has 20 KB.
MAX_BYTES = 2**21

Layers = Annotated[int, Field(ge=1, le=256)]
#: Blocks of one resolution, and transformer layers in one block.
Repeats = Annotated[int, Field(ge=0, le=24)]
Heads = Annotated[int, Field(ge=1, le=1024)]
Width = Annotated[int, Field(ge=1, le=65_536)]
Pixels = Annotated[int, Field(ge=1, le=4096)]
Tokens = Annotated[int, Field(ge=1, le=4096)]
Vocabulary = Annotated[int, Field(ge=1, le=4_000_000)]
TokenId = Annotated[int, Field(ge=-1, le=4_000_000)]
Ratio = Annotated[float, Field(gt=0, le=64)]
Rate = Annotated[float, Field(ge=0, le=1)]
Epsilon = Annotated[float, Field(gt=0, le=0.1)]
Scalar = Annotated[float, Field(ge=-1e6, le=1e6)]
#: The name of a repository of the hub: a name in the local cache, never a path.
RepositoryName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?$")
]


class Configuration(BaseModel):
    """The keys that a configuration may have, and the values of each."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, protected_namespaces=(), allow_inf_nan=False
    )

    #: Keys without effect on the model, which are dropped.
    ignored: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def check(
        cls, stored: Any, path: Path, defaults: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The keys that a configuration gives, without those that have no effect.

        Args:
            stored: the content of the file.
            path: the file, for messages.
            defaults: of the installed library. Newer versions write keys that are not on the list;
                a key with its default has no effect.

        Raises:
            InputError: a key is unknown, missing, or has a value that is not allowed; the message
                names the file and the key.
        """
        if not isinstance(stored, Mapping):
            raise InputError(f"{path}: expected an object, got {type(stored).__name__}")
        fields = {field.alias or name for name, field in cls.model_fields.items()}
        same = {key for key, value in (defaults or {}).items() if stored.get(key, stored) == value}
        unused = cls.ignored | (same - fields)
        known = {key: value for key, value in stored.items() if key not in unused}
        try:
            found = cls.model_validate(known)
        except ValidationError as error:
            raise InputError(f"{path}: {_reason(error, known)}") from None
        return found.model_dump(exclude_unset=True, by_alias=True)


def read_json(path: Path, max_bytes: int = MAX_BYTES) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: the file is missing, not a plain file, too large, nested too deeply, or not
            JSON; NaN and infinity are not JSON.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a file")
    size = path.stat().st_size
    if size > max_bytes:
        raise InputError(f"{path}: has {size} bytes, more than the {max_bytes} of a configuration")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_refuse)
    except RecursionError:
        raise InputError(f"{path}: is nested too deeply") from None
    except ValueError as error:  # also of bytes that are not UTF-8, and of too many digits
        raise InputError(f"{path}: is not JSON ({error!s:.120})") from None


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _reason(error: ValidationError, stored: Any) -> str:
    """One problem: the key as it is in the file, and what is wrong with it."""
    found = error.errors(include_url=False, include_context=False)
    # Of the members of a union, the one that the value comes closest to.
    first = max(found, key=lambda each: len(_path(each["loc"], stored)[0]))
    names, at = _path(first["loc"], stored)
    if first["type"] == "missing":
        return f"{_spelled([*names, first['loc'][-1]])} is missing"
    if first["type"] == "extra_forbidden":
        return f"{_spelled(names)} is not supported; remove it if the model does not need it"
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"{_spelled(names)}: {message}, got {ascii(at)[:60]}"


def _path(location: tuple[int | str, ...], stored: Any) -> tuple[list[int | str], Any]:
    """The keys and indices of a location, without names of types, and the value there."""
    names: list[int | str] = []
    at = stored
    for step in location:
        keys = at if isinstance(at, Mapping) else range(len(at)) if isinstance(at, list) else ()
        if step in keys:
            names.append(step)
            at = at[step]
    return names, at


def _spelled(names: list[int | str]) -> str:
    return ascii(".".join(map(str, names)))[1:-1][:120] or "the configuration"
