"""Mistakes that are found before components, and with them torch, are imported.

What passes here is checked again with all components.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo

from guidance.config.choices import NONE, LossChoice, OptionalLossChoice, Switch, choice_of
from guidance.config.files import validated
from guidance.config.flags import OUTSIDE, key_of, peek, twice
from guidance.config.kinds import PACKAGE, check_name
from guidance.config.tree import Node, is_flag, is_list
from guidance.config.unknown import unexpected
from guidance.errors import InputError
from guidance.options import NamesFile, OfThePlace

#: Names of models that are folders.
LOCAL = "local-dir:"
#: How similar a flag is to an option of the task to be taken for it without further search.
SIMILAR = 0.8


def check_words(
    cls: type[BaseModel], words: Sequence[str], old: Collection[str], page: str
) -> None:
    """Checks the flags of a task, apart from those of its components.

    Args:
        old: old names of options.
        page: the command whose `--help` lists the options.

    Raises:
        InputError: a stray word, a misspelt or repeated flag, an unknown component, or a wrong
            value.
    """
    if words and key_of(words[0]) is None:
        raise InputError(unexpected(Node(cls), words[0], (), page))
    _check_names(cls, words, old)
    plain = _plain(cls)
    given = dict(_values(plain, words))
    if given:
        fields: dict[str, Any] = {key: (plain[key].annotation, plain[key]) for key in given}
        model = create_model(cls.__name__, __config__=cls.model_config, **fields)
        validated(model, given, lambda key: f"--{key.split('.')[0].replace('_', '-')}")
    for key, info in cls.model_fields.items():
        choice = choice_of(info.metadata)
        if choice is not None and not isinstance(choice, Switch):
            for text in peek(words, key):
                if isinstance(choice, OptionalLossChoice) and text == NONE:
                    continue
                parts = text.split(",") if isinstance(choice, LossChoice) else [text]
                for part in parts:
                    check_name(choice.kind, part.partition(":")[0].strip())


def check_files(cls: type[BaseModel], words: Sequence[str]) -> None:
    """Checks that the files exist that flags of a task name.

    Raises:
        InputError: one does not.
    """
    plain = _plain(cls)
    for key, text in _values(plain, words):
        marks = plain[key].metadata
        names = next((mark for mark in marks if isinstance(mark, NamesFile)), None)
        is_path = "Path" in str(plain[key].annotation) and isinstance(text, str)
        if any(isinstance(mark, OfThePlace) for mark in marks) or "\0" in text:
            continue
        named = is_path or (names is not None and names.names_file(text))
        if named and not Path(text).expanduser().exists():
            flag = f"--{key.replace('_', '-')}"
            others = f"; give a file, or {', '.join(names.apart_from)}" if names else ""
            raise InputError(f"{flag} {text:.200}: no such file{others}")


def check_weights(words: Sequence[str]) -> None:
    """Checks that the weights of models that flags name are on this machine.

    Raises:
        InputError: a name that is not valid for a repository.
        MissingWeights: they are not.
    """
    from guidance.models.catalogue import check_is_here

    # Without a component that has it, --denoiser is a mistake of another kind.
    chosen = peek(words, "loss") or peek(words, "generator")
    for option in ("encoder", "denoiser") if chosen else ("encoder",):
        for text in peek(words, option):
            for name in text.split(","):
                if not name.startswith(LOCAL):  # a path may have a comma
                    check_is_here(name.strip())


def _check_names(cls: type[BaseModel], words: Sequence[str], old: Collection[str]) -> None:
    """Refuses a flag that no component of the package has, if the task has a similar one."""
    if any(".py" in word for word in words):  # the user's own component may have any option
        return
    known = {*cls.model_fields, *OUTSIDE, *old}
    openers = (choice_of(info.metadata) for info in cls.model_fields.values())
    known |= {choice.opener for choice in openers if isinstance(choice, Switch)}
    for word in words:
        key = (key_of(word) or "").removeprefix("no_")
        if not key or key in known or _is_an_option(key):
            continue
        close = difflib.get_close_matches(key, cls.model_fields, n=1, cutoff=SIMILAR)
        if close:
            flag = word.partition("=")[0]
            raise InputError(
                f"unknown flag {flag:.60}; did you mean --{close[0].replace('_', '-')}?"
            )


def _is_an_option(key: str) -> bool:
    """Whether any class of the package has a field of that name, by its source."""
    field = re.compile(rf"^    +{re.escape(key)}: ", re.MULTILINE)
    return any(field.search(p.read_text(encoding="utf-8")) for p in PACKAGE.rglob("*.py"))


def _values(fields: Mapping[str, FieldInfo], words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The values that flags give to options, apart from switches."""
    for key in dict.fromkeys(map(key_of, words)):
        if key is None or key not in fields or is_flag(fields[key]):
            continue
        texts = peek(words, key)
        if len(texts) > 1 and not is_list(fields[key]):
            raise InputError(twice(f"--{key.replace('_', '-')}", key))
        yield key, texts if is_list(fields[key]) else texts[-1]


def _plain(cls: type[BaseModel]) -> dict[str, FieldInfo]:
    """The options of a task that choose no component."""
    return {key: i for key, i in cls.model_fields.items() if choice_of(i.metadata) is None}
