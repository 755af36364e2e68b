"""The files of `guide motion show` and `guide motion export`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from guidance.errors import InputError
from guidance.media.write_video import encode_mp4
from guidance.motion.bank import Bank, load_bank
from guidance.motion.compose import compose, plan
from guidance.motion.drawing import motion_frames, motion_sheet
from guidance.motion.files.bvh import write_bvh
from guidance.motion.files.npz import write_npz
from guidance.motion.motion import Motion
from guidance.runs.atomic import write_bytes
from guidance.runs.folder import check_writable, slug
from guidance.streams import say


def found(prompt: str, bank: Bank) -> Motion:
    """The motion of a name, or the composition of a prompt, with a note of what it consists of."""
    if prompt in bank.labels:
        return bank.clips[prompt]
    parts = [" + ".join(match.name for match in part.matches) for part in plan(prompt, bank)]
    say(f"motions: {', then '.join(parts)}")
    return compose(prompt, bank)


def show(prompt: str, folder: Path | None, output: Path) -> Iterator[Path]:
    """Writes a contact sheet and a video, and yields their paths.

    Raises:
        InputError: the bank or the prompt cannot be used, or the folder is not writable.
    """
    motion = found(prompt, load_bank(folder))
    check_writable(output)
    output.mkdir(parents=True, exist_ok=True)
    name = slug(prompt)
    yield write_bytes(output / f"{name}.png", motion_sheet(motion))
    video = encode_mp4(motion_frames(motion), round(motion.fps))
    yield write_bytes(output / f"{name}.mp4", video)


def export(prompt: str, folder: Path | None, file: Path, *, t_pose: bool) -> Path:
    """Writes a motion to a BVH or NPZ file.

    Raises:
        InputError: another kind of file, or as `show`.
    """
    kind = file.suffix.lower()
    if kind not in (".bvh", ".npz"):
        raise InputError(f"{file}: motions are exported as .bvh or .npz")
    if t_pose and kind != ".bvh":
        raise InputError("motion: --t-pose belongs to .bvh")
    motion = found(prompt, load_bank(folder))
    if kind == ".npz":
        return write_bytes(file, write_npz(motion))
    return write_bytes(file, write_bvh(motion, t_pose=t_pose).encode())
