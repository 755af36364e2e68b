"""Files that are known before the run starts, such as images of the selected region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from guidance.loop.result import Result
from guidance.runs.artifacts.base import Artifact, RunContext, Written
from guidance.runs.atomic import write_bytes


@dataclass(frozen=True)
class GivenFiles(Artifact):
    """Writes files when the run starts, so that the user can check them before it ends."""

    files: tuple[tuple[str, bytes], ...]  # names and contents

    def begin(self, run: RunContext, step: int) -> None:
        for name, content in self.files:
            if not (run.folder / name).exists():
                write_bytes(run.folder / name, content)

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        for name, _ in self.files:
            yield Written(run.folder / name, None)
