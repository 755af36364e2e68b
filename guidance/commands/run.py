"""`guide run` and `guide rerun`: run a task, resume a run, repeat the run that made a file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guidance.config.carried import is_of_the_place
from guidance.config.commandline import asks_for_help, local_options, task_help, task_of
from guidance.config.early import check_files, check_weights
from guidance.config.files import (
    differs_from_mark,
    is_marked_version,
    read_config,
    read_record,
    strip_header,
)
from guidance.config.flags import load_named_files, peek, without, words_of
from guidance.config.kinds import TASKS, names
from guidance.config.marks import without_mark
from guidance.errors import InputError
from guidance.media.metadata import carries, extract
from guidance.runs.folder import CONFIG, existing_folder, folder_around
from guidance.runs.listeners.check import check_listener
from guidance.runs.origin import is_own
from guidance.runs.signals import after_run, before_run
from guidance.streams import say, say_meanwhile
from guidance.tasks.base import Task, find_task

if TYPE_CHECKING:
    from guidance.loop.events import Listener

#: The flag that names programs which also get the losses and previews of a run.
LOG = "log"
#: Resumes a run though the weights of a model were changed.
ALLOW = "--allow-changed-weights"
RERUN_HELP = """\
usage: guide rerun FILE [options]

Repeats the run that made FILE: a PNG, MP4 or GLB of a run, or its config.yaml. The options
are those of its task and take precedence; see `guide run TASK --help`. If the configuration comes
from elsewhere, files that it names have to be given again, e.g. --mesh cow.obj.
"""


def run(words: list[str]) -> int:
    """`guide run`; returns the exit code."""
    if words[:1] in (["-h"], ["--help"]):
        print("usage: guide run TASK [options]\n\ntasks:")
        for name, line in names(TASKS).items():
            print(f"  {name:<12} {line}")
        print("\n`guide run TASK --help` lists the options of a task.")
        print("`--log tensorboard` or `--log wandb` also sends losses and previews there.")
        return 0
    name = words.pop(0) if words and not words[0].startswith("-") else ""
    folder = peek(words, "resume")
    loggers = peek(words, LOG)
    words = without(words, {LOG})
    for each in loggers:
        check_listener(each)
    if not name and not folder:
        known = ", ".join(names(TASKS))
        raise InputError(f"run: no task; use one of {known}, or --resume FOLDER")
    cls = find_task(name) if name else None
    if len(folder) > 1:
        raise InputError("--resume is given twice; give it once")
    if folder:
        return _resume(cls, name, Path(folder[-1]), words, loggers)
    assert cls is not None
    if asks_for_help(words):
        print(task_help(cls, name, words, Task, cls.PRESET_MINUTES), end="")
        return 0
    check_files(cls, words)
    check_weights(words)
    say_meanwhile("starting ...")
    return execute(_task(cls, name, words), None, loggers=loggers)


def rerun(words: list[str]) -> int:
    """`guide rerun`; returns the exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(RERUN_HELP, end="")
        return 0 if words else InputError.exit_code
    path = Path(words[0]).expanduser()
    around = folder_around(path)
    if around is not None:
        existing_folder(around)
    name, version, values = strip_header(_read(path), str(path))
    cls = _built_in(name, path, f"guide run YOUR.py --config {path}")
    own = around is not None and is_own(around) and _is_of_run(cls, values, around)
    task, notes = task_of(
        cls, str(name), words[1:], values, where=str(path), version=version, carried=not own
    )
    _tell(notes)
    return execute(task, None)


def _is_of_run(cls: type[Task], values: Mapping[str, Any], folder: Path) -> bool:
    """Whether a configuration is that of a run folder, apart from output and device."""
    _, _, own = strip_header(read_record(folder / CONFIG), str(folder / CONFIG))
    places = {name for name, info in cls.model_fields.items() if is_of_the_place(info)}
    first, second = ({k: v for k, v in each.items() if k not in places} for each in (values, own))
    return first == second


def parse_task(cls: type[Task], name: str, words: Sequence[str]) -> Task:
    """The task that the words after `guide run TASK` describe; `--log` is no option of a task."""
    return _task(cls, name, without(words, {LOG}))


