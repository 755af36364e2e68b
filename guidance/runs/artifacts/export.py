"""The files that the generator exports: images, meshes, vector graphics."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from guidance.loop.result import Result
from guidance.media.metadata import embed
from guidance.runs.artifacts.base import Artifact, RunContext, Written
from guidance.runs.atomic import move_all, os_errors
from guidance.runs.folder import contained

#: Samples whose files are synced to disk together: that many, or those of this many seconds, so
#: that a run with large files still stops soon after a signal.
TOGETHER, SECONDS = 64, 0.5


class Export(Artifact):
    """Calls `generator.export` for each sample; every run has it."""

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        sample = 0
        while sample < run.num_samples:
            with (
                os_errors(run.folder),
                tempfile.TemporaryDirectory(prefix=".export-", dir=run.folder) as name,
            ):
                first, end = sample, time.monotonic() + SECONDS
                moves: list[tuple[Path, Path]] = []
                written: list[Written] = []
                while sample < min(run.num_samples, first + TOGETHER):
                    for source, target in _exported(run, sample, Path(name)):
                        moves.append((source, target))
                        written.append(Written(target, sample))
                    sample += 1
                    if time.monotonic() > end:
                        break
                move_all(moves)
            yield from written


def _exported(run: RunContext, sample: int, place: Path) -> Iterator[tuple[Path, Path]]:
    """Exports a sample into a temporary folder: each file, and where it belongs."""
    temporary = place / str(sample)
    temporary.mkdir()
    with torch.no_grad():
        exported = run.generator.export(temporary, sample)
    for path in exported:
        inside = contained(temporary, path).relative_to(temporary.resolve())
        if run.comment is not None and path.suffix in (".png", ".glb"):
            path.write_bytes(embed(path.read_bytes(), run.comment))
        target = run.sample_folder(sample) / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        yield path, target
