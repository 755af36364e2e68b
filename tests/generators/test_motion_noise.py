"""Motions from noise: the start, the norm, and a constraint that is reached."""

from __future__ import annotations

from dataclasses import replace

import torch

from guidance.body.capsule import capsule_body
from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.generators.motion.noise import Noise
from guidance.generators.motion.param.base import MotionStage
from guidance.motion.bank import load_bank
from guidance.motion.joining import repeated
from guidance.motion.motion import Motion

WRIST = NAMES.index("right_wrist")


def stage(name: str, count: int = 1) -> MotionStage:
    """A clip on the capsule body, somewhere and turned."""
    body = capsule_body()
    motion = load_bank().clips[name]
    if load_bank().labels[name].loop:
        motion = repeated(motion, 3, loop=True)
    scale = float(body.skeleton.rest[0, 1] / canonical().rest[0, 1])
    turn = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    rotations = motion.rotations.clone()
    rotations[:, 0] = turn @ rotations[:, 0]
    root = motion.root * scale @ turn.T + torch.tensor([2.0, 0, 1])
    motion = replace(motion, rotations=rotations, root=root)
    return MotionStage(tuple(range(count)), (motion,) * count, body)


def test_the_start_is_the_clip_but_for_the_seed() -> None:
    given = stage("wave")
    short = replace(given.start[0], rotations=given.start[0].rotations[:50],
                    root=given.start[0].root[:50])  # fmt: skip
    given = replace(given, start=(short,))
    generator = Noise(given, Noise.Options(sampler_steps=4))
    found = generator()
    wanted = given.body.skeleton.pose(short.rotations, short.root)[1]
    assert found.joints.shape == (1, 50, 22, 3)
    assert (found.joints[0] - wanted).norm(dim=-1).mean() < 0.015
    # Without the kept difference, the sampler alone draws a similar motion.
    generator.turns, generator.shifts = torch.eye(3), torch.zeros(3)
    assert (generator().joints[0] - wanted).norm(dim=-1).mean() < 0.12


def test_random_motions_differ_by_seed_and_start_at_the_place_of_the_clip() -> None:
    given = stage("walk", 2)
    generator = Noise(given, Noise.Options(begin="random", sampler_steps=2))
    joints = generator().joints
    assert joints.shape[1] == given.start[0].num_frames
    assert (joints[0] - joints[1]).abs().mean() > 0.02
    ground = given.start[0].root[0, [0, 2]]
    assert (joints[:, 0, 0, [0, 2]] - ground).abs().max() < 1e-4


def test_the_norm_of_noise_is_kept() -> None:
    generator = Noise.tiny(2)
    typical = generator.noise[0].numel() ** 0.5
    with torch.no_grad():
        for factor in (3.0, 0.1):
            generator.noise.mul_(factor)
            generator.project()
            norms = generator.noise.flatten(1).norm(dim=1)
            assert ((norms - typical).abs() < 0.05 * typical).all()


def test_a_hand_reaches_a_point() -> None:
    torch.manual_seed(0)
    given = stage("wave")
    rest = Motion(given.start[0].rotations[:40], given.start[0].root[:40])
    generator = Noise(replace(given, start=(rest,)), Noise.Options(sampler_steps=4))
    goal = generator().joints[0, 25, WRIST].detach() + torch.tensor([0.1, 0.1, 0.1])
    optimizer = torch.optim.Adam(generator.param_groups())
    for _ in range(25):
        error = (generator().joints[0, 25, WRIST] - goal).norm()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        with torch.no_grad():
            generator.project()
    assert (generator().joints[0, 25, WRIST] - goal).norm() < 0.08
