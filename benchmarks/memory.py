"""Peak memory of whole runs with increasing image sizes, each in its own process.

    python benchmarks/memory.py [--steps 8] [--generator cutout]

The maximum resident set size, from the start of the command to its last file: steps on the whole
image, steps on windows, validations, the judge and the export. 128 px shows what every process
needs; above 512 px, the memory must hardly depend on the size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import machine
from PIL import Image

SIZES = (128, 512, 1024, 2048)
#: The size that larger ones are compared with, and by how much they may exceed it.
FLAT_FROM, BAR = 512, 1.10
RESULTS = Path(__file__).parent / "results" / "memory.json"


def peak_mebibytes(size: int, steps: int, generator: str) -> float:
    """The peak of one command. Raises SystemExit if it fails or its image has another size."""
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "guidance.cli", "run", "text2image"]
        command += ["--prompt", "a red heart", "--size", str(size), "--steps", str(steps)]
        command += ["--generator", generator, "--device", "cpu", "--output", output]
        with (Path(output) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            # For this child alone: RUSAGE_CHILDREN is the maximum over all children so far.
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit((Path(output) / "log").read_text()[-2000:])
        (path,) = Path(output).glob("*/*/image.png")
        with Image.open(path) as image:
            if image.size != (size, size):
                raise SystemExit(f"expected an image of {size} px, got {image.size}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kibibytes on Linux
    return float(used.ru_maxrss * unit / 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--generator", default="cutout")
    arguments = parser.parse_args()
    peaks = {}
    for size in SIZES:
        peaks[size] = peak_mebibytes(size, arguments.steps, arguments.generator)
        print(f"{size} px: {peaks[size]:.0f} MiB", flush=True)
    ratios = {size: peaks[size] / peaks[FLAT_FROM] for size in SIZES}
    for size in SIZES:
        print(f"{size} px / {FLAT_FROM} px: {ratios[size]:.3f}")
    worst = max(ratios[size] for size in SIZES if size > FLAT_FROM)
    line = {
        "name": f"peak memory above {FLAT_FROM} px / at it, {arguments.generator}",
        "value": round(worst, 4),
        "unit": "ratio",
        "bar": BAR,
        "holds": worst <= BAR,
        "peak_mib": {str(size): round(peak) for size, peak in peaks.items()},
        "machine": machine(),
    }
    print(json.dumps(line))
    if arguments.generator == parser.get_default("generator"):
        RESULTS.write_text(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
