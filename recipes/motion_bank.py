"""Makes the bank of motions: converted clips, and clips that were authored as key poses.

    python -m recipes.motion_bank FOLDER [--output guidance/motion/clips]

FOLDER has `mesh2motion-base.glb` and `mesh2motion-addon.glb`, the animations of Mesh2Motion,
published under CC0 1.0 at https://github.com/scottpetrovic/mesh2motion-app. Labels, tags and
paraphrases of them are in `recipes/motion/labels.yaml`, authored clips in `recipes/motion/*.yaml`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from guidance.motion.authored import author
from guidance.motion.bank import FOLDER, Clip, write_bank
from guidance.motion.cleaning import above_ground, foot_locked, grounded, with_travel
from guidance.motion.files.glb import read_glb_animations
from guidance.motion.hinges import hinged, limited
from guidance.motion.motion import Motion
from guidance.motion.retarget import retarget

HERE = Path(__file__).parent / "motion"
SOURCE, CC0 = "Mesh2Motion", "CC0-1.0"
IN_WATER = ("swim", "tread_water")
OTHER = ("labels", "poses")  # files that are no authored motions


def converted(folder: Path) -> dict[str, Motion]:
    """All animations by their names in the files."""
    found = {}
    for path in sorted(folder.glob("*.glb")):
        for recording in read_glb_animations(path.read_bytes(), path.name):
            found[recording.name] = retarget(recording, path.name)
    return found


def clip_of(name: str, entry: dict[str, Any], source: str) -> Clip:
    """The label of an entry of the YAML files."""
    phrases = tuple(phrase.strip() for phrase in entry["say"].split("|"))
    assert len(phrases) >= 10 and len(set(phrases)) == len(phrases), f"{name}: {len(phrases)}"
    tags = tuple(entry.get("tags", ()))
    return Clip(name, entry["label"], phrases, tags, entry.get("loop", False), CC0, source)


def _entries(name: str) -> dict[str, Any]:
    entries: dict[str, Any] = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    return entries


def main() -> None:
    """Writes the bank."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    animations = converted(arguments.folder)
    motions, labels = {}, {}
    for name, entry in _entries("labels.yaml").items():
        motion = grounded(limited(hinged(animations[entry["clip"]])))
        if entry.get("root") == "forward":
            motion = with_travel(motion)
        motion = foot_locked(foot_locked(motion))
        if name not in IN_WATER:
            motion = above_ground(motion)
        motions[name] = replace(motion, name=name)
        labels[name] = clip_of(name, entry, f"{SOURCE}: {entry['clip']}")
    poses = _entries("poses.yaml")
    for path in sorted(HERE.glob("*.yaml")):
        for name, entry in _entries(path.name).items() if path.stem not in OTHER else ():
            assert name not in motions, name
            motions[name] = replace(above_ground(limited(author(entry, poses, name))), name=name)
            labels[name] = clip_of(name, entry, "authored")
    write_bank(arguments.output, motions, labels)
    size = sum(path.stat().st_size for path in arguments.output.iterdir())
    print(f"{len(motions)} clips, {sum(m.num_frames for m in motions.values())} frames, {size:,} B")


if __name__ == "__main__":
    main()
