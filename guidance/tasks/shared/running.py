"""Runs the plan of a task in a new folder, or resumes the run in an existing one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from guidance.config.files import as_mapping, as_yaml
from guidance.encoders.base import Encoder
from guidance.encoders.openclip import OpenClip
from guidance.evaluate.held_out import held_out_judge, loss_encoders
from guidance.loop.events import Event, Listener
from guidance.prompts import Prompt
from guidance.runs.folder import DONE, only_writer
from guidance.runs.plan import Plan, RunResult
from guidance.runs.record import environment
from guidance.runs.recorder import RunInfo, read_checkpoint, record_run
from guidance.runs.results import read_done

#: Options that say where a run happens, not what it makes: they are not written into its files.
OF_THE_PLACE = ("output", "device")


class Runnable(Protocol):
    """What running needs of a task; a protocol, because the task's `run()` calls this file."""

    judge: bool
    metadata: bool
    output: Path

    @classmethod
    def task_name(cls) -> str: ...

    @property
    def sample_prompts(self) -> tuple[Prompt, ...]: ...

    @property
    def sample_seeds(self) -> tuple[int, ...]: ...

    def build(self) -> Plan: ...

    @property
    def denoisers(self) -> tuple[tuple[str, str], ...]: ...

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


def run_task(
    task: Runnable, *, folder: Path | None = None, listeners: Sequence[Listener] = ()
) -> RunResult:
    """Runs a task in a new folder, or resumes an interrupted run.

    Args:
        folder: of the interrupted run whose options `task` has.
    """
    if folder is None:
        return _run(task, None, listeners)
    if (folder / DONE).exists():
        prompts = tuple(prompt.text for prompt in task.sample_prompts)
        return read_done(folder, prompts, task.sample_seeds)
    with only_writer(folder):
        return _run(task, folder, listeners)


def _run(task: Runnable, folder: Path | None, listeners: Sequence[Listener]) -> RunResult:
    plan = task.build()
    resumed = None if folder is None else read_checkpoint(folder, plan)
    encoders = loss_encoders(plan)
    denoisers = task.denoisers
    judge = None
    if task.judge:
        judge = held_out_judge(plan, encoders, [name for name, _ in denoisers])
    files = [each.name for each in encoders if isinstance(each, OpenClip)]
    files += [judge.name] if judge else []
    everything = as_mapping(task, task.task_name())
    travels = {key: value for key, value in everything.items() if key not in OF_THE_PLACE}
    info = RunInfo(
        task.task_name(),
        as_yaml(task, task.task_name()),
        task.output,
        lambda: json.dumps(environment(plan.settings.device, files, denoisers), indent=2) + "\n",
        json.dumps(travels, ensure_ascii=False) if task.metadata else None,
        folder,
    )
    return record_run(plan, info, judge, resumed, [_free_text_towers(encoders), *listeners])


def _free_text_towers(encoders: Sequence[Encoder]) -> Listener:
    """Frees the text towers at the first event, when the losses have encoded all texts."""
    waiting = list(encoders)

    def listen(event: Event) -> None:
        while waiting:
            waiting.pop().free_text_tower()

    return listen
