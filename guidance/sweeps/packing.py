"""Packing: trials that differ only in prompt or seed become samples of one run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from guidance.runs.folder import slug
from guidance.sweeps.trials import Trial

#: Samples of a run at most, unless the user says another number: a step per sample hardly becomes
#: faster beyond, and a run that fails is done again trial by trial.
MOST_SAMPLES = 64
#: Memory of a sample beyond the frozen models, in bytes: copies of its parameters (gradient,
#: two moments of Adam, best state, snapshot), and of its rendered images (activations of the
#: generator, crops, gradients). Chosen by measurement, see benchmarks/sweep_packed.py.
COPIES_OF_PARAMETERS, COPIES_OF_IMAGES = 8, 80
#: The share of the free memory that all runs at one time may take.
SHARE = 0.5


@dataclass
class Pack:
    """The trials of one run, in the order of its samples: prompts, and the seeds of each."""

    rows: list[list[Trial]] = field(default_factory=list)

    @property
    def trials(self) -> list[Trial]:
        return [trial for row in self.rows for trial in row]

    def __len__(self) -> int:
        return sum(map(len, self.rows))

    def takes(self, row: list[Trial], capacity: int) -> bool:
        """Whether a further prompt with its seeds fits: the same options, the same seeds."""
        if not self.rows:
            return True
        own = self.rows[0]
        return (
            own[0].key == row[0].key
            and (own[0].seed, len(own)) == (row[0].seed, len(row))
            and row[0].prompt not in {each[0].prompt for each in self.rows}
            and len(self) + len(row) <= capacity
        )


def packs_of(trials: Iterable[Trial], capacity: int) -> Iterator[list[Trial]]:
    """Consecutive trials in runs of at most `capacity` samples, each with its folder.

    A run has one or several prompts, each with the same consecutive seeds. It lies in
    `runs/<thousands>/<number>-<prompt>`; the folder depends on the order of the trials only.
    """
    for number, pack in enumerate(_packs(trials, capacity)):
        name = slug(pack[0].prompt or "run")
        folder = f"runs/{number // 1000:03d}/{number % 1000:03d}-{name}"
        alone = len(pack) == 1
        yield [trial.at(folder, None if alone else index) for index, trial in enumerate(pack)]


def _packs(trials: Iterable[Trial], capacity: int) -> Iterator[list[Trial]]:
    pack = Pack()
    for row in _rows(trials, capacity):
        if not pack.takes(row, capacity):
            yield pack.trials
            pack = Pack()
        pack.rows.append(row)
    if pack.rows:
        yield pack.trials


def _rows(trials: Iterable[Trial], capacity: int) -> Iterator[list[Trial]]:
    """Consecutive trials of one prompt with consecutive seeds."""
    row: list[Trial] = []
    for trial in trials:
        last = row[-1] if row else None
        if last is not None and not (
            (last.key, last.prompt) == (trial.key, trial.prompt)
            and trial.seed == last.seed + 1
            and len(row) < capacity
        ):
            yield row
            row = []
        row.append(trial)
    if row:
        yield row


def bytes_per_sample(parameters: int, images: int) -> int:
    """The memory of one more sample, from the bytes of its parameters and its rendered images."""
    return COPIES_OF_PARAMETERS * parameters + COPIES_OF_IMAGES * images


def capacity_of(per_sample: int, free: int, workers: int, trials: int) -> int:
    """How many samples a run may have: as many as memory allows, and a run for each worker."""
    fits = int(SHARE * free / max(1, workers) / max(1, per_sample))
    return max(1, min(MOST_SAMPLES, fits, -(-trials // max(1, workers))))


def free_memory(device: str) -> int:
    """Free bytes on a device of torch, or on this machine."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return _available() or os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 2**32


def _available() -> int:
    """What Linux says that programs can still take, including its caches of files."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0
