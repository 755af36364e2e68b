"""From words on the command line to a task: one typed description gives flags, file and API.

What counts, from the strongest to the weakest: an explicit flag, a preset named on the command
line, the configuration file, the preset of that file, the defaults.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import re
import sys
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_origin

from guidance.config.discovery import find_task, task_names
from guidance.config.files import read_config, strip_header, validated
from guidance.errors import InputError
from guidance.media.metadata import carries, extract
from guidance.runs.folder import CONFIG, existing_folder
from guidance.tasks.base import Task


@dataclass(frozen=True)
class Order:
    """What the user asks for: a task, and the folder of a run to go on with."""

    task: Task
    folder: Path | None = None


def parse(cls: type[Task] | None, name: str, words: Sequence[str]) -> Order:
    """Reads the words behind `guide run [TASK]`.

    Raises:
        InputError: an unknown flag or key, a bad value, an unreadable file.
    """
    if (folder := _peek(words, "resume")) is not None:
        return _parse_resume(cls, name, Path(folder), words)
    assert cls is not None
    values: dict[str, Any] = {}
    config = _peek(words, "config")
    if config is not None:
        said, values = strip_header(_read(Path(config)), config)
        if said is not None and said != cls.task_name():
            raise InputError(f"{config}: is a configuration of {said!r}, not of {name!r}")
    return Order(_from_words(cls, name, words, values, config))


def parse_again(path: Path, words: Sequence[str]) -> Order:
    """Reads `guide rerun FILE [flags]`.

    Raises:
        InputError: the file carries no configuration, or one that cannot be run here.
    """
    said, values = strip_header(_read(path), str(path))
    cls = _built_in(said, path, f"guide run YOUR.py --config {path}")
    return Order(_from_words(cls, str(said), words, values, str(path)))


def _read(path: Path) -> dict[str, Any]:
    """The configuration in a YAML file, or in what a run made."""
    return extract(path) if carries(path) else read_config(path)


def _parse_resume(cls: type[Task] | None, name: str, folder: Path, words: Sequence[str]) -> Order:
    if len(words) != (1 if words[0].startswith("--resume=") else 2):
        raise InputError("run --resume FOLDER: takes no other options; the run has its own")
    folder = existing_folder(folder)
    config = folder / CONFIG
    said, values = strip_header(read_config(config), str(config))
    if cls is None:
        cls = _built_in(said, config, f"guide run YOUR.py --resume {folder}")
    if said != cls.task_name():
        raise InputError(f"{folder}: is a run of {said!r}, not of {name!r}")
    return Order(validated(cls, values, lambda key: f"{config}: {key}"), folder)


def _built_in(name: str | None, path: Path, way: str) -> type[Task]:
    """The task that a file names. A file never names code to run: that is for the user to do."""
    if name not in task_names():
        raise InputError(f"{path}: was made by the task {name!r:.60}, unknown here; name it: {way}")
    return find_task(name)


def _from_words(
    cls: type[Task], name: str, words: Sequence[str], values: dict[str, Any], config: str | None
) -> Task:
    def place(key: str) -> str:
        return f"{config}: {key}" if config is not None else key

    preset = _peek(words, "preset")
    if preset is not None:
        values = {**values, **cls.PRESETS.get(preset, {}), "preset": preset}
    else:
        preset = values.get("preset")
    if _asks_for_help(words):
        values = {key: value for key, value in values.items() if key != "preset"}
    elif preset is not None and preset not in ("draft", "normal", "best"):
        raise InputError(f"preset {preset!r:.40}: expected draft, normal or best")
    base = validated(cls, values, place)
    given = _parse_flags(cls, name, words, dict(base))
    return validated(cls, given, lambda key: f"--{key.replace('_', '-')}")


def _parse_flags(
    cls: type[Task], name: str, words: Sequence[str], base: Mapping[str, Any]
) -> dict[str, Any]:
    """The base's values with those of the flags in place of them.

    tyro sees a twin of the task without its checks, which are pydantic's and ours to report.
    """
    import tyro

    fields: list[Any] = []
    for key, info in cls.model_fields.items():
        listed = get_origin(info.annotation) is list
        # tyro appends repeated flags to a default; flags are to replace what the file says.
        default = [] if listed else base[key]
        shown = f" (default: {' '.join(map(str, base[key]))})" if listed and base[key] else ""
        told = tyro.conf.arg(help=f"{info.description or ''}{shown}")
        annotated: Any = Annotated[info.annotation, told]
        if key in cls.HAS_NO:
            annotated = Annotated[annotated, tyro.conf.Suppress]
        # A copy each time, as dataclasses want it of defaults that could be changed.
        fields.append((key, annotated, dataclasses.field(default_factory=partial(copy, default))))
    config_help = tyro.conf.arg(
        metavar="FILE",
        help="A configuration, or a file that a run made; beneath the flags.",
    )
    fields.append(("config", Annotated[Path | None, config_help], None))
    twin = dataclasses.make_dataclass("Options", fields)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options: Any = tyro.cli(
                twin,
                prog=f"guide run {name}",
                description=_description(cls),
                args=list(words),
                config=(tyro.conf.UseAppendAction, tyro.conf.AvoidSubcommands),
            )
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise InputError(_one_line(said.getvalue(), name)) from None
    found = {key: getattr(options, key) for key in cls.model_fields}
    return {key: base[key] if value == [] else value for key, value in found.items()}


def _description(cls: type[Task]) -> str:
    module = sys.modules[cls.__module__]
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or module.__doc__ or "")
    presets = [f"preset {name}: {minutes}" for name, minutes in cls.PRESET_MINUTES.items()]
    return "\n\n".join([text, "\n".join(presets)]).strip()


def _one_line(box: str, name: str) -> str:
    """What tyro says in a box, in one line: its first paragraph, and the flag that may be meant."""
    rows = [row.strip(" │╭╮╰╯") for row in box.replace("─", "-").splitlines()]
    rows = [row for row in rows if row]
    # The title stands in the frame, or above a rule where the terminal has ASCII only.
    rows = rows[1:] if "╭" in box else rows[2:]
    rule = next((index for index, row in enumerate(rows) if set(row) == {"-"}), len(rows))
    message, after = " ".join(rows[:rule]), " ".join(rows[rule:])
    meant = re.search(r"Perhaps you meant:\s*(--[\w-]+)", after)
    hint = f"did you mean {meant[1]}?" if meant else f"`guide run {name} --help` lists all"
    return f"{message.rstrip('.')}; {hint}"


def _asks_for_help(words: Sequence[str]) -> bool:
    return "--help" in words or "-h" in words


def _peek(words: Sequence[str], key: str) -> str | None:
    """The value of a flag that decides how the others are read."""
    found = None
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag != f"--{key}":
            continue
        if not equals and index + 1 == len(words):
            raise InputError(f"--{key}: expected a value behind it")
        found = value if equals else words[index + 1]
    return found
