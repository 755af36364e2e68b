"""The interface of artifacts: files that a run writes beside what the generator exports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from guidance.loop.result import Result
from guidance.media.metadata import embed
from guidance.outputs import Output
from guidance.prompts import Prompt, plain_text
from guidance.runs.atomic import write_bytes
from guidance.runs.folder import sample_folder
from guidance.types import Generator

#: Returns the current output of the generator, of all samples, in the first validation view.
Look = Callable[[], Output]


class Written(NamedTuple):
    """A file that an artifact has written."""

    path: Path
    sample: int | None  # None for a file of all samples
    facts: Mapping[str, Any] | None = None  # about the sample, for DONE.json: JSON values


@dataclass(frozen=True)
class RunContext:
    """The run that artifacts are written for."""

    folder: Path
    generator: Generator
    prompts: tuple[Prompt, ...]  # one per sample
    steps: int
    comment: str | None = None  # the configuration as JSON, embedded in files that can hold it

    @property
    def num_samples(self) -> int:
        return len(self.prompts)

    @property
    def captions(self) -> list[str]:
        """The prompts as plain text, for contact sheets."""
        return [plain_text(prompt) for prompt in self.prompts]

    def sample_folder(self, sample: int) -> Path:
        return sample_folder(self.folder, sample, self.num_samples)

    def write(self, name: str, content: bytes, sample: int | None = None) -> Written:
        """Writes a file into the folder of a sample, or of the run if `sample` is None.

        PNG and GLB files get the configuration embedded; videos must already contain it.
        """
        folder = self.folder if sample is None else self.sample_folder(sample)
        if self.comment is not None:
            content = embed(content, self.comment)
        return Written(write_bytes(folder / name, content), sample)


class Artifact:
    """Something that writes itself into the run folder.

    Subclasses override the hooks that they need. Artifacts hold no state of a run: a run can be
    interrupted and resumed by another process between any two calls.
    """

    def begin(self, run: RunContext, step: int) -> None:
        """Called when the run folder exists: before step 0, or after `step` on resuming."""

    def looks_at(self, run: RunContext, step: int) -> bool:
        """Whether `after_step` looks at the generator after this step.

        On a GPU, other steps are reported later, several at a time.
        """
        return type(self).after_step is not Artifact.after_step

    def after_step(self, run: RunContext, step: int, look: Look) -> None:
        """Called before the first step with `step=0`, and after each step."""

    def write(self, run: RunContext, result: Result) -> Iterator[Written]:
        """Writes files at the end of the run, yielding each one once it is on disk.

        The generator holds the best state. The run can be interrupted after each yield and
        starts with all files again when it is resumed.
        """
        yield from ()
