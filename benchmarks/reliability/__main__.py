"""Runs the scenarios, all or those that are named, and prints and writes their counts as JSON.

    python -m benchmarks.reliability [NAME[=COUNT] ...] [--count N] [--seed S] [--out FILE]

Each scenario's counts are written as soon as it ends, so one can be repeated alone. Needs Linux.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pkgutil
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "reliability.json"
PACKAGES = ("torch", "open_clip_torch", "diffusers", "transformers", "safetensors", "pillow", "av",
            "imageio", "trimesh", "numpy", "pyyaml")  # fmt: skip


def scenarios() -> list[str]:
    """Their names: the modules of this folder."""
    found = [item.name for item in pkgutil.iter_modules([str(HERE)]) if not item.ispkg]
    return [name for name in found if not name.startswith("_")]


def machine() -> dict[str, Any]:
    """Where and with what the scenarios ran."""
    import torch

    git = ["git", "-C", str(HERE), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    able = torch.cpu.get_capabilities()
    return {
        "commit": commit,
        "date": datetime.date.today().isoformat(),
        "machine": f"{able.get('cpu_name', platform.machine())}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }


def main() -> None:
    """Runs the scenarios; exits with 1 if one of them does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME[=COUNT]", help=", ".join(scenarios()))
    parser.add_argument("--count", type=int, help="tries of each scenario, instead of a full run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    chosen = [name.partition("=")[::2] for name in given.names] or [(n, "") for n in scenarios()]
    for name, _ in chosen:
        if name not in scenarios():
            parser.error(f"no scenario {name!r}; use {', '.join(scenarios())}")
    base = Path(tempfile.mkdtemp(prefix="reliability-"))
    _settle_environment(base)
    from benchmarks.reliability.harness.scene import Scene
    from benchmarks.reliability.harness.warm import warm_up

    warm_up(base)
    scene, all_hold = Scene(base, given.seed), True
    try:
        for name, count in chosen:
            module = import_module(f"benchmarks.reliability.{name}")
            began = time.monotonic()
            outcome = module.run(scene, int(count or given.count or module.FULL))
            line = {"name": name, **outcome.as_json(), "seconds": round(time.monotonic() - began)}
            print(json.dumps(line), flush=True)
            _write(given.out, name, {**line, **machine()})
            all_hold &= outcome.holds
    finally:
        shutil.rmtree(base, ignore_errors=True)
    sys.exit(0 if all_hold else 1)


def _settle_environment(base: Path) -> None:
    """No GPU, which forked children cannot use, one thread each, and an empty cache of weights."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["HF_HOME"] = str(base / "hub")
    os.environ["TORCH_HOME"] = str(base / "torch")
    os.environ["XDG_STATE_HOME"] = str(base / "state")
    for name in ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "TRANSFORMERS_OFFLINE", "DISPLAY"):
        os.environ.pop(name, None)


def _write(path: Path, name: str, line: dict[str, Any]) -> None:
    """Replaces the line of one scenario in the file of results."""
    found = json.loads(path.read_text()) if path.is_file() else {}
    found[name] = line
    path.write_text(json.dumps(dict(sorted(found.items())), indent=2) + "\n")


if __name__ == "__main__":
    main()
