"""The options of a task as a tree: its own, and those of each component that is chosen.

Flags are flat: `--texels` goes to whichever chosen component has an option of that name, and to all
of them where several do. YAML files may write options in the same flat way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from guidance.config.choices import Choice, Entry, Switch, choice_of
from guidance.options import FlatOnly, Options


@dataclass
class Node:
    """A task or a chosen component with the values that were given for its options."""

    cls: type[BaseModel]
    values: dict[str, Any] = field(default_factory=dict)
    weight: Any = 1.0
    children: dict[str, list[Node]] = field(default_factory=dict)
    chosen: str = ""  # the field and the name, e.g. "mode texture", "frames"; empty for the task
    flat: bool = True  # whether the task makes flat images
    hidden: frozenset[str] = frozenset()  # options whose names the task uses for something else

    @property
    def options(self) -> dict[str, FieldInfo]:
        """The options that apply to the task."""
        fields = self.cls.model_fields
        shown = {k: i for k, i in fields.items() if k not in self.hidden}
        return {k: i for k, i in shown.items() if self.flat or not is_flat_only(i)}

    def walk(self) -> Iterator[Node]:
        """The node and all below it."""
        yield self
        for nodes in self.children.values():
            for node in nodes:
                yield from node.walk()

    def raw(self) -> dict[str, Any]:
        """What pydantic validates."""
        found = dict(self.values)
        for name, nodes in self.children.items():
            choice = choice_of(self.cls.model_fields[name].metadata)
            assert choice is not None
            entries = [Entry(_options(node.cls), node.raw(), node.weight) for node in nodes]
            found[name] = entries if choice.many else entries[0] if entries else None
        return found

    def use_preset(self, preset: str) -> None:
        """Lets the values of a preset replace those given so far."""
        for node in self.walk():
            usual = dict(getattr(node.cls, "PRESETS", {}).get(preset, {}))
            node.values |= {k: v for k, v in usual.items() if k not in node.children}


def tree_of(
    cls: type[BaseModel],
    values: Mapping[str, Any],
    chosen: Mapping[str, Any],
    *,
    name: str = "",
    weight: Any = 1.0,
    only_chosen: bool = False,
    flat: bool = True,
    hidden: frozenset[str] = frozenset(),
) -> Node:
    """The tree of a task or component.

    Args:
        values: of its options, from a file.
        chosen: what the flags say of choices, by the names of fields: replaces what `values` say,
            but keeps the options there of components that are chosen again.
        only_chosen: leaves out components that nobody chose, whose import would take long.
    """
    flat = getattr(cls, "FLAT", flat)
    node = Node(cls, dict(values), weight, chosen=name, flat=flat, hidden=hidden)
    hidden = hidden | frozenset(getattr(cls, "OWN_OPTIONS", ()))
    for key, info in cls.model_fields.items():
        choice = choice_of(info.metadata)
        if choice is None:
            continue
        if only_chosen and not {key, getattr(choice, "opener", key)} & set(chosen):
            node.children[key] = []
            continue
        before = choice.entries(node.values.pop(key)) if key in node.values else None
        if key in chosen and not isinstance(choice, Switch):
            entries = _again(choice.entries(chosen[key]), before or [])
        else:
            entries = before if before is not None else choice.entries(info.get_default())
        if isinstance(choice, Switch) and choice.opener in chosen and not entries:
            entries = choice.entries({})
        node.children[key] = [
            tree_of(
                entry.cls,
                entry.values if entry.made is None else dict(entry.made),
                chosen,
                name=_chosen(key, choice, entry),
                weight=entry.weight,
                only_chosen=only_chosen,
                flat=flat,
                hidden=hidden,
            )
            for entry in entries
        ]
    return node


def _chosen(key: str, choice: Choice, entry: Entry) -> str:
    """The flag that chooses a component, without dashes, and the name."""
    return (
        choice.opener.replace("_", "-")
        if isinstance(choice, Switch)
        else f"{key} {entry.cls.kind()}"
    )


def _again(new: list[Entry], before: list[Entry]) -> list[Entry]:
    known = {entry.cls.kind(): entry for entry in before}
    return [
        Entry(entry.cls, {**known[entry.cls.kind()].values, **entry.values}, entry.weight)
        if entry.cls.kind() in known and known[entry.cls.kind()].made is None
        else entry
        for entry in new
    ]


def choices(cls: type[BaseModel]) -> dict[str, Choice]:
    """The fields of a task or component that are choices."""
    found = {name: choice_of(info.metadata) for name, info in cls.model_fields.items()}
    return {name: choice for name, choice in found.items() if choice is not None}


def is_flag(info: FieldInfo) -> bool:
    """Whether an option is on or off."""
    return info.annotation is bool


def is_list(info: FieldInfo) -> bool:
    """Whether a flag may be repeated."""
    if (choice := choice_of(info.metadata)) is not None:
        return choice.many and choice.kind.name != "loss"
    return get_origin(info.annotation) in (list, tuple) and len(get_args(info.annotation)) > 0


def holders(node: Node, key: str) -> list[Node]:
    """The nodes that have an option of that name."""
    return [each for each in node.walk() if key in each.options]


def assign(node: Node, key: str, value: Any) -> bool:
    """Gives a value to every node that has such an option; False where none has."""
    found = holders(node, key)
    for each in found:
        each.values[key] = value
    return bool(found)


def is_flat_only(info: FieldInfo) -> bool:
    """Whether an option applies to flat images only."""
    return any(isinstance(item, FlatOnly) for item in info.metadata)


def _options(cls: type[BaseModel]) -> type[Options]:
    assert issubclass(cls, Options)
    return cls
