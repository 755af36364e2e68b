"""What a sweep will take, before it begins: samples that fit into memory, time and disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from guidance.errors import InputError
from guidance.outputs import Images
from guidance.sweeps.folder import SweepFolder, sweeps_in
from guidance.sweeps.packing import bytes_per_sample
from guidance.tasks.base import Task
from guidance.types import StepContext

#: Earlier sweeps that are looked at, and runs of each.
SWEEPS, RUNS, FILES = 20, 50, 2000


@torch.no_grad()
def sample_bytes(task: Task) -> int:
    """The memory of one sample of a task beyond the frozen models, in bytes; renders one.

    Raises:
        InputError, MissingWeights: the task cannot be built.
    """
    plan = task.build()
    parameters = sum(each.nbytes for each in plan.generator.parameters())
    generator = plan.generator.to(plan.settings.device)
    seeds = plan.settings.sample_seeds(generator.num_samples)
    view = plan.views(StepContext(seeds, 0, 1.0)) if plan.views is not None else None
    output = generator(view)
    images = sum(leaf.nbytes for leaf in output.leaves()) if isinstance(output, Images) else 0
    return bytes_per_sample(parameters, images)


@dataclass(frozen=True)
class Usage:
    """What earlier trials took on this machine."""

    seconds: float  # of a worker, per trial
    megabytes: float  # per trial
    trials: int  # that were measured
    sweep: str  # the name of the sweep

    def lines(self, trials: int, workers: int, free: int) -> list[str]:
        """The estimate of a sweep, as text."""
        from_where = f"as in {self.trials} trials of {self.sweep}, by proportion of the steps"
        need = self.megabytes * trials
        short = " (more than is free)" if need * 1e6 > free else ""
        return [
            f"time: about {duration(self.seconds * trials / workers)} with {workers} workers "
            f"({self.seconds:.2g} s per trial, {from_where})",
            f"disk: about {need:.0f} MB ({self.megabytes:.2g} MB per trial), "
            f"{free / 1e9:.0f} GB free{short}",
        ]


def earlier(output: Path, task: str, steps: int) -> Usage | None:
    """What trials of this task took in the newest sweep on this machine; None if there is none."""
    for path in islice(sweeps_in(output), SWEEPS):
        try:
            folder = SweepFolder.open(path)
            done = [line for line in folder.journal() if line.get("status") == "done"][-RUNS:]
        except InputError:
            continue
        samples = sum(int(line["samples"]) for line in done)
        if folder.header.get("task") != task or not samples:
            continue
        scale = steps / max(1, int(folder.header.get("steps", steps)))
        seconds = sum(float(line["seconds"]) for line in done) / samples * scale
        run = path / str(done[-1]["folder"])
        size = sum(islice(_sizes(run), FILES)) / int(done[-1]["samples"])
        return Usage(seconds, size / 1e6, samples, path.name)
    return None


def unknown(task: type[Task], output: Path) -> list[str]:
    """What can be said without an earlier sweep."""
    known = [
        f"  {preset}, one prompt alone: {said}" for preset, said in task.PRESET_MINUTES.items()
    ]
    return [
        f"time: unknown, since no sweep of {task.task_name()} was done here",
        *known,
        f"disk: unknown, usually 0.1 to 1 MB per image and 2 to 20 MB per mesh; "
        f"{free_bytes(output) / 1e9:.0f} GB free",
    ]


def free_bytes(output: Path) -> int:
    """Free bytes on the disk of a folder that may not exist yet."""
    place = output.expanduser().absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def duration(seconds: float) -> str:
    """A time in words, e.g. "3 min"."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _sizes(folder: Path) -> Iterator[int]:
    return (path.stat().st_size for path in folder.rglob("*") if path.is_file())
