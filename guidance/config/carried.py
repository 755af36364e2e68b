"""Configurations that come from elsewhere: inside an image, or in a run folder of somebody else.

Such a configuration cannot choose output folders, devices or files of this machine: options that
are marked `OfThePlace` are left out, and one that names a file is refused unless the command line
gives it.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from guidance.config.tree import Node
from guidance.errors import InputError
from guidance.options import NamesFile, OfThePlace
from guidance.parsed import Parsed

#: Models in a folder of this machine, in any option.
LOCAL = "local-dir:"


def places(cls: type[BaseModel]) -> tuple[str, ...]:
    """The options of a task that say where a run happens."""
    return tuple(key for key, info in cls.model_fields.items() if is_of_the_place(info))


def without_places(
    cls: type[BaseModel], values: Mapping[str, Any], where: str
) -> tuple[dict[str, Any], list[str]]:
    """The values without those that say where a run happens, and a note about each of these."""
    left_out = [key for key in places(cls) if key in values]
    notes = [
        f"{where}: its {key} is not used, since the configuration comes from elsewhere; "
        f"give {_flag(key)} to choose one"
        for key in left_out
        if values[key] != cls.model_fields[key].default
    ]
    return {key: value for key, value in values.items() if key not in left_out}, notes


def refuse_files(node: Node, given: Collection[str | None], where: str) -> None:
    """Checks that a configuration names no file that the command line does not give.

    Values that flags replace are removed from the tree, so that nothing opens them.

    Args:
        node: the options of the task, before they are validated.
        given: the names of the options that flags set.
        where: the name of the configuration in messages.

    Raises:
        InputError: it names a file.
    """
    found: dict[str, list[str]] = {}
    for each in node.walk():
        for key, texts in _named_files(each):
            if key in given:
                each.values.pop(key, None)
            else:
                found.setdefault(key, []).extend(texts)
    if found:
        key, texts = next(iter(found.items()))
        flags = " ".join(
            f"{_flag(name)} {shlex.quote(text)}"
            for name, those in found.items()
            for text in dict.fromkeys(those)
        )
        raise InputError(
            f"{where}: {key}: names {texts[0]!r:.80}, but a configuration that comes from "
            f"elsewhere cannot choose files; to use it, add {flags}"
        )


def options_with_files(node: Node) -> set[str]:
    """The options of a task and its components whose values name files."""
    return {key for each in node.walk() for key, _ in _named_files(each)}


def _named_files(node: Node) -> Iterator[tuple[str, list[str]]]:
    """The options of a component that name files, with what they name."""
    for key, info in node.cls.model_fields.items():
        value = node.values.get(key)
        items = value if isinstance(value, list | tuple) else [value]
        if texts := [str(item) for item in items if _names_file(info, item)]:
            yield key, texts
    for key, children in node.children.items():
        kinds = [child.cls.kind() for child in children if hasattr(child.cls, "kind")]
        if texts := [kind for kind in kinds if kind.startswith(LOCAL)]:
            yield key, texts


def _names_file(info: FieldInfo, item: Any) -> bool:
    if not isinstance(item, str | Path) or is_of_the_place(info):
        return False
    kinds, text = _types(info.annotation), str(item)
    return (
        text.startswith(LOCAL)
        or isinstance(item, Path)
        or Path in kinds
        or any(isinstance(m, NamesFile) and m.names_file(text) for m in info.metadata)
        or any(issubclass(kind, Parsed) and kind.names_file(text) for kind in kinds)
    )


def _types(annotation: Any) -> set[type]:
    """All classes in an annotation."""
    if isinstance(annotation, type) and not get_args(annotation):
        return {annotation}
    return {kind for part in get_args(annotation) for kind in _types(part)}


def is_of_the_place(info: FieldInfo) -> bool:
    """Whether an option says where a run happens, not what it makes."""
    return any(isinstance(item, OfThePlace) for item in info.metadata)


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"