def _task(cls: type[Task], name: str, words: Sequence[str]) -> Task:
    values: dict[str, Any] = {}
    config, version, carried = None, None, False
    for config in peek(words, "config")[-1:]:
        path = Path(config).expanduser()
        carried = carries(path)
        said, version, values = strip_header(_read(path, edited=True), config)
        if said is not None and said != cls.task_name():
            raise InputError(f"{config}: is a configuration of {said!r}, not of {name!r}")
    task, notes = task_of(cls, name, words, values, where=config, version=version, carried=carried)
    _tell(notes)
    return task


def _resume(
    cls: type[Task] | None,
    name: str,
    folder: Path,
    words: Sequence[str],
    loggers: Sequence[str],
) -> int:
    """Resumes a run.

    Of other flags, only those count that name a Python file with a component, and those that a
    configuration from elsewhere cannot set: places and files of this machine.
    """
    folder = existing_folder(folder)
    config = folder / CONFIG
    said, version, values = strip_header(read_record(config), str(config))
    values.pop("output", None)  # the folder is given
    if cls is None:
        cls = _built_in(said, config, f"guide run YOUR.py --resume {folder}")
    if said != cls.task_name():
        raise InputError(f"{folder}: is a run of {said!r}, not of {name!r}")
    allowed = [word for word in words if word == ALLOW]
    rest = [word for word in words if word != ALLOW]
    others = set(load_named_files(cls, rest)) - {"resume"}
    local = local_options(cls, str(said), values, version)
    others -= local
    if others:
        raise InputError(
            "run --resume FOLDER: takes no other options than those that name files or devices, "
            f"and {ALLOW}; the run has its own"
        )
    task, notes = task_of(
        cls,
        str(said),
        words_of(rest, local),
        values,
        where=str(config),
        version=version,
        carried=not is_own(folder),
    )
    _tell(notes)
    return execute(task, folder, allow_changed_weights=bool(allowed), loggers=loggers)


def execute(
    task: Task,
    folder: Path | None,
    *,
    allow_changed_weights: bool = False,
    loggers: Sequence[str] = (),
) -> int:
    """Runs a task, or resumes it in its folder, and prints the files that it wrote.

    Args:
        loggers: names of programs that also get the losses and previews; see `--log`.
    """
    from guidance.commands.memory import keep_freed_memory
    from guidance.models.catalogue import check_is_here

    before_run(folder)
    if folder is None:  # a finished run needs no weights to say that it is done
        for name in task.models:
            check_is_here(name)
    keep_freed_memory()
    listeners = [_listener(each, task) for each in loggers]
    result = task.run(listeners, folder=folder, allow_changed_weights=allow_changed_weights)
    after_run()
    if result.already_done:
        print(f"{result.folder} is already finished; nothing was left to do")
    for path in [*result.files, *(file for sample in result.samples for file in sample.files)]:
        print(path)
    return 0


def _listener(name: str, task: Task) -> Listener:
    """A listener that is named after the task, its first prompt and the time."""
    from guidance.config.files import as_mapping
    from guidance.prompts import plain_text
    from guidance.runs.folder import slug
    from guidance.runs.listeners.named import make_listener

    task_name = task.task_name()
    words = slug(plain_text(task.sample_prompts[0]))
    title = f"{slug(task_name)}-{time.strftime('%Y%m%d-%H%M%S')}-{words}"
    return make_listener(name, task.output, title, as_mapping(task, task_name))


def _read(path: Path, *, edited: bool = False) -> dict[str, Any]:
    """The configuration in a YAML file, or in a file that a run made.

    Args:
        edited: a YAML file may have been changed since its run wrote it.
    """
    if carries(path):
        values = extract(path)
        try:
            return without_mark(values, needed=is_marked_version(values))
        except ValueError:
            raise InputError(f"{path}: its configuration is damaged; give config.yaml") from None
    if not edited:
        return read_record(path)
    if path.is_file() and differs_from_mark(path):
        _tell([f"{path}: was changed since its run wrote it"])
    return read_config(path)


def _built_in(name: str | None, path: Path, way: str) -> type[Task]:
    """The task that a file names. Files never name code to run: only the user does."""
    if name not in names(TASKS):
        raise InputError(f"{path}: was made by the unknown task {name!r:.60}; name its file: {way}")
    return find_task(name)


def _tell(notes: Sequence[str]) -> None:
    for note in notes:
        say(f"guide: {note}")
