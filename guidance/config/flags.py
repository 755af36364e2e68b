"""Reads flags: `--name value`, `--name=value`, `--switch` and `--no-switch`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from guidance.config.choices import Switch
from guidance.config.kinds import ENCODERS, Kind, load_file, names, options_of
from guidance.config.tree import (
    Node,
    choices,
    holders,
    is_flag,
    is_flat_only,
    is_list,
    tree_of,
)
from guidance.errors import InputError

#: Flags that are not options of a task.
OUTSIDE = ("config", "help", "h")


def key_of(word: str) -> str | None:
    """The name of the option that a flag sets, or None for a word that is not a flag."""
    if not word.startswith("--") or word == "--":
        return None
    return word[2:].partition("=")[0].replace("-", "_")


def peek(words: Sequence[str], key: str) -> list[str]:
    """All values of a flag, read before the other flags are known.

    Raises:
        InputError: the last word is this flag, without a value.
    """
    found = []
    for index, word in enumerate(words):
        if key_of(word) != key:
            continue
        _, equals, value = word.partition("=")
        if not equals and index + 1 == len(words):
            raise InputError(f"--{key.replace('_', '-')}: expected a value")
        found.append(value if equals else words[index + 1])
    return found


def read_tree(
    cls: type[BaseModel],
    values: Mapping[str, Any],
    words: Sequence[str],
    flat: Mapping[str, Any] | None = None,
    *,
    only_chosen: bool = False,
) -> Node:
    """The tree of a task with what flags choose; runs files of components that the flags name.

    Args:
        values: of the options of the task.
        flat: options of components that a file lists beside those of the task; flags take
            precedence.
        only_chosen: see `tree_of`.
    """
    chosen: dict[str, Any] = {}
    while True:
        node = tree_of(cls, values, {**(flat or {}), **chosen}, only_chosen=only_chosen)
        open_ = {
            key: choice
            for each in node.walk()
            for key, choice in choices(each.cls).items()
            if key not in chosen
        }
        more: dict[str, Any] = {}
        for key, choice in open_.items():
            if isinstance(choice, Switch):
                if peek(words, choice.opener):
                    more[choice.opener] = True
                continue
            if given := peek(words, key):
                for text in given if choice.many else given[-1:]:
                    _load_files(choice.kind, text)
                more[key] = given if choice.many and choice.kind.name != "loss" else given[-1]
        more = {key: value for key, value in more.items() if key not in chosen}
        if not more:
            return node
        chosen |= more


def _load_files(kind: Kind, text: str) -> None:
    """Runs the Python files among the names of a flag; only the user's own words do that."""
    for part in text.split(","):
        name = part.strip()
        name = name[: name.index(".py:") + 3] if ".py:" in name else name
        if name.endswith(".py"):
            load_file(kind, name)


def load_named_files(cls: type[BaseModel], words: Sequence[str]) -> list[str]:
    """Runs the Python files that flags of choices name; returns the names of the other flags."""
    kinds = {key: choice.kind for key, choice in choices(cls).items()}
    kinds |= {"encoder": ENCODERS}  # chosen within a loss
    for key, kind in kinds.items():
        for given in peek(words, key):
            _load_files(kind, given)
    keys = (key_of(word) for word in words)
    return [key for key in keys if key is not None and key not in kinds]


def words_of(words: Sequence[str], keys: Collection[str]) -> list[str]:
    """The words that set these options; flags of them have a value."""
    found: list[str] = []
    for index, word in enumerate(words):
        if key_of(word) in keys:
            found += [word] if "=" in word else words[index : index + 2]
    return found


def read_flags(node: Node, words: Sequence[str], help_line: str) -> dict[str, Any]:
    """The values of flags by the names of options; texts, lists of texts, or booleans.

    Raises:
        InputError: an unknown flag, one without a value, or a word that is not a flag.
    """
    found: dict[str, Any] = {}
    waiting = list(words)
    before = ""
    while waiting:
        word = waiting.pop(0)
        key = key_of(word)
        if key is None:
            raise InputError(_unexpected(node, word, before, help_line))
        before = word
        _, equals, value = word.partition("=")
        positive = key.removeprefix("no_")
        if key != positive and not holders(node, key) and _switch(node, positive):
            if equals:
                raise InputError(f"{word}: takes no value")
            found[positive] = False
            continue
        nodes = holders(node, key)
        if not nodes and key not in OUTSIDE:
            raise InputError(unknown(node, key, help_line))
        if nodes and is_flag(nodes[0].cls.model_fields[key]):
            found[key] = value if equals else True
            continue
        if not equals:
            if not waiting:
                raise InputError(f"{word}: expected a value")
            value = waiting.pop(0)
        if nodes and is_list(nodes[0].cls.model_fields[key]):
            found.setdefault(key, []).append(value)
        elif key not in OUTSIDE:
            found[key] = value
    return found


def _unexpected(node: Node, word: str, before: str, help_line: str) -> str:
    """Why a word is not a flag; `--flag true` was the form of earlier versions."""
    key = (key_of(before) or "").removeprefix("no_")
    if "=" not in before and _switch(node, key):
        flag = key.replace("_", "-")
        return (
            f"unexpected argument {word!r:.60}: --{flag} takes no value; write --{flag} or "
            f"--no-{flag}"
        )
    return f"unexpected argument {word!r:.60}; {help_line}"


def _switch(node: Node, key: str) -> bool:
    nodes = holders(node, key)
    return bool(nodes) and is_flag(nodes[0].cls.model_fields[key])


def unknown(node: Node, key: str, help_line: str) -> str:
    """Why a flag is not known: another component has it, or it is misspelt."""
    flag = f"--{key.replace('_', '-')}"
    owners: dict[str, list[str]] = {}
    for field, name in owners_of(node, key):
        owners.setdefault(field, []).append(name)
    if owners:
        where = " or ".join(f"--{field} {', '.join(those)}" for field, those in owners.items())
        return f"{flag} belongs to {where}; {help_line}"
    known = [name for each in node.walk() for name in each.cls.model_fields]
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean --{close[0].replace('_', '-')}?" if close else help_line
    return f"unknown flag {flag:.60}; {hint}"


def owners_of(node: Node, key: str) -> list[tuple[str, str]]:
    """The choices, by field and name, whose component has an option of that name."""
    found = []
    for each in node.walk():
        for field, choice in choices(each.cls).items():
            if isinstance(choice, Switch):
                if key in choice.cls().model_fields:
                    found.append((choice.opener.replace("_", "-"), "..."))
                continue
            for name in names(choice.kind):
                info = options_of(choice.kind, name).model_fields.get(key)
                if info is not None and (each.flat or not is_flat_only(info)):
                    found.append((field.replace("_", "-"), name))
    return list(dict.fromkeys(found))
