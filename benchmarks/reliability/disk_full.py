"""A disk that is full at any byte: exit 5 with one line, and the last checkpoint stays valid.

Where the system lets us mount one, the disk is a tmpfs of a random size, which is enlarged before
the run is resumed. Elsewhere, and for every third run, no file may grow beyond a random size
(RLIMIT_FSIZE), which is how a quota ends a write.
"""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.reliability.harness.children import guide
from benchmarks.reliability.harness.outcome import Outcome, Trial
from benchmarks.reliability.harness.scene import Scene, resumed, run_folder
from benchmarks.reliability.harness.warm import spread
from benchmarks.reliability.harness.words import RUN

FULL = 50
FULL_DISK, PAGE = 5, 4096
ENOUGH = "64m"


def run(scene: Scene, count: int) -> Outcome:
    """Fills the disk at that many places."""
    sizes = [path.stat().st_size for path in scene.whole.rglob("*") if path.is_file()]
    pages, largest = sum(-(-size // PAGE) for size in sizes), max(sizes)
    draw, mounts = scene.draw("disk"), _can_mount(scene)
    trials = []
    for number in range(count):
        quota = not mounts or number % 3 == 2
        trials.append((number, quota, draw.randrange(largest if quota else pages) + 1))
    return Outcome.of(spread(partial(_fill, scene), trials), mounts=mounts)


def _fill(scene: Scene, trial: tuple[int, bool, int]) -> Trial:
    number, quota, size = trial
    output = scene.fresh(f"disk-{number}")
    words = [*RUN, "--output", str(output)]
    if quota:
        return _judged(scene, output, f"{size} bytes", partial(_limit, size), words)
    try:
        while not (shrunk := _mount(output, f"{size * PAGE}")).returncode:
            trial_ = _judged(scene, output, f"{size} pages", lambda: None, words)
            if trial_.result != "enough":
                return trial_
            subprocess.run(["umount", str(output)], check=True)
            size = max(1, size * 3 // 4)
        return Trial("not mounted", f"mount: {shrunk.stderr.decode()}")
    finally:
        subprocess.run(["umount", "--lazy", str(output)], check=False, capture_output=True)


def _judged(
    scene: Scene, output: Path, name: str, prepare: Callable[[], object], words: list[str]
) -> Trial:
    ended = guide(words, prepare).wait()
    if ended.code == 0 and not ended.complaint(0):
        return Trial("enough")
    folder = run_folder(output)
    wrong = ended.complaint(FULL_DISK)
    if folder is None:
        return Trial("full before the run folder", wrong and f"disk of {name}: {wrong}")
    words = ["mount", "-o", f"remount,size={ENOUGH}", str(output)]
    subprocess.run(words, capture_output=True, check=False)  # there is none to enlarge for a quota
    had = "with" if (folder / "checkpoint.json").exists() else "without"
    wrong = wrong or resumed(scene.whole, folder)
    return Trial(f"full {had} a checkpoint", wrong and f"disk of {name}: {wrong}")


def _limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _mount(place: Path, size: str) -> subprocess.CompletedProcess[bytes]:
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "reliability", str(place)]
    return subprocess.run(words, capture_output=True, check=False)


def _can_mount(scene: Scene) -> bool:
    place = scene.fresh("mount")
    try:
        able = _mount(place, ENOUGH).returncode == 0
    except FileNotFoundError:
        return False
    if able:
        subprocess.run(["umount", str(place)], check=True)
    return able
