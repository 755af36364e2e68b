"""How exactly text2motion keeps constraints: `python benchmarks/text2motion.py [FOLDER]`.

Writes benchmarks/results/text2motion.json: measures of each motion as in DONE.json, and seconds of
processor time of the whole run on one thread. With a folder as argument, its runs are kept there.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from guidance.motion.bank import load_bank
from guidance.motion.retrieve import retrieve
from guidance.tasks.text2motion import TextToMotion

RESULTS = Path(__file__).parent / "results" / "text2motion.json"
CIRCLE = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M 0 0 C 0 -4 4 -4 4 0 S 0 4 0 0"/></svg>'
POSE = {"right_shoulder": [0, 0, -80], "right_elbow": [0, 60, 0], "left_shoulder": [0, 0, 80]}


def cases(folder: Path) -> dict[str, dict[str, Any]]:
    """Prompts with their constraints."""
    circle, pose = folder / "circle.svg", folder / "pose.json"
    circle.write_text(CIRCLE)
    pose.write_text(json.dumps(POSE))
    return {
        "walks forward, then waves": {},
        "jumps three times": {},
        "claps while walking": {},
        "sits down, then stands up": {},
        "kicks with the right leg": {},
        "dances": {},
        "reaches up": {"prompt": "stands still", "at": "50%:right_hand=-0.3,1.9,0.2"},
        "touches two points": {
            "prompt": "walks forward, then waves",
            "at": ["1.0s:right_hand=-0.2,1.5,1.4", "4s:left_hand=0.4,1.2,2.2"],
        },
        "steps on a point": {"prompt": "walks forward", "at": "50%:left_foot=0.1,0.1,1.6"},
        "looks aside": {"prompt": "walks forward", "look_at": "1s-2s:3,1.5,2"},
        "walks in a circle": {"prompt": "walks forward", "path": f"{circle}:8m"},
        "runs in a circle": {"prompt": "runs", "path": f"{circle}:14m"},
        "takes a pose": {"prompt": "waves", "keyframe": f"{pose}@50%", "loop": True},
        "passes a ball": {"prompt": "walks forward", "obstacle": "sphere:0.4,1.2,1.2,0.25"},
        "passes a box": {"prompt": "walks forward", "obstacle": "box:0.45,0.9,1.2,0.3,0.2,0.3"},
        "mirrored": {"prompt": "does jumping jacks", "mirror": True, "loop": True},
        "from scratch": {
            "prompt": "raises both hands",
            "generator": "keyposes",
            "at": ["1s:left_hand=0.3,1.9,0.2", "1s:right_hand=-0.3,1.9,0.2"],
        },
    }


def main() -> None:
    """Runs all cases on one thread."""
    torch.set_num_threads(1)
    keep = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    bank = load_bank()
    retrieve("walks", bank)
    start = time.process_time()
    retrieve("hops around on one foot", bank)
    found: dict[str, Any] = {"retrieval_seconds": round(time.process_time() - start, 4)}
    with tempfile.TemporaryDirectory() as name:
        for title, options in cases(Path(name)).items():
            start = time.process_time()
            task = TextToMotion(**({"prompt": title} | options), output=keep or Path(name))
            (sample,) = task.run().samples
            seconds = round(time.process_time() - start, 1)
            found[title] = {"processor_seconds": seconds, **sample.facts["motion"]}
            print(title, found[title], flush=True)
            RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
