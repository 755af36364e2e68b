"""Seeded runs of every task before and after a change: their metrics must be the same to the bit.

    python -m benchmarks.identical --before COMMIT [--only NAME ...]

Checks the commit out beside this tree, runs each case in both with the same interpreter, and
compares the lines of metrics.jsonl. Where they differ, it says by how much: losses summed in
another order differ in their last bits. Writes benchmarks/results/identical.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "identical.json"
ASSETS = ROOT / "configs" / "assets"
IMAGE = ["text2image", "--prompt", "a red heart", "--prompt", "a pizza", "--size", "64"]
MESH = ["text2mesh", "--prompt", "a watermelon", "--views", "2", "--resolution", "64"]
COW = ["--mesh", str(ASSETS / "cow.obj")]
STYLE = ["stylize", "--picture", str(ASSETS / "apple.png"), "--prompt", "fire", "--size", "64"]
EDIT = ["edit", "--picture", str(ASSETS / "apple.png"), "--source", "a red apple"]
FLAT = ("cutout", "pyramid", "wavelet", "fourier", "siren", "grid", "strokes", "pixels")
#: Names of cases and the words after `guide run`, by the names of options in both versions.
CASES = {
    **{f"text2image {kind}": [*IMAGE, "--generator", kind] for kind in FLAT},
    "text2image latent fsd": [*IMAGE[:3], "--generator", "latent", "--loss", "fsd"],
    "text2image noise": [*IMAGE[:3], "--generator", "noise"],
    "text2image clip,sds": [*IMAGE, "--loss", "clip,sds"],
    "text2image large": [*IMAGE[:3], "--size", "600"],
    "text2image animation": [*IMAGE, "--frames", "3", "--rotate", "5", "--generator", "pyramid"],
    "text2image keyframe": [*IMAGE, "--at", "50% a green apple", "--style", "a drawing:0.5"],
    "text2image palette": [*IMAGE, "--palette", "red", "--palette", "white", "--edge", "white"],
    "text2mesh stylize": [*MESH, *COW],
    "text2mesh texture": [*MESH, *COW, "--mode", "texture", "--texels", "64"],
    "text2mesh deform": [*MESH, *COW, "--mode", "deform"],
    "text2mesh deform normals": [*MESH, *COW, "--mode", "deform", "--deform-by", "normals"],
    "text2mesh generate": [*MESH, "--mode", "generate"],
    "text2mesh generate grid": [*MESH, "--mode", "generate", "--surface", "grid"],
    "text2mesh region": [*MESH, *COW, "--region", "box:,60%,,,,"],
    "text2mesh sds": [*MESH, "--mode", "generate", "--loss", "clip,sds"],
    "text2mesh front": [*MESH, *COW, "--front", "auto", "--anchor", "auto"],
    "text2mesh scene": [
        "text2mesh", "--scene", str(ASSETS / "scene.yaml"), "--views", "2", "--resolution", "64",
    ],
    "stylize unet": STYLE,
    "stylize pyramid": [*STYLE, "--generator", "pyramid"],
    "stylize video": [*STYLE[:1], "--picture", str(ASSETS / "clip.mp4"), *STYLE[3:]],
    "edit dds": [*EDIT, "--prompt", "a green apple"],
    "edit pds": [*EDIT, "--prompt", "a green apple", "--loss", "pds", "--total-variation", "0.1"],
}  # fmt: skip


def metrics(tree: Path, words: list[str], steps: int) -> str | list[str]:
    """The lines of metrics.jsonl of a run, or the last line of its errors."""
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "guidance.cli", "run", *words]
        command += ["--steps", str(steps), "--preset", "draft", "--output", output]
        done = subprocess.run(
            command,
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return done.stderr.strip().splitlines()[-1]
        (path,) = Path(output).glob("*/*/metrics.jsonl")
        return path.read_text().splitlines()


def difference(old: list[str], new: list[str]) -> float:
    """The largest relative difference of two numbers of the same name; inf for other names."""
    pairs = zip(flat(list(map(json.loads, old))), flat(list(map(json.loads, new))), strict=False)
    largest = 0.0
    for (name, a), (other, b) in pairs:
        if name != other or isinstance(a, str) or isinstance(b, str):
            largest = max(largest, 0.0 if (name, a) == (other, b) else math.inf)
        else:
            largest = max(largest, abs(a - b) / max(abs(a), abs(b), 1e-6))
    return largest if len(old) == len(new) else math.inf


def flat(value: object, name: str = "") -> list[tuple[str, float | str]]:
    """The numbers and texts in a value of JSON with the keys that lead there, sorted."""
    if isinstance(value, dict):
        return [pair for key in sorted(value) for pair in flat(value[key], f"{name}/{key}")]
    if isinstance(value, list):
        return [pair for index, item in enumerate(value) for pair in flat(item, f"{name}/{index}")]
    return [(name, value if isinstance(value, str) else float(value or 0))]


def main() -> None:
    """Runs the cases and writes what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", required=True, help="a commit")
    parser.add_argument("--only", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--steps", type=int, default=6)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as aside:
        before = Path(aside) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(before), given.before], check=True)
        try:
            found: dict[str, object] = {}
            for name in given.only:
                old, new = (metrics(t, CASES[name], given.steps) for t in (before, ROOT))
                if isinstance(old, str) or isinstance(new, str):
                    found[name] = {"before": str(old)[:300], "after": str(new)[:300]}
                elif old == new:
                    found[name] = "identical"
                else:
                    found[name] = {"largest relative difference": difference(old, new)}
                print(f"{name:<28} {found[name]}", flush=True)
        finally:
            subprocess.run([*git, "remove", "--force", str(before)], check=True)
    rev = ["git", "-C", str(ROOT), "rev-parse", given.before]
    commit = subprocess.run(rev, capture_output=True, text=True, check=True).stdout.strip()
    RESULTS.write_text(
        json.dumps({"before": commit, "steps": given.steps, "runs": found}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
