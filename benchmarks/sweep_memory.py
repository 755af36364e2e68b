"""Whether memory and time of a worker stay flat over many runs without a model.

    python benchmarks/sweep_memory.py [--trials 1000]

Runs of the smallest task of the tests, two steps each, in this process, by what a worker does for
each. Reported: resident memory at the end relative to that after a fifth of the runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time

from measure import report
from sweep_overhead import resident_mb

from guidance.commands.memory import keep_freed_memory
from guidance.sweeps.trials import Resolver
from guidance.sweeps.worker import perform, start_warm
from guidance.tasks.base import find_task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    words = parser.parse_args()
    keep_freed_memory()
    start_warm(1)
    task = "tests/runs/dot.py"
    resolver = Resolver(find_task(task), task, {"prompt": "a", "steps": 2})
    memory, seconds = [], []
    with tempfile.TemporaryDirectory() as root:
        for seed in range(words.trials):
            trial = resolver.trial({"seed": seed}, seed).at(f"{seed:06d}", None)
            job = {"root": root, "folder": trial.folder, "task": task}
            start = time.process_time()
            said = perform({**job, "config": resolver.mapping([trial])})
            seconds.append(time.process_time() - start)
            assert said["status"] == "done", said
            memory.append(resident_mb("self"))
    fifth = words.trials // 5
    report(
        f"memory after {words.trials} runs / after {fifth}",
        memory[-1] / memory[fifth],
        "times",
        1.02,
        more={
            "mb_after_a_fifth": round(memory[fifth], 1),
            "mb_at_the_end": round(memory[-1], 1),
            "cpu_ms_per_run_second_fifth": round(
                1e3 * sorted(seconds[fifth : 2 * fifth])[fifth // 2], 1
            ),
            "cpu_ms_per_run_last_fifth": round(1e3 * sorted(seconds[-fifth:])[fifth // 2], 1),
        },
    )


if __name__ == "__main__":
    main()
