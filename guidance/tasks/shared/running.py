"""Runs the plan of a task in a new folder, or resumes the run in an existing one."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from guidance.config.files import as_yaml
from guidance.config.marks import marked_values
from guidance.encoders.base import Encoder
from guidance.encoders.openclip import OpenClip
from guidance.errors import InputError, resource_errors
from guidance.evaluate.held_out import declared_encoders, held_out_judge, loss_encoders
from guidance.loop.events import Event, Listener
from guidance.loop.settings import ADVICE
from guidance.phases import phase, seconds_by_phase
from guidance.runs.folder import CONFIG, DONE, ENVIRONMENT, existing_folder, only_writer
from guidance.runs.json_records import read_record
from guidance.runs.plan import Plan, RunResult
from guidance.runs.record import environment
from guidance.runs.recorder import RunInfo, record_run
from guidance.runs.resumed import read_checkpoint
from guidance.runs.results import read_done
from guidance.streams import say


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
    progress_video: bool
    of_the_place: tuple[str, ...]  # options that are not written into images, videos and meshes


def run_job(
    job: Job,
    *,
    folder: Path | None = None,
    allow_changed_weights: bool = False,
    listeners: Sequence[Listener] = (),
) -> RunResult:
    """Runs a task in a new folder, or resumes an interrupted run.

    Args:
        folder: of the interrupted run with these options.
        allow_changed_weights: resumes also if a model has other weights now.

    Raises:
        InputError, MissingWeights, Diverged, OutOfResources, Interrupted: see `guidance.errors`.
    """
    with resource_errors(ADVICE):
        if folder is None:
            return _run(job, None, False, listeners)
        folder = existing_folder(folder)
        if (folder / DONE).exists():
            return read_done(folder, job.prompts, job.seeds)
        with only_writer(folder):
            return _run(job, folder, allow_changed_weights, listeners)


def _run(
    job: Job, folder: Path | None, allow_changed_weights: bool, listeners: Sequence[Listener]
) -> RunResult:
    began = time.monotonic()
    with phase("building"):
        plan = job.build()
    resumed = None if folder is None else read_checkpoint(folder, plan)
    names = [*declared_encoders(plan), *(name for name, _ in job.denoisers)]
    if names:
        say(f"loading {', '.join(names)} ...")
    judge = None
    with phase("models"):
        encoders = loss_encoders(plan)
        if job.judge:
            judge = held_out_judge(plan, encoders, [name for name, _ in job.denoisers])
    if judge is not None:
        plan = replace(plan, notes=(*plan.notes, *judge.notes))
    files = [each.name for each in encoders if isinstance(each, OpenClip)]
    files += [judge.name] if judge else []
    families = {encoder.name: encoder.family for encoder in encoders}

    @functools.cache
    def surroundings() -> dict[str, Any]:
        return environment(plan.settings.device, files, job.denoisers, families)

    changed = [] if folder is None else _changed_weights(folder, surroundings)
    if changed and not allow_changed_weights:
        raise InputError(
            f"{folder}: the weights of {', '.join(changed)} are not those that the run began with; "
            "restore them, or continue with the present ones: add --allow-changed-weights"
        )
    info = RunInfo(
        job.task,
        as_yaml(job.options),
        job.output,
        surroundings,
        _comment(job) if job.metadata else None,
        folder,
        bool(changed),
        job.progress_video,
        began,
    )
    done = record_run(plan, info, judge, resumed, [_FreeTextTowers(encoders), *listeners])
    if seconds := seconds_by_phase():
        say("seconds: " + ", ".join(f"{name} {value:.2f}" for name, value in seconds.items()))
    return done


def _comment(job: Job) -> str:
    """The configuration as it travels in images, videos and meshes, with its mark."""
    travels = {key: value for key, value in job.options.items() if key not in job.of_the_place}
    return json.dumps(marked_values(travels), ensure_ascii=False)


def _changed_weights(folder: Path, surroundings: Callable[[], dict[str, Any]]) -> list[str]:
    """Names of models whose weights are not those of the record of a run."""
    path = folder / ENVIRONMENT
    if not path.is_file():
        return []
    said = read_record(path, f"start the run again: guide rerun {folder / CONFIG}").get("models")
    if not said or not isinstance(said, dict):
        return []
    now = surroundings()["models"]
    return [name for name, hashes in said.items() if now.get(name) != hashes]


class _FreeTextTowers:
    """Frees the text towers at the first event, when the losses have encoded all texts."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self.waiting = list(encoders)

    def __call__(self, event: Event) -> None:
        while self.waiting:
            self.waiting.pop().free_text_tower()

    def needs(self, step: int) -> bool:
        return bool(self.waiting)
