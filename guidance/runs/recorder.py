"""Executes a plan and records it: a listener of the loop that writes the run folder."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from guidance.errors import Interrupted, OutOfResources, resource_errors
from guidance.loop.events import DoneEvent, Event, Listener, PreviewEvent, StepEvent
from guidance.loop.optimize import optimize
from guidance.loop.result import Result
from guidance.loop.settings import ADVICE
from guidance.outputs import Output
from guidance.phases import phase
from guidance.runs import checkpoint
from guidance.runs.artifacts.base import Look, RunContext
from guidance.runs.folder import (
    CONFIG,
    ENVIRONMENT,
    METRICS,
    check_writable,
    new_folder,
    only_writer,
    remove_remains,
)
from guidance.runs.json_records import write_record
from guidance.runs.origin import origin_code
from guidance.runs.plan import Judge, Plan, RunResult, Scores
from guidance.runs.progress import Progress
from guidance.runs.record import Metrics
from guidance.runs.results import all_artifacts, sample_results, write_artifacts, write_done
from guidance.runs.resumed import Resumed
from guidance.runs.signals import Signals
from guidance.types import StepContext

#: The step of the first checkpoint, the least time between two checkpoints in seconds, and the
#: largest share of the run time that writing them may take.
FIRST_CHECKPOINT, SECONDS_BETWEEN, SHARE = 5, 3.0, 0.03


@dataclass(frozen=True)
class RunInfo:
    """The name, configuration and place of a run."""

    task: str  # names the folder of all runs of a task
    config: str  # content of config.yaml
    output: Path  # where the run folder is created
    environment: Callable[[], dict[str, Any]]  # content of environment.json
    comment: str | None = None  # the configuration to embed in images, videos and meshes
    folder: Path | None = None  # the folder of a resumed run
    new_weights: bool = False  # it continues with other weights, which are recorded anew
    progress_video: bool = True
    began: float = field(default_factory=time.monotonic)  # for the seconds of the whole run


def record_run(
    plan: Plan,
    info: RunInfo,
    judge: Judge | None = None,
    resumed: Resumed | None = None,
    listeners: Sequence[Listener] = (),
) -> RunResult:
    """Executes a plan, and writes everything that it leaves into a run folder.

    Args:
        listeners: further listeners of the loop, called after the recorder.

    Raises:
        InputError, Diverged, OutOfResources, Interrupted: see `guidance.errors`.
    """
    if info.folder is None:
        check_writable(info.output)
    recorder = _Recorder(plan, info, judge, resumed)
    try:
        with resource_errors(ADVICE), recorder.stack, phase("loop"):
            result = optimize(
                plan.generator,
                plan.losses,
                plan.settings,
                views=plan.views,
                warps=plan.warps,
                listeners=[recorder, *listeners],
                resume=None if resumed is None else resumed.tensors,
                quiet=True,  # the recorder shows its own progress
            )
            return recorder.finish(result)
    except OutOfResources as error:
        raise OutOfResources(f"{error}{recorder.way_back(str(error))}") from error


class _Recorder:
    """The listener that writes. The folder is created at the first event, after all loading."""

    def __init__(
        self,
        plan: Plan,
        info: RunInfo,
        judge: Judge | None,
        resumed: Resumed | None,
    ) -> None:
        self.plan, self.info, self.judge, self.resumed = plan, info, judge, resumed
        self.artifacts = all_artifacts(plan, info.progress_video)
        self.stack = contextlib.ExitStack()
        self.before = resumed.judged[0] if resumed and resumed.judged else None
        self.after: Scores | None = None
        self.opened = False
        self.last: StepEvent | None = None
        self.due_at = 0.0
        self.began = time.monotonic()
        self.loop_seconds = 0.0

    def __call__(self, event: Event) -> None:
        with phase("records"):
            self._record(event)

    def _record(self, event: Event) -> None:
        if not self.opened:
            self._open()
        if isinstance(event, StepEvent):
            self._step(event)
        elif isinstance(event, PreviewEvent):
            self._preview(event)
        elif isinstance(event, DoneEvent):
            self.loop_seconds = time.monotonic() - self.began
            self.progress.print_notes(event.result.notes)
            if self.judge:
                self.after = self._judged(event.result.rendering)

    def needs(self, step: int) -> bool:
        """Whether something is written after this step, or a signal has arrived."""
        if not self.opened or self.signals.requested:
            return True
        return self._is_due(step) or any(each.looks_at(self.run, step) for each in self.artifacts)

    def _open(self) -> None:
        self.signals = self.stack.enter_context(Signals())
        folder = self.info.folder
        if folder is None:
            folder = new_folder(
                self.info.output, self.info.task, self.plan.prompts[0], self.info.config
            )
        else:
            remove_remains(folder)
        self.folder = folder
        self.opened = True
        self.run = RunContext(
            folder,
            self.plan.generator,
            self.plan.prompts,
            self.plan.settings.steps,
            self.info.comment,
        )
        if self.info.new_weights or not (folder / ENVIRONMENT).exists():
            origin = {"origin": origin_code(folder)}
            write_record(folder / ENVIRONMENT, self.info.environment() | origin)
        self.config_sha256 = checkpoint.file_digest(folder / CONFIG)
        if self.info.folder is None:
            self.stack.enter_context(only_writer(folder))
        step = int(self.resumed.tensors["counter/step"]) if self.resumed else 0
        self.metrics = Metrics(folder / METRICS, self.resumed.metrics_end if self.resumed else 0)
        self.stack.callback(self.metrics.close)
        for artifact in self.artifacts:
            artifact.begin(self.run, step)
        self.progress = Progress(self.info.task, self.plan.settings.steps, step)
        self.progress.print_notes(self.plan.notes)
        if self.resumed and self.resumed.judged:
            self.progress.judge(self.resumed.judged[-1])
        self.stack.callback(self.progress.close)
        self.first_checkpoint = step + FIRST_CHECKPOINT

    def _step(self, event: StepEvent) -> None:
        total = torch.stack(list(event.losses.values())).sum(0).mean()
        line: dict[str, Any] = {
            "step": event.step,
            "loss": float(total),
            "losses": {name: value.tolist() for name, value in event.losses.items()},
            "micro_batch": event.micro_batch,
        }
        self.metrics.write(line | ({"skipped": True} if event.skipped else {}))
        self._update_artifacts(event.step, self._look)
        self.progress.show(event)
        # If a validation follows, the checkpoint waits for its line in the metrics.
        self.last = event
        if event.is_latest and not self.plan.settings.validation_follows(event.step):
            self._finish_step(event)

    def _preview(self, event: PreviewEvent) -> None:
        line: dict[str, Any] = {"step": event.step, "best_loss": event.best_loss.tolist()}
        if self.judge:
            scores = self._judged(event.rendering)
            self.progress.judge(scores)
            line["judge"] = scores
            if event.step == 0:
                self.before = scores
        self.metrics.write(line)
        if event.step == 0:
            self._update_artifacts(0, lambda: event.rendering)
        if self.last is not None:
            self._finish_step(self.last)

    def _judged(self, output: Output) -> Scores:
        assert self.judge is not None
        with phase("judge"):
            return self.judge.scores(output)

    def _update_artifacts(self, step: int, look: Look) -> None:
        once = functools.cache(look)
        for artifact in self.artifacts:
            artifact.after_step(self.run, step, once)

    @torch.no_grad()
    def _look(self) -> Output:
        """The current output of the generator, in the first validation view."""
        view = None
        if self.plan.views is not None:
            seeds = self.plan.settings.seeds
            if isinstance(seeds, int):
                seeds = tuple(range(seeds, seeds + len(self.plan.prompts)))
            context = StepContext(seeds, 0, 1.0, "validation")
            view = self.plan.views(context).some(slice(1))
        with phase("previews"):
            output: Output = self.plan.generator(view)
        return output

    def _finish_step(self, event: StepEvent) -> None:
        """Writes a checkpoint if one is due, and stops if a signal has arrived."""
        if not self._is_due(event.step) and not self.signals.requested:
            return
        now = time.monotonic()
        self.metrics.sync()
        mark = self.metrics.mark
        checkpoint.save(self.folder, event.snapshot(), self.config_sha256, mark)
        took = time.monotonic() - now
        self.due_at = now + took + max(SECONDS_BETWEEN, took / SHARE)
        self._stop_if_requested()

    def _is_due(self, step: int) -> bool:
        """Whether a checkpoint is due after this step."""
        if step in (self.first_checkpoint, self.plan.settings.steps):
            return True
        return step > self.first_checkpoint and time.monotonic() >= self.due_at

    def _stop_if_requested(self) -> None:
        if self.signals.requested:
            steps = self.plan.settings.steps
            raise Interrupted(
                f"interrupted after step {self.last.step if self.last else steps} of {steps}; "
                f"resume with: guide run --resume {self.folder}"
            )

    def finish(self, result: Result) -> RunResult:
        """Writes the artifacts, and DONE.json after everything else is on disk."""
        self.metrics.sync()
        written = []
        for file in write_artifacts(self.run, self.artifacts, result):
            written.append(file)
            self._stop_if_requested()
        # From here on a signal would only change the exit code of a run that is complete.
        self.signals.ignore()
        self._stop_if_requested()
        scores = (self.before, self.after)
        run = RunResult(
            self.folder,
            sample_results(self.run, self.plan, result, written, scores),
            tuple(file.path for file in written if file.sample is None),
            tuple(result.losses),
            result.skipped,
        )
        name = self.judge.name if self.judge else None
        plan = replace(self.plan, notes=(*self.plan.notes, *result.notes))
        write_done(run, self.info.task, name, plan, self._seconds())
        return run

    def _seconds(self) -> dict[str, float] | None:
        """Wall-clock seconds of the loop and of the whole run; unknown if it was resumed."""
        if self.info.folder is not None and self.resumed is not None:
            return None
        whole = time.monotonic() - self.info.began
        return {"loop": round(self.loop_seconds, 3), "whole": round(whole, 3)}

    def way_back(self, said: str) -> str:
        """How to continue after an error, unless that was said: from the last checkpoint."""
        if (
            "--resume" in said
            or not self.opened
            or not (self.folder / checkpoint.DESCRIPTION).exists()
        ):
            return ""
        return f"; continue from the checkpoint with: guide run --resume {self.folder}"
