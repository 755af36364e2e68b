"""What a worker does: one run of a sweep after another, with models that stay loaded."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guidance.config import kinds
from guidance.config.files import HEADER, as_mapping, as_yaml, validated
from guidance.errors import GuidanceError, Interrupted, resource_errors
from guidance.loop.events import Event, StepEvent
from guidance.models.kept import forget_texts, keep_loaded
from guidance.runs.atomic import os_errors, write_text
from guidance.runs.folder import CONFIG, AnotherWriter
from guidance.tasks.base import Task
from guidance.texts import one_line

ADVICE = "use fewer samples at once: --pack 8"


def start_warm(threads: int) -> None:
    """Keeps models between runs, and computes with a number of threads."""
    import torch

    torch.set_num_threads(threads)
    keep_loaded()


def perform(job: Mapping[str, Any]) -> dict[str, Any]:
    """Does one run in its folder, or resumes it there.

    Args:
        job: `root`, the folder of the sweep; `folder`, that of the run in it; `task`; `config`, the
            resolved configuration; `files`, Python files that the user named, with the names of
            their kinds; and perhaps `pause_at`, the step after which the run waits to be resumed.

    Returns:
        `folder`; `status`: done, interrupted, paused, busy or failed; `error`, `exit_code` and
        `seconds`. An exception that is no `GuidanceError` is a bug, and ends the process.
    """
    started = time.monotonic()
    said: dict[str, Any] = {"folder": job["folder"], "status": "done"}
    try:
        with resource_errors(ADVICE):
            _run(job)
    except AnotherWriter:
        said["status"] = "busy"
    except Interrupted:
        said["status"] = "paused" if job.get("pause_at") else "interrupted"
    except GuidanceError as error:
        said |= {"status": "failed", "error": one_line(str(error)), "exit_code": error.exit_code}
    return said | {"seconds": round(time.monotonic() - started, 3)}


def load_files(files: Any) -> None:
    """Runs the Python files that the user named on the command line."""
    for kind in vars(kinds).values():
        for name, path in files:
            if isinstance(kind, kinds.Kind) and kind.folder == name:
                kinds.load_file(kind, path)


def _run(job: Mapping[str, Any]) -> None:
    load_files(job.get("files", ()))
    cls = kinds.find(kinds.TASKS, job["task"])
    assert issubclass(cls, Task)
    values = {key: value for key, value in job["config"].items() if key not in HEADER}
    task = validated(cls, values)
    folder = Path(job["root"]) / job["folder"]
    if not (folder / CONFIG).is_file():
        with os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / CONFIG, as_yaml(as_mapping(task, cls.task_name())))
    pause = job.get("pause_at")
    try:
        task.run([_Pause(pause)] if pause else (), folder=folder)
    finally:
        forget_texts()


class _Pause:
    """Stops a run after a step as a signal does: with a checkpoint."""

    def __init__(self, step: int) -> None:
        self.step, self.sent = step, False

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepEvent) and event.step >= self.step - 1 and not self.sent:
            self.sent = True  # a second signal would end the process at once
            signal.raise_signal(signal.SIGTERM)

    def needs(self, step: int) -> bool:
        return step >= self.step - 1
