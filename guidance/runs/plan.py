"""What a task hands to a run, and what a run returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guidance.loop.settings import Settings, Views, Warps
from guidance.outputs import Output
from guidance.prompts import Prompt
from guidance.runs.artifacts.base import Artifact
from guidance.types import Generator, Loss, Terms


@dataclass(frozen=True)
class Plan:
    """The parts of one optimization, wired by a task's `build()`."""

    generator: Generator
    losses: Loss | Terms
    settings: Settings
    prompts: tuple[Prompt, ...]  # one per sample
    views: Views | None = None  # views of a step: cameras, windows of large images, or frames
    warps: Warps | None = None  # how flat images move before a step, for animations
    artifacts: tuple[Artifact, ...] = ()  # files to write beside what the generator exports
    notes: tuple[str, ...] = ()  # what the user should know about the input, one line each


#: What a judge reports for each sample: JSON, e.g. {"similarity": 0.3, "rank": 1, "out_of": 8}.
Scores = list[dict[str, Any]]


@dataclass(frozen=True)
class Judge:
    """The held-out judge of a run; no loss uses its model."""

    name: str
    scores: Callable[[Output], Scores]
    notes: tuple[str, ...] = ()  # what it does not read of the prompts, one line each


@dataclass(frozen=True)
class SampleResult:
    """The scores and files of one sample."""

    prompt: str
    seed: int
    folder: Path
    files: tuple[Path, ...]
    best_loss: float
    judge_before: dict[str, Any] | None = None
    judge_after: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # what artifacts found out, as JSON values


@dataclass(frozen=True)
class RunResult:
    """A finished run."""

    folder: Path
    samples: tuple[SampleResult, ...]
    files: tuple[Path, ...] = ()  # of all samples, such as contact.png
    losses: tuple[float, ...] = field(default=(), repr=False)  # mean total loss of each step
    skipped: int = 0
    already_done: bool = False  # it had finished before

    def _repr_html_(self) -> str:
        """The results with their scores, for notebooks."""
        from guidance.reports.notebook import Tile, gallery

        tiles = [Tile(each.files, _lines(each)) for each in self.samples]
        return gallery(self.folder, tiles)


def _lines(sample: SampleResult) -> tuple[str, ...]:
    before, after = sample.judge_before, sample.judge_after
    lines = (sample.prompt, f"seed {sample.seed}")
    if after is None:
        return lines
    start = "" if before is None else f"{before['similarity']:.3f} → "
    return (*lines, f"judge {start}{after['similarity']:.3f}")
