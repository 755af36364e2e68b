"""The command line of `guide`: finds the command, and reports errors with their exit codes.

Nothing heavy is imported before a command is known, so that help is immediate.
"""

from __future__ import annotations

import atexit
import contextlib
import difflib
import gc
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from guidance import phases
from guidance.errors import GuidanceError, InputError, InputWarning, OutOfResources, resource_errors
from guidance.runs.signals import own_process
from guidance.streams import Streams, say
from guidance.texts import one_line
from guidance.version import __version__

HELP = """\
guide: optimize anything differentiable until it matches words

  guide run TASK --prompt "a red apple"     run a task; `guide run TASK --help` lists its options
  guide run ./mine.py ...                   run a task of your own
  guide run --resume FOLDER                 resume an interrupted run
  guide rerun FILE ...                      repeat the run that made a PNG, MP4, GLB or config.yaml
  guide report RUN... [--out page.html]     a page that shows runs or a sweep, without a network
  guide sweep TASK --grid seed=0..7         many trials: prompts x seeds x any option
  guide eval RUN... [--json FILE]           score finished runs by a judge that no loss has used
  guide tune RUN --strength 0.5             write the meshes of a run again, more or less deformed
  guide style directions NETWORK            directions that edit images of a StyleGAN, by words
  guide motion list | find | show | export | import    motions of a person, by words
  guide diff RUN RUN                        options, weights, versions and scores that differ
  guide search build INDEX FOLDER           an index of images and videos; `guide search --help`
  guide search query INDEX "a red apple"    images and segments of videos that match a prompt
  guide classify FOLDER --labels a,b,c      which of some labels fits each image
  guide segment IMAGE --words "the hair"    a mask of the part that words describe
  guide caption IMAGE...                    captions of images, videos and folders
  guide list                                tasks, generators, mesh modes and losses
  guide list runs [FOLDER]                  runs with their status, time and score
  guide models list | fetch NAME | verify [NAME] | convert FILE
  guide --version
"""
#: The module and the function of each command.
COMMANDS = {
    "run": ("guidance.commands.run", "run"),
    "rerun": ("guidance.commands.run", "rerun"),
    "report": ("guidance.commands.report", "run"),
    "diff": ("guidance.commands.diff", "run"),
    "sweep": ("guidance.commands.sweep", "run"),
    "eval": ("guidance.commands.evaluate", "run"),
    "tune": ("guidance.commands.tune", "run"),
    "style": ("guidance.commands.style", "run"),
    "motion": ("guidance.commands.motion", "run"),
    "search": ("guidance.commands.search", "run"),
    "classify": ("guidance.commands.classify", "run"),
    "segment": ("guidance.commands.segment", "run"),
    "caption": ("guidance.commands.caption", "run"),
    "list": ("guidance.commands.listing", "run"),
    "models": ("guidance.commands.models", "run"),
}
CTRL_C = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits with its documented code; see `guidance.errors`.

    Messages and progress that cannot be written are given up, and so is output whose reader has
    gone, as in `guide list | head -1`. Output that cannot be written for another reason, as on a
    full disk, makes the exit code that of `OutOfResources`.
    """
    if arguments is None:
        own_process()
        phases.own_process()
        # Imports and tensors allocate many objects and few cycles.
        gc.set_threshold(100_000, 50, 100)
    words = list(sys.argv[1:] if arguments is None else arguments)
    with Streams() as streams:
        code = _code(words)
        if failure := streams.failure():
            say(f"guide: the output cannot be written: {failure}")
            code = code or OutOfResources.exit_code
    if arguments is None:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> None:
    """Ends the process without freeing its memory piece by piece, which takes up to a second.

    What was registered for the end of the process happens. If a thread is still working, Python
    ends the process as usual, when the thread is done.
    """
    if any(not t.daemon and t is not threading.main_thread() for t in threading.enumerate()):
        return
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    os._exit(code)


def _code(words: list[str]) -> int:
    """The exit code of a command, after its error is printed."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            return _dispatch(words)
    except GuidanceError as error:
        say(f"guide: {one_line(str(error))}")
        return error.exit_code
    except KeyboardInterrupt:
        say("guide: stopped")
        return CTRL_C


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any
) -> None:
    """Prints a warning on a file in one line, and other warnings as Python does."""
    if issubclass(category, InputWarning):
        say(f"guide: {one_line(str(message))}")
    else:
        say(warnings.formatwarning(message, category, filename, lineno).rstrip())


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    if words[0] == "--version":
        print(__version__)
        return 0
    if words[0] not in COMMANDS:
        close = difflib.get_close_matches(words[0], COMMANDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(COMMANDS)}"
        raise InputError(f"no command {words[0]!r:.40}; {hint}")
    module, function = COMMANDS[words[0]]
    with resource_errors("use a smaller input, or a machine with more memory"):
        command: Callable[[list[str]], int] = getattr(import_module(module), function)
        return command(words[1:])


if __name__ == "__main__":
    main()
