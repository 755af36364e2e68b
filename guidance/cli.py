"""The command line: `guide run | rerun | eval | tune | list | models`.

Nothing heavy is imported before a command is known, so that help answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from guidance.errors import GuidanceError, InputError

HELP = """\
guide: optimize anything differentiable until it matches words

  guide run TASK --prompt "a red apple"     run a task; `guide run TASK --help` lists its options
  guide run ./mine.py ...                   run a task of your own
  guide run --resume FOLDER                 go on with an interrupted run
  guide rerun FILE ...                      repeat the run that made a PNG, MP4, GLB or config.yaml
  guide eval RUN... [--json FILE]           score finished runs by a judge that no loss has asked
  guide tune RUN --strength 0.5             the meshes of a run, more or less deformed
  guide list                                tasks, generators and losses
  guide models list | fetch NAME | verify [NAME]
  guide --version
"""
CTRL_C = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits with its documented code; see `guidance.errors`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except GuidanceError as error:
        print(f"guide: {' '.join(str(error).split())}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("guide: stopped", file=sys.stderr)
        code = CTRL_C
    except BrokenPipeError:
        # Whoever read our output is gone, as in `guide list | head`; Python must not flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _dispatch(words: list[str]) -> int:
    commands: dict[str, Callable[[list[str]], int]] = {
        "run": _run,
        "rerun": _rerun,
        "eval": _eval,
        "tune": _tune,
        "list": _list,
        "models": _models,
    }
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if words[0] == "--version":
        import guidance

        print(guidance.__version__)
        return 0
    if words[0] not in commands:
        raise InputError(f"no command {words[0]!r:.40}; there are {', '.join(commands)}")
    return commands[words[0]](words[1:])


def _run(words: list[str]) -> int:
    from guidance.config.commandline import parse
    from guidance.config.discovery import find_task, task_names

    if words[:1] in (["-h"], ["--help"]):
        print("guide run TASK [options]; `guide run TASK --help` lists the options of a task\n")
        for name, line in task_names().items():
            print(f"  {name:<12} {line}")
        return 0
    task = words.pop(0) if words and not words[0].startswith("-") else ""
    if not task and "--resume" not in {word.partition("=")[0] for word in words}:
        raise InputError(
            f"run: which task? There are {', '.join(task_names())}; or --resume FOLDER"
        )
    order = parse(find_task(task) if task else None, task, words)
    return _execute(order.task, order.folder)


def _rerun(words: list[str]) -> int:
    from guidance.config.commandline import parse_again

    if not words or words[0] in ("-h", "--help"):
        print("guide rerun FILE [options of its task]: repeats the run that made the file")
        return 0 if words else InputError.exit_code
    return _execute(parse_again(Path(words[0]), words[1:]).task, None)


def _eval(words: list[str]) -> int:
    from guidance.commands.evaluate import HELP, evaluate, parse

    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    for line in evaluate(parse(words)):
        print(line, flush=True)
    return 0


def _tune(words: list[str]) -> int:
    from guidance.commands.tune import HELP, parse, tune

    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    for path in tune(parse(words)):
        print(path, flush=True)
    return 0


def _execute(task: object, folder: Path | None) -> int:
    from guidance.commands.memory import keep_freed_memory
    from guidance.models.catalogue import check_is_here
    from guidance.tasks.base import Task

    assert isinstance(task, Task)
    if folder is None:  # a finished run needs no weights to say that it is done
        for name in task.loss_models:
            check_is_here(name)
    from guidance.tasks.shared.running import run_task  # torch comes along, which takes a second

    keep_freed_memory()
    result = run_task(task, folder=folder)
    if result.already_done:
        print(f"{result.folder} is done already; nothing was left to do")
    for path in [*result.files, *(file for sample in result.samples for file in sample.files)]:
        print(path)
    return 0


def _list(words: list[str]) -> int:
    from guidance.config.discovery import defines, first_line, task_names

    if words:
        raise InputError(f"list: takes no arguments, got {words[0]!r:.40}")
    package = Path(__file__).parent
    rooms = {
        room: {
            path.stem: first_line(path)
            for path in sorted((package / room).glob("*.py"))
            if defines(path, base)
        }
        for room, base in (("generators", "Generator"), ("losses", "Loss"))
    }
    for room, found in {"tasks": task_names(), **rooms}.items():
        print(room)
        for name, line in found.items():
            print(f"  {name:<12} {line}")
    print("\ndocs/generators.md shows an image of each generator, and says when to take it")
    return 0


def _models(words: list[str]) -> int:
    match words:
        case ["list"]:
            from guidance.models.catalogue import list_models
            from guidance.models.judges import table

            for model in list_models():
                here = "here" if model.is_here else "-"
                size = f"{model.megabytes} MB" if model.megabytes else ""
                print(f"{model.name:<46} {here:<5} {size:<8} {model.serves}; {model.license}")
            print("\njudges of losses by family, the preferred first")
            for family, judges in table():
                print(f"  {family:<12} {', '.join(judges)}")
        case ["fetch", name]:
            from guidance.models.fetch import fetch

            print(fetch(name))
        case ["verify", *names] if len(names) <= 1:
            from guidance.models.hashes import verify

            for item in verify(*names):
                print(f"{item.model}: {item.path.name} is what {item.against} says")
        case _:
            raise InputError("models: expected `list`, `fetch NAME` or `verify [NAME]`")
    return 0


if __name__ == "__main__":
    main()
