"""The end of a run: its artifacts, and DONE.json with scores and the names of all files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from guidance.errors import InputError
from guidance.loop.result import Result
from guidance.runs.artifacts.base import Artifact, RunContext, Written
from guidance.runs.artifacts.contact_sheet import SampleSheet
from guidance.runs.artifacts.export import Export
from guidance.runs.artifacts.progress_video import ProgressVideo
from guidance.runs.atomic import os_errors, write_text
from guidance.runs.folder import DONE, sample_folder
from guidance.runs.plan import Plan, RunResult, SampleResult, Scores
from guidance.runs.record import finite

SCHEMA_VERSION = 1


def all_artifacts(plan: Plan) -> tuple[Artifact, ...]:
    """The artifacts of a plan, between those that every run has."""
    return (Export(), *plan.artifacts, ProgressVideo(), SampleSheet())


def write_artifacts(
    run: RunContext, artifacts: Sequence[Artifact], result: Result
) -> Iterator[Written]:
    """Writes all artifacts, yielding each file once it is on disk."""
    for sample in range(run.num_samples):
        with os_errors(run.sample_folder(sample)):
            run.sample_folder(sample).mkdir(parents=True, exist_ok=True)
    for artifact in artifacts:
        yield from artifact.write(run, result)


def write_done(run: RunResult, task: str, judge: str | None, plan: Plan) -> Path:
    """Writes the last file of a run: scores, notes and the names of its files."""
    folder = run.folder
    samples = [
        {
            "prompt": sample.prompt,
            "seed": sample.seed,
            "best_loss": sample.best_loss,
            "judge_before": sample.judge_before,
            "judge_after": sample.judge_after,
            "files": [path.relative_to(folder).as_posix() for path in sample.files],
        }
        for sample in run.samples
    ]
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "task": task,
        "steps": plan.settings.steps,
        "notes": plan.notes,
        "skipped": run.skipped,
        "judge": judge,
        "files": [path.relative_to(folder).as_posix() for path in run.files],
        "samples": samples,
    }
    text = json.dumps(finite(content), indent=2, ensure_ascii=False)
    return write_text(folder / DONE, text + "\n")


def read_done(folder: Path, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> RunResult:
    """Reads the result of a finished run. Raises InputError if its DONE.json is damaged."""
    path = folder / DONE
    try:
        if path.stat().st_size > 2**24:
            raise ValueError("too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        samples = tuple(
            SampleResult(
                prompts[index],
                seeds[index],
                sample_folder(folder, index, len(prompts)),
                tuple(folder / name for name in entry["files"]),
                float("nan") if entry["best_loss"] is None else float(entry["best_loss"]),
                entry["judge_before"],
                entry["judge_after"],
            )
            for index, entry in enumerate(content["samples"])
        )
        files = tuple(folder / name for name in content["files"])
        return RunResult(folder, samples, files, (), int(content["skipped"]), already_done=True)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise InputError(
            f"{path}: is damaged; the results of the run are still in its folder"
        ) from None


def sample_results(
    run: RunContext,
    plan: Plan,
    result: Result,
    written: Sequence[Written],
    scores: tuple[Scores | None, Scores | None],
) -> tuple[SampleResult, ...]:
    """Scores and files of each sample."""
    seeds = plan.settings.seeds
    before, after = scores
    return tuple(
        SampleResult(
            prompt.text,
            seeds + index if isinstance(seeds, int) else seeds[index],
            run.sample_folder(index),
            tuple(file.path for file in written if file.sample == index),
            float(result.best_loss[index]),
            before[index] if before else None,
            after[index] if after else None,
        )
        for index, prompt in enumerate(plan.prompts)
    )
