"""Peak memory of a whole run on a large mesh, in its own process.

    python benchmarks/memory_mesh.py [--triangles 500000] [--mode stylize] [--steps 4]

The maximum resident set size, from the start of the command to its last file: reading the mesh,
steps, validations, the judge, turntables and all formats of the export.
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

import torch
from measure import machine

from guidance.geometry.io.files import save_mesh
from guidance.meshes import Mesh

BAR_MIB = 6 * 1024
RESULTS = Path(__file__).parent / "results" / "memory_mesh.json"


def bumpy_ball(triangles: int) -> Mesh:
    """A closed surface with bumps and about this many triangles, in rows and columns."""
    columns = max(3, round(math.sqrt(triangles)))
    rows = max(3, round(triangles / (2 * columns)))
    height = torch.linspace(0, math.pi, rows + 2)[1:-1, None]
    around = torch.arange(columns)[None] * 2 * math.pi / columns
    radius = 1 + 0.05 * torch.sin(7 * height) * torch.cos(5 * around)
    level = torch.cos(height).expand_as(radius)
    ring = torch.sin(height)
    places = [ring * torch.sin(around), level, ring * torch.cos(around)]
    vertices = (radius[..., None] * torch.stack(places, -1)).view(-1, 3)
    index = torch.arange(len(vertices)).view(rows, columns)
    a, b, d, c = index[:-1], index[:-1].roll(-1, 1), index[1:], index[1:].roll(-1, 1)
    quads = [torch.stack(corners, -1).view(-1, 3) for corners in ((a, d, c), (a, c, b))]
    top, bottom = len(vertices), len(vertices) + 1
    caps = [
        torch.stack([torch.full_like(index[0], top), index[0], index[0].roll(-1)], -1),
        torch.stack([torch.full_like(index[0], bottom), index[-1].roll(-1), index[-1]], -1),
    ]
    poles = torch.tensor([[0.0, 1, 0], [0, -1, 0]])
    return Mesh(torch.cat([vertices, poles]), torch.cat([*quads, *caps]))


def peak_mebibytes(mesh: Path, options: argparse.Namespace, output: Path) -> float:
    """The peak of one command. Raises SystemExit if it fails."""
    command = [sys.executable, "-m", "guidance.cli", "run", "text2mesh", "--mesh", str(mesh)]
    command += ["--prompt", "a watermelon", "--preset", "draft", "--mode", options.mode]
    command += ["--steps", str(options.steps), "--device", "cpu", "--output", str(output)]
    if options.mode != "texture":
        command += ["--formats", "glb,obj,ply,stl"]
    with (output / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit((output / "log").read_text()[-2000:])
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kibibytes on Linux
    return float(used.ru_maxrss * unit / 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--triangles", type=int, default=500_000)
    parser.add_argument("--mode", choices=("stylize", "deform", "texture"), default="stylize")
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    mesh = bumpy_ball(options.triangles)
    with tempfile.TemporaryDirectory() as name:
        path = save_mesh(mesh, Path(name) / "large.ply")
        peak = peak_mebibytes(path, options, Path(name))
    line = {
        "name": f"peak memory of a draft on {len(mesh.faces):,} triangles, {options.mode}",
        "value": round(peak),
        "unit": "MiB",
        "bar": BAR_MIB,
        "holds": peak <= BAR_MIB,
        "machine": machine(),
    }
    print(json.dumps(line))
    defaults = {name: parser.get_default(name) for name in ("triangles", "mode")}
    if all(getattr(options, name) == value for name, value in defaults.items()):
        RESULTS.write_text(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
