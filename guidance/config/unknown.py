"""Advice about words that are not flags, and about flags that no chosen component has."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence

from guidance.config.choices import Switch
from guidance.config.kinds import names, options_of
from guidance.config.tree import Node, choices, holders, is_flag, is_flat_only

#: Characters that a shell reads within double quotes.
SPECIAL = '"\\$`!'


def unexpected(node: Node, word: str, before: Sequence[str], page: str) -> str:
    """Why a word is not a flag.

    Args:
        before: the flag before the word, and its value, if it has one.
        page: the command whose `--help` lists the options, e.g. "guide run text2image".
    """
    said = f"unexpected argument {word!r:.60}"
    flag = before[0] if before else ""
    key = flag[2:].replace("-", "_").removeprefix("no_")
    if len(before) == 1 and _is_switch(node, key):  # `--flag true` was the form of version 1
        name = key.replace("_", "-")
        return f"{said}: --{name} takes no value; write --{name} or --no-{name}"
    if word.startswith("-") and word.strip("-"):
        name = word.strip("-").partition("=")[0]
        close = difflib.get_close_matches(name.replace("-", "_"), _known(node), n=1)
        if close:
            return f"{said}; did you mean --{close[0].replace('_', '-')}?"
    elif len(before) == 2:
        text = f"{before[1]} {word}"
        return f"{said}; write a value with spaces in quotes: {flag} {quoted(text)}"
    elif holders(node, "prompt"):
        return f"{said}; did you mean --prompt {quoted(word)}?"
    return f"{said}; see `{page} --help`"


def quoted(text: str) -> str:
    """A text as one word of a shell, in double quotes where that is enough."""
    text = text if len(text) < 60 else f"{text[:57]}..."
    return shlex.quote(text) if set(text) & set(SPECIAL) else f'"{text}"'


def unknown(node: Node, key: str, page: str, *, in_file: bool = False) -> str:
    """Why an option is not known: another component has it, or it is misspelt.

    Args:
        in_file: the option is a key of a configuration, not a flag.
    """
    flag = repr(key) if in_file else f"--{key.replace('_', '-')}"
    owners: dict[str, list[str]] = {}
    for field, name in _owners(node, key):
        owners.setdefault(field, []).append(name)
    for field, those in owners.items():
        # An option that switches others on has a value instead of a name.
        if those[0].isdecimal():
            needed = f"{flag} needs --{field}, e.g. --{field} {those[0]}"
            return f"{needed}; see `{page} --{field} {those[0]} --help`"
    if owners:
        where = " or ".join(f"--{field} {', '.join(those)}" for field, those in owners.items())
        field, (name, *_) = next(iter(owners.items()))
        return f"{flag} belongs to {where}; see `{page} --{field} {name} --help`"
    close = difflib.get_close_matches(key, _known(node), n=1)
    meant = (
        repr(close[0]) if close and in_file else f"--{close[0].replace('_', '-')}" if close else ""
    )
    hint = f"did you mean {meant}?" if close else f"see `{page} --help`"
    return f"unknown {'key' if in_file else 'flag'} {flag:.60}; {hint}"


def _known(node: Node) -> list[str]:
    return [name for each in node.walk() for name in each.cls.model_fields]


def _is_switch(node: Node, key: str) -> bool:
    nodes = holders(node, key)
    return bool(nodes) and is_flag(nodes[0].cls.model_fields[key])


def _owners(node: Node, key: str) -> list[tuple[str, str]]:
    """The choices, by field and name, whose component has an option of that name."""
    found = []
    for each in node.walk():
        for field, choice in choices(each.cls).items():
            if isinstance(choice, Switch):
                fields = choice.cls().model_fields
                if key in fields:
                    found.append(
                        (choice.opener.replace("_", "-"), str(fields[choice.opener].default))
                    )
                continue
            for name in names(choice.kind):
                info = options_of(choice.kind, name).model_fields.get(key)
                if info is not None and (each.flat or not is_flat_only(info)):
                    found.append((field.replace("_", "-"), name))
    return list(dict.fromkeys(found))
