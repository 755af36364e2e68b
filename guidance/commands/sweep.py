"""`guide sweep`: many trials of a task: prompts x seeds x any option."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guidance.commands.run import find_task
from guidance.commands.sweep_progress import SweepProgress
from guidance.commands.sweep_request import (
    Running,
    Words,
    named_files,
    refuse_other_options,
    spec_of,
)
from guidance.errors import InputError, Interrupted
from guidance.models.catalogue import check_is_here
from guidance.streams import say, say_meanwhile
from guidance.sweeps.axes import combinations, number_of
from guidance.sweeps.driver import Driver, Outcome, log_folder, unfinished
from guidance.sweeps.estimate import earlier, free_bytes, sample_bytes, unknown
from guidance.sweeps.folder import SCHEMA_VERSION, SweepFolder
from guidance.sweeps.local import Backend, LocalWorkers, visible_gpus
from guidance.sweeps.packing import capacity_of, free_memory, packs_of
from guidance.sweeps.spec import CHOICES, Spec
from guidance.sweeps.trials import Resolver, trials_of
from guidance.tasks.base import Task

#: An option of every task that is off in sweeps: a video takes longer than many a trial.
VIDEO = "progress_video"
HELP = """\
usage: guide sweep TASK [axes] [options of the task]
       guide sweep FILE.yaml [options]
       guide sweep --resume FOLDER [the Python files of the task and its components]

Does a task many times: every combination of the values of all axes. Trials that differ only in
prompt or seed are packed into one run. Results are ordinary run folders in
outputs/sweeps/<time>-<name>/, without progress.mp4 unless --progress-video is given. A sweep that
was interrupted continues with --resume.

axes:
  --grid NAME=VALUES       e.g. seed=0..7 or mode=stylize,texture: each value with all others
  --list NAME=VALUE        one value, which may have commas; repeat it for more
  --zip NAME=VALUES        two or more of them: first values together, second values together, ...
  --random NAME=LOW..HIGH  random numbers, or of a list; "LOW..HIGH log" draws the logarithm evenly
  --trials N               how many random draws
  --random-seed N          seed of the draws (0)
  --prompts FILE           a prompt in each line; read line by line
choosing:
  --best-of N              N seeds for each combination; the judge chooses the best
  --halve                  stops the weaker half of the seeds, several times on the way
  --archive                also lists results that are good and different from each other
  --report-judge NAME      the second judge, which reports the scores of what the first has chosen
running:
  --workers N              processes on this machine (one for each GPU, or one for two cores)
  --pack N                 samples in a run at most (as many as memory allows); 1 packs nothing
  --retries N              how often a run is done again whose process died (1)
  --address ADDRESS        a Ray cluster: auto, local, or its address; needs the extra [sweep]
  --gpus-per-run X         GPUs of a run on the cluster (0)
  --dry-run                prints the number of trials and runs, the time and the disk
