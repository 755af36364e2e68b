"""The files of a motion: animated bodies, and motions alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from guidance.body.body import Body
from guidance.body.export.glb import write_body_glb
from guidance.body.export.vrm import Meta, write_vrm, write_vrma
from guidance.errors import InputError
from guidance.motion.files.bvh import write_bvh
from guidance.motion.files.npz import write_npz
from guidance.motion.motion import Motion

DEFAULT_FORMATS = ("glb", "bvh", "npz")
#: What is written in each format.
FORMATS = {
    "glb": "the body, animated",
    "bvh": "the motion on the skeleton of the body",
    "npz": "the motion as rotations of SMPL's joints",
    "vrm": "the body as an avatar in the T-pose",
    "vrma": "the motion for avatars",
}


def parse_motion_formats(text: str) -> tuple[str, ...]:
    """The formats of "glb,bvh".

    Raises:
        InputError: an unknown format, or none.
    """
    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    for name in names:
        if name not in FORMATS:
            raise InputError(f"formats: {name!r:.20} is unknown; choose from {', '.join(FORMATS)}")
    if not names:
        raise InputError(f"formats: expected at least one of {', '.join(FORMATS)}")
    return names


def save_motion(motion: Motion, body: Body, folder: Path, formats: tuple[str, ...]) -> list[Path]:
    """Writes motion.glb and so on.

    Args:
        motion: whose root is where the pelvis of the body is.
    """
    plain = canonical_root(motion, body)
    written = []
    for kind in formats:
        if kind == "glb":
            content = write_body_glb(body, [plain])
        elif kind == "bvh":
            content = write_bvh(motion, body.skeleton).encode()
        elif kind == "npz":
            content = write_npz(plain)
        elif kind == "vrm":
            content = write_vrm(body, Meta(name=body.name))
        else:
            content = write_vrma(body, plain)
        path = folder / f"motion.{kind}"
        path.write_bytes(content)
        written.append(path)
    return written


def on_body(motion: Motion, body: Body) -> Motion:
    """The motion with its root where the pelvis of the body is."""
    return replace(motion, root=body.placed(motion.root))


def canonical_root(motion: Motion, body: Body) -> Motion:
    """The inverse of `on_body`."""
    ratio = body.placed(torch.ones(1, 3))[0, 0].item()
    return replace(motion, root=motion.root / ratio)
