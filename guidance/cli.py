"""The command line: `guide run | rerun | eval | tune | list | models`.

Nothing heavy is imported before a command is known, so that help is immediate.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from guidance.errors import GuidanceError, InputError, resource_errors
from guidance.runs.signals import own_process
from guidance.version import __version__

HELP = """\
guide: optimize anything differentiable until it matches words

  guide run TASK --prompt "a red apple"     run a task; `guide run TASK --help` lists its options
  guide run ./mine.py ...                   run a task of your own
  guide run --resume FOLDER                 resume an interrupted run
  guide rerun FILE ...                      repeat the run that made a PNG, MP4, GLB or config.yaml
  guide eval RUN... [--json FILE]           score finished runs by a judge that no loss has used
  guide tune RUN --strength 0.5             write the meshes of a run again, more or less deformed
  guide list                                tasks, generators, mesh modes and losses
  guide models list | fetch NAME | verify [NAME]
  guide --version
"""
#: The module and the function of each command.
COMMANDS = {
    "run": ("guidance.commands.run", "run"),
    "rerun": ("guidance.commands.run", "rerun"),
    "eval": ("guidance.commands.evaluate", "run"),
    "tune": ("guidance.commands.tune", "run"),
    "list": ("guidance.commands.listing", "run"),
    "models": ("guidance.commands.models", "run"),
}
CTRL_C = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits with its documented code; see `guidance.errors`."""
    if arguments is None:
        own_process()
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
        # The reader of our output has gone, as in `guide list | head`; Python must not flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if words[0] == "--version":
        print(__version__)
        return 0
    if words[0] not in COMMANDS:
        raise InputError(f"no command {words[0]!r:.40}; use one of {', '.join(COMMANDS)}")
    module, function = COMMANDS[words[0]]
    with resource_errors("use a smaller input, or a machine with more memory"):
        command: Callable[[list[str]], int] = getattr(import_module(module), function)
        return command(words[1:])


if __name__ == "__main__":
    main()
