"""The words after `guide sweep`: its own flags, and options of the task for all trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guidance.config.choices import Switch
from guidance.config.early import check_words
from guidance.config.flags import key_of, peek, read_flags, read_tree
from guidance.config.renamed import rules
from guidance.config.tree import choices
from guidance.errors import InputError
from guidance.sweeps.axes import combinations
from guidance.sweeps.named import named_files
from guidance.sweeps.ready import Running
from guidance.sweeps.spec import Spec
from guidance.tasks.base import Task

#: Flags of the sweep itself: those that are repeated, those with a value, and switches.
REPEATED = ("grid", "zip", "random", "list")
VALUED = ("trials", "random_seed", "prompts", "pack", "best_of", "report_judge")
RUNNING = ("workers", "retries", "address", "gpus_per_run", "resume")
SWITCHES = ("halve", "archive", "dry_run")


@dataclass
class Words:
    """The words of the command, sorted."""

    target: str | None  # a task, or a file of a sweep
    own: dict[str, Any]  # flags of the sweep
    options: list[str] = field(default_factory=list)  # flags of the task

    @classmethod
    def sort(cls, words: Sequence[str]) -> Words:
        """Separates the flags of the sweep from those of the task.

        Raises:
            InputError: a flag without a value or given twice.
        """
        waiting = list(words)
        target = waiting.pop(0) if waiting and not waiting[0].startswith("-") else None
        found = cls(target, {key: [] for key in REPEATED})
        while waiting:
            word = waiting.pop(0)
            key = key_of(word)
            if key in SWITCHES:
                found.own[key] = True
            elif key in (*REPEATED, *VALUED, *RUNNING):
                _, equals, value = word.partition("=")
                if not equals and not waiting:
                    raise InputError(f"{word}: expected a value")
                value = value if equals else waiting.pop(0)
                if key in REPEATED:
                    found.own[key].append(value)
                elif key in found.own:
                    raise InputError(f"--{_flag(key)} is given twice; give it once")
                else:
                    found.own[key] = value
            else:
                found.options.append(word)
        return found

    def running(self) -> Running:
        """How the trials are done. Raises InputError for a value that is not a number."""
        own = self.own
        return Running(
            _whole(own, "workers", 1, 1024),
            _whole(own, "retries", 0, 100) if "retries" in own else 1,  # type: ignore[arg-type]
            own.get("address"),
            _number(own, "gpus_per_run"),
        )

    def of_the_sweep(self) -> str | None:
        """A flag that describes a sweep, if one is given."""
        given = (key for key, value in self.own.items() if value and key not in RUNNING)
        return next(map(_flag, given), None)

    def axes(self) -> dict[str, dict[str, Any]]:
        """The axes of --grid, --zip, --random and --list."""
        found: dict[str, dict[str, Any]] = {"grid": {}, "zip": {}, "random": {}}
        for flag in ("grid", "zip", "random"):
            for text in self.own[flag]:
                name, value = _axis(flag, text)
                if name in found[flag]:
                    raise InputError(f"--{flag} {name} is given twice; separate values by commas")
                found[flag][name] = value
        for text in self.own["list"]:
            name, value = _axis("list", text)
            found["grid"].setdefault(name, [])
            if not isinstance(found["grid"][name], list):
                raise InputError(f"--list {name}: --grid has values for it as well; use one")
            found["grid"][name].append(value)
        return found


def refuse_other_options(cls: type[Task], words: Words) -> None:
    """Raises InputError for an option that names no Python file: a sweep has its own options."""
    keys = {key for key, choice in choices(cls).items() if not isinstance(choice, Switch)}
    for word in words.options:
        key = key_of(word)
        if key is None:
            continue
        values = peek(words.options, key) if key in keys | {"encoder"} else []
        if not values or not all(".py" in value for value in values):
            raise InputError(
                f"sweep --resume: takes no {word.partition('=')[0]:.40}; the sweep has its own "
                "options, and only Python files are named again"
            )


def load_named(cls: type[Task], name: str, words: Words) -> list[tuple[str, str]]:
    """Runs the Python files that the command names; returns the folder of the kind, and the path.

    Only the user's own words do that, never a file of a sweep.
    """
    texts = {key: peek(words.options, key) for key in (*choices(cls), "encoder")}
    for flag in ("grid", "zip", "random", "list"):
        for key, value in (_axis(flag, text) for text in words.own[flag]):
            texts.setdefault(key, []).append(value)
    return named_files(cls, name, texts)


def spec_of(cls: type[Task], name: str, said: Mapping[str, Any], words: Words, where: str) -> Spec:
    """The sweep of a command, on top of what a file says.

    Raises:
        InputError: a flag is unknown or has a wrong value.
    """
    page = f"guide run {name}"
    if peek(words.options, "config"):
        raise InputError("sweep: takes no --config; write its options into the file of the sweep")
    check_words(cls, words.options, rules(name), page)
    values = dict(said)
    for kind, axes in words.axes().items():
        if axes:
            values[kind] = {**values.get(kind, {}), **axes}
    values |= {key: words.own[key] for key in (*VALUED, "halve", "archive") if key in words.own}
    values["task"] = name
    bare = Spec.of({**values, "options": values.get("options") or {}}, where)
    options, groups = bare.groups()
    first = {**options, **next(combinations(groups))}
    own = {key: value for key, value in first.items() if key in cls.model_fields}
    flat = {key: value for key, value in first.items() if key not in cls.model_fields}
    node = read_tree(cls, own, words.options, flat=flat)
    given = read_flags(node, words.options, page)
    return Spec.of({**values, "options": {**bare.options, **given}}, where)


def _axis(flag: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    name = name.strip().removeprefix("--").replace("-", "_")
    if not equals or not name.isidentifier() or not value.strip():
        raise InputError(f"--{flag} {text!r:.60}: expected NAME=VALUES, e.g. seed=0..7")
    return name, value.strip()


def _whole(own: Mapping[str, Any], key: str, low: int, high: int) -> int | None:
    if key not in own:
        return None
    text = own[key]
    if not text.isdecimal() or not low <= int(text) <= high:
        raise InputError(
            f"--{_flag(key)}: expected a whole number from {low} to {high}, got {text!r:.40}"
        )
    return int(text)


def _number(own: Mapping[str, Any], key: str) -> float:
    try:
        found = float(own.get(key, 0))
    except ValueError:
        found = -1.0
    if not 0 <= found <= 64:
        raise InputError(f"--{_flag(key)}: expected a number from 0 to 64, got {own[key]!r:.40}")
    return found


def _flag(key: str) -> str:
    return key.replace("_", "-")
