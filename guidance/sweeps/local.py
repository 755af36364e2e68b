"""Worker processes on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from guidance.runs.atomic import os_errors

PROGRAM = "guidance.commands.sweep_worker"
#: The log of a worker starts again at this size.
LOG_BYTES = 2**20


@runtime_checkable
class Backend(Protocol):
    """Where the runs of a sweep are done."""

    @property
    def free(self) -> bool:
        """Whether another job would begin at once."""

    def submit(self, job: Mapping[str, Any]) -> None:
        """Begins a job; see `guidance.sweeps.worker.perform`."""

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        """The answers that arrive within some time: those of `perform`, or the status "crashed"."""

    def interrupt(self) -> None:
        """Lets the current jobs write a checkpoint and end."""

    def close(self) -> None:
        """Ends what is still working."""


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    log: Path
    job: Mapping[str, Any] | None = None
    buffer: bytes = b""


class LocalWorkers:
    """Processes of this machine, started when they are needed.

    Each one has its share of the threads, and one of the GPUs in turn.

    Args:
        count: the number of processes.
        logs: the folder for what they print.
        gpus: the devices that are dealt out, as CUDA_VISIBLE_DEVICES names them.
    """

    def __init__(self, count: int, logs: Path, gpus: list[str]) -> None:
        self.count, self.logs, self.gpus = count, logs, gpus
        self._workers: dict[int, _Worker] = {}
        self._selector = selectors.DefaultSelector()
        self._interrupted = False

    @property
    def free(self) -> bool:
        busy = sum(worker.job is not None for worker in self._workers.values())
        return busy < self.count

    def submit(self, job: Mapping[str, Any]) -> None:
        worker = self._idle()
        worker.job = job
        assert worker.process.stdin is not None
        try:
            worker.process.stdin.write(json.dumps(job).encode() + b"\n")
            worker.process.stdin.flush()
        except BrokenPipeError:
            return  # it has died: `wait` says so

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for key, _ in self._selector.select(seconds):
            found += self._read(key.data)
        return found

    def interrupt(self) -> None:
        self._interrupted = True
        for worker in self._workers.values():
            worker.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        for worker in self._workers.values():
            assert worker.process.stdin is not None
            worker.process.kill()
            worker.process.wait()
            for stream in (worker.process.stdin, worker.process.stdout):
                assert stream is not None
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        self._workers.clear()
        self._selector.close()

    def pids(self) -> list[int]:
        """The processes, for tests of what happens when they are killed."""
        return [worker.process.pid for worker in self._workers.values()]

    def _idle(self) -> _Worker:
        for slot in range(self.count):
            worker = self._workers.get(slot)
            if worker is not None and worker.job is not None:
                continue
            if worker is not None and worker.process.poll() is not None:
                self._forget(slot)
                worker = None
            return worker or self._start(slot)
        raise AssertionError("no worker is free")

    def _start(self, slot: int) -> _Worker:
        with os_errors(self.logs):
            self.logs.mkdir(exist_ok=True)
        log = self.logs / f"{slot}.log"
        threads = max(1, (os.cpu_count() or 1) // self.count)
        with contextlib.suppress(KeyError, ValueError):
            threads = max(1, min(threads, int(os.environ["OMP_NUM_THREADS"])))
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        surroundings = {**os.environ, **dict.fromkeys(names, str(threads))}
        if self.gpus:
            surroundings["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        mode = "ab" if log.is_file() and log.stat().st_size < LOG_BYTES else "wb"
        with os_errors(log), log.open(mode) as file:
            process = subprocess.Popen(
                [sys.executable, "-m", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=surroundings,
                start_new_session=True,  # Ctrl-C reaches the driver, which passes it on
            )
        worker = self._workers[slot] = _Worker(process, log)
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ, slot)
        return worker

    def _read(self, slot: int) -> list[dict[str, Any]]:
        worker = self._workers[slot]
        assert worker.process.stdout is not None
        content = worker.process.stdout.read()
        if content is None:  # nothing has arrived
            return []
        worker.buffer += content
        *lines, worker.buffer = worker.buffer.split(b"\n")
        found = [json.loads(line) for line in lines]
        if found:
            worker.job = None
        if not content:  # the process has ended
            job = worker.job
            code = worker.process.wait()
            self._forget(slot)
            if job is not None:
                found.append(_crash(job, code, worker.log, self._interrupted))
        return found

    def _forget(self, slot: int) -> None:
        worker = self._workers.pop(slot)
        assert worker.process.stdout is not None
        self._selector.unregister(worker.process.stdout)
        worker.process.stdout.close()


def _crash(job: Mapping[str, Any], code: int, log: Path, interrupted: bool) -> dict[str, Any]:
    """The answer of a worker that died."""
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return {
        "folder": job["folder"],
        "status": "interrupted" if interrupted else "crashed",
        "error": f"the worker {how}; see {log}",
        "exit_code": code,
        "seconds": 0.0,
    }


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, without asking their driver to start on them."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [name.strip() for name in said.split(",") if name.strip()]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]
