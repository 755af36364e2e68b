"""Run folders made by hand, in the form that runs write."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from guidance.config.files import as_yaml
from guidance.media.write_image import encode_png
from guidance.runs.json_records import write_record

STEPS = 12


def picture(red: int, side: int = 32) -> bytes:
    """A PNG of one color."""
    return encode_png(np.full((side, side, 3), (red, 40, 90), np.uint8))


def make_run(
    folder: Path,
    prompts: list[str],
    files: dict[str, bytes] | None = None,
    task: str = "text2image",
    **options: Any,
) -> Path:
    """A finished run with these prompts, and these files of each sample beside image.png."""
    folder.mkdir(parents=True)
    config = {"schema_version": 3, "task": task, "prompt": prompts, "steps": STEPS, **options}
    (folder / "config.yaml").write_text(as_yaml(config), encoding="utf-8")
    lines = [{"step": 0, "best_loss": [2.0], "judge": [{"similarity": 0.1}] * len(prompts)}]
    lines += [{"step": s, "loss": 2 / s, "losses": {"clip": [2 / s]}} for s in range(1, STEPS + 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    hashes, samples = {}, []
    for index, prompt in enumerate(prompts):
        place = folder if len(prompts) == 1 else folder / "samples" / f"{index:03d}"
        place.mkdir(parents=True, exist_ok=True)
        names = []
        for name, content in {"image.png": picture(40 * index), **(files or {})}.items():
            (place / name).write_bytes(content)
            names.append((place / name).relative_to(folder).as_posix())
            hashes[names[-1]] = hashlib.sha256(content).hexdigest()
        scores = {"judge_before": {"similarity": 0.1}, "judge_after": {"similarity": 0.3 + index}}
        samples.append({"prompt": prompt, "seed": index, "files": names, **scores})
    done = {"task": task, "steps": STEPS, "notes": [], "judge": "mini-judge", "files": []}
    write_record(folder / "DONE.json", {**done, "samples": samples, "hashes": hashes})
    return folder


def glb(description: dict[str, Any], binary: bytes = b"") -> bytes:
    """A GLB with this description."""
    text = json.dumps({"asset": {"version": "2.0"}, **description}).encode()
    text += b" " * (-len(text) % 4)
    chunks = len(text).to_bytes(4, "little") + b"JSON" + text
    if binary:
        chunks += len(binary).to_bytes(4, "little") + b"BIN\0" + binary
    return b"glTF" + (2).to_bytes(4, "little") + (12 + len(chunks)).to_bytes(4, "little") + chunks
