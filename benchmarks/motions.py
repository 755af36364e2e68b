"""The bank of motions: quality of its clips, retrieval, storage, and a BVH read by another library.

    PYTHONPATH=. python benchmarks/motions.py [--json FILE]

For the BVH, `pip install --target FOLDER bvhtoolbox transforms3d "setuptools<81"` and put FOLDER
on PYTHONPATH; without it, this part is left out. Times are of one process, with all imports done.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
import tempfile
import time
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine

from guidance.body.joint_names import NAMES
from guidance.encoders import load_encoder
from guidance.motion.bank import Bank, load_bank
from guidance.motion.compose import compose
from guidance.motion.files.bvh import WRITTEN, write_bvh
from guidance.motion.metrics import quality
from guidance.motion.retrieve import retrieve

HERE = Path(__file__).parent
PROMPTS = {"prompts": "motions.txt", "held_out": "motions_held_out.txt"}


def accuracy(bank: Bank, file: str, encoder: Any) -> dict[str, Any]:
    """How many prompts find their motion first, and within three; and what was missed."""
    first, third, missed = 0, 0, []
    lines = [x for x in (HERE / file).read_text().splitlines() if x and not x.startswith("#")]
    for line in lines:
        prompt, _, names = line.rpartition(" : ")
        found = [match.name for match in retrieve(prompt, bank, encoder=encoder, count=3)]
        right = names.split(" | ")
        first += found[0] in right
        third += any(name in right for name in found)
        if found[0] not in right:
            missed.append(f"{prompt}: {found[0]} instead of {right[0]}")
    return {"count": len(lines), "first": round(first / len(lines), 3),
            "within_three": round(third / len(lines), 3), "missed": missed}  # fmt: skip


def seconds(bank: Bank, encoder: Any) -> float:
    """The median time of a new prompt."""
    took = []
    for number in range(20):
        start = time.perf_counter()
        retrieve(f"a person walks to house number {number}", bank, encoder=encoder)
        took.append(time.perf_counter() - start)
    return round(statistics.median(took), 4)


def bvh_error(bank: Bank) -> dict[str, Any] | None:
    """The largest distance in mm to the positions that bvhtoolbox computes from our files.

    It reads centimeters: with its option `scale`, it scales the position of the parent twice.
    """
    try:
        from bvhtoolbox.convert import bvh2csv
    except ImportError:
        return None
    worst = 0.0
    names = ["walk", "backflip", "cartwheel", "crawl", "spin", "pushup"]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder) / f"{name}.bvh"
            path.write_text(write_bvh(bank.clips[name]))
            bvh2csv(str(path), export_rotation=False, export_hierarchy=False,
                    end_sites=False)  # fmt: skip
            with (Path(folder) / f"{name}_pos.csv").open() as file:
                rows = list(csv.DictReader(file))
            for joint, own in enumerate(NAMES):
                side, _, part = own.rpartition("_")
                title = f"{side.capitalize()}{WRITTEN[part]}"
                cm = np.array([[float(row[f"{title}.{a}"]) for a in "xyz"] for row in rows])
                here = bank.clips[name].joints()[:, joint].numpy()
                worst = max(worst, 1000 * float(np.linalg.norm(cm / 100 - here, axis=1).max()))
    return {"library": "bvhtoolbox 0.1.3", "clips": names, "largest_error_mm": round(worst, 4)}


def main() -> None:
    """Prints all results, and writes them if asked."""
    start = time.perf_counter()
    bank = load_bank()
    loaded = time.perf_counter() - start
    encoder = load_encoder("mini")
    start = time.perf_counter()
    retrieve("a person walks", bank, encoder=encoder)
    first = time.perf_counter() - start
    clips = {name: astuple(quality(bank.clips[name])) for name in bank.clips}
    table = np.array(list(clips.values()))
    results: dict[str, Any] = {
        "machine": machine(),
        "clips": len(clips),
        "bytes": sum(path.stat().st_size for path in Path(bank.where).iterdir()),
        "seconds": {"load": round(loaded, 3), "retrieve": seconds(bank, None),
                    "retrieve_with_mini": seconds(bank, encoder),
                    "first_with_mini": round(first, 3)},
        "retrieval": {name: accuracy(bank, file, None) for name, file in PROMPTS.items()},
        "retrieval_with_mini": {n: accuracy(bank, f, encoder) for n, f in PROMPTS.items()},
        "bvh": bvh_error(bank),
        "share_of_clips": {
            "skate_below_2_cm_s": round(float((table[:, 0] < 2).mean()), 3),
            "penetration_p99_below_1_cm": round(float((table[:, 1] < 1).mean()), 3),
            "no_limit_violation": round(float((table[:, 2] == 0).mean()), 3),
        },
        "columns": ["skate_cm_s", "penetration_p99_cm", "frames_beyond_limits", "jitter"],
        "quality": {n: [round(float(v), 2) for v in row] for n, row in clips.items()},
        "composed": {
            prompt: [round(float(v), 2) for v in astuple(quality(compose(prompt, bank)))]
            for prompt in ("walks forward, then waves", "claps while walking", "jumps three times",
                           "runs, then jumps, then bows", "waves with the left hand")
        },
    }  # fmt: skip
    text = json.dumps(results, indent=1)
    print(text[: text.index('"columns"')])
    if "--json" in sys.argv:
        Path(sys.argv[sys.argv.index("--json") + 1]).write_text(text + "\n")


if __name__ == "__main__":
    main()