"""


@dataclass(frozen=True)
class Sweep:
    """A sweep that is ready: its folder is written, or only described."""

    cls: type[Task]
    files: list[tuple[str, str]]
    resolver: Resolver
    folder: SweepFolder
    trials: int


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    sorted_words = Words.sort(words)
    running = sorted_words.running()
    say_meanwhile("starting ...")
    if running.resume is not None:
        sweep = _reopened(running.resume, sorted_words)
        say(f"{sweep.folder.path}: {sweep.trials} trials")
        return _work(sweep, running)
    if sorted_words.target is None:
        raise InputError(
            "sweep: name a task or a file, e.g. guide sweep text2image --grid seed=0..3"
        )
    made = _new(sorted_words.target, sorted_words, running)
    return 0 if made is None else _work(made, running)


def _new(target: str, words: Words, running: Running) -> Sweep | None:
    """A new sweep with its folder; None after a dry run."""
    said: dict[str, Any] = {}
    if Path(target).suffix in (".yaml", ".yml"):
        said = Spec.read(Path(target).expanduser())
        where, title, target = target, Path(target).stem, said["task"]
    else:
        where, title = "sweep", ""
    cls = find_task(target)
    files = named_files(cls, target, words)
    spec = spec_of(cls, target, said, words, where)
    options, groups = spec.groups()
    if not any(VIDEO in group.names for group in groups):
        options.setdefault(VIDEO, False)
    title = title or "-".join([cls.task_name(), *(n for g in groups for n in g.names)])
    resolver = Resolver(cls, target, options)
    first = next(combinations(groups))
    resolver.trial(first, 1)
    task = resolver.task(first)
    total, workers = number_of(groups), _workers(running)
    capacity = spec.pack or 1
    if spec.pack is None and not spec.halve and {"prompt", "seed"} & {
        name for group in groups for name in group.names
    }:  # fmt: skip
        device = task.torch_device()
        capacity = capacity_of(sample_bytes(task), free_memory(device), workers, total)
    packs = packs_of(trials_of(resolver, groups), capacity)
    if running.dry_run:
        _print_dry_run(cls, task, packs, capacity, workers)
        return None
    for name in task.models:
        check_is_here(name)
    _check_judges(spec, task)
    header = {
        "schema_version": SCHEMA_VERSION,
        "task": target,
        "steps": task.steps,
        "options": _plain(options),
        "axes": spec.axes(groups),
        "pack": capacity,
        **{key: getattr(spec, key) for key in CHOICES if getattr(spec, key)},
    }
    counted = _Counted(packs)
    folder = SweepFolder.create(Path(task.output), title, header, counted)
    for note in resolver.notes:
        say(f"guide: {note}")
    say(f"{folder.path}: {counted.trials} trials in {counted.packs} runs")
    return Sweep(cls, files, resolver, folder, counted.trials)


def _check_judges(spec: Spec, task: Task) -> None:
    """Raises InputError where nothing can choose, or the second judge is not independent."""
    if not (spec.best_of or spec.halve or spec.archive):
        if spec.report_judge:
            raise InputError("sweep: --report-judge belongs to --best-of and --halve")
        return
    if not task.judge:
        raise InputError("sweep: --best-of, --halve and --archive need the judge; leave --judge on")
    if spec.report_judge:
        from guidance.evaluate.families import LossModel
        from guidance.models.judges import judge_for
        from guidance.sweeps.second_judge import name_of_second

        families = {LossModel.of(name).family for name in task.models}
        name_of_second(families, judge_for(families), spec.report_judge)


def _reopened(path: Path, words: Words) -> Sweep:
    """The sweep of a folder."""
    if words.target is not None:
        raise InputError("sweep --resume FOLDER: takes no task; the sweep has its own")
    if stray := words.of_the_sweep():
        raise InputError(f"sweep --resume: takes no --{stray}; the sweep has its own")
    folder = SweepFolder.open(path)
    target = str(folder.header.get("task"))
    if target.endswith(".py"):
        named = [word for word in words.options if word == target]
        if not named:
            raise InputError(
                f"{path}: is a sweep of {target}; name it: guide sweep --resume {path} {target}"
            )
    cls = find_task(target)
    refuse_other_options(cls, words)
    files = named_files(cls, target, words)
    options = dict(folder.header.get("options") or {})
    resolver = Resolver(cls, target, options, carried=not folder.is_own)
    trials = sum(1 for _ in folder.trials(resolver))
    return Sweep(cls, files, resolver, folder, trials)


def _work(sweep: Sweep, running: Running) -> int:
    """Does the trials that are not done, and what is chosen in the end."""
    backend = _backend(sweep, running)
    show = SweepProgress(sweep.trials)
    folder = sweep.folder
    driver = Driver(
        folder, sweep.resolver, sweep.files, backend, retries=running.retries, show=show
    )
    try:
        with folder.only_driver():
            if folder.header.get("halve"):
                from guidance.sweeps.halving import halve

                outcome = halve(driver, folder, sweep.resolver)
            else:
                outcome = driver.work(unfinished(folder, sweep.resolver, show.found_done))
    finally:
        backend.close()
        show.close()
    if outcome.interrupted:
        raise Interrupted(f"interrupted; continue with: guide sweep --resume {folder.path}")
    _choose(sweep)
    return _ended(folder, outcome)


def _choose(sweep: Sweep) -> None:
    header = sweep.folder.header
    if not any(header.get(key) for key in CHOICES):
        return
    from guidance.sweeps.leaderboard import write_leaderboard

    for line in write_leaderboard(sweep.folder, sweep.resolver):
        say(line)


def _ended(folder: SweepFolder, outcome: Outcome) -> int:
    print(folder.path)
    if not outcome.failed:
        return 0
    say(
        f"{len(outcome.failed)} trials failed; try them again with: "
        f"guide sweep --resume {folder.path}"
    )
    return InputError.exit_code


def _backend(sweep: Sweep, running: Running) -> Backend:
    if running.address is not None:
        from guidance.sweeps.ray_cluster import RayTasks

        return RayTasks(running.address, running.workers, running.gpus_per_run)
    gpus = visible_gpus()
    return LocalWorkers(_workers(running), log_folder(sweep.folder), gpus)


def _workers(running: Running) -> int:
    return running.workers or len(visible_gpus()) or max(1, (os.cpu_count() or 1) // 2)


def _print_dry_run(
    cls: type[Task], task: Task, packs: Iterator[list[Any]], capacity: int, workers: int
) -> None:
    counted = _Counted(packs)
    for _ in counted:
        pass
    output = Path(task.output)
    print(
        f"{cls.task_name()}: {counted.trials} trials in {counted.packs} runs of at most "
        f"{capacity} samples"
    )
    usage = earlier(output, cls.task_name(), task.steps)
    free = free_bytes(output)
    lines = usage.lines(counted.trials, workers, free) if usage else unknown(cls, output)
    print("\n".join(lines))


class _Counted:
    """Counts the runs and trials that pass."""

    def __init__(self, packs: Iterator[list[Any]]) -> None:
        self._packs, self.packs, self.trials = packs, 0, 0

    def __iter__(self) -> Iterator[list[Any]]:
        for pack in self._packs:
            self.packs += 1
            self.trials += len(pack)
            yield pack


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    """Options as YAML holds them."""
    return {key: str(v) if isinstance(v, Path) else v for key, v in options.items()}
