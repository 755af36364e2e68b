"""The run that most scenarios repeat, the uninterrupted one that they compare with, and folders."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from benchmarks.reliability.harness.children import Ended, guide, start
from benchmarks.reliability.harness.words import RUN

#: Files that must have the same bytes in every run of one configuration.
SAME_BYTES = ("metrics.jsonl", "image.png", "cutout.png", "progress.mp4")
#: Files that are not compared, because they name the place of the run.
OF_THE_PLACE = ("config.yaml", "environment.json")


@dataclass(frozen=True)
class Scene:
    """Where a scenario works, and what its random choices start from."""

    base: Path
    seed: int

    def draw(self, *about: object) -> random.Random:
        """Random choices that depend on the seed and on what they are about."""
        return random.Random(f"{self.seed}/{about}")

    def fresh(self, name: object) -> Path:
        """A new empty folder; what is in there belongs to one trial."""
        folder = self.base / str(name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    @cached_property
    def _whole(self) -> tuple[Path, float]:
        output = self.fresh("whole")
        ended = start([*RUN, "--output", str(output)]).wait()
        if ended.code:
            raise RuntimeError(f"the uninterrupted run failed: {ended.errors}")
        return next(output.glob("*/*/DONE.json")).parent, ended.seconds

    @property
    def whole(self) -> Path:
        """The folder of the uninterrupted run, made by a new interpreter as users do."""
        return self._whole[0]

    @property
    def seconds_anew(self) -> float:
        """How long a new interpreter took for it."""
        return self._whole[1]

    @cached_property
    def seconds(self) -> float:
        """How long a forked child takes for the whole run, on a machine as busy as now."""
        output = self.fresh("timed")
        return guide([*RUN, "--output", str(output)]).wait().seconds

    @classmethod
    def temporary(cls, seed: int) -> Scene:
        """A scene in a new temporary folder, which the caller removes."""
        return cls(Path(tempfile.mkdtemp(prefix="reliability-")), seed)


def run_folder(output: Path) -> Path | None:
    """The folder of the one run in there, if there is one yet."""
    found = [path.parent for path in output.glob("*/*/config.yaml")]
    return next((path for path in found if not path.name.startswith(".")), None)


def resume(folder: Path) -> Ended:
    """Resumes a run in a forked child."""
    return guide(["run", "--resume", str(folder)]).wait()


def difference(whole: Path, other: Path, *, but: str = "") -> str:
    """What differs between two finished runs, or nothing.

    Compares tensors and metrics, and the bytes of everything that a run leaves.

    Args:
        but: the name of a file that is not compared.
    """
    if not (other / "DONE.json").exists():
        return "no DONE.json"
    if but != "checkpoint.safetensors":
        a, b = (load_file(folder / "checkpoint.safetensors") for folder in (whole, other))
        if a.keys() != b.keys() or not all(np.array_equal(a[name], b[name]) for name in a):
            return "tensors"
    if _record(whole) != _record(other):
        return "DONE.json"
    previews = [path.relative_to(whole).as_posix() for path in whole.glob("preview/*")]
    for name in (*SAME_BYTES, *previews):
        if name == but:
            continue
        if not (other / name).is_file():
            return f"no {name}"
        if (whole / name).read_bytes() != (other / name).read_bytes():
            return name
    remains = [path.name for path in other.rglob("*") if path.name.startswith((".export", ".new"))]
    remains += [path.name for path in other.rglob(".*.tmp")]
    return f"remains of a killed process: {remains[0]}" if remains else ""


def _record(folder: Path) -> dict[str, Any]:
    """What DONE.json says, without its seconds and the hashes of files that name its place."""
    found: dict[str, Any] = json.loads((folder / "DONE.json").read_text())
    found.pop("sha256", None)
    found.pop("seconds", None)
    for name in OF_THE_PLACE:
        found.get("hashes", {}).pop(name, None)
    return found


def resumed(whole: Path, folder: Path) -> str:
    """Resumes a run, and returns its fault; an empty text if there is none."""
    ended = resume(folder)
    return ended.complaint(0) or difference(whole, folder)
