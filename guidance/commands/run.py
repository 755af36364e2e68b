"""`guide run` and `guide rerun`: run a task, resume a run, repeat the run that made a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from guidance.config.commandline import asks_for_help, task_help, task_of
from guidance.config.files import read_config, strip_header, validated
from guidance.config.flags import load_named_files, peek
from guidance.config.kinds import TASKS, find, load_file, names
from guidance.errors import InputError
from guidance.runs.folder import CONFIG, existing_folder
from guidance.streams import say
from guidance.tasks.base import Task

RERUN_HELP = """\
usage: guide rerun FILE [options]

Repeats the run that made FILE: a PNG, MP4 or GLB of a run, or its config.yaml. The options
are those of its task and take precedence; see `guide run TASK --help`.
"""


def run(words: list[str]) -> int:
    """`guide run`; returns the exit code."""
    if words[:1] in (["-h"], ["--help"]):
        print("usage: guide run TASK [options]\n\ntasks:")
        for name, line in names(TASKS).items():
            print(f"  {name:<12} {line}")
        print("\n`guide run TASK --help` lists the options of a task.")
        return 0
    name = words.pop(0) if words and not words[0].startswith("-") else ""
    folder = peek(words, "resume")
    if not name and not folder:
        known = ", ".join(names(TASKS))
        raise InputError(f"run: no task; use one of {known}, or --resume FOLDER")
    cls = find_task(name) if name else None
    if folder:
        return _resume(cls, name, Path(folder[-1]), words)
    assert cls is not None
    if asks_for_help(words):
        print(task_help(cls, name, words, Task, cls.PRESET_MINUTES), end="")
        return 0
    return execute(_task(cls, name, words), None)


def rerun(words: list[str]) -> int:
    """`guide rerun`; returns the exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(RERUN_HELP, end="")
        return 0 if words else InputError.exit_code
    path = Path(words[0])
    name, version, values = strip_header(_read(path), str(path))
    cls = _built_in(name, path, f"guide run YOUR.py --config {path}")
    task, notes = task_of(cls, str(name), words[1:], values, where=str(path), version=version)
    _tell(notes)
    return execute(task, None)


def find_task(name: str) -> type[Task]:
    """The class of a task: a name, or the path of a Python file, which is run."""
    found = load_file(TASKS, name) if name.endswith(".py") else find(TASKS, name)
    assert issubclass(found, Task)
    return found


def parse_task(cls: type[Task], name: str, words: Sequence[str]) -> Task:
    """The task that the words after `guide run TASK` describe."""
    return _task(cls, name, words)


def _task(cls: type[Task], name: str, words: Sequence[str]) -> Task:
    values: dict[str, Any] = {}
    config, version = None, None
    for config in peek(words, "config")[-1:]:
        said, version, values = strip_header(_read(Path(config)), config)
        if said is not None and said != cls.task_name():
            raise InputError(f"{config}: is a configuration of {said!r}, not of {name!r}")
    task, notes = task_of(cls, cls.task_name(), words, values, where=config, version=version)
    _tell(notes)
    return task


def _resume(cls: type[Task] | None, name: str, folder: Path, words: Sequence[str]) -> int:
    """Resumes a run. Of other flags, only those that name a Python file with a component count."""
    folder = existing_folder(folder)
    config = folder / CONFIG
    said, version, values = strip_header(read_config(config), str(config))
    if cls is None:
        cls = _built_in(said, config, f"guide run YOUR.py --resume {folder}")
    if said != cls.task_name():
        raise InputError(f"{folder}: is a run of {said!r}, not of {name!r}")
    rest = load_named_files(cls, words)
    if rest != ["resume"]:
        raise InputError("run --resume FOLDER: takes no other options; the run has its own")
    if version == 1:
        task, _ = task_of(cls, str(said), [], values, where=str(config), version=1)
        return execute(task, folder)
    return execute(validated(cls, values, lambda key: f"{config}: {key}"), folder)


def execute(task: Task, folder: Path | None) -> int:
    """Runs a task, or resumes it in its folder, and prints the files that it wrote."""
    from guidance.commands.memory import keep_freed_memory
    from guidance.models.catalogue import check_is_here

    if folder is None:  # a finished run needs no weights to say that it is done
        for name in task.models:
            check_is_here(name)
    keep_freed_memory()
    result = task.run(folder=folder)
    if result.already_done:
        print(f"{result.folder} is already finished; nothing was left to do")
    for path in [*result.files, *(file for sample in result.samples for file in sample.files)]:
        print(path)
    return 0


def _read(path: Path) -> dict[str, Any]:
    """The configuration in a YAML file, or in a file that a run made."""
    from guidance.media.metadata import carries, extract

    return extract(path) if carries(path) else read_config(path)


def _built_in(name: str | None, path: Path, way: str) -> type[Task]:
    """The task that a file names. Files never name code to run: only the user does."""
    if name not in names(TASKS):
        raise InputError(f"{path}: was made by the unknown task {name!r:.60}; name its file: {way}")
    return find_task(name)


def _tell(notes: Sequence[str]) -> None:
    for note in notes:
        say(f"guide: {note}")
