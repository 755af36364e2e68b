"""What a trial of a sweep costs beyond its optimization, and whether time and memory stay flat.

    python benchmarks/sweep_overhead.py [--trials 1000] [--pack 1]

One worker process does tiny trials of text2image with the mini model, one step each at 32 pixels.
Reported: CPU seconds of the worker per trial in the second and the last fifth, the wall-clock
seconds, with the load of the machine; and the resident memory of driver and worker.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from measure import report

from guidance.sweeps.axes import Rows
from guidance.sweeps.driver import Driver, unfinished
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.local import LocalWorkers
from guidance.sweeps.packing import packs_of
from guidance.sweeps.trials import Resolver, trials_of
from guidance.tasks.base import find_task

OPTIONS = {
    "steps": 1,
    "size": 32,
    "crops": 1,
    "prompt": "a red heart",
    "progress_video": False,
}


def resident_mb(pid: int | str) -> float:
    """Resident memory of a process in megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process so far."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


class Clock:
    """Notes time, memory and CPU seconds of the worker after each answer."""

    def __init__(self, workers: LocalWorkers) -> None:
        self.workers = workers
        self.seen: list[tuple[int, float, float, float, float]] = []

    def update(self, done: int, failed: int) -> None:
        if not self.seen or done != self.seen[-1][0]:
            memory = sum(map(resident_mb, self.workers.pids()))
            cpu = sum(map(cpu_seconds, self.workers.pids()))
            self.seen.append((done, time.perf_counter(), resident_mb("self"), memory, cpu))

    def print(self, line: str) -> None:
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--pack", type=int, default=1)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as output:
        resolver = Resolver(find_task("text2image"), "text2image", OPTIONS)
        seeds = Rows(("seed",), tuple((seed,) for seed in range(words.trials)))
        packs = packs_of(trials_of(resolver, [seeds]), words.pack)
        header = {"schema_version": 1, "task": "text2image", "options": OPTIONS}
        folder = SweepFolder.create(Path(output), "tiny", header, packs)
        workers = LocalWorkers(1, folder.path / "workers", [])
        clock = Clock(workers)
        driver = Driver(folder, resolver, [], workers, retries=0, show=clock)
        try:
            outcome = driver.work(unfinished(folder, resolver, print))
        finally:
            workers.close()
        assert outcome.done == words.trials, outcome
    seen = clock.seen[1:]
    begins, second, fourth, ends = (
        seen[min(len(seen) - 1, len(seen) * k // 5)] for k in (1, 2, 4, 5)
    )
    first, last = ((b[4] - a[4]) / (b[0] - a[0]) for a, b in ((begins, second), (fourth, ends)))
    report(
        f"last / second fifth, CPU time of {words.trials} tiny trials in runs of {words.pack}",
        last / first,
        "times",
        1.1,
        more={
            "load": round(os.getloadavg()[0], 1),
            "cpu_seconds_per_trial": round(last, 4),
            "wall_per_trial": round((ends[1] - begins[1]) / (ends[0] - begins[0]), 4),
            "driver_mb_at_a_fifth": round(begins[2]),
            "driver_mb_at_the_end": round(ends[2]),
            "worker_mb_at_a_fifth": round(begins[3]),
            "worker_mb_at_the_end": round(ends[3]),
        },
    )


if __name__ == "__main__":
    main()
