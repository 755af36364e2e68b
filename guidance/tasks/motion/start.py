"""The motions that samples start with: of a file, of the bank, or a person who stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from guidance.body.body import Body
from guidance.errors import InputError
from guidance.generators.motion.param.files import on_body
from guidance.losses.motion.targets import Polyline
from guidance.motion.authored import standing
from guidance.motion.bank import Bank
from guidance.motion.cleaning import contacts
from guidance.motion.compose import compose, plan
from guidance.motion.files.read import read_motions
from guidance.motion.files.rig import FPS
from guidance.motion.motion import Motion
from guidance.motion.posing import solved
from guidance.tasks.motion.constraints import RouteFile
from guidance.tasks.motion.follow import follow, travel
from guidance.tasks.motion.path_file import read_path, scaled

#: A confidence below this is reported as a doubt, in the note.
DOUBTFUL = 0.3
#: A loop is repeated to cover a path that is this many times longer than its travel.
LONGER = 1.15


@dataclass(frozen=True)
class Start:
    """The motions on the body, one a sample, what they follow, and how they were found."""

    motions: tuple[Motion, ...]
    paths: tuple[Polyline | None, ...]
    #: Which feet are on the ground `[t, 2]`, before a motion was bent along a path.
    contacts: tuple[Any, ...]
    notes: tuple[str, ...]


def standing_motion(seconds: float, body: Body) -> Motion:
    """A person who stands still."""
    frames = max(2, round(seconds * FPS) + 1)
    quantities = {name: value[None].repeat(frames, 0) for name, value in standing().items()}
    return on_body(solved(quantities), body)


def motion_of_file(path: Path, body: Body) -> Motion:
    """The first motion of a file. Raises InputError if it cannot be used."""
    found = read_motions(path)
    if not found:
        raise InputError(f"{path}: has no motion")
    if found[0].num_frames < 3:
        raise InputError(f"{path}: has {found[0].num_frames} poses; a motion has at least 3")
    return on_body(at_origin(found[0]), body)


def found_motions(
    prompts: Sequence[str], seeds: Sequence[int], bank: Bank, body: Body, path: RouteFile | None
) -> Start:
    """The motion of each prompt from a bank, along the path if there is one."""
    motions, paths, touching = [], [], []
    notes: dict[str, None] = {}
    drawn = None if path is None else read_path(Path(path.path))
    for prompt, seed in zip(prompts, seeds, strict=True):
        notes.setdefault(found_note(prompt, bank, seed))
        motion = on_body(at_origin(compose(prompt, bank, seed=seed)), body)
        line = None
        before = motion
        if drawn is not None and path is not None:
            meters = path.meters or travel(motion)
            if meters > LONGER * travel(motion) and _is_one_loop(prompt, bank, seed):
                seconds = motion.seconds * meters / max(travel(motion), 0.1)
                longer = f"{prompt} for {seconds:.2f} seconds"
                motion = on_body(at_origin(compose(longer, bank, seed=seed)), body)
            before, line = motion, scaled(drawn, max(meters, 0.2))
            stretched = meters / max(travel(motion), 1e-6)
            motion = follow(motion, line)
            if abs(stretched - 1) > 0.1:
                notes.setdefault(f"{prompt!r:.60}: steps are {stretched:.2f} times as long")
        motions.append(replace(motion, name=prompt[:80]))
        paths.append(line)
        touching.append(feet_on_ground(before, body))
    return Start(tuple(motions), tuple(paths), tuple(touching), tuple(notes))


def feet_on_ground(motion: Motion, body: Body) -> Any:
    """Which feet of a body are on the ground `[t, 2]`."""
    skeleton = body.skeleton
    joints = motion.joints(skeleton).double().numpy()
    return contacts(joints, motion.fps, skeleton.rest.double().numpy())


def along(start: Start, path: RouteFile | None) -> Start:
    """The same motions along a path, if there is one."""
    if path is None:
        return start
    drawn = read_path(Path(path.path))
    lines = [scaled(drawn, path.meters or max(travel(m), 0.2)) for m in start.motions]
    motions = [follow(m, line) for m, line in zip(start.motions, lines, strict=True)]
    return Start(tuple(motions), tuple(lines), start.contacts, start.notes)


def found_note(prompt: str, bank: Bank, seed: int) -> str:
    """Which motions a prompt is made of, with confidence."""
    parts = []
    for segment in plan(prompt, bank, seed=seed):
        named = (f"{match.name} ({match.confidence:.0%})" for match in segment.matches)
        parts.append(" while ".join(named))
    least = min(m.confidence for s in plan(prompt, bank, seed=seed) for m in s.matches)
    doubt = "; not sure: `guide motion find` shows others" if least < DOUBTFUL else ""
    return f"{prompt!r:.80}: {', then '.join(parts)}{doubt}"


def _is_one_loop(prompt: str, bank: Bank, seed: int) -> bool:
    segments = plan(prompt, bank, seed=seed)
    if len(segments) != 1 or len(segments[0].actions) != 1:
        return False
    action = segments[0].actions[0]
    return action.seconds is None and bank.labels[segments[0].matches[0].name].loop


def at_origin(motion: Motion) -> Motion:
    """The motion moved and turned so that it starts at x = z = 0, facing +z."""
    first = motion.rotations[0, 0]
    forward = torch.linalg.cross(first[:, 0], first.new_tensor([0.0, 1, 0]))
    angle = torch.atan2(forward[0], forward[2])
    cosine, sine = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    back = torch.stack([cosine, zero, -sine, zero, one, zero, sine, zero, cosine]).view(3, 3)
    rotations = motion.rotations.clone()
    rotations[:, 0] = back @ rotations[:, 0]
    root = (motion.root - motion.root[0] * motion.root.new_tensor([1.0, 0, 1])) @ back.T
    return replace(motion, rotations=rotations, root=root)
