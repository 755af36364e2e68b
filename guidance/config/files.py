"""Configurations as YAML files: reading, writing, and saying in one line what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from guidance.errors import InputError
from guidance.tasks.base import Task

#: Of config.yaml and of the configuration inside images, videos and meshes.
SCHEMA_VERSION = 1
#: A configuration is a few thousand characters; YAML is slow to read.
MAX_BYTES = 256 * 1024
#: Keys of a run's config.yaml that are not fields of its task.
HEADER = ("schema_version", "task")


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases (a few lines of them grow to gigabytes) and doubled keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not read; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [getattr(key, "value", None) for key, _ in node.value]
        for key in keys:
            if isinstance(key, str) and keys.count(key) > 1:
                raise yaml.YAMLError(f"key {key!r} is there twice")
        return super().construct_mapping(node, deep)


def read_config(path: Path) -> dict[str, Any]:
    """The mapping of a YAML file.

    Raises:
        InputError: no such file, too large, no text, no YAML, tags that would build objects, or
            something else than a mapping.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a configuration in YAML")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: is larger than {MAX_BYTES // 1024} KB; that is no configuration")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a SafeLoader
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text; a configuration is YAML in UTF-8") from None
    except PermissionError:
        raise InputError(f"{path}: may not be read; change its permissions") from None
    except RecursionError:
        raise InputError(f"{path}: is nested too deeply; that is no configuration") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-99-99
        raise InputError(f"{path}: is no YAML that is read here: {_yaml_reason(error)}") from None
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
    return " ".join(f"{reason}{where}".split())


def strip_header(values: Mapping[str, Any], where: str) -> tuple[str | None, dict[str, Any]]:
    """The task's name, where it is said, and its fields.

    Raises:
        InputError: a newer version wrote this.
    """
    version = values.get("schema_version", SCHEMA_VERSION)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"{where}: schema_version: expected a whole number, got {version!r:.40}")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{where}: was written by a newer version of guidance (schema_version {version}; this "
            f"one reads up to {SCHEMA_VERSION}); update guidance"
        )
    task = values.get("task")
    if task is not None and not isinstance(task, str):
        raise InputError(f"{where}: task: expected the name of a task, got {task!r:.40}")
    return task, {key: value for key, value in values.items() if key not in HEADER}


def as_mapping(task: Task) -> dict[str, Any]:
    """The resolved configuration of a task, with its header, as plain JSON values."""
    header = {"schema_version": SCHEMA_VERSION, "task": task.task_name()}
    return header | task.model_dump(mode="json")


def as_yaml(task: Task) -> str:
    """The resolved configuration; `guide run TASK --config FILE` repeats the run."""
    return yaml.safe_dump(as_mapping(task), sort_keys=False, allow_unicode=True, width=100)


def validated(
    cls: type[Task], values: Mapping[str, Any], name: Callable[[str], str] = "config: {}".format
) -> Task:
    """The task of these values.

    Args:
        name: what to call a field in the message, e.g. "--steps" or "config.yaml: steps".

    Raises:
        InputError: names the first field that is wrong, and says why.
    """
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(explain(error, cls, name)) from None


def explain(error: ValidationError, cls: type[Task], name: Callable[[str], str]) -> str:
    """Pydantic's account of an error in one line."""
    first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(place[0], cls.model_fields, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "; `guide run TASK --help` lists all"
        return name(f"unknown key {place[0]!r:.60}{hint}")
    if isinstance(first.get("ctx", {}).get("error"), InputError):
        return str(first["ctx"]["error"])
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    got = "" if isinstance(first["input"], dict) else f", got {first['input']!r:.60}"
    return " ".join(f"{name(place[0] if place else '')}: {message}{got}".split())
