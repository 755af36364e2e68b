"""The files that the generator exports: images, meshes, vector graphics."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from guidance.loop.result import Result
from guidance.media.metadata import embed
from guidance.runs.artifacts.base import Artifact, RunContext, Written
from guidance.runs.atomic import move_into, os_errors
from guidance.runs.folder import contained


class Export(Artifact):
    """Calls `generator.export` for each sample; every run has it."""

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        for sample in range(run.num_samples):
            folder = run.sample_folder(sample)
            with (
                os_errors(folder),
                tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as name,
            ):
                temporary = Path(name)
                with torch.no_grad():
                    exported = run.generator.export(temporary, sample)
                for path in exported:
                    inside = contained(temporary, path).relative_to(temporary.resolve())
                    if run.comment is not None and path.suffix in (".png", ".glb"):
                        path.write_bytes(embed(path.read_bytes(), run.comment))
                    target = folder / inside
                    target.parent.mkdir(parents=True, exist_ok=True)
                    yield Written(move_into(path, target), sample)
