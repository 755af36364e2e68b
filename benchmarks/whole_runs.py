"""Seconds of whole default runs of the command line: to the first step, and to the end.

    python benchmarks/whole_runs.py [--repeats 3]

Each is a process of its own, `guide run TASK --prompt "a red apple"`, with the embedded models and
the judge; the median counts. The last is a first run of text2mesh after the installation, whose
kernels are compiled while it runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from measure import report

#: Seconds to the end on two cores with bfloat16.
BARS = {"text2image": 8.0, "text2mesh": 11.0}
FIRST_STEP, FIRST_RUN = 2.5, 14.0


def seconds(task: str, folder: str, **environment: str) -> tuple[float, float]:
    """Seconds of a run to its first step, and to its end."""
    words = [sys.executable, "-m", "guidance", "run", task, "--prompt", "a red apple"]
    start = time.perf_counter()
    first = 0.0
    with subprocess.Popen(
        [*words, "--output", folder],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("step ") and not first:
                first = time.perf_counter() - start
    assert run.returncode == 0, task
    return first, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for task, bar in BARS.items():
            seconds(task, folder)  # reads files into memory, and compiles kernels
            found = [seconds(task, folder) for _ in range(arguments.repeats)]
            first, end = (statistics.median(times) for times in zip(*found, strict=True))
            report(f"first step of a default {task} run", first, "seconds", FIRST_STEP)
            report(f"a default {task} run", end, "seconds", bar)
        fresh = seconds("text2mesh", folder, XDG_CACHE_HOME=f"{folder}/cache")[1]
        report("the first text2mesh run of an installation", fresh, "seconds", FIRST_RUN)


if __name__ == "__main__":
    main()
