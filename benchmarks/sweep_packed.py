"""n trials packed into one run, against n runs of their own, with the mini model.

    python benchmarks/sweep_packed.py [--samples 32] [--steps 40]

Trials are seeds of one prompt, text2image at 64 pixels with 2 crops. The packed run is one of a
warm worker. The runs of their own are `guide run` commands, of which a few are timed and
multiplied; and the same runs by a warm worker. Runs of their own write progress.mp4, as `guide run`
does; the packed run does not, as in `guide sweep`. Times are CPU seconds (user and system) of one
thread, so that they hold on a busy machine; the load is reported beside them. Also reported: what a
packed trial costs beyond the loop (judge, records, images), by the phases of `--profile`; how far
the images differ; and the growth of the peak memory per sample beside its estimate.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import report

from guidance.commands.memory import keep_freed_memory
from guidance.media.read_image import load_image
from guidance.phases import measured_phases, seconds_by_phase
from guidance.sweeps.axes import Rows
from guidance.sweeps.estimate import sample_bytes
from guidance.sweeps.packing import packs_of
from guidance.sweeps.trials import Resolver, Trial, trials_of
from guidance.sweeps.worker import perform, start_warm
from guidance.tasks.base import find_task

#: Phases of a run that belong to its optimization.
OF_THE_LOOP = ("loop", "generator", "losses", "optimizer", "validation", "total")
COMMANDS = 3


def do(resolver: Resolver, root: str, pack: list[Trial]) -> float:
    """CPU seconds of one run."""
    start = time.process_time()
    job = {"root": root, "folder": pack[0].folder, "task": resolver.name}
    said = perform({**job, "config": resolver.mapping(pack)})
    assert said["status"] == "done", said
    return time.process_time() - start


def commands(options: dict[str, object], output: str) -> float:
    """Mean CPU seconds of a `guide run` with these options."""
    words = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for seed in range(COMMANDS):
        command = [sys.executable, "-m", "guidance.cli", "run", "text2image", *words]
        command += [f"--seed={seed}", f"--output={output}"]
        subprocess.run(command, check=True, capture_output=True, env=surroundings)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took / COMMANDS


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--steps", type=int, default=40)
    words = parser.parse_args()
    n = words.samples
    options = {"steps": words.steps, "size": 64, "crops": 2, "prompt": "a red heart"}
    keep_freed_memory()
    start_warm(1)
    resolver = Resolver(find_task("text2image"), "text2image", options)
    groups = [Rows(("seed",), tuple((seed,) for seed in range(n)))]
    with tempfile.TemporaryDirectory() as root:
        singles = list(packs_of(trials_of(resolver, groups), 1))
        without = Resolver(resolver.cls, resolver.name, {**options, "progress_video": False})
        (packed,) = packs_of(trials_of(without, groups), n)
        packed = [trial.at(f"packed/{trial.folder}", trial.sample) for trial in packed]
        do(resolver, root, [singles[0][0].at("warm", None)])
        before = peak_mb()
        apart = sum(do(resolver, root, pack) for pack in singles)
        between = peak_mb()
        start = time.perf_counter()
        with measured_phases(time.process_time):
            together = do(without, root, packed)
            phases = dict(seconds_by_phase())
        wall = time.perf_counter() - start
        after = peak_mb()
        beyond = sum(value for name, value in phases.items() if name not in OF_THE_LOOP)
        largest = 0.0
        for single, trial in zip(singles, packed, strict=True):
            a = load_image(Path(root) / single[0].folder / "image.png")
            folder = Path(root) / trial.folder / "samples" / f"{trial.sample:03d}"
            largest = max(largest, float((a - load_image(folder / "image.png")).abs().max()))
        each = commands(options, root)
    report(
        f"{n} `guide run` commands / one packed run of {n} samples, {words.steps} steps",
        each * n / together,
        "times as fast",
        4.0,
        lower_is_better=False,
        more={
            "against_runs_in_a_warm_worker": round(apart / together, 2),
            "load": round(os.getloadavg()[0], 1),
            "cpu_seconds_packed": round(together, 2),
            "wall_seconds_packed": round(wall, 2),
            "cpu_seconds_apart_in_a_warm_worker": round(apart, 2),
            "cpu_seconds_of_one_command": round(each, 2),
            "cpu_ms_per_packed_trial_beyond_the_loop": round(1e3 * beyond / n, 1),
            "largest_difference_of_a_pixel": round(largest, 4),
            "peak_mb_per_sample": round((after - between) / n, 2),
            "estimated_mb_per_sample": round(
                sample_bytes(resolver.task(singles[0][0].values)) / 2**20, 2
            ),
            "peak_mb_of_one": round(before),
            **{f"cpu_seconds_{name}": round(value, 2) for name, value in phases.items()},
        },
    )


if __name__ == "__main__":
    main()
