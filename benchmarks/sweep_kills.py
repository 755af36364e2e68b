"""A sweep whose workers and drivers are killed at random moments, against a serial one.

    python benchmarks/sweep_kills.py [--backend local|ray] [--trials 200] [--kills 20] [--drivers 2]

Tiny trials of text2image with the mini model, three workers: processes, or tasks of a Ray cluster
of three nodes on this machine, which the benchmark starts. Workers are killed with SIGKILL at
random moments, and so is the driver, which is then started again with `--resume`. Reported: the
share of the trials that were done exactly once, with the images of the serial run to the last bit.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from measure import report

OPTIONS = [
    "--prompt=a red heart",
    "--steps=6",
    "--size=32",
    "--crops=1",
    "--pack=1",
    "--device=cpu",
]
LONGEST = 1500.0  # seconds


def sweep(*words: str) -> subprocess.Popen[bytes]:
    """A `guide sweep` that computes with one thread."""
    return subprocess.Popen(
        [sys.executable, "-m", "guidance", "sweep", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def workers_of(driver: int, backend: str) -> list[int]:
    """The processes that do runs: children of the driver, or tasks of Ray at work."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):
            path = Path("/proc") / entry
            words = path.joinpath("cmdline").read_bytes().decode(errors="replace")
            parent = int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            is_local = parent == driver and "sweep_worker" in words
            if is_local if backend == "local" else words.startswith("ray::_perform"):
                found.append(int(entry))
    return found


@contextlib.contextmanager
def cluster(backend: str) -> Iterator[list[str]]:
    """The words that choose the workers."""
    if backend == "local":
        yield ["--workers=3"]
        return
    from ray.cluster_utils import Cluster

    # The dashboard stays off; nodes listen on loopback.
    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=node)
    try:
        for _ in range(2):
            nodes.add_node(num_cpus=1, object_store_memory=80 * 2**20)
        yield [f"--address={nodes.address}"]
    finally:
        nodes.shutdown()


def pictures(folder: Path) -> dict[str, str]:
    """The hash of the image of each trial."""
    found = {}
    for line in (folder / "trials.jsonl").open():
        trial = json.loads(line)
        path = folder / trial["folder"] / "image.png"
        if (folder / trial["folder"] / "DONE.json").is_file():
            found[trial["id"]] = _pixels(path)
    return found


def _pixels(path: Path) -> str:
    """The hash of the pixels: the file holds its options, with the folder of outputs."""
    from guidance.media.read_image import load_image

    return hashlib.sha256(load_image(path).numpy().tobytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("local", "ray"), default="local")
    for name, usual in (("trials", 200), ("kills", 20), ("drivers", 2), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    words = parser.parse_args()
    draw = random.Random(words.seed)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place, cluster(words.backend) as where:
        axis = f"--grid=seed=0..{words.trials - 1}"
        common = ["text2image", *OPTIONS, axis]
        # Kills happen when so many trials are done, at evenly drawn numbers.
        marks = sorted(draw.sample(range(1, words.trials - 5), words.kills + words.drivers))
        of_driver = set(draw.sample(marks, words.drivers))
        driver = sweep(*common, f"--output={place}/killed", "--retries=50", *where)
        killed = Counter[str]()
        while driver.poll() is None or marks:
            time.sleep(draw.uniform(0.01, 0.2))
            assert time.monotonic() - started < LONGEST, "took too long"
            done = sum(1 for _ in Path(place).glob("killed/sweeps/*/runs/*/*/DONE.json"))
            if not marks or done < marks[0]:
                continue
            (folder,) = Path(place).glob("killed/sweeps/2*")
            if marks[0] in of_driver:
                driver.kill()
                driver.wait()
                killed["drivers"] += 1
                driver = sweep(f"--resume={folder}", "--retries=50", *where)
            else:
                if not (pids := workers_of(driver.pid, words.backend)):
                    continue
                with contextlib.suppress(ProcessLookupError):
                    os.kill(draw.choice(pids), signal.SIGKILL)
                    killed["workers"] += 1
            marks.pop(0)
        seconds = time.monotonic() - started
        serial = sweep(*common, f"--output={place}/serial", "--workers=1")
        assert serial.wait() == 0
        (other,) = Path(place).glob("serial/sweeps/2*")
        wanted, found = pictures(other), pictures(folder)
        lines = [json.loads(line) for line in (folder / "journal.jsonl").open()]
        times = Counter(line["folder"] for line in lines if line["status"] == "done")
        same = sum(found.get(trial) == pixels for trial, pixels in wanted.items())
    report(
        f"trials done once with the images of a serial sweep, {words.backend} workers",
        same / words.trials if max(times.values()) == 1 else 0.0,
        "of the trials",
        1.0,
        lower_is_better=False,
        more={
            "trials": words.trials,
            "workers_killed": killed["workers"],
            "drivers_killed": killed["drivers"],
            "crashes_that_the_driver_saw": sum(line["status"] == "crashed" for line in lines),
            "seconds": round(seconds, 1),
        },
    )


if __name__ == "__main__":
    main()
