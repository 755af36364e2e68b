"""Runs a task, or goes on with one that was interrupted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from guidance.encoders.base import Encoder
from guidance.loop.optimize import Event, Listener
from guidance.prompts import plain_text
from guidance.runs.recorder import RunInfo, record_run, read_checkpoint
from guidance.runs.folder import DONE, only_writer
from guidance.runs.plan import Judge, Plan, RunResult
from guidance.runs.record import environment
from guidance.runs.results import read_done
from guidance.tasks.base import Task
from guidance.config.files import as_mapping, as_yaml
from guidance.types import Rendering, Terms

#: Fields that say where a run happens, not what it makes: they do not travel inside files.
OF_THE_PLACE = ("output", "device")


def run_task(
    task: Task, *, folder: Path | None = None, listeners: Sequence[Listener] = ()
) -> RunResult:
    """Runs a task in a new folder, or goes on in that of an interrupted run.

    Args:
        folder: of the interrupted run that `task` is the configuration of.
    """
    if folder is None:
        return _run(task, None, listeners)
    if (folder / DONE).exists():
        return read_done(folder, task.sample_prompts, task.sample_seeds)
    with only_writer(folder):
        return _run(task, folder, listeners)


def _run(task: Task, folder: Path | None, listeners: Sequence[Listener]) -> RunResult:
    plan = task.build()
    resumed = None if folder is None else read_checkpoint(folder, plan)
    encoders = _loss_encoders(plan)
    judge = _judge(plan, encoders, task.denoisers) if task.judge else None
    names = [encoder.name for encoder in encoders] + ([judge.name] if judge else [])
    travels = {k: v for k, v in as_mapping(task).items() if k not in OF_THE_PLACE}
    identity = RunInfo(
        task.task_name(),
        as_yaml(task),
        task.output,
        lambda: json.dumps(
            environment(plan.settings.device, names, task.denoisers, task.vae), indent=2
        )
        + "\n",
        json.dumps(travels, ensure_ascii=False) if task.metadata else None,
        folder,
    )
    return record_run(plan, identity, judge, resumed, [_free_text_towers(encoders), *listeners])


def _free_text_towers(encoders: list[Encoder]) -> Listener:
    """At the first event the losses have encoded all their texts."""
    waiting = list(encoders)

    def listen(event: Event) -> None:
        while waiting:
            waiting.pop().free_text_tower()

    return listen


def _loss_encoders(plan: Plan) -> list[Encoder]:
    """The models behind the losses, loaded; losses that ask for them later share them."""
    from guidance.encoders import load_encoder

    named: list[str | Encoder] = [
        encoder for term in Terms.of(plan.losses) for encoder in getattr(term.loss, "encoders", ())
    ]
    loaded = [load_encoder(e, plan.settings.device) if isinstance(e, str) else e for e in named]
    return list(dict.fromkeys(loaded))


def _judge(plan: Plan, encoders: list[Encoder], denoisers: Sequence[str]) -> Judge:
    """The judge is loaded before the run: one that is missing is told now, not at the end."""
    from guidance.encoders import load_judge
    from guidance.evaluate.families import LossModel
    from guidance.evaluate.judge import check_judge, judge_scores

    families = {encoder.family for encoder in encoders}
    families |= {LossModel.of(name).family for name in denoisers}
    judge = load_judge(plan.settings.device, families)
    check_judge(judge, encoders)
    texts = [plain_text(prompt) for prompt in plan.prompts]

    def scores(rendering: Rendering) -> list[dict[str, float | int]]:
        pictures = rendering.whole().over().clamp(0, 1)
        return [asdict(score) for score in judge_scores(judge, pictures, texts)]

    return Judge(judge.name, scores)
