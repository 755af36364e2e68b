"""Configurations as YAML files: reading, writing, and errors of one line."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from guidance.config.marks import marked_text, text_mark, whole_version
from guidance.config.plain_yaml import load
from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.options import OptionError
from guidance.wording import what_is_wrong

#: Of config.yaml and of the configuration inside images, videos and meshes. Version 1 listed the
#: options of all components side by side and had other names for some; see `config.renamed`.
#: Version 3 ends with a mark; see `config.marks`.
SCHEMA_VERSION = 3
MARKED_FROM = 3
#: A configuration has a few thousand characters, and YAML is slow to parse.
MAX_BYTES = 256 * 1024
#: Keys of config.yaml that are not options of the task.
HEADER = ("schema_version", "task")
T = TypeVar("T", bound=BaseModel)


def read_config(path: Path) -> dict[str, Any]:
    """The mapping of a YAML file.

    Raises:
        InputError: the file does not exist, is too large, is not YAML in UTF-8, has tags that would
            build objects, or does not contain a mapping.
    """
    return _parsed(path, _content(path))


def read_record(path: Path) -> dict[str, Any]:
    """The mapping of a config.yaml that a run wrote, or of any other YAML file.

    Raises:
        InputError: as `read_config`; or the file is not as its run wrote it.
    """
    content = _content(path)
    whole = text_mark(content)
    values = {} if whole is False else _parsed(path, content)
    if whole is False or (whole is None and is_marked_version(values)):
        raise InputError(
            f"{path}: was changed or truncated since its run wrote it; restore it, or use it as it "
            f"is: guide run TASK --config {path}"
        )
    return values


def differs_from_mark(path: Path) -> bool:
    """Whether a YAML file was changed since a run wrote it."""
    return text_mark(_content(path)) is False


def is_marked_version(values: Mapping[str, Any]) -> bool:
    """Whether the schema version of a configuration is one whose files end with a hash."""
    version = values.get("schema_version")
    return type(version) is int and MARKED_FROM <= version <= SCHEMA_VERSION


def _content(path: Path) -> bytes:
    refuse_special_file(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; give a configuration in YAML, or a PNG, MP4 or GLB of a run"
        )
    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{path}: is larger than {MAX_BYTES // 1024} KB; it is not a configuration"
        )
    try:
        return path.read_bytes()
    except PermissionError:
        raise InputError(f"{path}: cannot be read; change its permissions") from None


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    try:
        values = load(content.decode())
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text; a configuration is YAML in UTF-8") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path}: is not valid YAML: {_yaml_reason(error)}") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(
            f"{path}: expected lines such as `steps: 200`, or an image, video or GLB of a run"
        )
    return values


def _yaml_reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}" if mark is not None else ""
    reason = getattr(error, "problem", None) or str(error)
    return " ".join(f"{reason}{where}".split())[:300]


def strip_header(values: Mapping[str, Any], where: str) -> tuple[str | None, int, dict[str, Any]]:
    """The name of the task, if it is given, the schema version, and the options.

    Raises:
        InputError: the version is not a whole number, or newer than this package.
    """
    version = whole_version(values.get("schema_version", SCHEMA_VERSION), SCHEMA_VERSION, where)
    task = values.get("task")
    if task is not None and not isinstance(task, str):
        raise InputError(f"{where}: task: expected the name of a task, got {task!r:.40}")
    return task, version, {key: value for key, value in values.items() if key not in HEADER}


def as_mapping(task: BaseModel, name: str) -> dict[str, Any]:
    """The resolved configuration of a task, with its header, as plain JSON values."""
    header = {"schema_version": SCHEMA_VERSION, "task": name}
    return header | task.model_dump(mode="json")


def as_yaml(mapping: Mapping[str, Any]) -> str:
    """A resolved configuration with its mark; `guide run TASK --config FILE` repeats the run."""
    return marked_text(
        yaml.safe_dump(dict(mapping), sort_keys=False, allow_unicode=True, width=100)
    )


def validated(
    cls: type[T], values: Mapping[str, Any], name: Callable[[str], str] = "config: {}".format
) -> T:
    """The task of these values.

    Args:
        name: how to name an option in a message, e.g. "--steps" or "config.yaml: steps".

    Raises:
        InputError: names the first wrong option and says why.
    """
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(explain(error, cls, name)) from None


def explain(error: ValidationError, cls: type[BaseModel], name: Callable[[str], str]) -> str:
    """The first error of pydantic in one line."""
    first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(place[0], cls.model_fields, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "; `guide run TASK --help` lists all"
        return name(f"unknown key {place[0]!r:.60}{hint}")
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, OptionError):
        return f"{name('.'.join(inner.place))}: {inner.message}"
    if isinstance(inner, InputError):
        return str(inner)
    return " ".join(f"{name(place[0] if place else '')}: {what_is_wrong(error)}".split())
