"""What a task hands to a run, and what a run gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from guidance.loop.optimize import Settings, Views
from guidance.runs.artifacts.animation import Animation
from guidance.types import Generator, Loss, Rendering, Terms
from guidance.views import Cameras


@dataclass(frozen=True)
class VideoFile:
    """A video of each sample that is made when the run is done, in its own size."""

    name: str  # of the file
    rate: Fraction  # frames a second
    frames: Callable[[int], Iterable[UInt8[np.ndarray, "_ _ 3"]]]  # of a sample, one by one


@dataclass(frozen=True)
class Plan:
    """The parts of one optimization, wired by a task's `build()`."""

    generator: Generator
    losses: Loss | Terms
    settings: Settings
    prompts: tuple[str, ...]  # one a sample, in the grammar of `guidance.prompts`
    views: Views | None = None  # cameras of a context for things that are rendered, or windows
    turntable: Callable[[int], Cameras] | None = None  # that many cameras evenly all around
    normals: Callable[[Rendering], Tensor] | None = None  # how surfaces lie, [n, v, 3, h, w]
    animation: Animation | None = None  # of flat images; its steps are those of the settings
    video: VideoFile | None = None
    notes: tuple[str, ...] = ()  # what the user should know about the input, a line each
    files: tuple[tuple[str, bytes], ...] = ()  # of the run's folder from the start: names, contents


#: What a judge says of each sample: JSON, e.g. {"similarity": 0.3, "rank": 1, "out_of": 8}.
Scores = list[dict[str, Any]]


@dataclass(frozen=True)
class Judge:
    """The held-out judge of a run, which no loss has asked."""

    name: str
    scores: Callable[[Rendering], Scores]


@dataclass(frozen=True)
class SampleResult:
    """What one sample of a run left on disk."""

    prompt: str
    seed: int
    folder: Path
    files: tuple[Path, ...]
    best_loss: float
    judge_before: dict[str, Any] | None = None
    judge_after: dict[str, Any] | None = None


@dataclass(frozen=True)
class RunResult:
    """A finished run."""

    folder: Path
    samples: tuple[SampleResult, ...]
    files: tuple[Path, ...] = ()  # that belong to all samples, such as contact.png
    losses: tuple[float, ...] = field(default=(), repr=False)  # mean total loss of each step
    skipped: int = 0
    already_done: bool = False  # nothing was left to do
