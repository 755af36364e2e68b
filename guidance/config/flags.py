"""Reads flags: `--name value`, `--name=value`, `--switch` and `--no-switch`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from guidance.config.choices import Switch
from guidance.config.kinds import ENCODERS, Kind, load_file
from guidance.config.tree import Node, choices, holders, is_flag, is_list, tree_of
from guidance.config.unknown import unexpected, unknown
from guidance.errors import InputError

#: Flags that are not options of a task.
OUTSIDE = ("config", "help", "h")


def key_of(word: str) -> str | None:
    """The name of the option that a flag sets, or None for a word that is not a flag."""
    if not word.startswith("--") or word == "--":
        return None
    return word[2:].partition("=")[0].replace("-", "_")


def peek(words: Sequence[str], key: str) -> list[str]:
    """All values of a flag, read before the other flags are known and checked.

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


def without(words: Sequence[str], keys: Collection[str | None]) -> list[str]:
    """The words without those that set these options; flags of them have a value."""
    found: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if key_of(word) not in keys or key_of(word) is None:
            found.append(word)
        elif "=" not in word:
            del waiting[:1]
    return found


def read_flags(node: Node, words: Sequence[str], page: str) -> dict[str, Any]:
    """The values of flags by the names of options; texts, lists of texts, or booleans.

    Args:
        page: the command whose `--help` lists the options, e.g. "guide run text2image".

    Raises:
        InputError: an unknown flag, one without a value or given twice, or a word that is not a
            flag.
    """
    found: dict[str, Any] = {}
    given: set[str] = set()
    waiting = list(words)
    before: list[str] = []  # the flag before, and its value
    while waiting:
        word = waiting.pop(0)
        key = key_of(word)
        if key is None:
            raise InputError(unexpected(node, word, before, page))
        before = [word]
        _, equals, value = word.partition("=")
        positive = key.removeprefix("no_")
        off = key != positive and not holders(node, key) and _switch(node, positive)
        key = positive if off else key
        nodes = holders(node, key)
        if not nodes and key not in OUTSIDE:
            raise InputError(unknown(node, key, page))
        several = bool(nodes) and is_list(nodes[0].cls.model_fields[key])
        if key in given and not several:
            raise InputError(twice(word.partition("=")[0], key))
        given.add(key)
        if off:
            if equals:
                raise InputError(f"{word}: takes no value")
            found[key] = False
            continue
        if nodes and is_flag(nodes[0].cls.model_fields[key]):
            found[key] = value if equals else True
            continue
        if not equals:
            if not waiting:
                raise InputError(f"{word}: expected a value")
            value = waiting.pop(0)
            before.append(value)
        if several:
            found.setdefault(key, []).append(value)
        elif key not in OUTSIDE:
            found[key] = value
    return found


def twice(flag: str, key: str) -> str:
    """What is wrong with a flag that is given twice."""
    example = "; several losses are separated by commas, e.g. clip,fsd:0.5" if key == "loss" else ""
    return f"{flag} is given twice; give it once{example}"


def _switch(node: Node, key: str) -> bool:
    nodes = holders(node, key)
    return bool(nodes) and is_flag(nodes[0].cls.model_fields[key])
