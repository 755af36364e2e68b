"""From the words of a command line, and a configuration, to a task.

The order of precedence, from the strongest: an explicit flag, a preset named on the command line,
the configuration, the preset of the configuration, the defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from guidance.config.carried import options_with_files, places, refuse_files, without_places
from guidance.config.choices import LossChoice, as_text, choice_of
from guidance.config.early import check_words
from guidance.config.files import validated
from guidance.config.flags import key_of, load_named_files, peek, read_flags, read_tree
from guidance.config.help import help_text
from guidance.config.renamed import old_flags, old_values, rules
from guidance.config.tree import Node, assign, holders
from guidance.config.unknown import unknown
from guidance.errors import InputError

PRESETS = ("draft", "normal", "best")
T = TypeVar("T", bound=BaseModel)


def asks_for_help(words: Sequence[str]) -> bool:
    """Whether a flag asks for the help page."""
    return "--help" in words or "-h" in words


def task_help(
    cls: type[BaseModel],
    name: str,
    words: Sequence[str],
    common: type[BaseModel],
    minutes: Mapping[str, str],
) -> str:
    """The help page, with the options of the components that the words name."""
    if peek(words, "encoder") and not peek(words, "loss"):
        words = [f"--loss={_default_losses(cls)}", *words]  # encoders are options of a loss
    node = read_tree(cls, {}, words, only_chosen=True)
    shown = [each for each in node.walk() if each is not node]
    return help_text(name, node, shown, common, minutes)


def task_of(
    cls: type[T],
    name: str,
    words: Sequence[str],
    values: Mapping[str, Any],
    *,
    where: str | None = None,
    version: int | None = None,
    carried: bool = False,
) -> tuple[T, list[str]]:
    """The task, and notes: flags that have another name now, and what was left out.

    Args:
        name: the task as it was given: its name, or the path of its file.
        values: of a configuration, beneath the flags.
        where: the configuration's name in messages.
        version: its schema version.
        carried: the configuration comes from elsewhere; see `guidance.config.carried`.

    Raises:
        InputError: an unknown flag or key, or a bad value.
    """
    page = f"guide run {name}"
    check_words(cls, words, rules(name), page)
    losses = _default_losses(cls)
    if version == 1:
        values = old_values(name, values, losses)
    left_out: list[str] = []
    if carried:
        values, left_out = without_places(cls, values, str(where))
    own = {k: v for k, v in values.items() if k in cls.model_fields}
    flat = {k: v for k, v in values.items() if k not in cls.model_fields}
    load_named_files(cls, words)
    _checked(cls, own, where)
    words, notes = old_flags(name, words, lambda key: _is_known(cls, own, words, flat, key), losses)
    node = read_tree(cls, own, words, flat=flat)
    for key, value in flat.items():
        if not assign(node, key, value) and version != 1:
            raise InputError(_unknown_key(node, key, page, where))
    presets = peek(words, "preset")
    if presets:
        preset = presets[-1]
        if preset not in PRESETS:
            raise InputError(f"--preset: expected draft, normal or best, got {preset!r:.40}")
        node.use_preset(preset)
    if carried:
        refuse_files(node, {key_of(word) for word in words}, str(where))
    # What a file says is checked first, so that an error names the file.
    validated(cls, node.raw(), _name_in(where))
    given = read_flags(node, words, page)
    for key, value in given.items():
        assign(node, key, value)
    task = validated(cls, node.raw(), lambda key: f"--{key.split('.')[-1].replace('_', '-')}")
    return task, [*left_out, *notes]


def local_options(
    cls: type[BaseModel], name: str, values: Mapping[str, Any], version: int
) -> set[str]:
    """The options of a configuration that name files, and those that say where a run happens.

    Only these may be given again when a run is resumed.
    """
    if version == 1:
        values = old_values(name, values, _default_losses(cls))
    own = {k: v for k, v in values.items() if k in cls.model_fields}
    flat = {k: v for k, v in values.items() if k not in cls.model_fields}
    node = read_tree(cls, own, [], flat=flat)
    for option, value in flat.items():
        assign(node, option, value)
    return options_with_files(node) | set(places(cls))


def _checked(cls: type[BaseModel], values: Mapping[str, Any], where: str | None) -> None:
    """Raises InputError, with the name of the file, for choices that do not exist."""
    try:
        read_tree(cls, values, [])
    except InputError as error:
        raise InputError(f"{where}: {error}" if where else str(error)) from None


def _is_known(
    cls: type[BaseModel],
    values: Mapping[str, Any],
    words: Sequence[str],
    flat: Mapping[str, Any],
    key: str,
) -> bool:
    return bool(holders(read_tree(cls, values, words, flat=flat), key))


def _default_losses(cls: type[BaseModel]) -> str:
    """The losses of a task by default, as text."""
    found = (i.default for i in cls.model_fields.values() if _is_loss(i.metadata))
    return as_text(next(found, ""))


def _is_loss(metadata: Sequence[Any]) -> bool:
    return isinstance(choice_of(metadata), LossChoice)


def _unknown_key(node: Node, key: str, page: str, where: str | None) -> str:
    said = unknown(node, key, page, in_file=True)
    return f"{where}: {said}" if where else said


def _name_in(where: str | None) -> Callable[[str], str]:
    return lambda key: f"{where}: {key}" if where is not None else key
