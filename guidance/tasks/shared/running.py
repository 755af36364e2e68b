"""Runs the plan of a task in a new folder, or resumes the run in an existing one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from guidance.config.files import as_yaml
from guidance.encoders.base import Encoder
from guidance.encoders.openclip import OpenClip
from guidance.evaluate.held_out import held_out_judge, loss_encoders
from guidance.loop.events import Event, Listener
from guidance.runs.folder import DONE, only_writer
from guidance.runs.plan import Plan, RunResult
from guidance.runs.record import environment
from guidance.runs.recorder import RunInfo, read_checkpoint, record_run
from guidance.runs.results import read_done

#: Options that say where a run happens, not what it makes: they are not written into its files.
OF_THE_PLACE = ("output", "device")


@dataclass(frozen=True)
class Job:
    """What running needs of a task."""

    task: str  # its name
    options: Mapping[str, Any]  # the resolved configuration
    build: Callable[[], Plan]
    prompts: tuple[str, ...]  # one per sample
    seeds: tuple[int, ...]  # one per sample
    denoisers: tuple[tuple[str, str], ...]  # names and autoencoders
    output: Path
    judge: bool
    metadata: bool


def run_job(
    job: Job, *, folder: Path | None = None, listeners: Sequence[Listener] = ()
) -> RunResult:
    """Runs a task in a new folder, or resumes an interrupted run.

    Args:
        folder: of the interrupted run with these options.
    """
    if folder is None:
        return _run(job, None, listeners)
    if (folder / DONE).exists():
        return read_done(folder, job.prompts, job.seeds)
    with only_writer(folder):
        return _run(job, folder, listeners)


def _run(job: Job, folder: Path | None, listeners: Sequence[Listener]) -> RunResult:
    plan = job.build()
    resumed = None if folder is None else read_checkpoint(folder, plan)
    encoders = loss_encoders(plan)
    judge = None
    if job.judge:
        judge = held_out_judge(plan, encoders, [name for name, _ in job.denoisers])
        plan = replace(plan, notes=(*plan.notes, *judge.notes))
    files = [each.name for each in encoders if isinstance(each, OpenClip)]
    files += [judge.name] if judge else []
    travels = {key: value for key, value in job.options.items() if key not in OF_THE_PLACE}
    device, denoisers = plan.settings.device, job.denoisers
    families = {encoder.name: encoder.family for encoder in encoders}
    info = RunInfo(
        job.task,
        as_yaml(job.options),
        job.output,
        lambda: json.dumps(environment(device, files, denoisers, families), indent=2) + "\n",
        json.dumps(travels, ensure_ascii=False) if job.metadata else None,
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
