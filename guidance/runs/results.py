"""The end of a run: its artifacts, and DONE.json with scores and the names of all files."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from guidance.errors import InputError
from guidance.loop.result import Result
from guidance.phases import phase, seconds_by_phase
from guidance.runs.artifacts.base import Artifact, RunContext, Written
from guidance.runs.artifacts.contact_sheet import SampleSheet
from guidance.runs.artifacts.export import Export
from guidance.runs.artifacts.progress_video import ProgressVideo
from guidance.runs.atomic import os_errors
from guidance.runs.checkpoint import file_digest
from guidance.runs.folder import (
    CONFIG,
    DONE,
    ENVIRONMENT,
    METRICS,
    contained,
    sample_folder,
)
from guidance.runs.json_records import read_record, write_record
from guidance.runs.plan import Plan, RunResult, SampleResult, Scores
from guidance.runs.record import finite

#: Records whose hashes are in DONE.json, beside those of the results.
RECORDS = (CONFIG, METRICS, ENVIRONMENT)


def all_artifacts(plan: Plan, progress_video: bool) -> tuple[Artifact, ...]:
    """The artifacts of a plan, between those that every run has."""
    video = (ProgressVideo(),) if progress_video else ()
    return (Export(), *plan.artifacts, *video, SampleSheet())


def write_artifacts(
    run: RunContext, artifacts: Sequence[Artifact], result: Result
) -> Iterator[Written]:
    """Writes all artifacts, yielding each file once it is on disk."""
    for sample in range(run.num_samples):
        with os_errors(run.sample_folder(sample)):
            run.sample_folder(sample).mkdir(parents=True, exist_ok=True)
    for artifact in artifacts:
        with phase(type(artifact).__name__):
            yield from artifact.write(run, result)


def write_done(
    run: RunResult,
    task: str,
    judge: str | None,
    plan: Plan,
    seconds: Mapping[str, float] | None,
) -> Path:
    """Writes the last file of a run: scores, notes, and the names and hashes of its files.

    Args:
        seconds: of the loop and of the whole run; None if it was resumed.
    """
    folder, profile = run.folder, seconds_by_phase()
    samples: list[dict[str, Any]] = [
        {
            "prompt": sample.prompt,
            "seed": sample.seed,
            "best_loss": sample.best_loss,
            "judge_before": sample.judge_before,
            "judge_after": sample.judge_after,
            "files": _names(folder, sample.files),
            **({"facts": sample.facts} if sample.facts else {}),
        }
        for sample in run.samples
    ]
    files = _names(folder, run.files)
    results = [*files, *(name for sample in samples for name in sample["files"])]
    content: dict[str, Any] = {
        "task": task,
        "steps": plan.settings.steps,
        "notes": plan.notes,
        "skipped": run.skipped,
        "seconds": seconds,
        "judge": judge,
        "files": files,
        "samples": samples,
        **({"profile": profile} if profile else {}),
        "hashes": {name: file_digest(folder / name) for name in (*RECORDS, *results)},
    }
    return write_record(folder / DONE, finite(content))


def read_done(folder: Path, prompts: tuple[str, ...], seeds: tuple[int, ...]) -> RunResult:
    """Reads the result of a finished run.

    Raises:
        InputError: its DONE.json is damaged, or a file is not as the run wrote it.
    """
    content = done_record(folder)
    check_files(folder, content, None)
    try:
        samples = tuple(
            SampleResult(
                prompts[index],
                seeds[index],
                sample_folder(folder, index, len(prompts)),
                tuple(_inside(folder, name) for name in entry["files"]),
                float("nan") if entry["best_loss"] is None else float(entry["best_loss"]),
                entry["judge_before"],
                entry["judge_after"],
                dict(entry.get("facts", {})),
            )
            for index, entry in enumerate(content["samples"])
        )
        files = tuple(_inside(folder, name) for name in content["files"])
        return RunResult(folder, samples, files, (), int(content["skipped"]), already_done=True)
    except InputError:
        raise
    except (ValueError, TypeError, KeyError, IndexError):
        raise InputError(f"{folder / DONE}: is damaged; {_again(folder)}") from None


def done_record(folder: Path) -> dict[str, Any]:
    """The values of DONE.json. Raises InputError if it is damaged."""
    return read_record(folder / DONE, _again(folder))


def check_files(folder: Path, done: Mapping[str, Any], paths: Sequence[Path] | None) -> None:
    """Checks the records of a finished run, and results, against the hashes in DONE.json.

    Args:
        done: from `done_record`; of older versions, without hashes, nothing is checked.
        paths: of results; None for all.

    Raises:
        InputError: a file is missing or changed.
    """
    hashes = done.get("hashes", {})
    if not isinstance(hashes, dict):
        raise InputError(f"{folder / DONE}: is damaged; {_again(folder)}")
    chosen = None if paths is None else {*RECORDS, *_names(folder, paths)}
    for name, said in hashes.items():
        if chosen is None or name in chosen:
            path = _inside(folder, name)
            if not path.is_file() or file_digest(path) != said:
                raise InputError(
                    f"{path}: is not as the run wrote it; restore it, or {_again(folder)}"
                )


def _names(folder: Path, paths: Sequence[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def _inside(folder: Path, name: Any) -> Path:
    """A file of the run by the name in DONE.json."""
    return folder / contained(folder, folder / str(name)).relative_to(folder.resolve())


def _again(folder: Path) -> str:
    return f"run it again: guide rerun {folder / CONFIG}"


def _facts(written: Sequence[Written], sample: int) -> dict[str, Any]:
    """What artifacts found out about a sample."""
    return dict(ChainMap(*(dict(w.facts or {}) for w in written if w.sample == sample)))


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
            {
                k: v
                for each in written
                if each.sample == index
                for k, v in (each.facts or {}).items()
            },
        )
        for index, prompt in enumerate(plan.prompts)
    )
