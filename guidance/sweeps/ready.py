"""A sweep with its folder, and where its runs are done."""

from __future__ import annotations

import os
from dataclasses import dataclass

from guidance.errors import Interrupted
from guidance.streams import say
from guidance.sweeps.driver import Driver, Outcome, log_folder, unfinished
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.local import Backend, LocalWorkers, visible_gpus
from guidance.sweeps.progress import SweepProgress
from guidance.sweeps.spec import CHOICES
from guidance.sweeps.trials import Resolver


@dataclass(frozen=True)
class Running:
    """How the trials are done; it changes no result.

    Attributes:
        workers: processes on this machine, or tasks of Ray at one time; by default one for each
            GPU, or one for every two cores.
        retries: how often a run is done again whose process died.
        address: of a Ray cluster.
        gpus_per_run: on the cluster.
    """

    workers: int | None = None
    retries: int = 1
    address: str | None = None
    gpus_per_run: float = 0.0

    @property
    def count(self) -> int:
        """The number of worker processes on this machine."""
        return self.workers or len(visible_gpus()) or max(1, (os.cpu_count() or 1) // 2)

    def backend(self, folder: SweepFolder) -> Backend:
        """Where runs are done. Raises InputError if there is no such cluster."""
        if self.address is not None:
            from guidance.sweeps.ray_cluster import RayTasks

            return RayTasks(self.address, self.workers, self.gpus_per_run)
        return LocalWorkers(self.count, log_folder(folder), visible_gpus())


@dataclass(frozen=True)
class ReadySweep:
    """A sweep whose folder is written.

    Attributes:
        files: Python files that the user named: folder of the kind, and path.
    """

    folder: SweepFolder
    resolver: Resolver
    files: list[tuple[str, str]]
    trials: int

    def work(self, running: Running) -> Outcome:
        """Does the trials that are not done, and chooses the best if the sweep says so.

        Raises:
            InputError: another process works on the sweep, or there is no such cluster.
            Interrupted: by a signal; runs have written checkpoints.
            OutOfResources: the disk is full.
        """
        folder, resolver = self.folder, self.resolver
        backend = running.backend(folder)
        show = SweepProgress(self.trials)
        driver = Driver(folder, resolver, self.files, backend, retries=running.retries, show=show)
        try:
            with folder.only_driver():
                if folder.header.get("halve"):
                    from guidance.sweeps.halving import halve

                    outcome = halve(driver, folder, resolver)
                else:
                    outcome = driver.work(unfinished(folder, resolver, show.found_done))
        finally:
            backend.close()
            show.close()
        if outcome.interrupted:
            raise Interrupted(f"interrupted; continue with: guide sweep --resume {folder.path}")
        if any(folder.header.get(key) for key in CHOICES):
            from guidance.sweeps.leaderboard import is_complete, write_leaderboard

            if outcome.done or not is_complete(folder):
                for line in write_leaderboard(folder, resolver):
                    say(line)
        return outcome
