"""Runs as Ray tasks, on this machine or on a cluster that shares the folder of the sweep.

Ray places the tasks and says when a worker has died. What is done is decided by DONE.json alone,
and the lock of each run folder prevents two tasks from doing the same run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from guidance.errors import InputError
from guidance.streams import say
from guidance.sweeps.worker import perform, start_warm

#: Jobs that wait on the cluster for each that runs, so that no node waits for the driver.
AHEAD = 2


class RayTasks:
    """Tasks of Ray Core, one for each run.

    Args:
        address: "auto" or the address of a cluster; "local" starts Ray on this machine.
        workers: runs at one time; by default as many as the cluster has CPUs, or GPUs.
        gpus: for each run.

    Raises:
        InputError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, address: str, workers: int | None, gpus: float) -> None:
        try:
            import ray
        except ImportError:
            raise InputError(
                'sweep --address: needs Ray; install it: pip install "guidance-by-gradient[sweep]"'
            ) from None
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            where: dict[str, Any] = {"address": address}
            if address == "local":
                where |= {"num_cpus": workers, "dashboard_host": "127.0.0.1"}
            try:
                ray.init(**where, log_to_driver=False, configure_logging=False)
            except (ConnectionError, ValueError, RuntimeError) as error:
                said = str(error).splitlines()[0]
                raise InputError(f"sweep --address {address}: no such cluster: {said}") from None
        resources = ray.cluster_resources()
        if resources.get("GPU", 0) < gpus:
            say(f"note: the cluster has no node with {gpus:g} GPUs now; runs wait for one")
        usual = resources.get("GPU", 0) / gpus if gpus else resources.get("CPU", 1)
        self._count = max(1, workers or int(usual)) * AHEAD
        # A task that dies is done again by the driver, which also knows when to give up.
        self._remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(_perform)
        self._jobs: dict[Any, Mapping[str, Any]] = {}
        self._interrupted = False

    @property
    def free(self) -> bool:
        return len(self._jobs) < self._count

    def submit(self, job: Mapping[str, Any]) -> None:
        self._jobs[self._remote.remote(dict(job))] = job

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        if not self._jobs:
            return []
        references = list(self._jobs)
        ready, _ = self._ray.wait(references, num_returns=1, timeout=seconds)
        if ready:  # and whatever else has arrived
            ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        return [self._answer(reference) for reference in ready]

    def interrupt(self) -> None:
        self._interrupted = True
        for reference in self._jobs:
            self._ray.cancel(reference)

    def close(self) -> None:
        for reference in self._jobs:
            self._ray.cancel(reference, force=True)
        if self._started:
            self._ray.shutdown()

    def _answer(self, reference: Any) -> dict[str, Any]:
        job = self._jobs.pop(reference)
        try:
            answer: dict[str, Any] = self._ray.get(reference)
            return answer
        except self._ray.exceptions.RayError as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            return {
                "folder": job["folder"],
                "status": "interrupted" if self._interrupted else "crashed",
                "error": f"its Ray task died: {said[-1]:.200}",
                "exit_code": 1,
                "seconds": 0.0,
            }


def _perform(job: Mapping[str, Any]) -> dict[str, Any]:
    """The task: Ray's processes serve many tasks, so models stay loaded."""
    start_warm(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return perform(job)
