"""Kills runs with SIGKILL at random times, resumes them, and compares the results bit by bit.

    python benchmarks/resume.py [--times 20] [--task text2image] [--steps 150]

Each run is killed at a random time between the creation of its folder and its end, and resumed with
`guide run --resume`. Pixels or vertices, loss curve and tensors must equal those of an
uninterrupted run.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from measure import report
from PIL import Image
from safetensors.torch import load_file

PROMPTS = ("a red heart", "a pizza")
GUIDE = (sys.executable, "-m", "guidance.cli")


def command(arguments: argparse.Namespace, output: Path) -> list[str]:
    """The command of a short run with two prompts."""
    prompts = [word for prompt in PROMPTS for word in ("--prompt", prompt)]
    options = ["--preset", "draft", "--steps", str(arguments.steps), "--output", str(output)]
    return [*GUIDE, "run", arguments.task, *prompts, *options, "--device", "cpu"]


def run_folder(output: Path, patience: float = 120.0) -> Path:
    """Waits until the only run of an output folder has created its folder, and returns it."""
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up:
        found = [path.parent for path in output.glob("*/*/config.yaml")]
        found = [path for path in found if not path.name.startswith(".")]
        if found:
            return found[0]
        time.sleep(0.005)
    raise SystemExit(f"no run appeared in {output} within {patience} s")


def start(arguments: argparse.Namespace, output: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command(arguments, output), stderr=subprocess.PIPE)


def killed(arguments: argparse.Namespace, output: Path, after: float) -> tuple[Path, int]:
    """Kills a run some seconds after its folder appeared; returns folder and finished steps."""
    process = start(arguments, output)
    folder = run_folder(output)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    metrics = folder / "metrics.jsonl"
    return folder, metrics.read_bytes().count(b'"losses"') if metrics.exists() else 0


def difference(whole: Path, resumed: Path) -> str:
    """The first difference between two finished runs, empty if there is none."""
    if not (resumed / "DONE.json").exists():
        return "no DONE.json"
    if (whole / "metrics.jsonl").read_bytes() != (resumed / "metrics.jsonl").read_bytes():
        return "metrics.jsonl"
    a, b = (load_file(folder / "checkpoint.safetensors") for folder in (whole, resumed))
    if a.keys() != b.keys() or not all(torch.equal(a[name], b[name]) for name in a):
        return "tensors"
    images = sorted(path.relative_to(whole) for path in whole.rglob("image.png"))
    meshes = sorted(path.relative_to(whole) for path in whole.rglob("mesh.obj"))
    for path in images:
        one, other = (np.asarray(Image.open(folder / path)) for folder in (whole, resumed))
        if not np.array_equal(one, other):
            return str(path)
    for path in meshes:
        if (whole / path).read_bytes() != (resumed / path).read_bytes():
            return str(path)
    return "" if images or meshes else "no images and no meshes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--task", default="text2image")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    same = 0
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        process = start(arguments, base / "whole")
        whole = run_folder(base / "whole")
        began = time.monotonic()
        if process.wait() != 0:
            raise SystemExit("the uninterrupted run failed")
        duration = time.monotonic() - began
        for index in range(arguments.times):
            after = draw.uniform(0, duration)
            folder, steps = killed(arguments, base / str(index), after)
            own_file = [arguments.task] if arguments.task.endswith(".py") else []
            done = subprocess.run(
                [*GUIDE, "run", *own_file, "--resume", str(folder)],
                capture_output=True,
                check=False,
            )
            wrong = difference(whole, folder) or ("" if done.returncode == 0 else "exit code")
            same += not wrong
            print(
                f"killed after {after:.2f} s and {steps} steps: {wrong or 'the same'}", flush=True
            )
    name = f"kill -9 at random points, {arguments.task}: resumed bit-identical"
    report(name, same, f"of {arguments.times}", arguments.times, lower_is_better=False)


if __name__ == "__main__":
    main()
