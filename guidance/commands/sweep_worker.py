"""The program of a worker process of `guide sweep`: jobs on standard input, answers on standard
output, one JSON value a line.

It ends as soon as its driver does, since standard input then ends.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading

from guidance.commands.memory import keep_freed_memory
from guidance.sweeps.worker import perform, start_warm


def main() -> None:
    """Answers jobs until standard input ends."""
    jobs: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints goes to the log
    keep_freed_memory()
    start_warm(int(os.environ["OMP_NUM_THREADS"]))
    while True:
        said = perform(json.loads(jobs.get()))
        answers.write(json.dumps(said) + "\n")
        answers.flush()


def _listen(jobs: queue.Queue[str]) -> None:
    """Passes jobs on, and ends the process with the driver. Files are complete at any time."""
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
