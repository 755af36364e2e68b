"""`guide sweep`: many trials of a task: prompts x seeds x any option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from guidance.commands.sweep_request import Words, load_named, refuse_other_options, spec_of
from guidance.errors import InputError
from guidance.streams import say, say_meanwhile
from guidance.sweeps.estimate import earlier, free_bytes, unknown
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.plan import SweepPlan
from guidance.sweeps.ready import ReadySweep, Running
from guidance.sweeps.spec import Spec
from guidance.sweeps.trials import Resolver
from guidance.tasks.base import Task, find_task

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


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    sorted_words = Words.sort(words)
    running = sorted_words.running()
    say_meanwhile("starting ...")
    if "resume" in sorted_words.own:
        sweep = _reopened(Path(sorted_words.own["resume"]), sorted_words)
        say(f"{sweep.folder.path}: {sweep.trials} trials")
        return _work(sweep, running)
    if sorted_words.target is None:
        raise InputError(
            "sweep: name a task or a file, e.g. guide sweep text2image --grid seed=0..3"
        )
    made = _new(sorted_words.target, sorted_words, running)
    return 0 if made is None else _work(made, running)


def _new(target: str, words: Words, running: Running) -> ReadySweep | None:
    """A new sweep with its folder; None after a dry run."""
    said: dict[str, Any] = {}
    if Path(target).suffix in (".yaml", ".yml"):
        said = Spec.read(Path(target).expanduser())
        where, title, target = target, Path(target).stem, said["task"]
    else:
        where, title = "sweep", ""
    cls = find_task(target)
    files = load_named(cls, target, words)
    spec = spec_of(cls, target, said, words, where)
    plan = SweepPlan.of(cls, spec, running.count)
    if words.own.get("dry_run"):
        _print_dry_run(cls, plan, running.count)
        return None
    folder = plan.write(title)
    for line in plan.lines(folder):
        say(line)
    return ReadySweep(folder, plan.resolver, files, plan.trials)


def _reopened(path: Path, words: Words) -> ReadySweep:
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
    files = load_named(cls, target, words)
    options = dict(folder.header.get("options") or {})
    resolver = Resolver(cls, target, options, carried=not folder.is_own)
    trials = sum(1 for _ in folder.trials(resolver))
    return ReadySweep(folder, resolver, files, trials)


def _work(sweep: ReadySweep, running: Running) -> int:
    """Does the trials that are not done; prints the folder."""
    outcome = sweep.work(running)
    path = sweep.folder.path
    print(path)
    if not outcome.failed:
        return 0
    say(f"{len(outcome.failed)} trials failed; try them again with: guide sweep --resume {path}")
    return InputError.exit_code


def _print_dry_run(cls: type[Task], plan: SweepPlan, workers: int) -> None:
    for _ in plan.packs():
        pass
    output = Path(plan.task.output)
    print(
        f"{cls.task_name()}: {plan.trials} trials in {plan.runs} runs of at most "
        f"{plan.capacity} samples"
    )
    usage = earlier(output, cls.task_name(), plan.task.steps)
    free = free_bytes(output)
    lines = usage.lines(plan.trials, workers, free) if usage else unknown(cls, output)
    print("\n".join(lines))
