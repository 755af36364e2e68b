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

from guidance.body.limits import within_limits
from guidance.motion.authored import author
from guidance.motion.bank import FOLDER, Clip, decoded, encoded, write_bank
from guidance.motion.cleaning import above_ground, contacts, foot_locked, grounded, with_travel
from guidance.motion.files.glb import read_glb_animations
from guidance.motion.hinges import hinged, limited
from guidance.motion.metrics import quality
from guidance.motion.motion import Motion
from guidance.motion.retarget import retarget

HERE = Path(__file__).parent / "motion"
SOURCE, CC0 = "Mesh2Motion", "CC0-1.0"
IN_WATER = ("swim", "tread_water")
OTHER = ("labels", "poses")  # files that are no authored motions
ROUNDS = 3  # of limits and locked feet, each of which disturbs the other
#: Degrees by which joints stay within their limits, where splines between key poses need it.
MARGINS = (0.0, 1.0, 2.0, 4.0, 8.0)
#: A locked foot may make a motion jerkier by this factor.
JERKIER = 1.25


def converted(folder: Path) -> dict[str, Motion]:
    """All animations by their names in the files."""
    found = {}
    for path in sorted(folder.glob("*.glb")):
        for recording in read_glb_animations(path.read_bytes(), path.name):
            found[recording.name] = retarget(recording, path.name)
    return found


def within(motion: Motion, margin_deg: float) -> Motion:
    """The motion with every joint within its limits."""
    return replace(motion, rotations=within_limits(motion.rotations, margin_deg))


def stored(motion: Motion) -> Motion:
    """The motion as the bank gives it back."""
    return decoded(*encoded(motion), motion.num_frames, motion.name)


def locked(motion: Motion, margin_deg: float) -> Motion:
    """The motion within its limits, with feet that stay where they touch the ground."""
    touching = contacts(motion.joints().double().numpy(), motion.fps)
    for _ in range(ROUNDS):
        motion = foot_locked(within(motion, margin_deg), touching=touching)
        motion = within(above_ground(motion), margin_deg)
    return motion


def tidied(motion: Motion, on_ground: bool = True) -> Motion:
    """The motion within the limits of its joints, above the ground, with feet that slide less.

    It is judged as it is stored. Feet are locked only if that makes the motion not much jerkier.
    """
    for margin in MARGINS:
        plain = within(motion, margin)
        plain = within(above_ground(plain), margin) if on_ground else plain
        if quality(stored(plain)).limit_violations == 0:
            break
    if not on_ground:
        return plain
    feet = locked(motion, margin)
    before, after = quality(stored(plain)), quality(stored(feet))
    better = after.skate_cm_s < before.skate_cm_s and after.limit_violations == 0
    return feet if better and after.jitter < JERKIER * before.jitter + 0.1 else plain


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
        motion = tidied(foot_locked(foot_locked(motion)), name not in IN_WATER)
        motions[name] = replace(motion, name=name)
        labels[name] = clip_of(name, entry, f"{SOURCE}: {entry['clip']}")
    poses = _entries("poses.yaml")
    for path in sorted(HERE.glob("*.yaml")):
        for name, entry in _entries(path.name).items() if path.stem not in OTHER else ():
            assert name not in motions, name
            motions[name] = replace(tidied(limited(author(entry, poses, name))), name=name)
            labels[name] = clip_of(name, entry, "authored")
    write_bank(arguments.output, motions, labels)
    size = sum(path.stat().st_size for path in arguments.output.iterdir())
    print(f"{len(motions)} clips, {sum(m.num_frames for m in motions.values())} frames, {size:,} B")


if __name__ == "__main__":
    main()
