"""The help of a task: its options in groups, and what may be chosen."""

from __future__ import annotations

import inspect
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from guidance.config.choices import Choice, Entry, LossChoice, Switch, as_text, choice_of
from guidance.config.described import description
from guidance.config.kinds import names
from guidance.config.tree import Node, is_flag, is_list
from guidance.parsed import Parsed
from guidance.schedule import Schedule

INDENT, GAP, LEFT = "  ", 2, 30


def help_text(
    name: str,
    node: Node,
    shown: Sequence[Node],
    common: type[BaseModel],
    minutes: Mapping[str, str],
) -> str:
    """The whole page.

    Args:
        name: of the task.
        node: the task.
        shown: the components whose options are listed.
        common: the base of all tasks, whose options come first.
        minutes: how long each preset takes.
    """
    # An option that switches others on is listed with these once they are shown.
    open_ = {key for key, nodes in node.children.items() if nodes and _is_switch(node, key)}
    fields = {k: i for k, i in node.cls.model_fields.items() if k not in open_}
    own = {k: i for k, i in fields.items() if k not in common.model_fields}
    shared = {k: node.cls.model_fields[k] for k in common.model_fields}
    config = "  --config FILE".ljust(LEFT) + _wrapped(
        "A YAML file, or a file that a run wrote; flags take precedence."
    )
    parts = [
        f"usage: guide run {name} [options]",
        _description(node.cls),
        _elsewhere(name, node, common),
        _group(f"options of {name}", name, node, own),
        _group("options of every task", name, node, shared) + "\n" + config,
    ]
    parts[3:3] = [_group(f"options of --{each.chosen}", name, each, each.options) for each in shown]
    parts += [
        _choice(name, key, choice, node)
        for key, choice in _choices(node).items()
        if not node.children[key]
    ]
    parts.append(_presets(node, minutes))
    return "\n\n".join(part for part in parts if part) + "\n"


def _description(cls: type[BaseModel]) -> str:
    module = sys.modules[cls.__module__]
    return inspect.cleandoc(cls.__dict__.get("__doc__") or module.__doc__ or "")


def _elsewhere(task: str, node: Node, common: type[BaseModel]) -> str:
    """Where the options of components are, if some are not on this page."""
    keys = [key for key, nodes in node.children.items() if not nodes]
    if not keys:
        return ""
    keys.sort(key=lambda key: key in common.model_fields)
    hidden = [_example(key, node) for key in keys]
    every = f"{', '.join(hidden[:-1])} or {hidden[-1]}" if len(hidden) > 1 else hidden[0]
    text = (
        f"Components have options of their own, also those chosen by default. To list them, add "
        f"{every} before --help, e.g. `guide run {task} {hidden[0]} --help`."
    )
    return "\n".join(textwrap.wrap(text, _width()))


def _example(key: str, node: Node) -> str:
    """The flag that chooses a component, with its default."""
    info = node.cls.model_fields[key]
    choice = choice_of(info.metadata)
    if isinstance(choice, Switch):
        return f"--{_flag(choice.opener)} {choice.cls().model_fields[choice.opener].default}"
    names_only = (part.partition(":")[0] for part in as_text(info.default).split(","))
    return f"--{_flag(key)} {','.join(names_only)}"


def _group(title: str, task: str, node: Node, fields: Mapping[str, FieldInfo]) -> str:
    if not fields:
        return f"{title}:\n{INDENT}none"
    lines = (_option(task, node, key, info) for key, info in fields.items())
    return "\n".join([f"{title}:", *lines])


def _option(task: str, node: Node, key: str, info: FieldInfo) -> str:
    choice = choice_of(info.metadata)
    if isinstance(choice, Switch):
        inner = choice.cls().model_fields[choice.opener]
        others = ", ".join(f"--{_flag(k)}" for k in choice.cls().model_fields if k != choice.opener)
        default = f" (its options {others}: guide run {task} {_example(key, node)} --help)"
        flag = f"--{_flag(choice.opener)} {_metavar(inner)}"
        text = description(choice.cls(), choice.opener)
    else:
        flag = f"--{_flag(key)}"
        flag += "" if is_flag(info) else f" {_metavar(info)}"
        text, default = description(node.cls, key), _default(task, node, key, info)
    line = f"{INDENT}{flag}"
    about = _wrapped(f"{' '.join(text.split())}{default}")
    if len(line) + GAP > LEFT:
        return f"{line}\n{' ' * LEFT}{about}"
    return line.ljust(LEFT) + about


