"""Every trial is done once, whatever fails; a packed run gives the results of separate ones."""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from guidance.commands.sweep import run
from guidance.errors import InputError
from guidance.media.read_image import load_image
from guidance.sweeps.axes import Rows, grid, in_order
from guidance.sweeps.driver import Driver, unfinished
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.local import LocalWorkers
from guidance.sweeps.trials import Resolver
from tests.sweeps.in_process import DOT, InProcess, Silent, do, new_sweep, resolver_of

GREYS = ["a", "bb", "ccc"]


def pictures(folder: SweepFolder, resolver: Resolver) -> dict[str, str]:
    """The hash of the image of each trial."""
    found = {}
    for trial in folder.trials(resolver):
        place = folder.path / trial.folder
        place = place if trial.sample is None else place / "samples" / f"{trial.sample:03d}"
        found[trial.id] = hashlib.sha256(load_image(place / "image.png").numpy()).hexdigest()
    return found


def test_packed_results_are_those_of_separate_runs(tmp_path: Path) -> None:
    """The task has no encoder, so that they agree to the last bit."""
    resolver = resolver_of({"steps": 6, "progress_video": False})
    groups = in_order(grid({"prompt": GREYS, "seed": "0..1"}))
    found = []
    for name, capacity in (("apart", 1), ("packed", 6)):
        folder = new_sweep(tmp_path / name, resolver, list(groups), capacity)
        backend = InProcess()
        outcome, _ = do(folder, resolver, backend)
        assert (outcome.done, outcome.failed) == (6, [])
        assert len(backend.begun) == 6 // capacity
        found.append(pictures(folder, resolver))
    assert found[0] == found[1]
    assert len(set(found[0].values())) > 3


def test_a_poisoned_trial_fails_alone(tmp_path: Path) -> None:
    """Its run is split; the others are done, and a later start tries only what is missing."""
    resolver = resolver_of({"prompt": "a", "steps": 30, "progress_video": False})
    rows = Rows(("broken_after", "seed"), ((10**9, 0), (3, 1), (10**9, 1)))
    folder = new_sweep(tmp_path, resolver, [rows], 1)
    backend = InProcess()
    outcome, show = do(folder, resolver, backend)
    assert outcome.done == 2
    ((trial, said),) = outcome.failed
    assert trial.values["broken_after"] == 3 and "non-finite" in said
    assert any("broken_after=3" in line for line in show.lines)
    again = InProcess()
    outcome, _ = do(SweepFolder.open(folder.path), resolver, again)
    assert again.begun == [trial.folder] and len(outcome.failed) == 1


def test_a_run_that_dies_is_repeated_and_then_split(tmp_path: Path) -> None:
    resolver = resolver_of({"steps": 3})
    folder = new_sweep(tmp_path, resolver, in_order(grid({"prompt": GREYS})), 3)
    place = next(folder.trials(resolver)).folder
    backend = InProcess({place: 2, f"{place}-part-001": 9})
    outcome, _ = do(folder, resolver, backend, retries=1)
    parts = [f"{place}-part-{i:03d}" for i in range(3)]
    assert backend.begun.count(place) == 2  # once, and one retry
    assert [backend.begun.count(part) for part in parts] == [1, 2, 1]
    assert outcome.done == 2 and [trial.prompt for trial, _ in outcome.failed] == ["bb"]
    lines = [json.loads(line) for line in (folder.path / "trials.jsonl").open()]
    assert [line["folder"] for line in lines] == parts
    assert all("sample" not in line for line in lines)
    assert not (folder.path / "splits.jsonl").exists()


def test_done_json_is_the_truth(tmp_path: Path) -> None:
    """A worker that dies after its run has finished has done it."""
    resolver = resolver_of({"prompt": "a", "steps": 2})
    folder = new_sweep(tmp_path, resolver, grid({"seed": [0]}), 1)
    place = next(folder.trials(resolver)).folder

    class DiesAfterwards(InProcess):
        def wait(self, seconds: float) -> list[dict[str, object]]:
            return [{**said, "status": "crashed", "error": "died", "exit_code": -9}
                    for said in super().wait(seconds)]  # fmt: skip

    backend = DiesAfterwards()
    outcome, _ = do(folder, resolver, backend)
    assert (outcome.done, backend.begun) == (1, [place])


def test_a_second_driver_is_refused(tmp_path: Path) -> None:
    folder = new_sweep(tmp_path, resolver_of({"prompt": "a"}), grid({"seed": [0]}), 1)
    with folder.only_driver(), pytest.raises(InputError, match="another process writes"):
        run(["--resume", str(folder.path), DOT])
    assert not (folder.path / "runs").exists()


def test_an_interrupted_driver_starts_nothing_more(tmp_path: Path) -> None:
    resolver = resolver_of({"prompt": "a", "steps": 2})
    folder = new_sweep(tmp_path, resolver, grid({"seed": [0, 1]}), 1)

    class Interrupted(InProcess):
        asked = 0

        def submit(self, job: Mapping[str, Any]) -> None:
            self.begun.append(job["folder"])
            signal.raise_signal(signal.SIGINT)
            self._answers.append({"folder": job["folder"], "status": "interrupted"})

        def interrupt(self) -> None:
            self.asked += 1

    backend = Interrupted()
    outcome, _ = do(folder, resolver, backend)
    assert (outcome.interrupted, outcome.done, len(backend.begun)) == (True, 0, 1)
    assert backend.asked == 1


@pytest.mark.slow
def test_killed_workers_and_drivers_lose_nothing(tmp_path: Path) -> None:
    """A worker is killed, then the driver; another driver does what is missing.

    The driver is a copy of this process, which has imported everything; its worker is a new one.
    """
    resolver = resolver_of({"steps": 200, "progress_video": False})
    axes = grid({"prompt": [*GREYS, "d"]})
    folder = new_sweep(tmp_path / "killed", resolver, axes, 1)
    first = multiprocessing.get_context("fork").Process(target=_drive, args=(folder, resolver))
    first.start()
    done = functools.partial(folder.path.glob, "runs/*/*/DONE.json")
    wait_for(lambda: len(list(done())) >= 1, first)
    (worker,) = (
        int(pid) for pid in os.listdir("/proc") if pid.isdigit() and _parent(int(pid)) == first.pid
    )
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: len(list(done())) >= 2, first)
    first.kill()
    first.join(60)
    do(folder, resolver, InProcess())  # waits for the worker, if that has not ended yet
    journal = [line["folder"] for line in folder.journal() if line["status"] == "done"]
    assert len(journal) == len(set(journal)) <= 4  # the last line of a killed driver may be missing
    serial = new_sweep(tmp_path / "serial", resolver, axes, 1)
    do(serial, resolver, InProcess())
    assert pictures(folder, resolver) == pictures(serial, resolver)


def _drive(folder: SweepFolder, resolver: Resolver) -> None:
    workers = LocalWorkers(1, folder.path / "workers", [])
    driver = Driver(folder, resolver, [("tasks", DOT)], workers, retries=3, show=Silent())
    driver.work(unfinished(folder, resolver, lambda count: None))


def wait_for(found: Callable[[], bool], process: BaseProcess) -> None:
    end = time.monotonic() + 60
    while not found():
        assert process.is_alive() and time.monotonic() < end
        time.sleep(0.02)


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None
