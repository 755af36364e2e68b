"""The work of `guide motion import`: a bank of the files in a folder."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.motion.bank import Clip, write_bank
from guidance.motion.cleaning import grounded, in_place
from guidance.motion.files.read import SUFFIXES, read_motions
from guidance.motion.hinges import hinged
from guidance.motion.joining import best_cycle
from guidance.motion.motion import Motion
from guidance.streams import say

YAML = (".yaml", ".yml")
MAX_LABELS, MAX_YAML, MAX_FILES = 16 * 2**20, 4 * 2**20, 20_000


def import_bank(
    folder: Path, output: Path, labels: Path | None, *, in_place: bool, loop: bool
) -> Path:
    """Reads all motions of a folder and writes a bank.

    Raises:
        InputError: the folder has no motion that can be read, or labels are damaged.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder")
    given = _labels(labels) if labels is not None else {}
    motions: dict[str, Motion] = {}
    clips: dict[str, Clip] = {}
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (*SUFFIXES, *YAML))
    if len(paths) > MAX_FILES:
        raise InputError(f"{folder}: has more than {MAX_FILES:,} files; import a part of it")
    for path in paths:
        try:
            read = _read(path)
        except InputError as error:
            say(f"note: left out: {error}")
            continue
        for motion, clip in read:
            name = _unused(_name(motion.name or path.stem), motions)
            motion = _prepared(motion, in_place, loop)  # noqa: PLW2901
            motions[name] = replace(motion, name=name)
            phrases = given.get(path.name) or given.get(path.stem) or given.get(motion.name)
            if phrases is not None:
                clip = replace(clip, label=phrases[0], paraphrases=phrases[1:])  # noqa: PLW2901
            source = str(path.relative_to(folder))
            clips[name] = replace(clip, name=name, loop=clip.loop or loop, source=source)
    if not motions:
        raise InputError(f"{folder}: has no BVH, GLB, NPZ or YAML file with a motion that is read")
    write_bank(output, motions, clips)
    say(f"{len(motions)} motions")
    return output


def _prepared(motion: Motion, still: bool, loop: bool) -> Motion:
    motion = grounded(hinged(motion))
    if loop:
        motion = best_cycle(motion)
    return in_place(motion) if still else motion


def _read(path: Path) -> list[tuple[Motion, Clip]]:
    if path.suffix.lower() in YAML:
        return _authored(path)
    motions = read_motions(path)
    return [(motion, Clip("", _words(motion.name or path.stem))) for motion in motions]


def _authored(path: Path) -> list[tuple[Motion, Clip]]:
    """The motions of a YAML file of key poses; `poses` has poses that they refer to."""
    import yaml

    from guidance.motion.authored import author

    refuse_special_file(path)
    try:
        if path.stat().st_size > MAX_YAML:
            raise InputError(f"{path}: is larger than {MAX_YAML // 2**20} MiB")
        text = path.read_text(encoding="utf-8")
        if "&" in text or "*" in text:
            raise InputError(f"{path}: has anchors or aliases, which are not read")
        entries: Any = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise InputError(f"{path}: cannot be read: {reason:.120}") from None
    if not isinstance(entries, dict):
        raise InputError(f"{path}: is not a mapping of names to motions")
    poses = entries.pop("poses", {})
    found = []
    for name, entry in entries.items():
        if not isinstance(entry, dict) or not isinstance(poses, dict):
            raise InputError(f"{path}: {name!s:.40} is not a motion with `keys`")
        motion = author(entry, poses, f"{path}: {name!s:.40}")
        tags = entry.get("tags", ())
        clip = Clip(
            "",
            str(entry.get("label", _words(str(name)))),
            tuple(part.strip() for part in str(entry.get("say", "")).split("|") if part.strip()),
            tuple(map(str, tags)) if isinstance(tags, list) else (),
            bool(entry.get("loop")),
        )
        found.append((replace(motion, name=str(name)), clip))
    return found


def _labels(path: Path) -> dict[str, tuple[str, ...]]:
    """Phrases by the names of files: one line a motion, separated by commas or tabs."""
    refuse_special_file(path)
    try:
        if path.stat().st_size > MAX_LABELS:
            raise InputError(f"{path}: is larger than {MAX_LABELS // 2**20} MiB")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error!s:.100}") from None
    lines = text.splitlines()
    separator = "\t" if lines and "\t" in lines[0] else ","
    found = {}
    try:
        for row in csv.reader(lines, delimiter=separator):
            cells = [cell.strip() for cell in row if cell.strip()]
            if len(cells) > 1:
                found[cells[0]] = tuple(dict.fromkeys(cells[1:]))
    except csv.Error as error:
        raise InputError(f"{path}: is not a table: {error}") from None
    if not found:
        raise InputError(f"{path}: has no line such as `file,label,paraphrase`")
    return found


def _words(name: str) -> str:
    """A label of a name: "Walk_Fwd_Loop01" is "walk fwd"."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = [w for w in re.split(r"[^A-Za-z]+", spaced.lower()) if w and w not in ("loop", "rm")]
    return " ".join(words) or name


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:60] or "motion"


def _unused(name: str, names: Any) -> str:
    if name not in names:
        return name
    number = 2
    while f"{name}_{number}" in names:
        number += 1
    return f"{name}_{number}"