def _wrapped(text: str) -> str:
    lines = textwrap.wrap(text, max(30, _width() - LEFT), break_on_hyphens=False)
    return f"\n{' ' * LEFT}".join(lines)


def _width() -> int:
    return min(100, shutil.get_terminal_size((100, 24)).columns)


def _default(task: str, node: Node, key: str, info: FieldInfo) -> str:
    """The default value, in brackets."""
    choice = choice_of(info.metadata)
    usual = getattr(node.cls, "PRESETS", {}).get("normal", {})
    value = node.values.get(key, usual.get(key, info.get_default(call_default_factory=True)))
    if choice is not None:
        chosen = [Entry(each.cls, each.values, each.weight) for each in node.children[key]]  # type: ignore[arg-type]
        if chosen:
            value = choice.text(chosen if choice.many else chosen[0])
            return f" ({value})"
        options = f"its options: guide run {task} {_example(key, node)} --help"
        return f" ({', '.join(value) if isinstance(value, tuple) else as_text(value)}; {options})"
    if value is PydanticUndefined or value is None or value in ([], ()):
        return " (repeatable)" if is_list(info) else ""
    if is_flag(info):
        return f" (on; --no-{key.replace('_', '-')} turns it off)" if value else ""
    if isinstance(value, list | tuple):
        return f" ({', '.join(map(_text, value))}; repeatable)"
    return f" ({_text(value)})"


def _flag(key: str) -> str:
    return key.replace("_", "-")


def _is_switch(node: Node, key: str) -> bool:
    return isinstance(choice_of(node.cls.model_fields[key].metadata), Switch)


def _text(value: Any) -> str:
    value = value.written() if isinstance(value, Parsed) else value
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _metavar(info: FieldInfo) -> str:
    if (choice := choice_of(info.metadata)) is not None:
        return "NAME[:WEIGHT],..." if isinstance(choice, LossChoice) else "NAME"
    return _kind(info.annotation)


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return "{" + ",".join(map(str, get_args(annotation))) + "}"
    parts = [part for part in get_args(annotation) if part not in (NoneType, Ellipsis)]
    if parts:
        return "|".join(dict.fromkeys(_kind(part).strip("{}") for part in parts))
    if isinstance(annotation, type) and issubclass(annotation, Schedule):
        return "NUMBER|SCHEDULE"
    if isinstance(annotation, type) and issubclass(annotation, Parsed):
        return "TEXT"
    known = {int: "INT", float: "NUMBER", Path: "PATH", str: "TEXT"}
    return known.get(annotation, "VALUE")


def _choices(node: Node) -> dict[str, Choice]:
    found = {key: choice_of(info.metadata) for key, info in node.cls.model_fields.items()}
    return {k: c for k, c in found.items() if c is not None and not isinstance(c, Switch)}


def _choice(task: str, key: str, choice: Choice, node: Node) -> str:
    """The components of a kind, one line each."""
    flag = _flag(key)
    default = as_text(node.cls.model_fields[key].default)
    chosen = {part.partition(":")[0] for part in default.split(",")}
    lines = [
        f"{INDENT}{name + (' *' if name in chosen else ''):<{LEFT - GAP}}{_wrapped(line)}"
        for name, line in names(choice.kind, flat=node.flat).items()
    ]
    return "\n".join(
        [
            f"--{flag} NAME, or a Python file with your own (options of each: "
            f"guide run {task} --{flag} NAME --help; * default):",
            *lines,
        ]
    )


def _presets(node: Node, minutes: Mapping[str, str]) -> str:
    """One line for each preset: what it sets, and how long it takes."""
    table: Mapping[str, Mapping[str, Any]] = getattr(node.cls, "PRESETS", {})
    lines = []
    for preset in table:
        parts = [
            f"{key.replace('_', '-')} {value}"
            for each in node.walk()
            for key, value in getattr(each.cls, "PRESETS", {}).get(preset, {}).items()
        ]
        about = ", ".join(parts) + (f". {minutes[preset]}" if preset in minutes else "")
        lines.append(f"{INDENT}{preset:<{LEFT - GAP}}{_wrapped(about)}")
    return "\n".join(["presets:", *lines]) if lines else ""
