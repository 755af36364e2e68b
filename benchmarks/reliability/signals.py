"""SIGINT and SIGTERM at any moment from the start of the process to its exit.

Half of the processes are new interpreters, whose start and exit take most of their time; the others
are forked and receive the signal in the loop or while results are written. Every fifth receives a
second signal. What is right:

* 130 before the first step; an interpreter that has not begun to run `guide` dies of the signal;
* 75 with a run folder, which resumes to the bits of the uninterrupted run;
* 0 with a DONE.json, the same as without the signal;
* 130 for a second signal, and the folder resumes to the same bits.
"""

from __future__ import annotations

import signal
import time
from functools import partial
from pathlib import Path

from benchmarks.reliability.harness.children import guide, start
from benchmarks.reliability.harness.outcome import Outcome, Trial
from benchmarks.reliability.harness.scene import Scene, difference, resumed, run_folder
from benchmarks.reliability.harness.warm import spread
from benchmarks.reliability.harness.words import RUN

FULL = 50
INTERRUPTED, AT_ONCE = 75, 130
#: Every fifth process gets a second signal, after this many seconds.
TWICE, PAUSE = 5, 0.03
#: An interpreter needs less than this time of a core before it runs our first line.
CPU_OF_START = 0.25
#: Of the new interpreters, every fourth gets its signal after DONE.json exists.
AT_EXIT = 4


def run(scene: Scene, count: int) -> Outcome:
    """Sends signals to that many processes."""
    draw = scene.draw("signals")
    scene.whole  # noqa: B018  (made once, before the workers)
    longest = {"new": _seconds_of_a_new_one(scene), "forked": scene.seconds}
    trials = []
    for number in range(count):
        kind = "new" if number % 2 else "forked"
        if kind == "new" and number % (2 * AT_EXIT) == 1:
            trials.append((number, "exit", draw.uniform(0, 0.3)))
        else:
            trials.append((number, kind, draw.uniform(0, longest[kind])))
    return Outcome.of(spread(partial(_interrupt, scene), trials))


def _interrupt(scene: Scene, trial: tuple[int, str, float]) -> Trial:
    number, kind, after = trial
    first, second = (signal.SIGINT, signal.SIGTERM)[:: 1 if number % 4 < 2 else -1]
    output = scene.fresh(f"signal-{number}")
    words = [*RUN, "--output", str(output)]
    child = guide(words) if kind == "forked" else start(words)
    if kind == "exit":
        while not list(output.glob("*/*/DONE.json")) and not child.poll():
            time.sleep(0.002)
    time.sleep(after)
    cpu, ready, ended_before = _cpu_seconds(child.pid), _catches(child.pid, first), child.poll()
    child.send(first)
    twice = number % TWICE == 0
    if twice:
        time.sleep(PAUSE)
        child.send(second)
    ended = child.wait()
    folder = run_folder(output)
    name = f"{first.name} to a {kind} process after {after:.2f} s"
    if ended_before:
        return Trial("ended before the signal", ended.complaint(0))
    if folder is None:
        if ended.code == -first and not ready and cpu < CPU_OF_START:
            return Trial("before guide began")
        wrong = ended.complaint(AT_ONCE)
        return Trial(f"before the run folder, exit {ended.code}", wrong and f"{name}: {wrong}")
    done, began = (folder / "DONE.json").exists(), (folder / "checkpoint.json").exists()
    moment = "after DONE.json" if done else "during the run"
    codes = [0] if done else [INTERRUPTED, *([] if began else [AT_ONCE])]
    # At once means at once: there is no line after the second signal.
    wrong = "" if twice and ended.code == AT_ONCE and not done else ended.complaint(*codes)
    wrong = wrong or _wrong_after(scene, folder, done)
    return Trial(f"{moment}, exit {ended.code}", wrong and f"{name}, {moment}: {wrong}")


def _wrong_after(scene: Scene, folder: Path, done: bool) -> str:
    """What is wrong with the interrupted run, or with what resuming it gives."""
    return difference(scene.whole, folder) if done else resumed(scene.whole, folder)


def _seconds_of_a_new_one(scene: Scene) -> float:
    """How long a new interpreter takes for the whole run."""
    return start([*RUN, "--output", str(scene.fresh("new"))]).wait().seconds


def _cpu_seconds(pid: int) -> float:
    """Time of a core that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100  # in ticks of USER_HZ, which is 100


def _catches(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False
